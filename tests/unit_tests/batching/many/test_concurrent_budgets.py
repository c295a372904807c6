"""A budget stops a run cleanly: what began ends, the rest is not run, and the same checkpoint goes on later."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from langchain_core.runnables import RunnableLambda

from langchain_costguard import Budget, BudgetExceededError, track_costs
from langchain_costguard.batching import arun_many, run_many
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import LoopbackProvider, ScriptedChatModel
from tests.unit_tests.batching.many.many_runners import BOTH_COMPLETED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit_tests.batching.many.many_runners import Many


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that knows its own bill."""
    with LoopbackProvider() as served:
        yield served


def test_a_budget_ends_the_run_and_the_results_say_why(many: Many, provider: LoopbackProvider) -> None:
    """What was paid is in hand, and nothing beyond the budget was asked."""
    store = InMemoryStore()
    results = many(provider.chat_model(max_retries=0), ["q"] * 30, 4, budgets=Budget(calls=10), store=store)
    assert len(provider.requests) == 10
    assert [outcome.status for outcome in results.outcomes].count("done") == 10
    assert len(results.not_run) == 20
    assert isinstance(results.stopped_by, BudgetExceededError)
    assert (results.errors, results.is_complete) == ({}, False)
    assert results.cost == provider.billed
    with pytest.raises(BudgetExceededError):
        raise results.stopped_by


def test_a_budget_in_money_is_spent_as_far_as_it_goes(many: Many, provider: LoopbackProvider) -> None:
    """Calls side by side reserve more than they cost: refused for that alone, an item begins again later."""
    model, limit = provider.chat_model(max_tokens=100, max_retries=0), Decimal("0.00015")
    alone = many(model, ["q"] * 40, 1, budgets=[Budget(limit)], store=InMemoryStore())
    paid = provider.billed
    results = many(model, ["q"] * 40, 16, budgets=[Budget(limit)], store=InMemoryStore())
    assert results.cost == provider.billed - paid <= limit
    assert len(results.not_run) == len(alone.not_run) < 38, "side by side, it gave up what it could have paid"
    assert all(outcome.status in {"done", "not_run"} for outcome in results.outcomes)


def test_a_budget_around_the_run_holds_it_too(many: Many, provider: LoopbackProvider) -> None:
    """Blocks and installed budgets are in force whether or not the run has its own."""
    with track_costs(InMemoryStore(), budgets=[Budget(calls=3)], on_alert=lambda _: None):
        results = many(provider.chat_model(max_retries=0), ["q"] * 9, 1)
    assert len(provider.requests) == 3
    assert results.not_run == [3, 4, 5, 6, 7, 8]


def test_the_same_checkpoint_goes_on_under_a_new_budget(many: Many, provider: LoopbackProvider, tmp_path: Path) -> None:
    """Tomorrow's budget pays tomorrow's items only."""
    model, inputs, file = provider.chat_model(max_retries=0), [f"q{n}" for n in range(12)], tmp_path / "done.jsonl"
    for so_far in (5, 10, 12):
        results = many(model, inputs, 3, file, Budget(calls=5), store=InMemoryStore())
        assert len(provider.requests) == so_far
    assert results.is_complete
    assert (results.restored, results.cost + results.restored_cost) == (10, provider.billed)


def test_a_generator_is_left_where_it_was(many: Many, provider: LoopbackProvider) -> None:
    """Reading a million rows to the end, to say that none of them was run, helps nobody."""
    rows = (f"q{n}" for n in range(1000))
    results = many(provider.chat_model(max_retries=0), rows, 2, budgets=Budget(calls=4), store=InMemoryStore())
    assert len(results) < 10
    assert (results.is_read, results.is_complete) == (False, False)
    assert next(rows) == f"q{len(results)}"
    assert "of the inputs done" in repr(results)


@pytest.mark.parametrize("completed", BOTH_COMPLETED)
def test_as_they_end_the_last_outcome_says_what_refused(
    completed: Callable[..., list[object]], provider: LoopbackProvider
) -> None:
    """A loop over outcomes has no result object to ask."""
    outcomes = completed(
        provider.chat_model(max_retries=0), ["q"] * 9, 1, budgets=Budget(calls=2), store=InMemoryStore()
    )
    assert [outcome.status for outcome in outcomes] == ["done", "done", "not_run"]
    assert isinstance(outcomes[-1].error, BudgetExceededError)


def test_an_item_that_was_paid_in_part_is_not_begun_again(many: Many) -> None:
    """A chain of two calls refused at the second would otherwise pay the first once more."""
    model = ScriptedChatModel(model_name="gpt-4o-mini")
    results = many(model | (lambda message: message.content) | model, ["q"] * 4, 1, budgets=Budget(calls=3),
                   store=InMemoryStore())  # fmt: skip
    assert len(model.calls) == 3
    assert [outcome.status for outcome in results.outcomes] == ["done", "not_run", "not_run", "not_run"]
    assert 0 < results.outcomes[1].cost < results.outcomes[0].cost
    assert results.cost == results.outcomes[0].cost + results.outcomes[1].cost


def test_a_budget_per_run_counts_each_item_by_itself(many: Many, provider: LoopbackProvider) -> None:
    """As with `chain.batch`: each item is a run."""
    results = many(provider.chat_model(max_retries=0), ["q"] * 5, budgets=Budget(calls=1, per="run"))
    assert results.is_complete


def test_a_store_named_for_the_run_holds_its_lines(many: Many, provider: LoopbackProvider) -> None:
    """`ManyResults` is for now; the ledger is for the end of the month."""
    store = InMemoryStore()
    results = many(provider.chat_model(), ["a", "b"], store=store)
    assert store.totals()[0].billed_cost == results.cost == provider.billed


def test_the_prices_of_those_who_watch_already_hold_for_the_run(many: Many) -> None:
    """A model of your own has the price you gave it, not an unknown one."""
    from langchain_costguard.pricing import per_call

    model = ScriptedChatModel(model_name="ours")
    with track_costs(prices={"ours": per_call("0.01")}):
        assert many(model, ["a", "b"]).cost == Decimal("0.02")
        assert many(model, ["a", "b"], store=InMemoryStore()).cost == Decimal("0.02")


def test_switched_off_nothing_is_known_and_everything_runs(many: Many, monkeypatch: pytest.MonkeyPatch) -> None:
    """`COSTGUARD_DISABLED=1` removes every effect, and an unknown cost is not zero."""
    monkeypatch.setenv("COSTGUARD_DISABLED", "1")
    results = many(ScriptedChatModel(), ["a"] * 3, budgets=Budget(calls=1), store=InMemoryStore())
    assert results.is_complete
    assert results.cost is None


def test_runs_side_by_side_do_not_mix_their_costs() -> None:
    """Two jobs in one process each report their own."""

    async def both() -> list[Decimal | None]:
        mini, full = ScriptedChatModel(model_name="gpt-4o-mini"), ScriptedChatModel(model_name="gpt-4o")
        runs = await asyncio.gather(arun_many(mini, ["a"] * 6, 3), arun_many(full, ["a"] * 6, 3))
        return [run.cost for run in runs]

    mini, full = asyncio.run(both())
    assert mini == run_many(ScriptedChatModel(model_name="gpt-4o-mini"), ["a"] * 6).cost
    assert full == run_many(ScriptedChatModel(model_name="gpt-4o"), ["a"] * 6).cost
    assert mini < full


def test_what_is_no_item_costs_nothing(many: Many) -> None:
    """A chain without a model is free, and that is known."""
    assert many(RunnableLambda(lambda number: number), range(3)).cost == Decimal(0)
