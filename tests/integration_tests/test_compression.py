"""Compression before real clients: the provider receives less, and the ledger and the run are told by how much."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_costguard import tags, track_costs
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.callbacks import CallbackManagerForRetrieverRun

NOISE = " ".join(f"Line {number} speaks of the weather and of tea." for number in range(60))
FACT = "The bridge was opened in 1932 by Jack Lang."
PROMPT = f"Answer from the text.\n{NOISE} {FACT} {NOISE}\nWhen was the bridge opened?"
COMPRESSOR = ContextCompressor(max_tokens=100)


class Seen(BaseCallbackHandler):
    """Keeps what model runs are tagged with and what compressors tell."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, Any]] = []
        self.saved: list[int] = []

    def on_chat_model_start(self, *args: Any, metadata: dict[str, Any] | None = None, **_: Any) -> None:
        self.metadata.append(metadata or {})

    def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
        assert name == tags.COMPRESSED_EVENT
        self.saved.append(data["saved_tokens"])


class Year(BaseModel):
    """When it was."""

    year: int


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider on this machine."""
    with LoopbackProvider() as started:
        yield started


def ask(model: Any, way: str, config: Any) -> str:
    """Ask in one of LangChain's ways."""

    async def astreamed() -> str:
        return "".join([chunk.text async for chunk in model.astream(PROMPT, config)])

    if way == "invoke":
        return str(model.invoke(PROMPT, config).text)
    if way == "ainvoke":
        return str(asyncio.run(model.ainvoke(PROMPT, config)).text)
    if way == "stream":
        return "".join(chunk.text for chunk in model.stream(PROMPT, config))
    if way == "astream":
        return asyncio.run(astreamed())
    return str(model.batch([PROMPT], config)[0].text)


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "batch"])
def test_the_provider_receives_less_and_the_run_says_how_much(provider: LoopbackProvider, way: str) -> None:
    """The saving that is claimed is the difference in the provider's own count."""
    plain = provider.chat_model(model="gpt-4o-mini", max_tokens=20, stream_usage=True)
    seen = Seen()
    with track_costs() as costs:
        assert ask(plain, way, {})
        assert ask(COMPRESSOR.before(plain), way, {"callbacks": [seen]})
    full, short = (request.tokens.input_tokens for request in provider.requests)
    (metadata,) = seen.metadata
    assert short < full / 5
    assert metadata[tags.TECHNIQUE] == ["compression"]
    assert metadata[tags.SAVED_INPUT_TOKENS] > 0
    assert [line.techniques for line in costs.entries()] == [(), ("compression",)]
    assert costs.total_cost == provider.billed


def test_a_prompt_that_is_short_enough_is_not_touched_or_tagged(provider: LoopbackProvider) -> None:
    """A technique that did nothing must not be credited."""
    seen = Seen()
    COMPRESSOR.before(provider.chat_model(model="gpt-4o-mini")).invoke("Hello?", {"callbacks": [seen]})
    assert tags.TECHNIQUE not in seen.metadata[0]


def test_tools_and_structured_output_stay_possible(provider: LoopbackProvider) -> None:
    """A wrapper that loses them is of no use in an agent."""
    model = COMPRESSOR.before(provider.chat_model(model="gpt-4o-mini"))
    provider.next(text='{"year": 1932}')
    assert model.with_structured_output(Year, method="json_schema").invoke(PROMPT) == Year(year=1932)
    provider.next(tool_calls=[("Year", {"year": 1932})])
    answer = model.bind_tools([Year]).invoke(PROMPT)
    assert answer.tool_calls[0]["args"] == {"year": 1932}
    assert all(request.tokens.input_tokens < 400 for request in provider.requests)


def test_another_technique_of_the_run_is_named_beside(provider: LoopbackProvider) -> None:
    """A routed and compressed call owes its saving to both."""
    seen = Seen()
    model = COMPRESSOR.before(provider.chat_model(model="gpt-4o-mini"))
    model.invoke(PROMPT, {"callbacks": [seen], "metadata": {tags.TECHNIQUE: "routing", "user": "u1"}})
    assert seen.metadata[0][tags.TECHNIQUE] == ["routing", "compression"]
    assert seen.metadata[0]["user"] == "u1"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_compressor_in_a_chain_tells_the_run_once(provider: LoopbackProvider, *, is_async: bool) -> None:
    """The recorder books the tokens with the next model call of the run."""
    prompt = ChatPromptTemplate.from_messages([("human", "{text}")])
    chain = prompt | COMPRESSOR | provider.chat_model(model="gpt-4o-mini")
    seen = Seen()
    config: Any = {"callbacks": [seen]}
    if is_async:
        asyncio.run(chain.ainvoke({"text": PROMPT}, config))
    else:
        chain.invoke({"text": PROMPT}, config)
    assert len(seen.saved) == 1
    assert seen.saved[0] > 500


class Fixed(BaseRetriever):
    """Finds the same documents for every question."""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [Document(NOISE, metadata={"source": "a"}), Document(f"{NOISE} {FACT}", metadata={"source": "b"})]


@pytest.mark.parametrize("is_async", [False, True])
def test_langchains_compression_retriever_takes_it_and_the_run_is_told(*, is_async: bool) -> None:
    """The socket LangChain has for compressors."""
    retriever = ContextualCompressionRetriever(base_compressor=COMPRESSOR, base_retriever=Fixed())
    seen = Seen()
    config: Any = {"callbacks": [seen]}
    question = "When was the bridge opened?"
    found = asyncio.run(retriever.ainvoke(question, config)) if is_async else retriever.invoke(question, config)
    assert FACT in " ".join(document.page_content for document in found)
    assert len(seen.saved) == 1


def test_outside_a_run_nothing_is_told_and_nothing_fails() -> None:
    """`compress_documents` is also called by hand."""
    assert COMPRESSOR.compress_documents([Document(NOISE)], "tea?")
    assert RunnableLambda(lambda text: COMPRESSOR.compress(text).text).invoke(NOISE)


def test_a_summary_and_the_call_it_is_for_are_both_on_the_providers_bill(provider: LoopbackProvider) -> None:
    """Compressing has its price, and the ledger must not forget it."""
    mini = provider.chat_model(model="gpt-4o-mini")
    compressor = ContextCompressor(100, "abstractive", mini)
    provider.next(text="The bridge was opened in 1932.")
    with track_costs() as costs:
        compressor.before(provider.chat_model(model="gpt-4o")).invoke(PROMPT)
    lines = sorted(costs.entries(), key=lambda line: line.request_model or "", reverse=True)
    assert [line.techniques for line in lines] == [("compression",), ("compression",)]
    assert lines[0].baseline_cost == 0
    assert costs.total_cost == provider.billed
