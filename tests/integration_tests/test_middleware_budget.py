"""An agent with an allowance: the limit holds in every way an agent is run, and the agent ends well."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
)
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from langchain_costguard import Budget, BudgetExceededError, track_costs
from langchain_costguard.callbacks.runs import RUNS_TO_READ
from langchain_costguard.cascade import Cascade, CascadeChatModel
from langchain_costguard.middleware import BudgetMiddleware
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import ScriptedChatModel
from tests.integration_tests.middleware_agents import WAYS, agent, always, ask, calls, is_valid, pieces, search

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider

LIMIT = Decimal("0.0006")
THREAD: Any = {"configurable": {"thread_id": "t1"}}


def model(provider: LoopbackProvider, **settings: Any) -> Any:
    """A real model that answers in a hundred tokens at most, so that a reservation is not far from the bill."""
    return provider.chat_model(**{"max_tokens": 100, "max_retries": 0, "stream_usage": True, **settings})


@pytest.mark.required
@pytest.mark.parametrize("way", WAYS)
def test_an_agent_that_never_ends_is_ended_within_its_allowance(provider: LoopbackProvider, way: str) -> None:
    """The promise of the middleware: no more is billed than allowed, and the conversation stays whole."""
    allowance = BudgetMiddleware(Budget(LIMIT, per="run"))
    always(provider, calls("search"))
    state = ask(agent(model(provider), middleware=[allowance]), way)
    last = state["messages"][-1]
    assert isinstance(last, AIMessage)
    assert not last.tool_calls
    assert last.text.startswith("I stopped here: of the allowance of $0.0006 per run, $0.000")
    assert last.text.endswith("Undone: the answer to 'What is the weather in Paris?'.")
    assert Decimal(0) < provider.billed <= LIMIT
    assert allowance.costs.total_cost == provider.billed
    assert is_valid(state["messages"])
    assert len(provider.requests) > 1


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_asked_of_the_provider_after_the_refusal(provider: LoopbackProvider, way: str) -> None:
    """A refused call that is sent all the same would be the one that costs most."""
    always(provider, calls("search"))
    allowance = BudgetMiddleware(Budget("0.00001", per="run"))
    state = ask(agent(model(provider), middleware=[allowance]), way)
    assert provider.requests == ()
    assert state["messages"][-1].response_metadata["costguard"]["spent"] == "0"


@pytest.mark.parametrize("way", WAYS)
def test_the_refusal_is_raised_where_that_is_wanted(provider: LoopbackProvider, way: str) -> None:
    """Whoever runs agents in a queue wants the error, not a polite answer."""
    allowance = BudgetMiddleware(Budget("0.00001", per="run"), on_exceeded="raise")
    with pytest.raises(BudgetExceededError, match="refuses this call"):
        ask(agent(model(provider), middleware=[allowance]), way)
    assert provider.requests == ()


@pytest.mark.parametrize("way", WAYS)
def test_a_cheaper_model_goes_on_and_ends_within_the_allowance(provider: LoopbackProvider, way: str) -> None:
    """`downgrade` spends the rest of the allowance on what it still buys."""
    allowance = BudgetMiddleware(
        Budget("0.004", per="run"), on_exceeded="downgrade", cheaper=model(provider, model="gpt-4o-mini")
    )
    always(provider, calls("search"), times=200)
    state = ask(agent(model(provider, model="gpt-4o"), middleware=[allowance]), way)
    asked = [request.model for request in provider.requests]
    first_cheap = asked.index("gpt-4o-mini")
    assert set(asked[:first_cheap]) == {"gpt-4o"}
    assert set(asked[first_cheap:]) == {"gpt-4o-mini"}, "once cheaper, it stays so for the run"
    assert provider.billed <= Decimal("0.004")
    assert allowance.costs.total_cost == provider.billed
    assert "I stopped here" in state["messages"][-1].text


def test_a_shorter_context_goes_on_where_there_is_no_cheaper_model(provider: LoopbackProvider) -> None:
    """An old conversation is the dearest part of many a call."""
    allowance = BudgetMiddleware(Budget("0.0002", per="run"), on_exceeded="downgrade")
    old = [("user", "x" * 4000), ("ai", "y" * 4000)]
    state = ask(agent(model(provider), middleware=[allowance]), "invoke", {"messages": [*old, ("user", "And now?")]})
    assert [request.model for request in provider.requests] == ["gpt-4o-mini"]
    assert provider.requests[0].tokens.input_tokens < 200
    assert state["messages"][-1].text == "An answer from the loopback provider."
    assert len(state["messages"]) == 4, "the conversation itself is not cut"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_first", [True, False])
def test_retries_and_fallbacks_do_not_get_around_the_limit(
    provider: LoopbackProvider, way: str, *, is_first: bool
) -> None:
    """Both ask again where a call fails, and a refusal is no reason to."""
    allowance = BudgetMiddleware(Budget(LIMIT, per="run"))
    others: list[Any] = [
        ModelRetryMiddleware(max_retries=3, initial_delay=0, jitter=False),
        ModelFallbackMiddleware(model(provider), model(provider, model="gpt-4o")),
    ]
    always(provider, calls("search"))
    middleware = [allowance, *others] if is_first else [*others, allowance]
    state = ask(agent(model(provider), middleware=middleware), way)
    assert "I stopped here" in state["messages"][-1].text
    assert provider.billed <= LIMIT
    assert allowance.costs.total_cost == provider.billed
    assert is_valid(state["messages"])


def test_what_a_failing_provider_may_have_billed_counts_in_retries(provider: LoopbackProvider) -> None:
    """Retries of LangChain are calls of their own: each is reserved."""
    allowance = BudgetMiddleware(Budget(calls=2, per="run"))
    provider.script(500, 500, 500, 500)
    retry = ModelRetryMiddleware(max_retries=5, initial_delay=0, jitter=False)
    state = ask(agent(model(provider), middleware=[allowance, retry]), "invoke")
    assert len(provider.requests) == 2
    assert "2 calls" in state["messages"][-1].text


@pytest.mark.parametrize("way", WAYS)
def test_agents_inside_of_tools_spend_the_parents_allowance(provider: LoopbackProvider, way: str) -> None:
    """A sub-agent is where most of an agent's money goes."""
    helper = agent(model(provider), name="researcher")

    @tool
    def research(query: str) -> str:
        """Have it researched."""
        return str(helper.invoke({"messages": [("user", query)]})["messages"][-1].text)

    @tool
    async def research_later(query: str) -> str:
        """Have it researched."""
        state = await helper.ainvoke({"messages": [("user", query)]})
        return str(state["messages"][-1].text)

    name = "research_later" if way.startswith("a") else "research"
    provider.script(calls(name, name))
    always(provider, calls("search"))
    allowance = BudgetMiddleware(Budget(LIMIT, per="run"))
    state = ask(agent(model(provider), [research, research_later], middleware=[allowance]), way)
    assert provider.billed <= LIMIT
    assert allowance.costs.total_cost == provider.billed
    assert is_valid(state["messages"])
    last = state["messages"][-1].text
    assert "I stopped here" in last
    assert f"{name}(query='Paris')" in last, "what could not be finished is named"
    spenders = {line.metadata["agent"] for line in allowance.costs.entries()}
    assert spenders == {"boss", "researcher"}


@pytest.mark.parametrize("way", WAYS)
def test_calls_of_other_middleware_spend_it_as_well(provider: LoopbackProvider, way: str) -> None:
    """A summary is a call of a model like any other, and no agent's own node makes it."""
    summary = SummarizationMiddleware(model(provider), trigger=("messages", 2), keep=("messages", 1))
    allowance = BudgetMiddleware(Budget(1, per="run"))
    provider.script(calls("search"))
    ask(agent(model(provider), middleware=[allowance, summary]), way)
    steps = [line.metadata["step"] for line in allowance.costs.entries()]
    assert steps == ["model", "SummarizationMiddleware.before_model", "model"]
    assert allowance.costs.total_cost == provider.billed
    (standing,) = allowance.costs.budgets()
    assert standing.spent == provider.billed


def test_a_summary_that_does_not_fit_is_not_made(provider: LoopbackProvider) -> None:
    """The limit holds where nobody can end the agent well: in the node of another middleware."""
    summary = SummarizationMiddleware(model(provider, model="gpt-4o"), trigger=("messages", 1), keep=("messages", 1))
    allowance = BudgetMiddleware(Budget("0.0003", per="run"))
    given = {"messages": [("user", "x" * 3000), ("ai", "y"), ("user", "z")]}
    with pytest.raises(BudgetExceededError):
        ask(agent(model(provider), middleware=[summary, allowance]), "invoke", given)
    assert provider.requests == ()


@pytest.mark.parametrize("way", WAYS)
def test_a_cascade_inside_of_an_agent_is_held(provider: LoopbackProvider, way: str) -> None:
    """A model that asks other models runs them apart from LangChain; the allowance follows."""
    cascade = CascadeChatModel(tiers=[model(provider), model(provider, model="gpt-4o")])
    allowance = BudgetMiddleware(Budget("0.002", per="run"))
    always(provider, calls("search"))
    ask(agent(cascade, middleware=[allowance]), way)
    assert Decimal(0) < provider.billed <= Decimal("0.002")
    assert allowance.costs.total_cost == provider.billed


def test_a_cascade_that_a_tool_runs_is_held(provider: LoopbackProvider) -> None:
    """Its legs are watched by its own handler alone, which must know whose allowance they spend."""
    cascade = Cascade([model(provider), model(provider, model="gpt-4o")])

    @tool
    def research(query: str) -> str:
        """Ask two models."""
        return str(cascade.invoke(query).text)

    allowance = BudgetMiddleware(Budget(1, per="run"))
    provider.script(calls("research"), "UNCERTAIN", "Sunny.")
    state = ask(agent(model(provider), [research], middleware=[allowance]), "invoke")
    assert [message.text for message in state["messages"] if isinstance(message, ToolMessage)] == ["Sunny."]
    assert len(provider.requests) == 4
    assert allowance.costs.total_cost == provider.billed


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_the_farewell_is_streamed_like_any_message(provider: LoopbackProvider, way: str) -> None:
    """A chat that shows pieces would otherwise end in silence."""
    allowance = BudgetMiddleware(Budget("0.00001", per="run"))
    shown = pieces(agent(model(provider), middleware=[allowance]), way)
    assert "".join(piece.text for piece in shown).startswith("I stopped here")


# -- tools -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_the_price_of_a_tool_counts_and_is_booked(provider: LoopbackProvider, way: str) -> None:
    """A search that is billed per call is part of what an agent costs."""
    allowance = BudgetMiddleware(Budget(1, per="run"), tool_prices={"search": "0.01"})
    provider.script(calls("search", "search"))
    with track_costs() as costs:
        ask(agent(model(provider), middleware=[allowance]), way)
    assert allowance.costs.total_cost == provider.billed + Decimal("0.02")
    assert costs.total_cost == allowance.costs.total_cost
    lines = [line for line in allowance.costs.entries() if line.kind == "tool"]
    assert [(line.metadata["tool"], line.billed_cost) for line in lines] == [("search", Decimal("0.01"))] * 2
    (standing,) = allowance.costs.budgets()
    assert standing.spent == allowance.costs.total_cost
    assert standing.reserved == 0


@pytest.mark.parametrize("way", WAYS)
def test_of_tools_called_at_once_only_those_run_that_are_paid_for(provider: LoopbackProvider, way: str) -> None:
    """Tools run at the same time, so a counter that is read and then written would let all of them through."""
    ran = []

    @tool
    def lookup(query: str) -> str:
        """Look it up."""
        ran.append(query)
        return "found"

    allowance = BudgetMiddleware(Budget("0.025", per="run"), tool_prices={"lookup": "0.01"})
    provider.script(calls(*["lookup"] * 6))
    state = ask(agent(model(provider), [lookup], middleware=[allowance]), way)
    assert len(ran) == 2
    assert is_valid(state["messages"])
    statuses = [message.status for message in state["messages"] if isinstance(message, ToolMessage)]
    assert sorted(statuses) == ["error"] * 4 + ["success"] * 2
    assert state["messages"][-1].text.count("lookup(query='Paris')") == 4
    assert len(provider.requests) == 1, "the agent ends without asking its model again"


def test_a_tool_that_fails_is_paid_and_one_that_waits_is_not(provider: LoopbackProvider) -> None:
    """Whoever answers with an error has been called; a tool that asks a human first has not been, yet."""

    @tool
    def careful(query: str) -> str:
        """Ask before it searches."""
        return str(interrupt(f"May I search for {query}?"))

    @tool
    def broken(query: str) -> str:
        """Fail."""
        raise RuntimeError(query)

    allowance = BudgetMiddleware(Budget(1, per="run"), tool_prices={"careful": "0.01", "broken": "0.02"})
    graph = agent(model(provider), [careful, broken], middleware=[allowance], checkpointer=InMemorySaver())
    provider.script(calls("careful"))
    ask(graph, "invoke", config=THREAD)
    (standing,) = allowance.costs.budgets()
    assert (standing.spent, standing.reserved) == (provider.billed, Decimal(0))
    graph.invoke(Command(resume="yes"), THREAD)
    assert allowance.costs.total_cost == provider.billed + Decimal("0.01")
    provider.script(calls("broken"))
    with pytest.raises(RuntimeError):
        ask(graph, "invoke", config={"configurable": {"thread_id": "t2"}})
    assert allowance.costs.total_cost == provider.billed + Decimal("0.03")


def test_budgets_of_others_are_charged_for_tools(provider: LoopbackProvider) -> None:
    """A department's budget around the agent must see all that the agent costs."""
    allowance = BudgetMiddleware(Budget(1, per="run"), tool_prices={"search": "0.01"})
    provider.script(calls("search"))
    with track_costs(store=InMemoryStore(), budgets=Budget(1, per="day")) as costs:
        ask(agent(model(provider), middleware=[allowance]), "invoke")
    (standing,) = costs.budgets()
    assert standing.spent == provider.billed + Decimal("0.01")


# -- runs, threads, users, checkpoints -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_each_invocation_has_an_allowance_of_its_own(provider: LoopbackProvider, way: str) -> None:
    """`per="run"` means one invocation, also where many are made inside of one chain."""
    allowance = BudgetMiddleware(Budget(calls=1, per="run"))
    graph = agent(model(provider), middleware=[allowance])
    for _ in range(3):
        ask(graph, way)
    assert len(provider.requests) == 3


def test_invocations_at_once_do_not_share_an_allowance_per_run(provider: LoopbackProvider) -> None:
    """Threads of one process run the same graph object."""
    allowance = BudgetMiddleware(Budget(calls=2, per="run"))
    graph = agent(model(provider), middleware=[allowance])
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: ask(graph, "invoke"), range(16)))
    assert len(provider.requests) == 16
    assert all(state["messages"][-1].text == "An answer from the loopback provider." for state in states)


@pytest.mark.parametrize("stores", ["memory", "sqlite", "valkey"], indirect=True)
def test_invocations_at_once_share_an_allowance_per_day(provider: LoopbackProvider, stores: dict[str, Any]) -> None:
    """Reservations hold where counters are raced past."""
    allowance = BudgetMiddleware(Budget(LIMIT, per="day"), **stores)
    graph = agent(model(provider), middleware=[allowance])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(graph, "invoke"), range(60)))
    assert Decimal(0) < provider.billed <= LIMIT
    assert allowance.costs.total_cost == provider.billed


@pytest.mark.parametrize("stores", ["sqlite", "valkey"], indirect=True)
@pytest.mark.parametrize("way", ["ainvoke", "astream"])
def test_an_event_loop_asks_a_budget_in_a_database(
    provider: LoopbackProvider, stores: dict[str, Any], way: str
) -> None:
    """A store across a network is asked from a thread, where hooks are told what the agent's run is all the same."""
    allowance = BudgetMiddleware(Budget(LIMIT, per="day"), tool_prices={"search": "0.00001"}, **stores)
    always(provider, calls("search"))
    state = ask(agent(model(provider), middleware=[allowance]), way)
    assert "I stopped here" in state["messages"][-1].text
    assert len(provider.requests) > 1
    assert provider.billed <= LIMIT
    assert allowance.costs.total_cost == provider.billed + Decimal("0.00001") * len(provider.requests)
    (standing,) = allowance.costs.budgets()
    assert (standing.spent, standing.reserved) == (allowance.costs.total_cost, 0)


@pytest.mark.parametrize("way", WAYS)
def test_each_thread_has_an_allowance_that_lasts(provider: LoopbackProvider, way: str) -> None:
    """A conversation may be long, and its allowance is not renewed with each question."""
    allowance = BudgetMiddleware(Budget(calls=2, each="thread_id"), store=InMemoryStore())
    graph = agent(model(provider), middleware=[allowance], checkpointer=InMemorySaver())
    last = [ask(graph, way, config=THREAD)["messages"][-1].text for _ in range(3)]
    assert len(provider.requests) == 2
    assert last[2].startswith("I stopped here: of the allowance of 2 calls in total for each thread_id, 2 calls is")
    ask(graph, way, config={"configurable": {"thread_id": "t2"}})
    assert len(provider.requests) == 3


def test_each_user_has_an_allowance(provider: LoopbackProvider) -> None:
    """One user's agent must not spend another's."""
    allowance = BudgetMiddleware(Budget(calls=1, per="day", each="user"), store=InMemoryStore())
    graph = agent(model(provider), middleware=[allowance])
    for user in ("alice", "alice", "bob"):
        ask(graph, "invoke", config={"metadata": {"user": user}})
    assert len(provider.requests) == 2
    with pytest.raises(BudgetExceededError, match=r"'user': \.\.\."):
        ask(graph, "invoke")


def test_a_thread_without_a_checkpointer_is_refused_before_anything_is_asked(provider: LoopbackProvider) -> None:
    """An allowance per thread that nobody keeps would be none."""
    allowance = BudgetMiddleware(Budget(1, each="thread_id"), store=InMemoryStore())
    graph = agent(model(provider), middleware=[allowance])
    with pytest.raises(ValueError, match=r"checkpointer=InMemorySaver\(\)"):
        ask(graph, "invoke", config=THREAD)
    assert provider.requests == ()


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupt_does_not_renew_the_allowance(provider: LoopbackProvider, way: str) -> None:
    """Whoever approves a tool call approves a call, not a second allowance."""
    allowance = BudgetMiddleware(Budget(calls=2, per="run"))
    approval = HumanInTheLoopMiddleware(interrupt_on={"search": True})
    graph = agent(model(provider), middleware=[allowance, approval], checkpointer=InMemorySaver())
    always(provider, calls("search"))
    ask(graph, way, config=THREAD)
    assert len(provider.requests) == 1
    approved = Command(resume={"decisions": [{"type": "approve"}]})
    ask(graph, way, approved, THREAD)
    state = ask(graph, way, approved, THREAD)
    assert len(provider.requests) == 2
    assert "I stopped here" in state["messages"][-1].text
    assert is_valid(state["messages"])
    ask(graph, way, config=THREAD)
    assert len(provider.requests) == 3, "a new question is a new run"


@pytest.mark.parametrize("way", WAYS)
def test_an_allowance_goes_on_in_another_process(provider: LoopbackProvider, way: str) -> None:
    """A worker that resumes from a checkpoint knows what the one before it has spent."""
    saver = InMemorySaver()
    approval = HumanInTheLoopMiddleware(interrupt_on={"search": True})
    always(provider, calls("search"))

    def worker() -> tuple[Any, BudgetMiddleware]:  # counters per run are kept by process, and by middleware
        allowance = BudgetMiddleware(Budget(LIMIT, per="run"))
        return agent(model(provider), middleware=[allowance, approval], checkpointer=saver), allowance

    ask(worker()[0], way, config=THREAD)
    for _ in range(12):
        graph, allowance = worker()
        state = ask(graph, way, Command(resume={"decisions": [{"type": "approve"}]}), THREAD)
        if "I stopped here" in state["messages"][-1].text:
            break
    assert "I stopped here" in state["messages"][-1].text
    assert provider.billed <= LIMIT
    (standing,) = allowance.costs.budgets()
    assert standing.spent == provider.billed


def test_allowances_of_runs_that_ended_long_ago_are_let_go(provider: LoopbackProvider) -> None:
    """A server runs agents for months; one that was interrupted goes on with what it had left all the same."""
    allowance = BudgetMiddleware(Budget(calls=2, per="run"))
    approval = HumanInTheLoopMiddleware(interrupt_on={"search": True})
    waiting = agent(model(provider), middleware=[allowance, approval], checkpointer=InMemorySaver())
    provider.script(calls("search"))
    ask(waiting, "invoke", config=THREAD)
    scripted = agent(ScriptedChatModel(responses="yes", model="gpt-4o-mini"), (), middleware=[allowance])
    for _ in range(RUNS_TO_READ + 50):
        ask(scripted, "invoke")
    assert len(allowance.costs.budgets()) == RUNS_TO_READ
    provider.script(calls("search"))
    approved = Command(resume={"decisions": [{"type": "approve"}]})
    ask(waiting, "invoke", approved, THREAD)
    state = ask(waiting, "invoke", approved, THREAD)
    assert "2 calls is spent" in state["messages"][-1].text
    assert len(provider.requests) == 2


def test_the_allowance_is_no_part_of_what_an_agent_returns(provider: LoopbackProvider) -> None:
    """State of a middleware that leaks into results breaks whoever stores them."""
    graph = agent(model(provider), middleware=[BudgetMiddleware(Budget(1, per="run"))], checkpointer=InMemorySaver())
    state = ask(graph, "invoke", config=THREAD)
    assert set(state) == {"messages"}
    (kept,) = graph.get_state(THREAD).values["costguard_allowance"].values()
    assert kept["spent"] == {"usd/run": int(provider.billed * 10**9)}


def test_a_conversation_goes_on_after_its_agent_was_stopped(provider: LoopbackProvider) -> None:
    """A thread whose last turn dangles is refused by every provider."""
    saver = InMemorySaver()
    always(provider, calls("search"), times=3)
    small = BudgetMiddleware(Budget(calls=3, per="run"))
    ask(agent(model(provider), middleware=[small], checkpointer=saver), "invoke", config=THREAD)
    large = BudgetMiddleware(Budget(1, per="run"))
    state = ask(agent(model(provider), middleware=[large], checkpointer=saver), "invoke", config=THREAD)
    assert state["messages"][-1].text == "An answer from the loopback provider."
    assert is_valid(state["messages"])


# -- agents within agents, and other middleware ------------------------------------------------------------------------


def test_an_inner_allowance_ends_the_inner_agent_alone(provider: LoopbackProvider) -> None:
    """A helper with pocket money of its own reports back when it is spent."""
    pocket = BudgetMiddleware(Budget(calls=1, per="run"))
    helper = agent(model(provider), name="researcher", middleware=[pocket])

    @tool
    def research(query: str) -> str:
        """Have it researched."""
        return str(helper.invoke({"messages": [("user", query)]})["messages"][-1].text)

    allowance = BudgetMiddleware(Budget(1, per="run"))
    provider.script(calls("research"), calls("search"))
    state = ask(agent(model(provider), [research], middleware=[allowance]), "invoke")
    told = next(message for message in state["messages"] if isinstance(message, ToolMessage))
    assert told.text.startswith("I stopped here: of the allowance of 1 call per run")
    assert state["messages"][-1].text == "An answer from the loopback provider."
    assert allowance.costs.total_cost == provider.billed
    assert pocket.costs.calls == 1


def test_an_outer_allowance_ends_the_outer_agent(provider: LoopbackProvider) -> None:
    """The inner agent has money left, but not of its own to spend."""
    pocket = BudgetMiddleware(Budget(1, per="run"))
    helper = agent(model(provider), name="researcher", middleware=[pocket])

    @tool
    def research(query: str) -> str:
        """Have it researched."""
        return str(helper.invoke({"messages": [("user", query)]})["messages"][-1].text)

    allowance = BudgetMiddleware(Budget(calls=2, per="run"))
    provider.script(calls("research"), calls("search"))
    state = ask(agent(model(provider), [research], middleware=[allowance]), "invoke")
    assert len(provider.requests) == 2
    assert "of the allowance of 2 calls per run" in state["messages"][-1].text
    assert is_valid(state["messages"])


def test_a_model_that_a_tool_asks_in_a_thread_of_langchain_is_held(provider: LoopbackProvider) -> None:
    """`batch` inside of a tool starts threads, which inherit whose call it is."""
    inner = model(provider)

    @tool
    def research(query: str) -> str:
        """Ask much at once."""
        return "; ".join(answer.text for answer in inner.batch([query] * 3))

    allowance = BudgetMiddleware(Budget(1, per="run"))
    provider.script(calls("research"))
    ask(agent(model(provider), [research], middleware=[allowance]), "invoke")
    assert len(provider.requests) == 5
    assert allowance.costs.total_cost == provider.billed
    assert [line.metadata.get("tool") for line in allowance.costs.entries()].count("research") == 3


@pytest.mark.parametrize("tools", [(), (search,)])
def test_an_agent_with_a_structured_answer_ends_too(provider: LoopbackProvider, tools: tuple[Any, ...]) -> None:
    """Such an agent asks again until it has its structure, so it must be told to end."""

    class Weather(BaseModel):
        city: str

    allowance = BudgetMiddleware(Budget("0.00001", per="run"))
    graph = agent(model(provider), tools, middleware=[allowance], response_format=ToolStrategy(Weather))
    state = ask(graph, "invoke")
    assert state.get("structured_response") is None
    assert "I stopped here" in state["messages"][-1].text


def test_open_todos_are_named(provider: LoopbackProvider) -> None:
    """A plan says best what remains undone."""
    todos = [{"content": "read", "status": "completed"}, {"content": "write", "status": "pending"}]
    provider.next(tool_calls=[("write_todos", {"todos": todos})])
    allowance = BudgetMiddleware(Budget(calls=1, per="run"))
    state = ask(agent(model(provider), middleware=[allowance, TodoListMiddleware()]), "invoke")
    assert state["messages"][-1].response_metadata["costguard"]["undone"] == [
        "to do: write",
        "the answer to 'What is the weather in Paris?'",
    ]


def test_somebody_elses_budget_is_raised(provider: LoopbackProvider) -> None:
    """A limit around the agent was set by somebody who may want to know."""
    allowance = BudgetMiddleware(Budget(1, per="run"))
    with track_costs(budgets=Budget("0.00001", per="run")), pytest.raises(BudgetExceededError):
        ask(agent(model(provider), middleware=[allowance]), "invoke")
    assert provider.requests == ()


def test_the_same_middleware_twice_is_refused(provider: LoopbackProvider) -> None:
    """Two of them would each do half of the work."""
    one, two = BudgetMiddleware(Budget(1, per="run")), BudgetMiddleware(Budget(2, per="day"), store=InMemoryStore())
    with pytest.raises(AssertionError, match="duplicate middleware"):
        agent(model(provider), middleware=[one, two])


def test_calls_outside_of_the_agent_are_not_its_own(provider: LoopbackProvider) -> None:
    """One watcher serves the process, and must tell its agents' calls from everybody else's."""
    allowance = BudgetMiddleware(Budget(1, per="run"))
    graph = agent(model(provider), middleware=[allowance])
    started = threading.Barrier(2)

    def outside() -> None:
        started.wait()
        model(provider).batch(["a", "b", "c"])
        agent(model(provider)).invoke({"messages": [("user", "hi")]})

    thread = threading.Thread(target=outside)
    thread.start()
    started.wait()
    ask(graph, "invoke")
    thread.join()
    assert len(provider.requests) == 5
    assert allowance.costs.calls == 1


def test_nothing_is_held_or_booked_where_the_package_is_disabled(
    provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`COSTGUARD_DISABLED=1` removes every effect."""
    monkeypatch.setenv("COSTGUARD_DISABLED", "1")
    allowance = BudgetMiddleware(Budget("0.00001", per="run"), tool_prices={"search": 1})
    provider.script(calls("search"))
    state = ask(agent(model(provider), middleware=[allowance]), "invoke")
    assert state["messages"][-1].text == "An answer from the loopback provider."
    assert allowance.costs.entries() == []


class Recalling(AgentMiddleware[Any, Any, Any]):
    """A middleware of somebody else that knows one class of model only."""

    def __init__(self, known: type) -> None:
        super().__init__()
        self.known = known
        self.seen: list[bool] = []

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        self.seen.append(isinstance(request.model, self.known))
        return handler(request)


def test_middleware_that_asks_for_the_models_class_still_finds_it(provider: LoopbackProvider) -> None:
    """Provider-specific middleware does nothing for a model it does not recognise."""
    recalling = Recalling(type(model(provider)))
    allowance = BudgetMiddleware(Budget(1, per="run"))
    ask(agent(model(provider), middleware=[allowance, recalling]), "invoke")
    assert recalling.seen == [True]
