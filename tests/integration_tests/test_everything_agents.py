"""Everything on at once, on one agent: all five middleware, six ways, tools, structured answers, threads and tasks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import UsageMetadataCallbackHandler
from pydantic import BaseModel

from langchain_costguard import Budget, CostCallbackHandler, SemanticCache, TaskRouter
from langchain_costguard.budgets import Scope
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.middleware import (
    BudgetMiddleware,
    CascadeMiddleware,
    ContextMiddleware,
    RoutingMiddleware,
    SemanticCacheMiddleware,
)
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing.loopback.behaviour import Behaviour
from tests.integration_tests.everything import ROOMS, RULES, Provider, left_out, plan, price
from tests.integration_tests.middleware_agents import agent, calls, is_valid, search, search_later

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_costguard.testing import LoopbackProvider

WAYS = ("invoke", "stream", "batch", "ainvoke", "astream", "abatch")


class Weather(BaseModel):
    """The weather."""

    city: str


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that remembers what it was asked."""
    with Provider() as served:
        yield served


def everything(provider: LoopbackProvider, cache: SemanticCache, tools: Sequence[Any], **settings: Any) -> Any:
    """An agent with all five middleware, in the order of the guide, and its allowance."""
    small, full = (
        provider.chat_model(model=name, max_tokens=80, max_retries=0, stream_usage=True)
        for name in ("gpt-4o-mini", "gpt-4o")
    )
    allowance = BudgetMiddleware(
        Budget(50, per="total", name="all"), tool_prices={"search": "0.0001"}, store=InMemoryStore()
    )
    middleware = [
        allowance,
        SemanticCacheMiddleware(cache),
        RoutingMiddleware(TaskRouter({"read": small, "plan": full}, default="plan", baseline="gpt-4o")),
        CascadeMiddleware(small),
        ContextMiddleware(ContextCompressor(max_tokens=120), plan("gpt-4o")),
    ]
    return agent(full, tools, middleware=middleware, system_prompt=RULES, **settings), allowance


def ask(graph: Any, way: str, text: str, config: Any) -> dict[str, Any]:
    """The state with which an agent ends, in one of six ways."""
    given = {"messages": [("user", text)]}

    async def astreamed() -> Any:
        return [state async for state in graph.astream(given, config, stream_mode="values")][-1]

    ways: dict[str, Any] = {
        "invoke": lambda: graph.invoke(given, config),
        "stream": lambda: list(graph.stream(given, config, stream_mode="values"))[-1],
        "batch": lambda: graph.batch([given], config)[0],
        "ainvoke": lambda: asyncio.run(graph.ainvoke(given, config)),
        "astream": lambda: asyncio.run(astreamed()),
        "abatch": lambda: asyncio.run(graph.abatch([given], config))[0],
    }
    state: dict[str, Any] = ways[way]()
    return state


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_with_everything_is_exact(provider: LoopbackProvider, way: str) -> None:
    """A tool's turn, a rejected draft, its escalation: each one line, one saving, and nothing left reserved."""
    cache = SemanticCache(store="memory", embedder=False, tenant="user")
    later = way.startswith("a")
    graph, allowance = everything(provider, cache, [search_later if later else search])
    provider.script(calls("search_later" if later else "search"), "UNCERTAIN", "It is sunny.")
    other, usage = CostCallbackHandler(InMemoryStore()), UsageMetadataCallbackHandler()
    config = {"metadata": {"user": "ann"}, "callbacks": [other, usage]}
    state = ask(graph, way, f"Read this.\n{ROOMS}\nWhat is the weather in Paris?", config)
    assert state["messages"][-1].text == "It is sunny."
    assert is_valid(state["messages"])
    turn, draft, final = provider.requests
    assert [one.model for one in provider.requests] == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o"]
    lines = [line for line in allowance.costs.entries() if line.kind == "chat"]
    assert [line.billed_cost for line in lines] == [turn.billed, draft.billed, final.billed]
    tools = Decimal("0.0001") * sum(line.kind == "tool" for line in allowance.costs.entries())
    assert allowance.costs.total_cost == other.total_cost == provider.billed + tools
    (standing,) = allowance.costs.budgets()
    assert (standing.spent, standing.reserved) == (allowance.costs.total_cost, 0)
    assert sum(one["total_tokens"] for one in usage.usage_metadata.values()) == sum(
        one.tokens.total_tokens for one in provider.requests
    )
    saved = [line.saved_input_tokens or 0 for line in lines]
    assert min(saved) > 0
    steps = {step.technique: step.saved_cost or Decimal(0) for step in allowance.costs.report().savings().steps}
    asked = list(zip(provider.requests, saved, strict=True))
    assert steps["compression"] == sum((left_out(tokens, str(one.model)) for one, tokens in asked), Decimal(0))
    discounts = [price(one, str(one.model), cached=False) - one.billed for one in provider.requests]
    assert steps["prompt_caching"] == sum(discounts, Decimal(0)) > 0
    waterfall = allowance.costs.report().savings()
    assert waterfall.baseline_cost == waterfall.billed_cost + sum(steps.values())
    assert set(steps) == {"cascade", "compression", "prompt_caching"}


def test_agents_on_threads_and_tasks_keep_their_tenants_apart(provider: LoopbackProvider) -> None:
    """Turns without tools are served from the cache, to their own tenant, in all ways at once; each is paid once."""
    cache = SemanticCache(store="memory", embedder=False, tenant="user")
    graph, allowance = everything(provider, cache, [])
    asked = [(way, f"Say {number % 4}.", tenant) for number, way in enumerate(WAYS * 6) for tenant in ("ann", "bob")]

    def one(given: tuple[str, str, str]) -> tuple[str, str]:
        way, text, tenant = given
        return ask(graph, way, text, {"metadata": {"user": tenant}})["messages"][-1].text, tenant

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(one, asked))
    assert len(answers) == len(provider.requests) == 8
    assert len({text for text, _ in answers}) == 8
    lines = allowance.costs.entries()
    assert sum(line.status == "cached" for line in lines) == len(asked) - 8
    assert allowance.costs.total_cost == provider.billed
    (standing,) = allowance.costs.budgets()
    assert (standing.spent, standing.reserved) == (provider.billed, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_structured_answer_goes_through_all_middleware(provider: LoopbackProvider, way: str) -> None:
    """A draft without the structure is escalated, and both are paid once."""
    cache = SemanticCache(store="memory", embedder=False, tenant="user")
    graph, allowance = everything(provider, cache, [], response_format=ToolStrategy(Weather))
    provider.script("No tool at all.", Behaviour(tool_calls=[("Weather", {"city": "Paris"})]))
    state = ask(graph, way, "What is the weather in Paris?", {"metadata": {"user": "ann"}})
    assert state["structured_response"] == Weather(city="Paris")
    assert [one.model for one in provider.requests] == ["gpt-4o-mini", "gpt-4o"]
    assert allowance.costs.total_cost == provider.billed


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
@pytest.mark.parametrize("on_refused", ["best", "raise"])
@pytest.mark.parametrize("text", ["Perhaps sunny.", "a tool"])
def test_a_cascade_outside_of_the_allowance_keeps_its_draft(
    provider: LoopbackProvider, way: str, on_refused: Any, text: str
) -> None:
    """The order of the two makes no difference: the refusal's last message was taken for the full model's answer."""
    small, full = (provider.chat_model(model=name, max_tokens=80, max_retries=0) for name in ("gpt-4o-mini", "gpt-4o"))
    ends = []
    for is_first in (True, False):
        provider.script(*([calls("search"), "It is sunny."] if text == "a tool" and on_refused == "best" else [text]))
        budget = Budget(tokens=1, per="run", scope=Scope.model("gpt-4o"), name="full")
        allowance = BudgetMiddleware(budget, on_alert=lambda _: None)
        cascade = CascadeMiddleware(small, accept=lambda _: False, on_refused=on_refused)
        graph = agent(full, [search], middleware=[allowance, cascade] if is_first else [cascade, allowance])
        state = ask(graph, way, "What is the weather in Paris?", {})
        assert is_valid(state["messages"])
        ends.append([message.text for message in state["messages"]])
    assert ends[0] == ends[1]
    assert ("I stopped here" in ends[0][-1]) is (on_refused == "raise")
    assert {request.model for request in provider.requests} == {"gpt-4o-mini"}
