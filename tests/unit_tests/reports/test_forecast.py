"""What a month will cost: stated in words, with an interval that holds, and never a guess where nothing is known."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.reports import CostReport
from langchain_costguard.reports.forecast_period import period_of
from langchain_costguard.reports.forecasting import cost_ahead
from langchain_costguard.testing.lines import make_entry

if TYPE_CHECKING:
    from langchain_costguard.stores.memory import InMemoryStore
    from tests.unit_tests.reports.conftest import Book

NOON = datetime(2026, 4, 16, 12, tzinfo=UTC)


def until(moment: datetime) -> LedgerQuery:
    """Everything before a moment, from which a forecast then looks ahead."""
    return LedgerQuery(until=moment)


def fill(book: Book, days: int, *, cost: str = "1", last: date = date(2026, 4, 15)) -> None:
    """One call at noon of so many days."""
    for ago in range(days):
        book(cost=cost, at=f"{last - timedelta(days=ago)}T12:00")


def test_days_of_equal_cost_go_on(store: InMemoryStore, book: Book) -> None:
    """Fifteen dollars are spent; half of today and fourteen more days of a dollar are to come."""
    fill(book, 20)
    forecast = CostReport(store, query=until(NOON)).forecast()
    assert (forecast.begins, forecast.ends) == (date(2026, 4, 1), date(2026, 4, 30))
    assert forecast.spent_cost == Decimal(15)
    assert forecast.low_cost == forecast.expected_cost == forecast.high_cost == Decimal("29.5")
    assert "the mean of the last 19 full days" in forecast.method


def test_weekdays_are_told_apart_after_four_weeks(store: InMemoryStore, book: Book) -> None:
    """An office tool costs nothing on Sundays; a mean over all days would promise otherwise."""
    for ago in range(1, 40):
        day = date(2026, 4, 16) - timedelta(days=ago)
        if day.weekday() < 5:
            book(cost="7", at=f"{day}T12:00")
    forecast = CostReport(store, query=until(datetime(2026, 4, 18, tzinfo=UTC))).forecast(until=date(2026, 4, 20))
    assert forecast.expected_cost == forecast.spent_cost  # Saturday and Sunday are all that is to come
    assert "of its weekday" in forecast.method


@pytest.mark.parametrize("days", [0, 1, 7])
def test_too_few_days_are_said_and_not_guessed(store: InMemoryStore, book: Book, days: int) -> None:
    """The first day of a ledger began in the midst; six full days are no week."""
    fill(book, days)
    forecast = CostReport(store, query=until(NOON)).forecast()
    assert (forecast.expected_cost, forecast.low_cost, forecast.high_cost, forecast.days) == (None, None, None, ())
    assert forecast.missing is not None
    assert "7 full days" in forecast.missing
    assert "unknown" in str(forecast)
    assert "No forecast" in str(forecast)


def test_a_month_without_any_price_is_unknown(store: InMemoryStore, book: Book) -> None:
    """Unknown calls this month are not a cheap month."""
    fill(book, 20, last=date(2026, 3, 31))
    book("mystery", cost=None, at="2026-04-15T12:00")
    forecast = CostReport(store, query=until(NOON)).forecast()
    assert (forecast.spent_cost, forecast.expected_cost) == (None, None)
    assert forecast.unpriced_calls == 1
    assert "unpriced" in str(forecast)


def test_days_of_unknown_cost_are_left_out_and_counted(store: InMemoryStore, book: Book) -> None:
    """A day that nobody can price is no free day."""
    fill(book, 20)
    book("mystery", cost=None, at="2026-03-28T12:00")
    for ago in range(1, 3):
        book("mystery", cost=None, at=f"{date(2026, 3, 27) - timedelta(days=ago)}T12:00")
    forecast = CostReport(store, query=until(NOON)).forecast()
    assert (forecast.observed_days, forecast.left_out_days) == (20, 1)
    assert forecast.unpriced_calls == 2
    assert "1 day of unknown cost left out" in forecast.method


def test_a_report_on_part_of_the_month_forecasts_all_of_it(store: InMemoryStore, book: Book) -> None:
    """`since` narrows a report; the month still began on the first."""
    fill(book, 30)
    whole = CostReport(store, query=until(NOON)).forecast()
    part = CostReport(store, query=LedgerQuery(since=datetime(2026, 4, 14, tzinfo=UTC), until=NOON)).forecast()
    assert part == whole


def test_the_same_ledger_gives_the_same_forecast(store: InMemoryStore, book: Book) -> None:
    """Two people who read one ledger must not argue about chance."""
    for ago in range(30):
        book(cost=str(ago % 5), at=f"{date(2026, 4, 15) - timedelta(days=ago)}T12:00")
    first, second = (CostReport(store, query=until(NOON)).forecast() for _ in range(2))
    assert first == second
    assert first.low_cost is not None
    assert first.high_cost is not None
    assert first.low_cost < first.high_cost


def test_the_interval_holds_in_about_eight_of_ten_cases() -> None:
    """An interval that holds seldom is worse than none; the bounds are four standard errors wide."""
    draw, held, rounds = random.Random(7), 0, 60
    for _ in range(rounds):
        days = [draw.lognormvariate(0, 0.5) for _ in range(35)]
        known = {date(2026, 3, 1) + timedelta(days=at): int(days[at] * 10**9) for at in range(21)}
        ahead = [(date(2026, 3, 22) + timedelta(days=at), Fraction(1)) for at in range(14)]
        low, _, high = cost_ahead(known, ahead)[-1]
        held += low <= sum(days[21:]) * 10**9 <= high
    assert 0.6 <= held / rounds <= 0.97


def test_a_limit_is_reached_on_a_day(store: InMemoryStore, book: Book) -> None:
    """When the money runs out is the first question after how much it is."""
    fill(book, 20)
    forecast = CostReport(store, query=until(NOON)).forecast()
    assert forecast.reached("20") == (date(2026, 4, 21),) * 3
    assert forecast.reached(Decimal("29.51")) == (None, None, None)
    assert forecast.reached(3).expected == date(2026, 4, 16)
    with pytest.raises(ValueError, match="zero or more"):
        forecast.reached("-1")


@pytest.mark.parametrize(("booked", "so_far"), [("-30", "-15"), ("30", "45")])
def test_what_reconciling_booked_is_spent_and_not_expected_again(
    store: InMemoryStore, book: Book, booked: str, so_far: str
) -> None:
    """The difference of a whole invoice stands on one day; as a day's cost it would make days to come pay back."""
    fill(book, 20)
    book(None, kind="adjustment", calls=0, cost=booked, tokens=None, at="2026-04-10T12:00")
    forecast = CostReport(store, query=until(NOON)).forecast()
    assert forecast.spent_cost == Decimal(so_far)
    assert forecast.low_cost == forecast.expected_cost == Decimal(so_far) + Decimal("14.5")


@pytest.mark.parametrize("limit", ["abc", "NaN", -1])
def test_what_is_no_amount_is_refused_as_a_limit(store: InMemoryStore, limit: str | int) -> None:
    """A typing error is a `ValueError` that says what to give, like everywhere else."""
    with pytest.raises(ValueError, match="give US dollars, zero or more"):
        CostReport(store).forecast().reached(limit)


def test_the_day_on_which_clocks_change_is_shorter() -> None:
    """On 29 March 2026 a day in Berlin has 23 hours; noon leaves twelve of them."""
    period = period_of(datetime(2026, 3, 29, 10, tzinfo=UTC), until=None, tz="Europe/Berlin")
    assert period.left_of_today() == Fraction(12, 23)
    assert [day for day, _ in period.ahead()] == [date(2026, 3, 29), date(2026, 3, 30), date(2026, 3, 31)]


def test_a_period_that_is_over_or_too_far_is_refused(store: InMemoryStore) -> None:
    """Looking ahead at last year is a mistake of the caller."""
    report = CostReport(store, query=until(NOON))
    for day in (date(2026, 4, 16), date(2028, 1, 1)):
        with pytest.raises(ValueError, match="first day after the period"):
            report.forecast(until=day)


def test_it_is_told_in_every_form(store: InMemoryStore, book: Book) -> None:
    """Text for people, JSON for programs, HTML for notebooks."""
    fill(book, 20)
    forecast = CostReport(store, query=until(NOON)).forecast()
    assert "Expected  $29.50" in str(forecast)
    assert json.loads(forecast.to_json())["expected_cost"] == "29.5"
    assert "<table" in forecast._repr_html_()
    assert repr(forecast) == "CostForecast(2026-04-01 to 2026-04-30: $29.50, $29.50 to $29.50)"


def test_calls_of_the_other_side_of_midnight_count_in_the_reports_zone(store: InMemoryStore) -> None:
    """Half past eleven in New York is the next day in London."""
    for day in range(1, 12):
        line = make_entry(at=datetime(2026, 4, day, 3, 30, tzinfo=UTC), billed_nano=10**9)
        store.append(replace(line, run_id=uuid4()))
    query = until(datetime(2026, 4, 12, tzinfo=UTC))
    assert CostReport(store, query=query).forecast().spent_cost == Decimal(11)
    assert CostReport(store, query=query, tz="America/New_York").forecast().spent_cost == Decimal(10)
