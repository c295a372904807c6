"""An agent's turns, each asked of the model that a router chooses before."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

from langchain_costguard import Budget, track_costs
from langchain_costguard.middleware import BudgetMiddleware, CascadeMiddleware, RoutingMiddleware
from langchain_costguard.routing import ComplexityRouter, Route, TaskRouter
from tests.integration_tests.middleware_agents import WAYS, agent, ask, calls, is_valid

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider

MINI, FULL = "gpt-4o-mini", "gpt-4o"


def models(provider: LoopbackProvider, **settings: Any) -> tuple[Any, Any]:
    """A small and a full model."""
    mini, full = (provider.chat_model(model=name, max_retries=0, **settings) for name in (MINI, FULL))
    return mini, full


def asked(provider: LoopbackProvider) -> list[str | None]:
    """Which models were asked."""
    return [request.model for request in provider.requests]


@pytest.mark.required
@pytest.mark.parametrize("way", WAYS)
def test_each_step_is_asked_of_the_model_meant_for_it(provider: LoopbackProvider, way: str) -> None:
    """To read what a tool said takes less of a model than to plan."""
    mini, full = models(provider)
    router = TaskRouter({"read": mini, "plan": full}, default="plan")
    provider.script(calls("search"), calls("search"), "Sunny.")
    with track_costs() as costs:
        state = ask(agent(full, middleware=[RoutingMiddleware(router, steps={"tool_results": "read"})]), way)
    assert asked(provider) == [FULL, MINI, MINI]
    assert is_valid(state["messages"])
    assert state["messages"][-1].response_metadata["routing"]["route"] == "read"
    assert costs.total_cost == provider.billed
    assert [line.techniques for line in costs.entries()] == [(), ("routing",), ("routing",)]
    saved = sum((line.baseline_nano or 0) - (line.billed_nano or 0) for line in costs.entries()[1:])
    assert saved > 0


@pytest.mark.parametrize("way", WAYS)
def test_the_task_that_the_run_names_is_obeyed(provider: LoopbackProvider, way: str) -> None:
    """Whoever calls the agent may know best."""
    mini, full = models(provider)
    graph = agent(full, middleware=[RoutingMiddleware(TaskRouter({"chat": mini, "code": full}, default="code"))])
    ask(graph, way, config={"metadata": {"task": "chat"}})
    ask(graph, way)
    assert asked(provider) == [MINI, FULL]


@pytest.mark.parametrize("way", WAYS)
def test_a_classifier_and_a_scorer_decide_where_nobody_says(provider: LoopbackProvider, way: str) -> None:
    """The same routers as in a chain."""
    mini, full = models(provider)
    by_task = TaskRouter({"chat": mini, "code": full}, default="code", classifier=RunnableLambda(lambda _: "chat"))
    ask(agent(full, middleware=[RoutingMiddleware(by_task)]), way)
    by_difficulty = ComplexityRouter(Route(mini), full, scorer=lambda text: 0.9 if "Paris" in text else 0.1)
    ask(agent(mini, middleware=[RoutingMiddleware(by_difficulty)]), way)
    ask(agent(mini, middleware=[RoutingMiddleware(by_difficulty, steps={"question": "low"})]), way)
    assert asked(provider) == [MINI, FULL, MINI]


@pytest.mark.parametrize("way", WAYS)
def test_a_turn_that_does_not_fit_goes_to_a_model_it_fits(provider: LoopbackProvider, way: str) -> None:
    """A conversation grows with every tool's answer, and with its tools it may not fit what it fitted before."""
    mini, full = models(provider)
    router = TaskRouter({"chat": Route(mini, max_input_tokens=300), "code": full}, default="chat")
    graph = agent(full, middleware=[RoutingMiddleware(router)])
    ask(graph, way)
    state = ask(graph, way, {"messages": [HumanMessage("word " * 400)]})
    assert asked(provider) == [MINI, FULL]
    assert "cannot take it" in state["messages"][-1].response_metadata["routing"]["reason"]
    without = TaskRouter({"chat": Route(mini, tools=False), "code": full}, default="chat")
    ask(agent(full, middleware=[RoutingMiddleware(without)]), way)
    assert asked(provider)[2:] == [FULL], "the agent has tools"


def test_the_allowance_and_a_cascade_go_together_with_it(provider: LoopbackProvider) -> None:
    """The cascade's full model is the one that was chosen; each call is booked once."""
    mini, full = models(provider, max_tokens=100)
    allowance = BudgetMiddleware(Budget("0.01", per="run"))
    routing = RoutingMiddleware(TaskRouter({"chat": mini, "code": full}, default="code"))
    provider.script("UNCERTAIN", "Sunny.")
    middleware = [allowance, routing, CascadeMiddleware(mini)]
    state = ask(agent(mini, (), middleware=middleware), "invoke")
    assert asked(provider) == [MINI, FULL]
    assert state["messages"][-1].text == "Sunny."
    assert allowance.costs.total_cost == provider.billed > Decimal(0)


def test_a_router_that_an_agent_cannot_use_is_refused(provider: LoopbackProvider) -> None:
    """An agent binds its tools to the model, which it cannot do to a chain."""
    mini, full = models(provider)
    with pytest.raises(TypeError, match="give a TaskRouter"):
        RoutingMiddleware(mini)
    with pytest.raises(TypeError, match="give the chat model itself"):
        RoutingMiddleware(TaskRouter({"chat": mini | RunnableLambda(str), "code": full}, default="code"))
    with pytest.raises(ValueError, match="give 'question' or 'tool_results'"):
        RoutingMiddleware(TaskRouter({"a": mini}, default="a"), steps={"end": "a"})  # type: ignore[dict-item] # that is what is tested
