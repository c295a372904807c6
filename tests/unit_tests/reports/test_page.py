"""A report as one page, and a forecast that knows the handler's budgets."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from langchain_costguard.budgets import Budget, statuses
from langchain_costguard.budgets.claims import CounterState
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.reports import CostReport

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.stores.memory import InMemoryStore
    from tests.unit_tests.reports.conftest import Book

MIDNIGHT_US = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * 1_000_000
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_page_is_whole_and_needs_no_network(store: InMemoryStore, book: Book, tmp_path: Path) -> None:
    """It is mailed to somebody who has neither Python nor the ledger."""
    book(tags=("<b>shop</b>",))
    report = CostReport(store, title="Costs & more <1>")
    page = report.save_html(tmp_path / "costs.html", by=["tag"])
    html = page.read_text(encoding="utf-8")
    assert html == report.to_html(by=["tag"])
    assert html.startswith("<!doctype html>")
    assert html.count("<html") == html.count("</html>") == 1
    assert "<title>Costs &amp; more &lt;1&gt;</title>" in html
    assert "&lt;b&gt;shop&lt;/b&gt;" in html
    assert not re.search(r"(src|href)=\"(?!data:)|@import|url\(|<script|<link", html)


def test_a_forecast_says_when_a_budget_is_spent(store: InMemoryStore, book: Book) -> None:
    """Six of ten dollars by noon: the rest is gone at eight in the evening, at the budget's own rate."""
    book(cost="6", at="2026-11-21T11:00")
    budget = Budget(10, per="day")
    held = CounterState(
        budget=budget.key,
        counter=budget.key,
        slot_us=MIDNIGHT_US,
        unit="usd",
        spent=6 * 10**9,
        reserved=0,
        unsettled=0,
        overrun=0,
        refused=0,
        frozen=None,
    )
    standing = statuses(budget, [held], (), int(NOON.timestamp()) * 1_000_000)
    forecast = CostReport(store, query=LedgerQuery(until=NOON), budgets=standing).forecast()
    (found,) = forecast.budgets
    assert (found.limit, found.spent, found.reached_at) == (
        Decimal(10),
        Decimal(6),
        datetime(2026, 11, 21, 20, tzinfo=UTC),
    )
    assert "The budget usd/day is spent by 2026-11-21 20:00 UTC at its present rate." in str(forecast)
    assert forecast.to_dict()["budgets"][0]["reached_at"] == "2026-11-21T20:00:00+00:00"
    assert forecast.expected_cost is None  # one day is too little for the month
