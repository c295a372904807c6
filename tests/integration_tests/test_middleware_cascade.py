"""A cascade of an agent's turns: who is asked, what is acted on, what it costs, in every way an agent is run."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents.middleware import AgentMiddleware, ModelFallbackMiddleware, ModelRetryMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from langchain_costguard import Budget, BudgetExceededError, track_costs
from langchain_costguard.budgets import Scope
from langchain_costguard.budgets.claims import BudgetChange
from langchain_costguard.cascade import JudgedBy, TokenConfidence
from langchain_costguard.middleware import BudgetMiddleware, CascadeMiddleware
from langchain_costguard.stores import InMemoryStore
from tests.integration_tests.middleware_agents import WAYS, agent, ask, calls, is_valid, pieces

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider

MINI, FULL = "gpt-4o-mini", "gpt-4o"


def cascade(provider: LoopbackProvider, *arguments: Any, **settings: Any) -> CascadeMiddleware:
    """A cascade in front of the agent's own model."""
    return CascadeMiddleware(provider.chat_model(model=MINI, max_retries=0), *arguments, **settings)


def full(provider: LoopbackProvider, **settings: Any) -> Any:
    """The agent's own model."""
    return provider.chat_model(**{"model": FULL, "max_retries": 0, **settings})


def asked(provider: LoopbackProvider) -> list[str | None]:
    """Which models were asked."""
    return [request.model for request in provider.requests]


@pytest.mark.required
@pytest.mark.parametrize("way", WAYS)
def test_only_the_turn_that_needs_it_is_asked_of_the_full_model(provider: LoopbackProvider, way: str) -> None:
    """Most turns of an agent are easy; a wrong tool call or an unsure answer is not acted on."""
    provider.script(calls("look_up"), calls("search"), calls("search"), "UNCERTAIN", "It is sunny.")
    with track_costs() as costs:
        state = ask(agent(full(provider), middleware=[cascade(provider)]), way)
    assert asked(provider) == [MINI, FULL, MINI, MINI, FULL]
    assert state["messages"][-1].text == "It is sunny."
    assert is_valid(state["messages"])
    assert costs.total_cost == provider.billed
    lines = costs.entries()
    assert {line.techniques for line in lines} == {("cascade",)}
    saved = Decimal(sum((line.baseline_nano or 0) - (line.billed_nano or 0) for line in lines)) / 10**9
    records = [message.response_metadata.get("cascade") for message in state["messages"]]
    assert saved == sum((Decimal(record["saved_usd"]) for record in records if record), Decimal(0))
    assert [record["tier"] for record in records if record] == [1, 0, 1]


@pytest.mark.parametrize("way", WAYS)
def test_wrong_arguments_and_missing_ones_escalate(provider: LoopbackProvider, way: str) -> None:
    """A call that its tool would refuse costs a turn more than asking the better model at once."""
    provider.next(tool_calls=[("search", {"quary": "Paris"})])
    provider.script(calls("search"), "Done.")
    state = ask(agent(full(provider), middleware=[cascade(provider)]), way)
    assert asked(provider) == [MINI, FULL, MINI]
    assert all(message.status == "success" for message in state["messages"] if isinstance(message, ToolMessage))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tools", [True, False])
def test_a_structured_answer_that_does_not_fit_escalates(provider: LoopbackProvider, way: str, *, tools: bool) -> None:
    """LangChain would have the small model try again; the cascade asks the one that can."""

    class Weather(BaseModel):
        city: str

    provider.next(tool_calls=[("Weather", {"town": "Paris"})])
    provider.next(tool_calls=[("Weather", {"city": "Paris"})])
    given: dict[str, Any] = {} if tools else {"tools": ()}
    graph = agent(full(provider), middleware=[cascade(provider)], response_format=ToolStrategy(Weather), **given)
    state = ask(graph, way)
    assert asked(provider) == [MINI, FULL]
    assert state["structured_response"] == Weather(city="Paris")


def test_a_structured_answer_that_fits_is_kept(provider: LoopbackProvider) -> None:
    """A schema met by the small model needs nobody else."""

    class Weather(BaseModel):
        city: str

    provider.next(tool_calls=[("Weather", {"city": "Paris"})])
    graph = agent(full(provider), middleware=[cascade(provider)], response_format=ToolStrategy(Weather))
    assert ask(graph, "invoke")["structured_response"] == Weather(city="Paris")
    assert asked(provider) == [MINI]


@pytest.mark.parametrize("way", WAYS)
def test_a_signal_that_needs_log_probabilities_gets_them(provider: LoopbackProvider, way: str) -> None:
    """What a signal needs is asked of the small model alone."""
    provider.next(text="Perhaps.", logprob=-3.0)
    provider.next(text="Sunny.")
    middleware = cascade(provider, None, TokenConfidence(0.8))
    state = ask(agent(full(provider), (), middleware=[middleware]), way)
    assert asked(provider) == [MINI, FULL]
    assert "logprobs" in provider.requests[0].body_keys
    assert "logprobs" not in provider.requests[1].body_keys
    assert state["messages"][-1].text == "Sunny."


@pytest.mark.parametrize("way", WAYS)
def test_a_judge_is_a_call_that_is_counted(provider: LoopbackProvider, way: str) -> None:
    """A judge's cost is part of what the answer cost."""
    provider.script("Cloudy.", "no", "Sunny.")
    middleware = cascade(provider, None, JudgedBy(provider.chat_model(model="gpt-4.1", max_retries=0)))
    allowance = BudgetMiddleware(Budget(1, per="run"))
    state = ask(agent(full(provider), (), middleware=[allowance, middleware]), way)
    assert asked(provider) == [MINI, "gpt-4.1", FULL]
    assert allowance.costs.total_cost == provider.billed
    assert Decimal(state["messages"][-1].response_metadata["cascade"]["cost_usd"]) == provider.billed


@pytest.mark.parametrize("way", WAYS)
def test_a_sticky_cascade_stays_with_the_full_model_for_the_run(provider: LoopbackProvider, way: str) -> None:
    """Going back and forth leaves both providers' prompt caches cold."""
    graph = agent(full(provider), middleware=[cascade(provider, sticky=True)], checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "t1"}}
    provider.script("UNCERTAIN", calls("search"), calls("search"), "Done.")
    ask(graph, way, config=thread)
    assert asked(provider) == [MINI, FULL, FULL, FULL]
    ask(graph, way, config=thread)
    assert asked(provider)[4:] == [MINI], "a new run begins anew"


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_rejected_turn_is_never_streamed(provider: LoopbackProvider, way: str) -> None:
    """Pieces of a draft cannot be taken back."""
    provider.script("UNCERTAIN and wrong", "It is sunny.")
    models = [provider.chat_model(model=name, stream_usage=True) for name in (MINI, FULL)]
    shown = pieces(agent(models[1], (), middleware=[CascadeMiddleware(models[0])]), way)
    assert "".join(piece.text for piece in shown) == "It is sunny."
    assert len(shown) > 2, "the full model's answer comes piece by piece"
    provider.script("It is sunny.")
    shown = pieces(agent(models[1], (), middleware=[CascadeMiddleware(models[0])]), way)
    assert [piece.text for piece in shown] == ["It is sunny."]


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_escalation_leaves_the_small_models_answer(provider: LoopbackProvider, way: str) -> None:
    """An answer that may be wrong is better than none, where the user says so."""
    provider.script("Perhaps sunny.")
    middleware = cascade(provider, full(provider, max_tokens=100), lambda _: False)
    allowance = BudgetMiddleware(Budget("0.0005", per="run"))
    mini = provider.chat_model(model=MINI, max_tokens=100, max_retries=0)
    middleware = CascadeMiddleware(mini, full(provider, max_tokens=100), lambda _: False)
    state = ask(agent(full(provider), (), middleware=[allowance, middleware]), way)
    assert asked(provider) == [MINI]
    assert state["messages"][-1].text == "Perhaps sunny."
    assert state["messages"][-1].response_metadata["cascade"]["ending"] == "refused"
    strict = CascadeMiddleware(mini, full(provider, max_tokens=100), lambda _: False, on_refused="raise")
    ended = ask(agent(full(provider), (), middleware=[allowance, strict]), way)
    assert "I stopped here" in ended["messages"][-1].text
    raising = BudgetMiddleware(Budget("0.0005", per="run"), on_exceeded="raise")
    with pytest.raises(BudgetExceededError):
        ask(agent(full(provider), (), middleware=[raising, strict]), way)
    assert asked(provider) == [MINI] * 3


class Relief(AgentMiddleware[Any, Any, Any]):
    """An operator who lifts the limit as soon as something is refused."""

    def __init__(self, store: InMemoryStore, budget: Budget) -> None:
        super().__init__()
        self.lift = lambda: store.change(BudgetChange(budget.key, "set", 0, "ann", 1_000_000))

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        try:
            return handler(request)
        except BudgetExceededError:
            self.lift()
            raise

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        try:
            return await handler(request)
        except BudgetExceededError:
            self.lift()
            raise


@pytest.mark.parametrize("way", WAYS)
def test_an_escalation_that_is_admitted_when_asked_again_books_no_second_baseline(
    provider: LoopbackProvider, way: str
) -> None:
    """One answer is compared once: with what the full model alone would have cost."""
    provider.script("Perhaps sunny.", "It is sunny.")
    budget, store = Budget(tokens=1, scope=Scope.model(FULL), name="full"), InMemoryStore()
    allowance = BudgetMiddleware(budget, budget_store=store, on_alert=lambda _: None)
    middleware = [cascade(provider, None, lambda _: False, on_refused="raise"), Relief(store, budget), allowance]
    with track_costs() as costs:
        state = ask(agent(full(provider, max_tokens=100), (), middleware=middleware), way)
    assert asked(provider) == [MINI, FULL]
    assert state["messages"][-1].text == "It is sunny."
    tokens = provider.requests[-1].tokens
    assert (
        costs.report().savings().baseline_cost
        == (tokens.input_tokens * Decimal("2.50") + tokens.output_tokens * Decimal("10.00")) / 10**6
    )
    assert [line.techniques for line in costs.entries()] == [("cascade",)] * 2
    assert costs.total_cost == provider.billed


@pytest.mark.parametrize("way", WAYS)
def test_a_small_model_that_is_down_is_stood_in_for(provider: LoopbackProvider, way: str) -> None:
    """The full model would have been asked without the cascade."""
    provider.script(503, "Sunny.")
    state = ask(agent(full(provider), (), middleware=[cascade(provider)]), way)
    assert asked(provider) == [MINI, FULL]
    assert state["messages"][-1].text == "Sunny."


class Noting(AgentMiddleware[Any, Any, Any]):
    """Somebody else's middleware that knows one class of model only, and notes which it is given."""

    def __init__(self, known: type) -> None:
        super().__init__()
        self.known = known
        self.seen: list[tuple[bool, str]] = []

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        self.seen.append((isinstance(request.model, self.known), request.model.model_name))
        return handler(request)

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        self.seen.append((isinstance(request.model, self.known), request.model.model_name))
        return await handler(request)


@pytest.mark.parametrize("way", WAYS)
def test_middleware_that_asks_for_the_models_class_works_inside_and_outside(
    provider: LoopbackProvider, way: str
) -> None:
    """Provider-specific middleware, retries and fallbacks see the very models that are asked."""
    provider.script("UNCERTAIN", "Sunny.")
    outside, inside = Noting(type(full(provider))), Noting(type(full(provider)))
    inside.__class__ = type("Inside", (Noting,), {})
    others = [ModelRetryMiddleware(max_retries=0), ModelFallbackMiddleware(full(provider))]
    ask(agent(full(provider), (), middleware=[outside, cascade(provider), inside, *others]), way)
    assert outside.seen == [(True, FULL)]
    assert inside.seen == [(True, MINI), (True, FULL)]


def test_the_prompt_of_the_agent_reaches_both_models(provider: LoopbackProvider) -> None:
    """The signal's instruction goes to the small model alone, behind the agent's own prompt."""
    seen: list[Any] = []

    class Reading(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            seen.append((request.system_message.text, len(request.messages)))
            return handler(request)

    provider.script("UNCERTAIN", "Sunny.")
    graph = agent(full(provider), (), middleware=[cascade(provider), Reading()], system_prompt="Be brief.")
    ask(graph, "invoke")
    assert seen[0][0].startswith("Be brief.\n\n")
    assert "UNCERTAIN" in seen[0][0]
    assert seen[1] == ("Be brief.", 1)


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_with_an_allowance_and_a_cascade_in_its_tool(provider: LoopbackProvider, way: str) -> None:
    """A helper's cascade is booked under the helper, and held by the allowance of the agent that calls it."""
    helper = agent(full(provider), (), name="researcher", middleware=[cascade(provider)])

    @tool
    def research(query: str) -> str:
        """Have it researched."""
        return str(helper.invoke({"messages": [("user", query)]})["messages"][-1].text)

    allowance = BudgetMiddleware(Budget(1, per="run"))
    provider.script(calls("research"), "UNCERTAIN", "Sunny.")
    ask(agent(full(provider), [research], middleware=[allowance]), way)
    assert asked(provider) == [FULL, MINI, FULL, FULL]
    assert allowance.costs.total_cost == provider.billed
    spent = {row.group: row.calls for row in allowance.costs.report().by("metadata:agent", "metadata:tool")}
    assert spent == {("boss", None): 2, ("researcher", "research"): 2}
