"""A ledger of 20,000 lines is asked as often as one of 2,000, and gives the exact sums."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from benchmarks.report import BEGINS, ENDS, write_ledger
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.reports import CostReport
from langchain_costguard.stores import SQLStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Statements = list[str]


@pytest.fixture
def asked() -> Iterator[Statements]:
    """Every statement that any database is asked meanwhile."""
    statements: Statements = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


def answers(store: SQLStore, asked: Statements) -> tuple[Decimal | None, dict[str, int]]:
    """The cost, and how many statements each answer took."""
    counts: dict[str, int] = {}

    def count(name: str) -> None:
        counts[name] = len(asked)
        asked.clear()

    store.totals()
    asked.clear()
    report = CostReport(store, query=LedgerQuery(until=ENDS), tz="Europe/Berlin")
    count("made")
    report.by("day", "model")
    report.daily  # noqa: B018 - asked for its statements
    report.savings()
    count("from what was read")
    report.by("user")
    count("by user")
    report.forecast()
    count("forecast")
    before = CostReport(store, query=LedgerQuery(until=BEGINS + timedelta(days=31)))
    asked.clear()
    report.compare(before, "user")
    count("comparison")
    report.per_outcome("customer")
    count("outcomes")
    return report.total_cost, counts


def test_the_questions_to_the_store_do_not_grow_with_its_lines(tmp_path: Path, asked: Statements) -> None:
    """A question per day, model or user is what makes a report slow a year later."""
    found = {}
    for lines in (2_000, 20_000):
        path = tmp_path / f"{lines}.db"
        nano = write_ledger(path, lines)
        with SQLStore(path) as store:
            cost, found[lines] = answers(store, asked)
        assert cost == Decimal(nano) / 10**9
    assert found[20_000] == found[2_000]
    assert found[20_000]["from what was read"] == 0
    assert max(found[20_000].values()) <= 6


def test_the_dearest_runs_of_many_lines_are_the_dearest(tmp_path: Path) -> None:
    """Runs are found line by line; the answer must be that of the sums."""
    path = tmp_path / "costs.db"
    write_ledger(path, 20_000)
    with SQLStore(path) as store:
        report = CostReport(store)
        rows = report.top("run", 3)
        costs: dict[object, int] = {}
        for line in store.entries():
            costs[str(line.root_run_id)] = costs.get(str(line.root_run_id), 0) + (line.billed_nano or 0)
    dearest = sorted(costs.values(), reverse=True)[:3]
    assert [row.billed_cost for row in rows] == [Decimal(nano) / 10**9 for nano in dearest]
    assert [costs[row.group[0]] for row in rows] == dearest
