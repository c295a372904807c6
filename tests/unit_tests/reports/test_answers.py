"""Shorter answers of a report: the dearest runs, hours, shares, latency beside cost, and what an outcome costs."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from langchain_costguard.reports import CostReport
from langchain_costguard.reports import answers as answers_module
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.testing.lines import make_entry

if TYPE_CHECKING:
    from tests.unit_tests.reports.conftest import Book


def test_the_dearest_runs_are_named_with_all_their_calls(store: InMemoryStore, book: Book) -> None:
    """One agent run of twenty small calls can cost more than the largest single call."""
    agent, single = uuid4(), uuid4()
    for _ in range(3):
        book(cost="0.02", root_run_id=agent, chain="Agent > Tool")
    book(cost="0.05", root_run_id=single)
    book(cost=None, root_run_id=uuid4())
    bare = book(cost="0.01")
    rows = CostReport(store).top("run", 4)
    assert [(row.calls, row.billed_cost) for row in rows] == [
        (3, Decimal("0.06")),
        (1, Decimal("0.05")),
        (1, Decimal("0.01")),
        (1, None),
    ]
    assert rows[0].group == (str(agent), "Agent")
    assert rows[1].group == (str(single), "gpt-4o")
    assert rows[2].group == (str(bare.run_id), "gpt-4o")
    assert [row.group[0] for row in CostReport(store).top(n=1)] == [str(agent)]


def test_the_top_of_any_key_is_its_dearest(store: InMemoryStore, book: Book) -> None:
    """Even of days, which otherwise stand in their order; what is unknown stands last."""
    book(cost="0.01", at="2026-03-01T12:00", chain="a")
    book(cost="0.03", at="2026-03-02T12:00", chain="b")
    book(cost=None, at="2026-03-03T12:00", chain="c")
    report = CostReport(store)
    assert [row.group[0] for row in report.top("day", 5)] == ["2026-03-02", "2026-03-01", "2026-03-03"]
    assert [row.group[0] for row in report.top("chain", 1)] == ["b"]
    with pytest.raises(ValueError, match="1 or more"):
        report.top("chain", 0)
    with pytest.raises(ValueError, match="colour"):
        report.top("colour")


def test_hours_are_those_of_the_reports_zone(store: InMemoryStore, book: Book) -> None:
    """On 25 October 2026 the hour from two to three comes twice in Berlin."""
    for at in ("2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"):
        book(at=at)
    hours = {row.group[0]: row.calls for row in CostReport(store, tz="Europe/Berlin").by_hour()}
    assert hours == {"2026-10-25 02:00": 2, "2026-10-25 03:00": 1}


def test_shares_are_of_all_calls_and_none_without_any(store: InMemoryStore, book: Book) -> None:
    """A share of nothing is not zero."""
    empty = CostReport(store)
    assert (empty.unpriced_share, empty.estimated_share, empty.mean_latency_ms) == (None, None, None)
    book()
    book(estimate_method="tiktoken")
    book(latency_us=3000)
    book("mystery", cost=None, latency_us=1000)
    report = CostReport(store)
    assert (report.unpriced_share, report.estimated_share, report.mean_latency_ms) == (0.25, 0.25, 2.0)


def test_latency_stands_beside_cost(store: InMemoryStore, book: Book) -> None:
    """Cheaper and slower is a trade somebody has to see."""
    for milliseconds in range(1, 101):
        book("slow", cost="0.001", latency_us=milliseconds * 1000)
    book("fast", cost="0.5", latency_us=1500)
    book("untimed", cost=None)
    found = CostReport(store).latency()
    assert [(row.name, row.mean_ms, row.p50_ms, row.p95_ms, row.billed_cost) for row in found.rows] == [
        ("fast", 1.5, 1.5, 1.5, Decimal("0.5")),
        ("slow", 50.5, 50.0, 95.0, Decimal("0.1")),
        ("untimed", None, None, None, None),
    ]
    assert "unknown" in str(found)
    assert found.remarks == ()
    assert json.loads(found.to_json())["rows"][0]["billed_cost"] == "0.5"


def test_percentiles_of_a_sample_say_so(store: InMemoryStore, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A percentile of the newest lines must not pass for one of all."""
    monkeypatch.setattr(answers_module, "EXPLAINED_LINES", 2)
    for minute in range(4):
        book(at=f"2026-03-02T12:0{minute}", latency_us=(minute + 1) * 1000)
    found = CostReport(store).latency("provider")
    (row,) = found.rows
    assert (row.timed_calls, row.mean_ms, row.sampled_calls, row.p50_ms) == (4, 2.5, 2, 3.0)
    assert "the newest 2 calls" in str(found)


def test_an_outcome_bears_the_calls_that_failed_to_reach_it(store: InMemoryStore, book: Book) -> None:
    """Two answers in three were useless, and were paid for all the same."""
    book(cost="0.03", metadata={"outcome": "solved"})
    for _ in range(2):
        book(cost="0.01", metadata={"outcome": "given up"})
    book(cost="9", metadata={"team": "shop"})
    found = CostReport(store).per_outcome()
    assert found.cost_per("solved") == Decimal("0.05")
    assert found.cost_per("given up") == Decimal("0.025")
    assert found.cost_per("never") is None
    assert (found.total.calls, found.unnamed.calls, found.unnamed.billed_cost) == (3, 1, Decimal(9))
    assert "Without 1 call ($9.00) that names none" in str(found)


def test_a_third_of_a_dollar_is_rounded_and_not_floated(store: InMemoryStore, book: Book) -> None:
    """The only amounts of a report that are not exact are those that cannot be."""
    for _ in range(3):
        book(cost="0", metadata={"outcome": "solved"})
    book(cost="1", metadata={"outcome": "lost"})
    assert CostReport(store).per_outcome().cost_per("solved") == Decimal("0.333333333")


def test_the_cost_of_an_outcome_is_unknown_where_nothing_is_priced(store: InMemoryStore, book: Book) -> None:
    """Unknown over ten is still unknown; and a part that is unknown is said beside the figure."""
    book("mystery", cost=None, metadata={"ticket": "solved"})
    found = CostReport(store).per_outcome("ticket")
    assert (found.cost_per("solved"), found.rows[0].billed_cost) == (None, None)
    book(cost="0.01", metadata={"ticket": "solved"})
    assert "+ 1 unpriced call" in str(CostReport(store).per_outcome("ticket"))


def test_outcomes_that_are_kept_only_in_sums_are_said() -> None:
    """Memory folds its oldest lines; calls that named an outcome must not pass for calls that named none."""
    store = InMemoryStore(max_entries=2)
    for _ in range(5):
        store.append(make_entry(metadata={"outcome": "solved"}))
    costs = CostReport(store).per_outcome()
    assert (costs.forgotten_calls, costs.unnamed.calls) == (3, 3)
    assert "kept only in sums, without it: 3" in " ".join(str(costs).split())
    assert costs.to_dict()["forgotten_calls"] == 3


def test_without_outcomes_it_is_an_empty_table(store: InMemoryStore, book: Book) -> None:
    """Most ledgers."""
    assert "Cost per outcome" in str(CostReport(store).per_outcome())
    book()
    assert CostReport(store).per_outcome().to_dict()["unnamed_calls"] == 1
