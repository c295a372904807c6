"""What models write and report of their words: read where it can be, and never an error in the middle of a cascade."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from langchain_costguard.cascade.logprobs import tokens_of
from langchain_costguard.cascade.marks import leaves, words
from langchain_costguard.cascade.same_answers import same_answer
from langchain_costguard.cascade.structure import value_fault
from langchain_costguard.prompt_audit.json_text import json_spans
from langchain_costguard.semantic_cache.proposals import read_yes_no
from langchain_costguard.testing import LoopbackProvider
from tests.fuzz.strategies import DEPTHS, deep_text, fuzz, json_files, mutated, texts, values

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGPROBS: Final[dict[str, Any]] = {
    "logprobs": {
        "content": [
            {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -0.1}]},
            {"token": "b", "logprob": -2.5, "bytes": None, "top_logprobs": []},
        ],
        "refusal": None,
    }
}
SCHEMA: Final = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
JSON_TEXTS: Final = json_files({"a": 1, "b": [True, "x"]}).map(lambda data: data.decode("utf-8", "replace"))


@fuzz(120)
@given(told=mutated(LOGPROBS, most=4).filter(lambda found: isinstance(found, dict)))
def test_any_report_of_probabilities_is_read_or_says_nothing(told: dict[str, Any]) -> None:
    """Servers report them in shapes of their own; a probability above one would keep every answer."""
    message = AIMessage("ab")
    message.response_metadata = told
    for token in tokens_of(message) or ():
        assert not token.logprob > 0


@fuzz(80)
@given(one=texts | JSON_TEXTS, other=texts | JSON_TEXTS)
def test_any_two_answers_are_the_same_or_not(one: str, other: str) -> None:
    """And neither of them is asked first: a vote must not depend on its order."""
    assert isinstance(same_answer(AIMessage(one), AIMessage(other)), bool)
    assert same_answer(AIMessage(one), AIMessage(other)) == same_answer(AIMessage(other), AIMessage(one))


@fuzz(80)
@given(text=texts | JSON_TEXTS, value=values)
def test_any_text_is_read(text: str, value: Any) -> None:
    """Models write JSON, nearly JSON, and anything else."""
    read_yes_no(text)
    words(text)
    assert all(isinstance(leaf, str) for leaf in leaves(value))
    value_fault(value, SCHEMA)
    for start, end in json_spans(text):
        json.loads(text[start:end])


@fuzz(10)
@given(depth=DEPTHS, as_dict=st.booleans())
def test_deep_json_ends_soon(depth: int, as_dict: bool) -> None:
    """Some models get stuck on a bracket until their limit."""
    text = deep_text(min(depth, 20_000), as_dict=as_dict)
    same_answer(AIMessage(text), AIMessage(text + " "))
    json_spans(text)


@pytest.fixture(scope="module")
def provider() -> Iterator[LoopbackProvider]:
    """A provider on this machine."""
    with LoopbackProvider() as found:
        yield found


BODY: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 5,
    "stream": False,
    "n": 1,
    "tools": [],
}


@fuzz(25)
@given(
    data=json_files(BODY), path=st.sampled_from(["/chat/completions", "/messages", "/responses", "/embeddings", "/x"])
)
def test_the_loopback_provider_answers_anything(data: bytes, path: str, provider: LoopbackProvider) -> None:
    """A test double that hangs or drops the connection at a bad request would look like a broken network."""
    import httpx

    answer = httpx.post(provider.base_url + path, content=data, headers={"x-api-key": "k"}, timeout=30)
    assert 200 <= answer.status_code < 600
