"""Streams through LCEL: each piece is asked for in a task of its own, so that the task says nothing about the call."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from langchain_costguard import PriceBook, gpu_hour, track_costs
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.prompt_audit.slimming import SlimmingModel
from langchain_costguard.testing import Reply, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

USAGE = {"input_tokens": 1000, "output_tokens": 1000, "total_tokens": 2000}
COST = Decimal("0.0125")


class SlowStream(ScriptedChatModel):
    """A model whose stream takes its time between the pieces."""

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for chunk in super()._astream(*args, **kwargs):
            yield chunk
            await asyncio.sleep(0.05)  # a stream takes its time


def chain(**settings: Any) -> Any:
    """A prompt, a slow stream and a parser."""
    model = SlowStream(responses=Reply("a b c d", usage=USAGE), model_name="gpt-4o", provider="openai", **settings)
    return ChatPromptTemplate.from_template("{q}") | model | StrOutputParser()


async def read(streaming: Any, after_each: Any = lambda: None) -> None:
    """Read a chain's stream to its end."""
    async for _ in streaming.astream({"q": "hello"}):
        after_each()


def test_hundreds_of_streams_at_once_are_all_booked_in_full() -> None:
    """Looking for dead calls while live ones stream once lost most of the spend under load."""

    async def main() -> None:
        streaming = chain()
        await asyncio.gather(*(read(streaming) for _ in range(600)))

    with track_costs() as costs:
        asyncio.run(main())
    assert {entry.status for entry in costs.entries()} == {"ok"}
    assert costs.total_cost == 600 * COST
    assert len(CALLS) == 0


def test_reading_the_figures_in_the_middle_of_a_stream_changes_nothing() -> None:
    """A progress display reads after every piece."""
    seen: list[int] = []
    with track_costs() as costs:
        asyncio.run(read(chain(), lambda: seen.append(len(costs.entries()))))
    assert set(seen[:-1]) == {0}
    assert costs.total_cost == COST


def test_reading_in_the_middle_of_a_stream_does_not_stop_the_meter_of_a_gpu() -> None:
    """The busy time of a call ends when the call does."""
    book = PriceBook({"gpt-4o": gpu_hour("3600")})  # one dollar a second
    with track_costs(prices=book) as costs:
        asyncio.run(read(chain(), lambda: costs.calls))
    (entry,) = costs.entries()
    assert costs.total_cost >= Decimal("0.2")
    assert abs(entry.busy_ns - entry.latency_us * 1000) < 50_000_000


def test_reading_in_the_middle_of_a_stream_with_running_totals_counts_once() -> None:
    """Usage that grows from piece to piece has to be followed to its end."""
    with track_costs() as costs:
        asyncio.run(read(chain(stream_usage="cumulative"), lambda: costs.calls))
    assert (costs.input_tokens, costs.output_tokens) == (1000, 1000)


def test_protocol_events_of_a_stream_are_not_taken_for_a_dead_call() -> None:
    """The third version of stream events reports events instead of tokens."""
    model = ScriptedChatModel(responses=Reply("a b c", usage=USAGE), model_name="gpt-4o", provider="openai")

    with track_costs() as costs:
        for _ in model.stream_events("q", version="v3"):
            costs.entries()
    (entry,) = costs.entries()
    assert (entry.status, entry.billed_cost) == ("ok", COST)


class Wrapping(ScriptedChatModel):
    """A model that opens a block, and reads, while it is at work."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with track_costs() as inner:
            assert inner.calls == 0
        return super()._generate(*args, **kwargs)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        with track_costs() as inner:
            assert inner.calls == 0
        return await super()._agenerate(*args, **kwargs)


@pytest.mark.parametrize("ask", ["invoke", "ainvoke"])
def test_a_block_inside_a_working_model_does_not_close_its_call(ask: str) -> None:
    """Cascades and routers call and read inside a model that has not ended yet."""
    model = Wrapping(responses=Reply("x", usage=USAGE, latency_seconds=0.1), model_name="gpt-4o", provider="openai")
    with track_costs(prices={"gpt-4o": gpu_hour("3600")}) as costs:
        if ask == "invoke":
            model.invoke("q")
        else:
            asyncio.run(model.ainvoke("q"))
    (entry,) = costs.entries()
    assert entry.status == "ok"
    assert costs.total_cost >= Decimal("0.1")


class PlainIterator:
    """An async iterator that is no generator: there is nothing to close."""

    def __init__(self) -> None:
        self.left = ["a", "b"]

    def __aiter__(self) -> PlainIterator:
        return self

    async def __anext__(self) -> AIMessageChunk:
        if not self.left:
            raise StopAsyncIteration
        return AIMessageChunk(self.left.pop(0))


class Iterating(RunnableLambda[Any, Any]):
    """A Runnable of somebody else whose stream is such an iterator."""

    def astream(self, *args: Any, **kwargs: Any) -> Any:
        return PlainIterator()


def test_a_stream_that_cannot_be_closed_is_passed_on_whole() -> None:
    """LangChain asks of `astream` no more than that it can be iterated."""

    async def run() -> list[str]:
        return [piece.content async for piece in SlimmingModel(Iterating(str)).astream("hello")]

    assert asyncio.run(run()) == ["a", "b"]
