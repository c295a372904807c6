"""A routed call's ledger equals what the provider billed, carries technique and baseline, and budgets choose routes."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from langchain_costguard import Budget, BudgetExceededError, Cascade, CostCallbackHandler, PriceBook, track_costs
from langchain_costguard.budgets import Scope
from langchain_costguard.output_limits import limit_output
from langchain_costguard.pricing import free, gpu_hour
from langchain_costguard.routing import ComplexityRouter, Route, TaskRouter
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Behaviour, LoopbackProvider, ModelPrice

if TYPE_CHECKING:
    from collections.abc import Iterator

WAYS = ["invoke", "ainvoke", "stream", "astream", "batch", "abatch"]


class City(BaseModel):
    """A city."""

    name: str


def client(provider: LoopbackProvider, name: str, **settings: Any) -> Any:
    """A real client of the provider."""
    return provider.chat_model(model=name, max_tokens=50, stream_usage=True, **settings)


def router(provider: LoopbackProvider, **settings: Any) -> TaskRouter:
    """Two real clients; what has no task goes to the small one."""
    routes = {"easy": client(provider, "gpt-4o-mini"), "hard": client(provider, "gpt-4o")}
    return TaskRouter(routes, "easy", **settings)


def ask(model: Any, way: str, config: Any = None) -> list[Any]:
    """Ask an easy and a hard question in one of LangChain's ways."""
    given: list[Any] = [{"task": "easy", "query": "France?"}, {"task": "hard", "query": "France?"}]

    async def astreamed(question: Any) -> Any:
        pieces = [piece async for piece in model.astream(question, config)]
        return sum(pieces[1:], pieces[0])

    def streamed(question: Any) -> Any:
        pieces = list(model.stream(question, config))
        return sum(pieces[1:], pieces[0])

    if way == "invoke":
        return [model.invoke(question, config) for question in given]
    if way == "ainvoke":
        return [asyncio.run(model.ainvoke(question, config)) for question in given]
    if way == "stream":
        return list(map(streamed, given))
    if way == "astream":
        return [asyncio.run(astreamed(question)) for question in given]
    one_by_one = {**(config or {}), "max_concurrency": 1}
    return model.batch(given, one_by_one) if way == "batch" else asyncio.run(model.abatch(given, one_by_one))


@pytest.mark.parametrize("way", WAYS)
def test_the_ledger_equals_the_bill_and_says_what_routing_saved(provider: LoopbackProvider, way: str) -> None:
    """A routed call counted twice, or without its baseline, makes every figure after it wrong."""
    handler = CostCallbackHandler(InMemoryStore())
    with track_costs() as costs:
        easy, hard = ask(router(provider), way, {"callbacks": [handler], "metadata": {"user": "u1"}})
    assert [answer.response_metadata["routing"]["route"] for answer in (easy, hard)] == ["easy", "hard"]
    for seen in (costs, handler):
        assert seen.total_cost == provider.billed
        assert seen.calls == len(provider.requests) == 2
        small, full = seen.entries()
        assert (small.techniques, small.baseline_model) == (("routing",), "gpt-4o")
        assert (full.techniques, full.baseline_model) == ((), None)
        assert small.baseline_nano == full.billed_nano
        assert small.metadata["route"] == "easy"
        assert small.metadata["route_reason"] == "task 'easy', named in the input"
        assert small.user == "u1"
        assert small.chain.endswith("TaskRouter")


def test_the_classifiers_call_is_on_the_bill_and_counts_against_the_saving(provider: LoopbackProvider) -> None:
    """A router that hides its own cost would make every classifier look free."""
    provider.script("easy", "Paris")
    with track_costs() as costs:
        routed = router(provider, classifier=client(provider, "gpt-4o-mini"))
        assert routed.invoke("France?").text == "Paris"
    found, answered = costs.entries()
    assert (found.techniques, found.baseline_nano) == (("routing",), 0)
    assert answered.baseline_model == "gpt-4o"
    assert found.root_run_id == answered.root_run_id
    assert costs.total_cost == provider.billed


def test_a_run_budget_counts_classifier_and_answer_together(provider: LoopbackProvider) -> None:
    """Both belong to one question."""
    provider.script("easy", "Paris")
    routed = router(provider, classifier=client(provider, "gpt-4o-mini"))
    handler = CostCallbackHandler(InMemoryStore(), budgets=[Budget(calls=1, per="run")])
    with pytest.raises(BudgetExceededError):
        routed.invoke("France?", {"callbacks": [handler]})
    assert len(provider.requests) == 1


@pytest.fixture
def server() -> Iterator[LoopbackProvider]:
    """A server of one's own, such as vLLM or llama.cpp, that bills nothing."""
    with LoopbackProvider(prices={"qwen2.5:7b": ModelPrice(Decimal(0), Decimal(0))}) as served:
        yield served


@pytest.mark.parametrize("price", [free(), gpu_hour("0.36")], ids=["free", "by the hour"])
def test_a_local_model_shows_what_it_saves(provider: LoopbackProvider, server: LoopbackProvider, price: Any) -> None:
    """Free or by the hour: its saving is against what the same tokens cost in the cloud."""
    own = PriceBook({"qwen2.5:7b": price})
    routed = ComplexityRouter(client(server, "qwen2.5:7b"), client(provider, "gpt-4o"))
    with track_costs(prices=own, store=InMemoryStore()) as costs:
        routed.invoke({"complexity": "high", "query": "France?"})
        routed.invoke({"complexity": "low", "query": "France?"})
    cloud, local = costs.entries()
    assert (local.techniques, local.baseline_model) == (("local_model",), "gpt-4o")
    assert local.baseline_nano == cloud.billed_nano
    assert local.billed_nano is not None
    assert local.baseline_nano > local.billed_nano
    assert (len(server.requests), len(provider.requests)) == (1, 1)
    assert cloud.billed_cost == provider.billed


@pytest.mark.parametrize("way", WAYS)
def test_a_budget_that_would_refuse_the_full_model_has_the_small_one_answer(
    provider: LoopbackProvider, way: str
) -> None:
    """A service goes on, cheaper, when the budget of the dear model is used up."""
    budget = Budget(tokens=1, per="total", scope=Scope.model("gpt-4o"), name="full")
    with track_costs(budgets=[budget], store=InMemoryStore()) as costs:
        _, hard = ask(router(provider), way)
    assert hard.response_metadata["routing"]["reason"].endswith("a budget would refuse 'hard'")
    assert {request.model for request in provider.requests} == {"gpt-4o-mini"}
    assert costs.total_cost == provider.billed


def test_where_no_route_fits_the_budget_refuses_and_nobody_is_asked(provider: LoopbackProvider) -> None:
    """Hard means hard, and its own error says what to raise."""
    with (
        track_costs(budgets=[Budget(tokens=1, per="total")], store=InMemoryStore()),
        pytest.raises(BudgetExceededError, match="gpt-4o:"),
    ):
        router(provider).invoke({"task": "hard", "query": "x"})
    assert provider.requests == ()


def test_an_unknown_task_makes_no_request(provider: LoopbackProvider) -> None:
    """The fault is found before money is spent."""
    routed = TaskRouter({"easy": client(provider, "gpt-4o-mini")})
    with pytest.raises(ValueError, match="Set `default`"):
        routed.invoke({"task": "poetry", "query": "x"})
    assert provider.requests == ()


def test_structured_answers_and_tools_are_routed_and_billed_as_well(provider: LoopbackProvider) -> None:
    """The wrappers of a chain must not hide the call."""
    provider.script(Behaviour(text='{"name": "Paris"}'))
    with track_costs() as costs:
        structured = router(provider).with_structured_output(City)
        assert structured.invoke({"task": "easy", "query": "France?"}) == City(name="Paris")
    (line,) = costs.entries()
    assert (line.techniques, line.baseline_model) == (("routing",), "gpt-4o")
    assert costs.total_cost == provider.billed


def test_a_cascade_may_be_a_route_and_books_its_own_saving(provider: LoopbackProvider) -> None:
    """One question, one baseline: never two techniques for one saving."""
    mini, full = client(provider, "gpt-4o-mini"), client(provider, "gpt-4o")
    provider.script("UNCERTAIN", "Canberra")
    routed = TaskRouter({"easy": Route(mini), "careful": Cascade([mini, full])}, baseline=full)
    with track_costs() as costs:
        assert routed.invoke({"task": "careful", "query": "Australia?"}).text == "Canberra"
    draft, answer = costs.entries()
    assert all("cascade" in line.techniques for line in (draft, answer))
    assert draft.baseline_nano + answer.baseline_nano == answer.billed_nano
    assert costs.total_cost == provider.billed
    assert draft.metadata["route"] == answer.metadata["route"] == "careful"


def test_a_cascade_as_classifier_is_a_cost_and_no_saving(provider: LoopbackProvider) -> None:
    """Nobody would have asked the large model for the task: its price is no saving of the cascade's."""
    classifier = Cascade([client(provider, "gpt-4o-mini"), client(provider, "gpt-4o")])
    with track_costs() as costs:
        router(provider, classifier=classifier).invoke("France?")
    found, answered = costs.entries()
    assert found.techniques == ("routing", "cascade")
    assert found.savings is not None
    assert (found.baseline_nano, found.savings.routing) == (0, -found.billed_nano)
    assert found.savings.total == -found.billed_nano
    assert answered.baseline_model == "gpt-4o"
    assert costs.total_cost == provider.billed


@pytest.mark.parametrize("money", ["0.01", "0.0004"])
def test_a_budget_knows_the_limit_that_a_route_has(provider: LoopbackProvider, money: str) -> None:
    """Forty tokens of a limited model may fit where all that it could write would not."""
    limited = limit_output(provider.chat_model(model="gpt-4o"), 40)
    routed = TaskRouter({"easy": client(provider, "gpt-4o-mini"), "hard": limited}, "hard")
    with track_costs(budgets=[Budget(money)], store=InMemoryStore()) as costs:
        answer = routed.invoke("France?")
    assert answer.response_metadata["routing"]["route"] == ("hard" if money == "0.01" else "easy")
    assert costs.total_cost == provider.billed


@pytest.mark.parametrize("wrap", [lambda model: model.with_retry(), lambda model: model.with_fallbacks([model])])
def test_a_budget_is_asked_for_a_model_with_retries_or_fallbacks(provider: LoopbackProvider, wrap: Any) -> None:
    """Refused, where a cheaper route would have answered, is what the router is there to prevent."""
    routes = {"easy": client(provider, "gpt-4o-mini"), "hard": wrap(client(provider, "gpt-4o"))}
    with track_costs(budgets=[Budget("0.0004", name="retried")], store=InMemoryStore()) as costs:
        answer = TaskRouter(routes, "hard").invoke({"task": "hard", "query": "France?"})
    assert answer.response_metadata["routing"]["route"] == "easy"
    assert costs.total_cost == provider.billed
