"""Agents as the tests of middleware build and ask them: in all four ways, over a provider that bills."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.tools import tool

from langchain_costguard.testing.loopback.behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.runnables import RunnableConfig

    from langchain_costguard.testing import LoopbackProvider

WAYS = ("invoke", "ainvoke", "stream", "astream")
QUESTION = {"messages": [("user", "What is the weather in Paris?")]}


@tool
def search(query: str) -> str:
    """Search the web."""
    return f"Sunny, said of {query}."


@tool
async def search_later(query: str) -> str:
    """Search the web without holding up an event loop."""
    return f"Sunny, said of {query}."


def calls(*names: str) -> Behaviour:
    """An answer that calls tools."""
    return Behaviour(tool_calls=[(name, {"query": "Paris"}) for name in names])


def agent(model: Any, tools: Sequence[Any] = (search,), **settings: Any) -> Any:
    """A real agent, called `boss`."""
    return create_agent(model, list(tools), **{"name": "boss", **settings})


def ask(graph: Any, way: str, given: Any = None, config: RunnableConfig | None = None) -> dict[str, Any]:
    """Ask an agent in one of four ways; the state it ends with."""
    given = QUESTION if given is None else given
    if way == "invoke":
        state: dict[str, Any] = graph.invoke(given, config)
        return state
    if way == "ainvoke":
        return asyncio.run(graph.ainvoke(given, config))
    if way == "stream":
        return list(graph.stream(given, config, stream_mode="values"))[-1]
    return asyncio.run(_astreamed(graph, given, config))


async def _astreamed(graph: Any, given: Any, config: RunnableConfig | None) -> dict[str, Any]:
    states = [state async for state in graph.astream(given, config, stream_mode="values")]
    return states[-1]


def pieces(graph: Any, way: str, given: Any = None, config: RunnableConfig | None = None) -> list[Any]:
    """What a reader of the streamed messages sees."""
    given = QUESTION if given is None else given
    if way == "stream":
        return [piece for piece, _ in graph.stream(given, config, stream_mode="messages")]
    return asyncio.run(_pieces(graph, given, config))


async def _pieces(graph: Any, given: Any, config: RunnableConfig | None) -> list[Any]:
    return [piece async for piece, _ in graph.astream(given, config, stream_mode="messages")]


def is_valid(messages: Sequence[AnyMessage]) -> bool:
    """Whether every tool call has its answer, as providers demand of a conversation."""
    asked = [call["id"] for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    answered = [message.tool_call_id for message in messages if isinstance(message, ToolMessage)]
    return sorted(map(str, asked)) == sorted(answered)


def always(provider: LoopbackProvider, behaviour: Behaviour, times: int = 40) -> None:
    """Have the provider answer the same again and again, as a model that never comes to an end."""
    provider.script(*[behaviour] * times)
