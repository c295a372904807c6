"""cached(): streams from the cache, and one call for many that ask the same at once."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_costguard import SemanticCache, cached, track_costs
from langchain_costguard.semantic_cache.pieces import pieces_of
from langchain_costguard.testing import Reply, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_core.messages import BaseMessage

ASKED = "How do I reset my password?"
ANSWER = "Open the settings, choose  'Security'\nand follow the link."


def memory() -> SemanticCache:
    """A cache that knows the same words only."""
    return SemanticCache(embedder=False, store="memory")


def whole(chunks: Iterable[Any]) -> Any:
    """What the pieces of a stream add up to."""
    return reduce(add, chunks)


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def test_a_stream_is_served_from_the_cache() -> None:
    """LangChain asks its cache in no stream: a chat window would pay for every repeat."""
    model = ScriptedChatModel(responses=ANSWER, model="gpt-4o")
    wrapped = cached(model, memory())
    with track_costs() as costs:
        first, second = list(wrapped.stream(ASKED)), list(wrapped.stream(ASKED))

    assert len(model.calls) == 1
    assert all(isinstance(chunk, AIMessageChunk) for chunk in second)
    assert len(second) > 5
    assert whole(first).content == whole(second).content == ANSWER
    assert [entry.status for entry in costs.entries()] == ["ok", "cached"]


def test_usage_comes_once_in_a_replayed_stream() -> None:
    """Chunks are added up: usage in each of them would be a multiple of it."""
    wrapped = cached(ScriptedChatModel(responses=ANSWER), memory())
    first, second = whole(wrapped.stream(ASKED)), whole(wrapped.stream(ASKED))

    assert {**first.usage_metadata, "total_cost": 0} == second.usage_metadata


def test_an_async_stream_is_served_from_the_cache() -> None:
    """Streams of a web server are asynchronous."""
    model = ScriptedChatModel(responses=ANSWER)
    wrapped = cached(model, memory())

    async def ask() -> list[str]:
        return [str(whole([chunk async for chunk in wrapped.astream(ASKED)]).content) for _ in range(3)]

    assert asyncio.run(ask()) == [ANSWER] * 3
    assert len(model.calls) == 1


def test_streams_and_calls_share_their_answers() -> None:
    """A question is the same question, however its answer is delivered."""
    model = ScriptedChatModel(responses=ANSWER)
    wrapped = cached(model, memory())

    wrapped.invoke(ASKED)

    assert whole(wrapped.stream(ASKED)).content == ANSWER
    assert len(model.calls) == 1


def test_the_first_piece_of_a_live_stream_does_not_wait_for_the_last() -> None:
    """Otherwise it would be no stream."""
    go_on = threading.Event()

    def respond(messages: list[BaseMessage]) -> str:
        return ANSWER

    class Halting(ScriptedChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            for number, chunk in enumerate(super()._stream(*args, **kwargs)):
                if number == 1:
                    assert go_on.wait(30)
                yield chunk

    stream = cached(Halting(responses=respond), memory()).stream(ASKED)
    first = next(stream)
    go_on.set()

    assert whole([first, *stream]).content == ANSWER


def test_a_stream_that_is_left_early_is_not_stored() -> None:
    """Half an answer is none."""
    go_on = threading.Event()

    class Halting(ScriptedChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            for number, chunk in enumerate(super()._stream(*args, **kwargs)):
                if number == 1:
                    assert go_on.wait(30)
                yield chunk

    cache = memory()
    stream = cached(Halting(responses=ANSWER), cache).stream(ASKED)
    next(stream)
    stream.close()
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "costguard-stream":
            thread.join(30)

    assert cache.stats().entries == 0


def test_an_error_reaches_who_reads_the_stream() -> None:
    """It is raised on another thread, and must not be lost there."""
    wrapped = cached(ScriptedChatModel(responses=[RuntimeError("down")]), memory())

    with pytest.raises(RuntimeError, match="down"):
        list(wrapped.stream(ASKED))

    async def ask() -> None:
        async for _ in cached(ScriptedChatModel(responses=[RuntimeError("down")]), memory()).astream(ASKED):
            pass

    with pytest.raises(RuntimeError, match="down"):
        asyncio.run(ask())


def test_threads_that_ask_the_same_at_once_make_one_call() -> None:
    """A popular question that is not cached yet would be paid a hundred times."""
    model = ScriptedChatModel(responses=lambda _: Reply("Paris", latency_seconds=0.2))
    wrapped = cached(model, memory())

    with ThreadPoolExecutor(8) as pool:
        said = [message.content for message in pool.map(wrapped.invoke, [ASKED] * 8)]

    assert said == ["Paris"] * 8
    assert len(model.calls) == 1


def test_tasks_that_ask_the_same_at_once_make_one_call() -> None:
    """Also where they stream."""
    model = ScriptedChatModel(responses=lambda _: Reply("Paris", latency_seconds=0.2))
    wrapped = cached(model, memory())

    async def stream() -> str:
        return str(whole([chunk async for chunk in wrapped.astream(ASKED)]).content)

    async def call() -> str:
        return str((await wrapped.ainvoke(ASKED)).content)

    async def ask() -> list[str]:
        return await asyncio.gather(*[call() for _ in range(4)], *[stream() for _ in range(4)])

    assert asyncio.run(ask()) == ["Paris"] * 8
    assert len(model.calls) == 1


def test_if_the_first_fails_another_one_asks() -> None:
    """A follower must neither hang nor be given the other one's error."""
    begun = threading.Event()
    turns = iter([RuntimeError("down"), *["Paris"] * 9])

    def respond(messages: list[BaseMessage]) -> Any:
        begun.set()
        turn = next(turns)
        if isinstance(turn, Exception):
            followers_wait.wait(0.2)
            raise turn
        return turn

    followers_wait = threading.Event()
    wrapped = cached(ScriptedChatModel(responses=respond), memory())

    def ask() -> str:
        try:
            return str(wrapped.invoke(ASKED).content)
        except RuntimeError as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        leader = pool.submit(ask)
        assert begun.wait(30)
        said = [pool.submit(ask) for _ in range(5)]

    assert leader.result() == "down"
    assert [each.result() for each in said] == ["Paris"] * 5


def test_who_waits_too_long_asks_by_itself() -> None:
    """A call that hangs must not hang all the others."""
    release = threading.Event()
    begun = threading.Event()

    def respond(messages: list[BaseMessage]) -> str:
        if not begun.is_set():
            begun.set()
            release.wait(30)
            return "late"
        return "Paris"

    wrapped = cached(ScriptedChatModel(responses=respond), memory(), wait_seconds=0.05)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(wrapped.invoke, ASKED)
        assert begun.wait(30)
        said = wrapped.invoke(ASKED).content
        release.set()

    assert (said, leader.result().content) == ("Paris", "late")


def test_tools_and_structured_output_are_cached_too() -> None:
    """A wrapper that loses them is of no use to an agent."""

    class Place(BaseModel):
        city: str

    reply = Reply(tool_calls=[("weather", {"city": "Paris"})])
    model = ScriptedChatModel(responses=lambda _: reply)
    bound = cached(model, memory()).bind_tools([weather])
    calls = [whole(bound.stream("Weather?")).tool_calls[0] for _ in range(2)]
    structured = cached(ScriptedChatModel(responses=lambda _: "x"), memory()).with_structured_output(
        Place, include_raw=True
    )

    assert [call["args"] for call in calls] == [{"city": "Paris"}] * 2
    assert len(model.calls) == 1
    first, second = structured.invoke("Where?"), structured.invoke("Where?")
    assert isinstance(second["parsed"], Place)
    assert second["raw"].usage_metadata["total_cost"] == 0
    assert first["parsed"] == second["parsed"]


def test_it_is_a_part_of_chains_as_the_model_was() -> None:
    """Streaming passes through a chain."""
    model = ScriptedChatModel(responses=ANSWER)
    chain = (
        RunnableLambda(lambda text: [HumanMessage(text)]) | cached(model, memory()) | (lambda message: message.content)
    )

    assert "".join(chain.stream(ASKED)) == ANSWER
    assert chain.batch([ASKED] * 3) == [ANSWER] * 3
    assert len(model.calls) == 1


def test_an_agent_takes_it_for_a_model() -> None:
    """Its turns are matched by their words."""
    from langchain.agents import create_agent

    def respond(messages: list[BaseMessage]) -> Reply:
        is_first = messages[-1].type == "human"
        return Reply(tool_calls=[("weather", {"city": "Bern"})]) if is_first else Reply("Rain.")

    model = ScriptedChatModel(responses=respond)
    agent: Any = create_agent(cached(model, memory()), tools=[weather])

    said = [agent.invoke({"messages": [HumanMessage("Weather in Bern?")]})["messages"] for _ in range(2)]

    assert [messages[-1].content for messages in said] == ["Rain.", "Rain."]
    assert [len(messages) for messages in said] == [4, 4]
    assert len(model.calls) == 2


def test_the_global_cache_serves_streams_where_none_is_given() -> None:
    """`set_llm_cache` once is enough."""
    from langchain_core.globals import set_llm_cache

    model = ScriptedChatModel(responses=ANSWER)
    set_llm_cache(memory())
    try:
        assert [whole(cached(model).stream(ASKED)).content for _ in range(2)] == [ANSWER] * 2
    finally:
        set_llm_cache(None)
    assert len(model.calls) == 1


def test_anything_but_a_chat_model_is_refused() -> None:
    """A text LLM streams text, not messages."""
    with pytest.raises(TypeError, match="no chat model"):
        cached(FakeListLLM(responses=["a"]))  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    "message",
    [
        AIMessage(ANSWER, usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
        AIMessage("", tool_calls=[{"name": "t", "args": {"a": [1]}, "id": "1"}, {"name": "u", "args": {}, "id": "2"}]),
        AIMessage([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        AIMessage("  "),
    ],
)
def test_the_pieces_of_a_message_add_up_to_it(message: AIMessage) -> None:
    """Nothing may be lost or doubled on the way through chunks."""
    merged = whole(pieces_of(message))

    assert merged.content == message.content
    assert merged.usage_metadata == message.usage_metadata
    assert [call["args"] for call in merged.tool_calls] == [call["args"] for call in message.tool_calls]
