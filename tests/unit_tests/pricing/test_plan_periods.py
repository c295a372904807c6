"""When plans settle: month ends, leap days, changing clocks and days that never were."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from langchain_costguard.pricing import (
    Subscription,
    UsageRecord,
)
from langchain_costguard.pricing.plans.periods import Periods, Span, months_in

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def begins(periods: Periods, start: datetime, count: int, tz: str) -> list[str]:
    """The local moments at which so many periods begin."""
    spans = []
    for _ in range(count):
        spans.append(periods.around(start))
        start = spans[-1].end
    return [span.start.astimezone(ZoneInfo(tz)).isoformat() for span in spans]


def test_months_that_begin_on_the_31st_do_not_drift() -> None:
    """31 January, the last of February, and 31 March again; a leap year has its 29th."""
    periods = Periods("month", "UTC", date(2024, 1, 31))
    days = [moment[:10] for moment in begins(periods, datetime(2024, 1, 31, tzinfo=UTC), 5, "UTC")]
    assert days == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]
    days = [moment[:10] for moment in begins(periods, datetime(2026, 2, 27, tzinfo=UTC), 3, "UTC")]
    assert days == ["2026-01-31", "2026-02-28", "2026-03-31"]


def test_a_year_that_begins_on_a_leap_day_begins_on_the_28th_of_other_years() -> None:
    """A subscription of 29 February is renewed every year."""
    days = begins(Periods("year", "UTC", date(2024, 2, 29)), datetime(2024, 3, 1, tzinfo=UTC), 5, "UTC")
    assert [day[:10] for day in days] == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


def test_a_day_is_the_day_of_the_time_zone_when_clocks_change() -> None:
    """Zurich, 2026: 29 March has 23 hours and 25 October 25."""
    periods = Periods("day", "Europe/Zurich")
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)):
        span = periods.around(datetime.fromisoformat(f"{day}T12:00:00+01:00"))
        assert (span.end - span.start).total_seconds() / 3600 == hours


def test_the_hour_that_comes_twice_belongs_to_one_day_and_one_period() -> None:
    """Both half past two of 25 October are of that day, and October ends at its local midnight."""
    early = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    late = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert Periods("day", "Europe/Zurich").around(early) == Periods("day", "Europe/Zurich").around(late)
    last, first = datetime(2026, 10, 31, 22, 59, tzinfo=UTC), datetime(2026, 10, 31, 23, 0, tzinfo=UTC)
    bill = Subscription(10).bill([UsageRecord(last, 1), UsageRecord(first, 2)], tz="Europe/Zurich")
    assert [(line.start, line.list_cost) for line in bill.lines if line.kind == "usage"] == [
        (datetime(2026, 9, 30, 22, tzinfo=UTC), Decimal(1)),
        (datetime(2026, 10, 31, 23, tzinfo=UTC), Decimal(2)),
    ]


def test_a_day_without_midnight_and_a_day_that_never_was_are_no_gap() -> None:
    """Cairo skips midnight in April; Samoa skipped 30 December 2011: every moment lies in exactly one day."""
    for tz, start in (("Africa/Cairo", "2026-04-22T00:00:00+00:00"), ("Pacific/Apia", "2011-12-28T00:00:00+00:00")):
        periods, moment = Periods("day", tz), datetime.fromisoformat(start)
        for _ in range(5 * 96):
            span = periods.around(moment)
            assert span.start <= moment < span.end
            assert periods.around(span.end).start == span.end
            moment += timedelta(minutes=15)


def test_clocks_that_change_around_midnight_do_not_split_a_day_in_two() -> None:
    """St. John's turned back from 00:01 to 23:01 in 2010, Toronto forward from 23:30 to 00:30 in 1919."""
    for tz, start in (
        ("America/St_Johns", "2010-11-06T00:00:00+00:00"),
        ("America/Toronto", "1919-03-30T00:00:00+00:00"),
    ):
        periods, moment, begun = Periods("day", tz), datetime.fromisoformat(start), []
        for _ in range(3 * 24 * 12):
            span = periods.around(moment)
            assert span.start <= moment < span.end
            begun.append(span.start)
            moment += timedelta(minutes=5)
        assert begun == sorted(begun)
        assert len(set(begun)) == 4


def test_weeks_begin_on_monday_or_where_they_were_told_to() -> None:
    """Calendar weeks by default; a plan bought on a Thursday renews on Thursdays."""
    assert Periods("week").around(JANUARY).start == datetime(2025, 12, 29, tzinfo=UTC)
    assert Periods("week", renews=date(2026, 1, 8)).around(JANUARY).start == JANUARY


def test_part_of_a_month_counts_by_its_part_of_the_time() -> None:
    """A volume per month is of use only if months are counted right."""
    year = Span(JANUARY, datetime(2027, 1, 1, tzinfo=UTC))
    assert Fraction(*months_in(year, "UTC")) == Fraction(*months_in(year, "Europe/Zurich")) == 12
    half = Span(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 15, tzinfo=UTC))
    assert Fraction(*months_in(half, "UTC")) == Fraction(1, 2)
