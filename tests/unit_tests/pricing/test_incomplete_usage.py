"""Bills of a ledger that no longer keeps every line: what is only in its sums is said to be missing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.pricing import Credit, PayAsYouGo, Prepaid, compare_plans
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.stores.sql import SQLStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_costguard.stores.base import LedgerStore

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)


def on(day: int, **fields: Any) -> LedgerEntry:
    """A call of a dollar at noon of a day of January."""
    at = int(datetime(2026, 1, day, 12, tzinfo=UTC).timestamp()) * 1_000_000
    known = {"billed_nano": 900_000_000, "list_nano": 1_000_000_000}
    return LedgerEntry(run_id=uuid4(), started_at_us=at, **(known | fields))


def fill(store: LedgerStore, **fields: Any) -> LedgerStore:
    """A call on each of thirty days."""
    for day in range(1, 31):
        store.append(on(day, **fields))
    return store


def folded(_: Path) -> LedgerStore:
    """Memory that had room for the last ten."""
    return fill(InMemoryStore(max_entries=10))


def pruned_memory(_: Path) -> LedgerStore:
    """Memory whose first twenty days were pruned."""
    store = fill(InMemoryStore())
    store.prune(datetime(2026, 1, 21, tzinfo=UTC))
    return store


def pruned_sql(folder: Path) -> LedgerStore:
    """A database whose first twenty days were pruned."""
    store = fill(SQLStore(f"sqlite:///{folder / 'costs.db'}"))
    store.prune(datetime(2026, 1, 21, tzinfo=UTC))
    return store


each_store = pytest.mark.parametrize("make", [folded, pruned_memory, pruned_sql])


@each_store
def test_a_bill_says_which_calls_are_only_in_sums(make: Callable[[Path], LedgerStore], tmp_path: Path) -> None:
    """$10 of $30 is no complete bill, and whoever pays it must be told."""
    bill = PayAsYouGo().bill(make(tmp_path))
    assert (bill.billed_cost, bill.is_complete) == (Decimal(10), False)
    assert (bill.only_in_sums.calls, bill.only_in_sums.list_cost) == (20, Decimal(20))
    assert "Not in this bill: 20 calls worth $20.00 at list price," in " ".join(str(bill).split())
    assert "larger max_entries=" in bill._repr_html_()
    told = bill.to_dict()
    assert (told["calls_only_in_sums"], told["list_cost_only_in_sums"], told["is_complete"]) == (20, "20", False)


@each_store
def test_a_comparison_says_which_calls_are_only_in_sums(make: Callable[[Path], LedgerStore], tmp_path: Path) -> None:
    """Advice on a third of the usage is advice for somebody else."""
    compared = compare_plans(make(tmp_path), [PayAsYouGo()])
    assert (compared.best.cost, compared.is_complete, compared.only_in_sums.calls) == (Decimal(10), False, 20)
    assert "Not in this comparison: 20 calls worth $20.00 at list price," in " ".join(str(compared).split())
    assert "larger max_entries=" in compared._repr_html_()
    told = compared.to_dict()
    assert (told["calls_only_in_sums"], told["list_cost_only_in_sums"], told["is_complete"]) == (20, "20", False)


@each_store
def test_a_stretch_whose_lines_are_all_kept_is_complete(make: Callable[[Path], LedgerStore], tmp_path: Path) -> None:
    """Pruning what was billed long ago must not spoil this period's bill."""
    store, kept = make(tmp_path), datetime(2026, 1, 21, tzinfo=UTC)
    bill = PayAsYouGo().bill(store, kept, FEBRUARY)
    assert (bill.billed_cost, bill.is_complete, "sums" in str(bill)) == (Decimal(10), True, False)
    assert compare_plans(store, [PayAsYouGo()], start=kept, end=FEBRUARY).is_complete
    assert PayAsYouGo().bill(store, JANUARY, kept).only_in_sums.calls == 20


def test_a_day_that_is_billed_in_part_counts_whole() -> None:
    """A day's sum does not tell its hours: rather one note too many than a bill that is short."""
    store = pruned_memory
    bill = PayAsYouGo().bill(store(None), datetime(2026, 1, 20, 18, tzinfo=UTC), FEBRUARY)
    assert (bill.is_complete, bill.only_in_sums.calls) == (False, 1)


def test_prepaid_credit_was_drawn_on_by_calls_before_the_bill() -> None:
    """What was used earlier decides what credit is left: without its lines the rest is not known."""
    store, kept = fill(InMemoryStore(max_entries=10)), datetime(2026, 1, 21, tzinfo=UTC)
    bill = Prepaid([Credit(25, JANUARY)]).bill(store, kept, FEBRUARY)
    assert (bill.is_complete, bill.only_in_sums.calls) == (False, 20)


def test_missing_calls_of_unknown_price_are_not_worth_nothing() -> None:
    """Unknown is not zero."""
    bill = PayAsYouGo().bill(fill(InMemoryStore(max_entries=10), billed_nano=None, list_nano=None))
    assert (bill.only_in_sums.calls, bill.only_in_sums.list_cost) == (20, None)
    assert bill.to_dict()["list_cost_only_in_sums"] is None
    assert "20 calls of unknown price" in " ".join(str(bill).split())


@pytest.mark.parametrize("fields", [{"status": "cached"}, {"kind": "adjustment", "calls": 0}])
def test_sums_of_what_is_no_usage_are_not_missed(fields: dict[str, Any]) -> None:
    """Cached answers and adjustments are in no bill, so nothing of them can be missing."""
    store = fill(InMemoryStore(max_entries=10), **fields)
    assert PayAsYouGo().bill(store, JANUARY, FEBRUARY).is_complete


def test_machine_time_that_was_folded_is_missed_by_its_money() -> None:
    """A machine's hours are no calls and cost all the same."""
    bill = PayAsYouGo().bill(fill(InMemoryStore(max_entries=10), kind="manual", calls=0, list_nano=None))
    assert (bill.is_complete, bill.only_in_sums.calls, bill.only_in_sums.list_cost) == (False, 0, Decimal(18))


def test_a_store_that_keeps_every_line_has_a_complete_bill() -> None:
    """The note must mean something."""
    bill = PayAsYouGo().bill(fill(InMemoryStore()))
    assert (bill.billed_cost, bill.is_complete) == (Decimal(30), True)
