"""Budgets in a report: what is left, until when, and what stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.budgets import Budget, BudgetStatus, statuses
from langchain_costguard.budgets.claims import BudgetSetting, CounterState
from langchain_costguard.reports import CostReport
from langchain_costguard.reports.budgets import budget_dict, budget_notes, budget_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.reports.view import Table
    from langchain_costguard.stores.memory import InMemoryStore

MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NANO = 10**9


def us(moment: datetime) -> int:
    """A moment as the store counts time."""
    return int(moment.timestamp()) * 1_000_000


def state(counter: str = "usd/day", **held: Any) -> CounterState:
    """What a counter of the day holds; $6 of it are spent unless something else is said."""
    fields = {"unit": "usd", "spent": 6 * NANO, "reserved": 0, "unsettled": 0, "overrun": 0, "refused": 0} | held
    return CounterState(
        budget=counter.partition("|")[0], counter=counter, slot_us=us(MIDNIGHT), **{"frozen": None, **fields}
    )


def status(budget: Budget | None = None, *, settings: tuple[BudgetSetting, ...] = (), **held: Any) -> BudgetStatus:
    """How a budget of $10 per day stands at noon."""
    budget = budget or Budget(10, per="day")
    (found,) = statuses(budget, [state(budget.key, **held)], settings, us(NOON))
    return found


def cells(table: Table, row: int = 0) -> dict[str, str]:
    """One row by its headers."""
    return dict(zip(table.headers, table.rows[row], strict=True))


def test_the_table_says_what_is_left_until_when_and_when_it_will_be_gone() -> None:
    """Six of ten dollars by noon: the rest is gone at eight in the evening."""
    table = budget_table([status(reserved=NANO // 2, refused=3)], now=NOON)
    assert table.caption == "Budgets (UTC)"
    assert cells(table) == {
        "Budget": "usd/day",
        "Window": "day",
        "Limit": "$10.00",
        "Spent": "$6.00",
        "Remaining": "$3.50",
        "": "reached 20:00 at this rate; resets 2026-11-22 00:00; $0.50 reserved; 3 refused",
    }


def test_moments_are_written_in_the_report_s_time_zone() -> None:
    """A shop in Sydney closes by its own clocks."""
    row = cells(budget_table([status()], now=NOON, tz="Australia/Sydney"))
    assert row[""] == "reached 2026-11-22 07:00 at this rate; resets 2026-11-22 11:00"


def test_a_forecast_for_another_day_says_which() -> None:
    """06:00 without a day would be read as this morning."""
    budget = Budget(10, per="month")
    held = state(budget.key, spent=8 * NANO)._replace(slot_us=us(datetime(2026, 11, 1, tzinfo=UTC)))
    table = budget_table(statuses(budget, [held], [], us(NOON)), now=NOON)
    assert cells(table)[""] == "reached 2026-11-26 15:00 at this rate; resets 2026-12-01 00:00"


def test_a_budget_that_lasts_its_window_has_no_forecast() -> None:
    """What is not reached before it resets is not reached."""
    assert cells(budget_table([status(spent=2 * NANO)], now=NOON))[""] == "resets 2026-11-22 00:00"


def test_a_budget_that_is_used_up_says_so() -> None:
    """Its forecast would be now."""
    row = cells(budget_table([status(spent=10 * NANO)], now=NOON))
    assert (row["Remaining"], row[""]) == ("$0.00", "limit reached; resets 2026-11-22 00:00")


def test_nothing_is_cut_off_in_a_narrow_terminal(store: InMemoryStore) -> None:
    """$6.25 that lost its last digits would be another amount."""
    budgets = [status(Budget(1_000_000, per="day", name="checkout"), spent=1234567890123456, refused=7)]
    text = CostReport(store, budgets=budgets).text(80).partition("Budgets (UTC)")[2]
    for figure in ("checkout", "$1,000,000.00", "$1,234,567.890123456", "$0.00", "limit"):
        assert figure in text


def test_tokens_and_calls_are_whole_numbers_with_their_unit() -> None:
    """A thousand tokens are not a thousand dollars."""
    row = cells(budget_table([status(Budget(tokens=10_000, per="day"), unit="tokens", spent=1234)], now=NOON))
    assert (row["Limit"], row["Spent"], row["Remaining"]) == ("10,000 tokens", "1,234 tokens", "8,766 tokens")


def test_what_was_charged_for_lost_calls_or_above_the_reserved_is_said() -> None:
    """The first may be corrected, the second means that a bound was none."""
    found = status(spent=2 * NANO, unsettled=NANO // 4, overrun=NANO // 10)
    assert cells(budget_table([found], now=NOON))[""] == (
        "resets 2026-11-22 00:00; $0.10 above what was reserved; $0.25 unsettled"
    )
    assert [(note.text[:17], note.is_warning) for note in budget_notes([found])] == [("Unsettled amounts", False)]


def test_a_frozen_budget_is_a_warning_with_the_command_that_mends_it() -> None:
    """Nothing runs until somebody types it."""
    found = status(settings=(BudgetSetting("usd/day", None, "spending \x1b[2Jlooks odd"),))
    assert cells(budget_table([found], now=NOON))[""].startswith("frozen: spending \\x1b[2Jlooks odd; ")
    (note,) = budget_notes([found])
    assert note.is_warning
    assert note.text == (
        "The budget usd/day is frozen (spending \\x1b[2Jlooks odd): `langchain-costguard budgets unfreeze usd/day` "
        "lets calls through again."
    )


def test_of_many_counters_the_fullest_are_shown_and_the_others_counted() -> None:
    """A budget per user has as many as there are users."""
    budget = Budget(10, per="day", each="user")
    held = [state(f"{budget.key}|user=u{number}", spent=number * 10**8) for number in range(30)]
    found = statuses(budget, [each._replace(budget=budget.key) for each in held], [], us(NOON))
    table = budget_table(found, now=NOON)
    assert len(table.rows) == 21
    assert cells(table)["Budget"] == f"{budget.key} (u29)"
    assert cells(table, 20)["Budget"] == "10 more counters, less full"


def test_one_budget_as_json_is_exact() -> None:
    """Programs compute with it."""
    found = budget_dict(status(spent=6 * NANO + 1, refused=2), now=NOON)
    assert found == {
        "name": "usd/day",
        "key": "usd/day",
        "each_value": None,
        "covers": "every call",
        "unit": "usd",
        "per": "day",
        "limit": "10",
        "spent": "6.000000001",
        "reserved": "0",
        "remaining": "3.999999999",
        "unsettled": "0",
        "overrun": "0",
        "share_spent": found["share_spent"],
        "refused": 2,
        "uncounted": 0,
        "frozen": None,
        "started_at": "2026-11-21T00:00:00+00:00",
        "resets_at": "2026-11-22T00:00:00+00:00",
        "forecast": found["forecast"],
    }
    assert Decimal(found["share_spent"]) == Decimal("0.6")
    assert found["forecast"].startswith("2026-11-21T19:59:59.99")
    tokens = budget_dict(status(Budget(tokens=10, per="day"), unit="tokens", spent=1), now=NOON)
    assert (tokens["limit"], tokens["spent"], tokens["remaining"]) == (10, 1, 9)


@pytest.fixture
def hostile() -> BudgetStatus:
    """A budget of a user whose name is an attack."""
    return replace(status(), each_value="<script>alert(1)</script>\x1b[2J", name="checkout")


def test_a_report_shows_budgets_as_text_and_as_a_page(
    store: InMemoryStore, book: Callable[..., Any], hostile: BudgetStatus
) -> None:
    """What was spent and what may still be spent are one question."""
    book()
    report = CostReport(store, budgets=[hostile])
    text, page = report.text(200), report._repr_html_()
    assert text.index("Budgets (UTC)") < text.index("By model")
    assert "checkout (<script>alert(1)</script>\\x1b[2J)" in text
    assert "checkout (&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J)" in page
    assert "\x1b" not in text + page
    assert "<script>" not in page


def test_a_report_without_calls_still_shows_budgets_and_asks_for_no_figures(store: InMemoryStore) -> None:
    """A frozen budget is the very reason why there are none."""
    report = CostReport(store, budgets=[status(settings=(BudgetSetting("usd/day", None, "stop"),))])
    assert "Budgets (UTC)" in report.text(200)
    assert "! The budget usd/day is frozen (stop)" in report.text(200)
    assert "Figures need" not in report._repr_html_()
    assert report.to_dict()["budgets"][0]["limit"] == "10"


def test_a_report_without_budgets_has_no_such_section(store: InMemoryStore, book: Callable[..., Any]) -> None:
    """Most users set none."""
    book()
    report = CostReport(store)
    assert "Budgets" not in report.text() + report._repr_html_()
    assert report.to_dict()["budgets"] == []


def test_warnings_on_budgets_stand_before_remarks_on_calls(store: InMemoryStore, book: Callable[..., Any]) -> None:
    """Warnings first is what readers of a report rely on."""
    book(cost=None)
    book(status="error")
    found = status(unsettled=1, settings=(BudgetSetting("usd/day", None, "stop"),))
    notes = [note.is_warning for note in CostReport(store, budgets=[found]).notes()]
    assert notes == sorted(notes, reverse=True)
    assert sum(notes) >= 2


def test_the_command_that_mends_a_frozen_share_can_be_pasted_into_a_shell() -> None:
    """Its key has a bar in it, which a shell would take for a pipe."""
    found = replace(status(), key="usd/day|pool=bob", frozen="stop")
    assert "budgets unfreeze 'usd/day|pool=bob'`" in budget_notes([found])[0].text
