"""Everything on at once, on one agent: all five middleware, six ways, tools, structured answers, threads and tasks."""

from __future__ import annotations

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
from tests.integration_tests.everything import (
    ROOMS,
    RULES,
    WAYS,
    Provider,
    left_out,
    left_out_tokens,
    pieces_of,
    plan,
    price,
    without_any,
)
from tests.integration_tests.middleware_agents import agent, calls, is_valid, search, search_later

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.testing import LoopbackProvider
    from langchain_costguard.testing.loopback.records import LoopbackRequest

PROVIDER = Provider
TOOL_PRICE = Decimal("0.0001")


class Weather(BaseModel):
    """The weather."""

    city: str


def everything(provider: LoopbackProvider, cache: SemanticCache, tools: Sequence[Any], **settings: Any) -> Any:
    """An agent with all five middleware, in the order of the guide, and its allowance."""
    small, full = (
        provider.chat_model(model=name, max_tokens=80, max_retries=0, stream_usage=True)
        for name in ("gpt-4o-mini", "gpt-4o")
    )
    tool_prices = {one.name: TOOL_PRICE for one in (search, search_later)}
    allowance = BudgetMiddleware(Budget(50, per="total", name="all"), tool_prices=tool_prices, store=InMemoryStore())
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
    state: dict[str, Any] = pieces_of(way, graph, given, config, stream_mode="values")[-1]
    return state


def instruction_tokens(asked: LoopbackRequest, without: LoopbackRequest) -> int:
    """The tokens of what a cascade tells its small model, of four bytes each, as it estimates them itself."""
    told, plain = ((request.body or {})["messages"][0]["content"] for request in (asked, without))
    assert told.startswith(plain)
    assert "UNCERTAIN" in told.removeprefix(plain)
    return len(told.removeprefix(plain)) // 4


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_with_everything_is_exact(provider: LoopbackProvider, way: str) -> None:
    """A tool's turn, a rejected draft, its escalation: each one line, one saving, and nothing left reserved."""
    cache = SemanticCache(store="memory", embedder=False, tenant="user")
    tool = search_later if way.startswith("a") else search
    graph, allowance = everything(provider, cache, [tool])
    provider.script(calls(tool.name), "UNCERTAIN", "It is sunny.")
    other, usage = CostCallbackHandler(InMemoryStore()), UsageMetadataCallbackHandler()
    config = {"metadata": {"user": "ann"}, "callbacks": [other, usage]}
    question = f"Read this.\n{ROOMS}\nWhat is the weather in Paris?"
    state = ask(graph, way, question, config)
    assert state["messages"][-1].text == "It is sunny."
    assert is_valid(state["messages"])
    turn, draft, final = provider.requests
    assert [one.model for one in provider.requests] == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o"]
    lines = [line for line in allowance.costs.entries() if line.kind == "chat"]
    assert [line.billed_cost for line in lines] == [turn.billed, draft.billed, final.billed]
    (used,) = (line for line in allowance.costs.entries() if line.kind == "tool")
    assert used.billed_cost == TOOL_PRICE
    assert allowance.costs.total_cost == other.total_cost == provider.billed + TOOL_PRICE
    (standing,) = allowance.costs.budgets()
    assert (standing.spent, standing.reserved) == (allowance.costs.total_cost, 0)
    assert sum(one["total_tokens"] for one in usage.usage_metadata.values()) == sum(
        one.tokens.total_tokens for one in provider.requests
    )
    saved = [left_out_tokens(request, question) for request in provider.requests]
    assert [line.saved_input_tokens for line in lines] == saved
    assert min(saved) > 0
    added = left_out(instruction_tokens(turn, final), "gpt-4o")  # of the large model nobody would ask it
    instead = price(turn, "gpt-4o", cached=True) - added - turn.billed  # the tool's turn was the small model's
    rejected = price(draft, "gpt-4o-mini", cached=False) + left_out(saved[1], "gpt-4o-mini")
    asked = list(zip(provider.requests, saved, strict=True))
    waterfall = allowance.costs.report().savings()
    steps = {step.technique: step.saved_cost or Decimal(0) for step in waterfall.steps}
    assert steps == {
        "cascade": instead - rejected,
        "compression": sum(left_out(tokens, str(one.model)) for one, tokens in asked),
        "prompt_caching": sum(price(one, str(one.model), cached=False) - one.billed for one in provider.requests),
    }
    assert min(steps.values()) > 0
    assert waterfall.baseline_cost == without_any(turn, saved[0]) - added + without_any(final, saved[2]) + TOOL_PRICE
    assert waterfall.billed_cost == allowance.costs.total_cost


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
        goes_on = text == "a tool" and on_refused == "best"
        provider.script(calls("search") if text == "a tool" else text, *["It is sunny."] * goes_on)
        budget = Budget(tokens=1, per="run", scope=Scope.model("gpt-4o"), name="full")
        allowance = BudgetMiddleware(budget, on_alert=lambda _: None)
        cascade = CascadeMiddleware(small, accept=lambda _: False, on_refused=on_refused)
        graph = agent(full, [search], middleware=[allowance, cascade] if is_first else [cascade, allowance])
        state = ask(graph, way, "What is the weather in Paris?", {})
        assert is_valid(state["messages"])
        assert any(message.type == "tool" for message in state["messages"]) is goes_on
        ends.append([message.text for message in state["messages"]])
    assert ends[0] == ends[1]
    assert ("I stopped here" in ends[0][-1]) is (on_refused == "raise")
    assert {request.model for request in provider.requests} == {"gpt-4o-mini"}
