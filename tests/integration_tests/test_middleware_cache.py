"""A cache of an agent's turns: only those without tools, streamed or not, and apart from LangGraph's own caches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.cache.memory import InMemoryCache as NodeCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import CachePolicy
from pydantic import BaseModel

from langchain_costguard import Budget, SemanticCache, track_costs
from langchain_costguard.middleware import BudgetMiddleware, SemanticCacheMiddleware
from langchain_costguard.testing.loopback.behaviour import Behaviour
from tests.integration_tests.middleware_agents import QUESTION, WAYS, agent, ask, calls, pieces

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.testing import LoopbackProvider


@pytest.fixture
def cache(tmp_path: Path) -> SemanticCache:
    """A cache that needs no model: it knows the same words only."""
    return SemanticCache(embedder=False, store=tmp_path / "answers.db")


@pytest.mark.required
@pytest.mark.parametrize("way", WAYS)
def test_a_turn_without_tools_is_answered_once(provider: LoopbackProvider, cache: SemanticCache, way: str) -> None:
    """The same question to an agent that only talks need not be paid twice."""
    graph = agent(provider.chat_model(stream_usage=True), (), middleware=[SemanticCacheMiddleware(cache)])
    with track_costs() as costs:
        texts = [ask(graph, way)["messages"][-1].text for _ in range(3)]
    assert len(provider.requests) == 1
    assert set(texts) == {"An answer from the loopback provider."}
    assert costs.total_cost == provider.billed
    assert costs.report().total.cached_calls == 2


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_streams_are_served_and_stored(provider: LoopbackProvider, cache: SemanticCache, way: str) -> None:
    """LangChain does not ask its cache for streams; an agent's model is asked for whole answers, which it streams."""
    graph = agent(provider.chat_model(stream_usage=True), (), middleware=[SemanticCacheMiddleware(cache)])
    shown = ["".join(piece.text for piece in pieces(graph, way)) for _ in range(3)]
    assert shown == ["An answer from the loopback provider."] * 3
    assert len(provider.requests) == 1


@pytest.mark.parametrize("way", WAYS)
def test_turns_with_tools_always_ask(provider: LoopbackProvider, cache: SemanticCache, way: str) -> None:
    """What a tool says is of its moment: yesterday's weather is no answer."""
    graph = agent(provider.chat_model(), middleware=[SemanticCacheMiddleware(cache)])
    for _ in range(2):
        provider.script(calls("search"))
        ask(graph, way)
    assert len(provider.requests) == 4
    assert cache.stats().lookups == 0


class WithoutTools(AgentMiddleware[Any, Any, Any]):
    """Takes the tools away from each turn, as a last turn is asked."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(request.override(tools=[]))


def test_a_turn_that_holds_what_tools_have_said_asks(provider: LoopbackProvider, cache: SemanticCache) -> None:
    """Without its tools such a turn still depends on them."""
    graph = agent(
        provider.chat_model(),
        middleware=[WithoutTools(), SemanticCacheMiddleware(cache)],
    )
    said = [
        HumanMessage("Weather?"),
        AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "1"}]),
        {"role": "tool", "content": "Sunny.", "tool_call_id": "1"},
    ]
    for _ in range(2):
        ask(graph, "invoke", {"messages": said})
    assert len(provider.requests) == 2
    for _ in range(2):
        ask(graph, "invoke")
    assert len(provider.requests) == 3, "without them, and without tools, it is cached"


def test_structured_answers_are_asked_for(provider: LoopbackProvider, cache: SemanticCache) -> None:
    """They are given by a tool."""

    class Weather(BaseModel):
        city: str

    graph = agent(
        provider.chat_model(), (), middleware=[SemanticCacheMiddleware(cache)], response_format=ToolStrategy(Weather)
    )
    for _ in range(2):
        provider.next(tool_calls=[("Weather", {"city": "Paris"})])
        assert ask(graph, "invoke")["structured_response"] == Weather(city="Paris")
    assert len(provider.requests) == 2


def test_turns_at_once_make_one_call(provider: LoopbackProvider, cache: SemanticCache) -> None:
    """A crowd with one question is the case a cache is for."""
    provider.script(*[Behaviour(latency_seconds=0.3)] * 8)
    graph = agent(provider.chat_model(), (), middleware=[SemanticCacheMiddleware(cache)])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(graph, "invoke"), range(8)))
    assert len(provider.requests) == 1


def test_a_hit_spends_nothing_of_an_allowance(provider: LoopbackProvider, cache: SemanticCache) -> None:
    """An answer that is there already is free."""
    allowance = BudgetMiddleware(Budget(1, per="run"))
    graph = agent(provider.chat_model(), (), middleware=[allowance, SemanticCacheMiddleware(cache)])
    for _ in range(2):
        ask(graph, "invoke")
    first, second = allowance.costs.budgets()
    assert sorted((first.spent, second.spent)) == [0, provider.billed]


@pytest.mark.parametrize("way", WAYS)
def test_caches_of_nodes_and_of_answers_do_not_serve_one_another(
    provider: LoopbackProvider, cache: SemanticCache, way: str
) -> None:
    """Both may be in force at once: LangGraph keeps what a node returned, this cache what a model said."""
    inner = agent(provider.chat_model(), (), middleware=[SemanticCacheMiddleware(cache)], cache=NodeCache())
    for _ in range(2):
        ask(inner, way)
    assert len(provider.requests) == 1
    cache.clear()
    ask(inner, way)
    assert len(provider.requests) == 2, "no node's cache has kept the answer"

    def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": inner.invoke({"messages": state["messages"]})["messages"][-1:]}

    outer = StateGraph(MessagesState).add_node("ask", node, cache_policy=CachePolicy()).add_edge(START, "ask")
    nodes = NodeCache()
    graph = outer.compile(cache=nodes)
    given = {"messages": [HumanMessage("Who are you?", id="1")]}
    for _ in range(2):
        graph.invoke(given)
    assert len(provider.requests) == 3
    cache.clear()
    graph.invoke(given)
    assert len(provider.requests) == 3, "the node's cache is not ours, and was not cleared"
    nodes.clear()
    graph.invoke(given)
    assert len(provider.requests) == 4


def test_the_answer_of_a_hit_is_a_message_of_its_own(provider: LoopbackProvider, cache: SemanticCache) -> None:
    """Two turns with one message id would overwrite each other in a thread."""
    graph = agent(
        provider.chat_model(),
        (),
        middleware=[WithoutHistory(), SemanticCacheMiddleware(cache)],
        checkpointer=InMemorySaver(),
    )
    thread: Any = {"configurable": {"thread_id": "t1"}}
    for _ in range(2):
        state = ask(graph, "invoke", config=thread)
    assert len(provider.requests) == 1
    assert len({message.id for message in state["messages"]}) == 4


class WithoutHistory(AgentMiddleware[Any, Any, Any]):
    """Asks with the newest message alone, so that a thread can ask the same twice."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return handler(request.override(messages=request.messages[-1:]))


def test_a_cache_of_nodes_is_refused(provider: LoopbackProvider) -> None:
    """It has the same name in other people's examples."""
    with pytest.raises(TypeError, match=r"create_agent\(cache=\.\.\.\)\): give cache=SemanticCache\(\)"):
        SemanticCacheMiddleware(NodeCache())  # type: ignore[arg-type] # that is what is tested
    assert QUESTION


@pytest.mark.parametrize("way", WAYS)
def test_a_turn_of_the_cheaper_model_is_answered_from_the_cache_as_well(
    provider: LoopbackProvider, cache: SemanticCache, way: str
) -> None:
    """The cache answers for the turn, whichever model is asked in the end; a downgraded turn was paid each time."""
    provider.script("It is sunny.", "It rains.")
    full, cheap = (provider.chat_model(model=name, max_tokens=100, max_retries=0) for name in ("gpt-4o", "gpt-4o-mini"))
    texts = []
    for _ in range(2):
        allowance = BudgetMiddleware(Budget("0.0005", per="run"), on_exceeded="downgrade", cheaper=cheap)
        graph = agent(full, (), middleware=[SemanticCacheMiddleware(cache), allowance])
        texts.append(ask(graph, way)["messages"][-1].text)
    assert texts == ["It is sunny."] * 2
    assert [request.model for request in provider.requests] == ["gpt-4o-mini"]
