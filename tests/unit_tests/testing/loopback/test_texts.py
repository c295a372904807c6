"""Text completions, embeddings and the list of models, asked by the real clients."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

import openai
from langchain_core.callbacks import BaseCallbackHandler

if TYPE_CHECKING:
    from typing import Any

    from langchain_core.outputs import LLMResult

    from langchain_costguard.testing import LoopbackProvider


class Usages(BaseCallbackHandler):
    """Keeps the token usage of every run that ended."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.usages: list[Any] = []

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Keep the usage in llm_output."""
        self.usages.append((response.llm_output or {}).get("token_usage"))


def test_a_text_model_answers_a_batch_and_bills_it_once(provider: LoopbackProvider) -> None:
    """OpenAI's text models send all prompts in one request; LangChain books its usage on the first."""
    provider.next(text=["Paris", "Rome"])
    usages = Usages()
    result = provider.text_model().generate(["France?", "Italy?"], callbacks=[usages])
    assert [generation[0].text for generation in result.generations] == ["Paris", "Rome"]
    assert [usage.get("total_tokens") for usage in usages.usages] == [9, None]
    assert len(provider.requests) == 1
    assert provider.billed == Decimal("0.000015")


def test_a_text_model_streams(provider: LoopbackProvider) -> None:
    """Its chunks have a shape of their own."""
    provider.next(text="one two")
    assert "".join(provider.text_model().stream("q")) == "one two"


def test_embeddings_are_unit_vectors_closer_for_texts_that_share_words(provider: LoopbackProvider) -> None:
    """Semantic caches are tested with them; core's fake embeddings are random."""
    embeddings = provider.embeddings(dimensions=256)
    cancel, order, capital = embeddings.embed_documents(
        ["How do I cancel my order?", "How can I cancel an order?", "The capital of France"]
    )
    assert len(cancel) == 256
    assert math.isclose(math.hypot(*cancel), 1.0, rel_tol=1e-5)
    near = sum(a * b for a, b in zip(cancel, order, strict=True))
    far = sum(a * b for a, b in zip(cancel, capital, strict=True))
    assert near > 0.6 > far
    assert embeddings.embed_query("How do I cancel my order?") == cancel


def test_embeddings_are_billed_by_input_tokens(provider: LoopbackProvider) -> None:
    """LangChain reports embeddings to nobody: the bill is the only trace."""
    provider.embeddings().embed_documents(["one two", "three"])
    assert provider.requests[0].tokens == (4, 0, 0, 0)
    assert provider.billed == Decimal("0.00000008")


def test_token_ids_are_counted_as_they_are(provider: LoopbackProvider) -> None:
    """By default OpenAIEmbeddings sends token ids, not text."""
    provider.embeddings(check_embedding_ctx_length=True).embed_query("hello world")
    assert provider.requests[0].tokens.input_tokens == 2


def test_the_list_of_models_names_what_can_be_asked(provider: LoopbackProvider) -> None:
    """Tools that look for a model ask this first; it costs nothing and is no request of a model."""
    client = openai.OpenAI(base_url=provider.base_url, api_key="loopback")
    assert {"gpt-4o", "gpt-4o-mini", "o3"} <= {model.id for model in client.models.list()}
    assert provider.requests == ()
    client.close()
