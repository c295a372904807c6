"""Windows: where calendar windows begin when clocks change, and what a rolling window counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from langchain_costguard import Budget

HOUR = 3_600_000_000


def us(text: str) -> int:
    """A moment in microseconds since 1970."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("per", "tz", "now", "start", "end"),
    [
        ("minute", "UTC", "2026-05-01T10:20:59.999999Z", "2026-05-01T10:20:00Z", "2026-05-01T10:21:00Z"),
        ("hour", "UTC", "2026-05-01T10:20:59Z", "2026-05-01T10:00:00Z", "2026-05-01T11:00:00Z"),
        ("hour", "Asia/Kathmandu", "2026-05-01T10:20:00Z", "2026-05-01T10:15:00Z", "2026-05-01T11:15:00Z"),
        ("day", "UTC", "2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z"),
        ("day", "Europe/Zurich", "2026-05-01T22:00:00Z", "2026-05-01T22:00:00Z", "2026-05-02T22:00:00Z"),
        ("week", "UTC", "2026-05-03T23:59:59Z", "2026-04-27T00:00:00Z", "2026-05-04T00:00:00Z"),
        ("month", "America/New_York", "2028-03-01T04:59:59Z", "2028-02-01T05:00:00Z", "2028-03-01T05:00:00Z"),
        ("month", "UTC", "9997-12-31T23:59:59Z", "9997-12-01T00:00:00Z", "9998-01-01T00:00:00Z"),
        ("day", "Europe/Zurich", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("day", "Europe/Zurich", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("hour", "Europe/Zurich", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
        ("hour", "Europe/Zurich", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"),
        ("hour", "America/St_Johns", "2007-03-11T03:30:30Z", "2007-03-11T03:30:00Z", "2007-03-11T03:31:00Z"),
        ("hour", "America/St_Johns", "2007-03-11T03:31:00Z", "2007-03-11T03:31:00Z", "2007-03-11T04:30:00Z"),
        ("hour", "Australia/Lord_Howe", "2026-04-04T14:50:00Z", "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z"),
        ("hour", "Australia/Lord_Howe", "2026-04-04T15:10:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z"),
    ],
)
def test_a_calendar_window_is_that_of_the_zones_clocks(per: str, tz: str, now: str, start: str, end: str) -> None:
    """A day has 23 or 25 hours when clocks change, and an hour may be cut short; nobody's day starts at another's."""
    assert Budget(1, per=per, tz=tz).window_of(us(now)) == (us(start), us(start), us(end))


def test_a_total_and_a_run_never_reset() -> None:
    """What is spent stays spent."""
    assert Budget(1).window_of(us("2026-05-01T00:00:00Z")) == (0, 0, None)
    assert Budget(1, per="run").window_of(0) == (0, 0, None)


def test_a_rolling_window_counts_its_length_and_at_most_a_sixtieth_more() -> None:
    """More would refuse calls that fit, less would admit calls that do not."""
    now = us("2026-05-01T10:20:59Z")
    slot, since, resets = Budget(1, per="1h").window_of(now)
    assert (slot, since, resets) == (us("2026-05-01T10:20:00Z"), us("2026-05-01T09:20:00Z"), None)
    assert now - HOUR <= since + HOUR // 60


def test_a_clock_that_goes_back_finds_its_window_again() -> None:
    """The last answer is kept; it must not be given for another moment."""
    budget = Budget(1, per="day")
    late, early = us("2026-05-02T00:00:00Z"), us("2026-05-01T23:59:59.999999Z")
    assert [budget.window_of(at)[0] for at in (late, early, late)] == [late, us("2026-05-01T00:00:00Z"), late]


@pytest.mark.parametrize("now", [-1, 10**18])
@pytest.mark.parametrize("per", ["hour", "day"])
def test_a_moment_outside_the_calendar_is_refused(per: str, now: int) -> None:
    """Milliseconds or nanoseconds by mistake must not become a window that never ends."""
    with pytest.raises(ValueError, match="microseconds since"):
        Budget(1, per=per, tz="Asia/Kathmandu").window_of(now)
