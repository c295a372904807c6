"""An allowance at the edges: tools that run again or not at all, ends no model sees, interrupts, depth, races."""

from __future__ import annotations

import threading
from asyncio import CancelledError
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain.agents.middleware import AgentMiddleware, ToolRetryMiddleware
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler, track_costs
from langchain_costguard.middleware import BudgetMiddleware, CascadeMiddleware
from langchain_costguard.middleware.tool_calls import PaidToolCall
from langchain_costguard.middleware.tool_prices import ToolPrices
from langchain_costguard.middleware.watching import AgentRun, AgentWatcher
from langchain_costguard.stores import InMemoryStore
from tests.integration_tests.middleware_agents import WAYS, agent, ask, calls, is_valid

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider

THREAD: Any = {"configurable": {"thread_id": "t1"}}


def model(provider: LoopbackProvider, **settings: Any) -> Any:
    """A real model that answers in a hundred tokens at most."""
    return provider.chat_model(**{"max_tokens": 100, "max_retries": 0, "stream_usage": True, **settings})


def retried(**settings: Any) -> ToolRetryMiddleware:
    """Runs a failing tool three times, without waiting."""
    return ToolRetryMiddleware(**{"max_retries": 2, "initial_delay": 0, "jitter": False, **settings})


# -- how often a tool is paid ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_first", [True, False])
def test_each_run_of_a_tool_that_is_retried_is_paid(provider: LoopbackProvider, way: str, *, is_first: bool) -> None:
    """Whoever is called three times sends a bill for three calls."""
    ran = []

    @tool
    def flaky(query: str) -> str:
        """Fail."""
        ran.append(query)
        raise RuntimeError(query)

    allowance = BudgetMiddleware(Budget(1, per="run"), tool_prices={"flaky": "0.01"})
    provider.script(calls("flaky"))
    middleware = [allowance, retried()] if is_first else [retried(), allowance]
    ask(agent(model(provider), [flaky], middleware=middleware), way)
    assert len(ran) == 3
    assert allowance.costs.total_cost == provider.billed + Decimal("0.03")
    (standing,) = allowance.costs.budgets()
    assert (standing.spent, standing.reserved) == (allowance.costs.total_cost, 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("retry_on", [None, (Exception,)])
def test_a_tool_is_not_run_again_where_that_does_not_fit(provider: LoopbackProvider, way: str, retry_on: Any) -> None:
    """A retry is a call like any other, and its refusal ends the agent, whoever catches it."""
    ran = []

    @tool
    def flaky(query: str) -> str:
        """Fail."""
        ran.append(query)
        raise RuntimeError(query)

    allowance = BudgetMiddleware(Budget("0.015", per="run"), tool_prices={"flaky": "0.01"})
    provider.script(calls("flaky"))
    settings = {} if retry_on is None else {"retry_on": retry_on}
    state = ask(agent(model(provider), [flaky], middleware=[allowance, retried(**settings)]), way)
    assert len(ran) == 1
    assert len(provider.requests) == 1, "the agent ends without asking its model again"
    assert "flaky(query='Paris')" in state["messages"][-1].text
    assert is_valid(state["messages"])
    assert allowance.costs.total_cost == provider.billed + Decimal("0.01")


def test_a_tool_that_was_not_run_is_not_paid(provider: LoopbackProvider) -> None:
    """Middleware may answer for a tool, from a cache or to test an agent."""

    class Answering(AgentMiddleware[Any, Any, Any]):
        def wrap_tool_call(self, request: Any, handler: Any) -> Any:
            del handler
            return ToolMessage("known", tool_call_id=request.tool_call["id"], name=request.tool_call["name"])

    allowance = BudgetMiddleware(Budget(1, per="run"), tool_prices={"search": "0.01", "unknown": "0.01"})
    provider.script(calls("search", "unknown"))
    ask(agent(model(provider), middleware=[allowance, Answering()]), "invoke")
    assert allowance.costs.total_cost == provider.billed
    (standing,) = allowance.costs.budgets()
    assert standing.reserved == 0


def test_a_tool_that_hands_over_to_another_agent_is_paid(provider: LoopbackProvider) -> None:
    """It leaves its graph as an interrupt does, and is not run again."""

    def leave(_: MessagesState) -> Command[Any]:
        return Command(graph=Command.PARENT, update={"messages": [("ai", "handed over")]})

    leaving: Any = StateGraph(MessagesState)
    leaving.add_node("leave", leave)
    leaving.add_edge(START, "leave")
    inner = leaving.compile()

    @tool
    def hand_over(query: str) -> str:
        """Hand over."""
        return str(inner.invoke({"messages": [("user", query)]}))

    allowance = BudgetMiddleware(Budget(1, per="run"), tool_prices={"hand_over": "0.01"})
    provider.script(calls("hand_over"))
    ask(agent(model(provider), [hand_over], middleware=[allowance]), "invoke")
    assert allowance.costs.total_cost == provider.billed + Decimal("0.01")
    (standing,) = allowance.costs.budgets()
    assert standing.reserved == 0


def test_what_was_reserved_for_a_tool_nobody_waits_for_any_more_is_free() -> None:
    """A budget across a network is asked in a thread, which goes on when the agent's task was cancelled."""
    costs = CostCallbackHandler(budgets=Budget(1, per="day"), store=InMemoryStore())
    call = PaidToolCall(
        ToolPrices({"search": "0.4"}), ("1", "search"), [AgentRun(costs, "key", "a1")], {}, None, (), is_told=True
    )
    call.end(CancelledError())
    call.begin()
    (standing,) = costs.budgets()
    assert (standing.spent, standing.reserved) == (0, 0)


# -- how an agent ends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_whose_tool_answers_directly_says_why_it_ended(provider: LoopbackProvider, way: str) -> None:
    """After such a tool no model is asked, so nobody else would say it."""

    @tool(return_direct=True)
    def lookup(query: str) -> str:
        """Look it up."""
        return query

    allowance = BudgetMiddleware(Budget("0.005", per="run"), tool_prices={"lookup": "0.01"})
    provider.script(calls("lookup", "lookup"))
    state = ask(agent(model(provider), [lookup], middleware=[allowance]), way)
    last = state["messages"][-1]
    assert isinstance(last, AIMessage)
    assert last.text.startswith("I stopped here: of the allowance of $0.005 per run")
    assert is_valid(state["messages"])
    assert sum("I stopped here" in message.text for message in state["messages"]) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_tool_ends_the_agent_across_an_interrupt(provider: LoopbackProvider, way: str) -> None:
    """One tool waits for a human, while another was refused: whoever answers does not buy a call of the model."""

    @tool
    def dear(query: str) -> str:
        """Cost too much."""
        return query

    @tool
    def careful(query: str) -> str:
        """Ask first."""
        return str(interrupt(query))

    saver = InMemorySaver()

    def worker() -> Any:
        allowance = BudgetMiddleware(Budget("0.01", per="run"), tool_prices={"dear": "0.02"})
        return agent(model(provider), [dear, careful], middleware=[allowance], checkpointer=saver)

    provider.script(calls("dear", "careful"))
    ask(worker(), way, config=THREAD)
    state = ask(worker(), way, Command(resume="yes"), THREAD)
    assert len(provider.requests) == 1
    assert state["messages"][-1].text.startswith("I stopped here: of the allowance of $0.01 per run")
    assert "dear(query='Paris')" in state["messages"][-1].text
    assert is_valid(state["messages"])
    graph = worker()
    assert ask(graph, way, config=THREAD)["messages"][-1].text == "An answer from the loopback provider."


def test_a_budget_of_the_same_name_is_somebody_elses(provider: LoopbackProvider) -> None:
    """Unnamed budgets go by their kind, so that two people's often have one name."""
    allowance = BudgetMiddleware(Budget(5, per="day"), store=InMemoryStore())
    graph = agent(model(provider), middleware=[allowance])
    with (
        track_costs(store=InMemoryStore(), budgets=Budget("0.00001", per="day")),
        pytest.raises(BudgetExceededError, match=r"limit \$0\.00001"),
    ):
        ask(graph, "invoke")
    assert provider.requests == ()


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_may_have_two_allowances(provider: LoopbackProvider, way: str) -> None:
    """A platform's allowance and a team's are two middleware, which keep what was spent side by side."""

    class TeamBudget(BudgetMiddleware):
        pass

    prices = {"search": "0.01"}
    platform = BudgetMiddleware(Budget(calls=9, per="run"), tool_prices=prices)
    team, saver = TeamBudget(Budget("0.015", per="run"), tool_prices=prices), InMemorySaver()
    provider.script(*[calls("search")] * 9)
    graph = agent(model(provider), middleware=[platform, team], checkpointer=saver)
    state = ask(graph, way, config=THREAD)
    assert len(provider.requests) == 2
    assert is_valid(state["messages"])
    said = [message.text[:42] for message in state["messages"] if isinstance(message, AIMessage) and message.text]
    assert said == ["I stopped here: of the allowance of $0.015"]
    assert team.costs.total_cost == provider.billed + Decimal("0.01"), "a tool that both price is paid once"
    kept = graph.get_state(THREAD).values["costguard_allowance"]
    assert kept["BudgetMiddleware"]["spent"] == {"calls/run": 3}
    assert kept["TeamBudget"]["spent"] == {"usd/run": int(team.costs.total_cost * 10**9)}


def test_an_agent_may_have_two_sticky_cascades(provider: LoopbackProvider) -> None:
    """Three tiers are two cascades within one another, and both note in one step that they have escalated."""

    class OuterCascade(CascadeMiddleware):
        pass

    mini, full, saver = model(provider), model(provider, model="gpt-4o"), InMemorySaver()
    cascades = [OuterCascade(mini, full, sticky=True), CascadeMiddleware(mini, sticky=True)]
    provider.script("UNCERTAIN", "UNCERTAIN", "UNCERTAIN", calls("search"))
    graph = agent(full, middleware=cascades, checkpointer=saver)
    state = ask(graph, "invoke", config=THREAD)
    assert state["messages"][-1].text == "An answer from the loopback provider."
    kept = graph.get_state(THREAD).values["costguard_escalated"]
    assert kept == {"OuterCascade": True, "CascadeMiddleware": True}
    asked = len(provider.requests)
    provider.script("Sunny.")
    ask(graph, "invoke", config=THREAD)
    assert [request.model for request in provider.requests[asked:]] == ["gpt-4o-mini"], "a new run begins anew"


# -- which calls are the agent's -------------------------------------------------------------------------------------


def test_a_call_deep_below_an_agent_is_held_and_booked(provider: LoopbackProvider) -> None:
    """Agents in tools of agents in tools are soon forty runs deep."""
    asking = model(provider)
    chain: Any = RunnableLambda(asking.invoke)
    for _ in range(50):
        chain = RunnableLambda(chain.invoke)

    @tool
    def think(query: str) -> str:
        """Think deeply."""
        return str(chain.invoke(query).text)

    allowance = BudgetMiddleware(Budget(calls=2, per="run"))
    provider.script(calls("think"))
    state = ask(agent(asking, [think], middleware=[allowance]), "invoke")
    assert allowance.costs.total_cost == provider.billed
    assert len(provider.requests) == 2
    assert "2 calls is spent" in state["messages"][-1].text


def test_tools_that_go_on_at_once_after_a_resume_know_what_was_spent() -> None:
    """Both find a run that nobody has entered: what was spent before is put back once, and before either goes on."""
    allowance, watcher = BudgetMiddleware(Budget(1, per="run")), AgentWatcher()
    graph_run, begun, seen = uuid4(), threading.Event(), []

    def begin() -> None:
        begun.set()
        second_has_asked.wait(0.2)
        seen.append("restored")

    def enter() -> None:
        watcher.enter(AgentRun(allowance.costs, "key", "a1"), graph_run, begin)
        seen.append("entered")

    second_has_asked = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(enter)
        assert begun.wait(5)
        assert watcher.run_of(allowance.costs, graph_run) is None, "nothing goes on before it is restored"
        second = pool.submit(enter)
        first.result(5)
        second.result(5)
    assert seen == ["restored", "entered", "entered"]
