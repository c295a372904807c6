"""Windows of budgets part time without gaps in every zone, and a rolling sum never counts too little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard import Budget

ZONES = (
    "UTC",
    "Europe/Zurich",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/Havana",
)
LONGEST = {"minute": 60, "hour": 3600, "day": 26 * 3600, "week": 170 * 3600, "month": 745 * 3600}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000

zones = st.sampled_from(ZONES)
names = st.sampled_from(tuple(LONGEST))
changes = st.builds(  # around the nights in which clocks change, of years near and far
    lambda year, month, day, second: (
        (datetime(year, month, day, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) + second * SECOND
    ),
    st.sampled_from((1971, 2011, 2026, 2037, 2038, 2300, 9996)),
    st.sampled_from((3, 4, 10, 11, 12)),
    st.integers(1, 30),
    st.integers(0, 2 * 86_400),
)
moments = changes | st.integers(LONGEST["month"] * SECOND, 253_000_000_000 * SECOND)


def label(at_us: int, per: str, tz: str) -> tuple[int, ...]:
    """What a calendar and a clock of the zone call a moment."""
    local = (EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(tz))
    if per == "week":
        return tuple(local.isocalendar()[:2])
    fields = ("year", "month", "day", "hour", "minute")
    return tuple(getattr(local, field) for field in fields[: fields.index(per) + 1])


@given(names, zones, moments)
def test_windows_part_time_without_gaps(per: str, tz: str, now: int) -> None:
    """A moment in two windows could be spent twice, a moment in none not at all."""
    start, since, end = Budget(1, per=per, tz=tz).window_of(now)
    assert end is not None
    assert start == since <= now < end
    assert end - start <= LONGEST[per] * SECOND
    other = Budget(1, per=per, tz=tz)
    assert other.window_of(end)[0] == end
    assert other.window_of(end - 1) == other.window_of(start) == (start, start, end)
    assert other.window_of(start - 1)[2] == start


@given(names, zones, moments)
def test_a_window_has_one_name_on_the_zones_clocks(per: str, tz: str, now: int) -> None:
    """Somebody who reads a clock of the zone can tell when a budget starts anew."""
    start, _, end = Budget(1, per=per, tz=tz).window_of(now)
    assert end is not None
    assert label(now, per, tz) == label(start, per, tz) == label(end - 1, per, tz)
    assert label(end, per, tz) != label(start, per, tz) or _clocks_went_back(end, tz)


@given(
    st.integers(1, 366 * 86_400),
    st.lists(st.tuples(st.integers(0, 40 * 86_400 * SECOND), st.integers(1, 9)), min_size=1, max_size=40),
    st.integers(0, 10**15),
)
def test_a_rolling_sum_never_counts_too_little(length: int, steps: list[tuple[int, int]], began: int) -> None:
    """Any stretch of time of the window's length holds at most what the sum said, so at most the limit."""
    budget = Budget(1, per=timedelta(seconds=length))
    times = list(accumulate((step % (3 * length * SECOND) for step, _ in steps), initial=began))[1:]
    slots: dict[int, int] = {}
    for at, (now, (_, amount)) in enumerate(zip(times, steps, strict=True)):
        slot, since, _ = budget.window_of(now)
        slots[slot] = slots.get(slot, 0) + amount
        counted = sum(spent for start, spent in slots.items() if since <= start <= slot)
        spent_in = [steps[i][1] for i in range(at + 1) if times[i] > now - length * SECOND]
        wider = [steps[i][1] for i in range(at + 1) if times[i] >= now - length * SECOND * 62 // 60 - 62]
        assert sum(spent_in) <= counted <= sum(wider)


def _clocks_went_back(at_us: int, tz: str) -> bool:
    before, after = (
        (EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(tz)).utcoffset() for at in (at_us - 1, at_us)
    )
    assert before is not None
    assert after is not None
    return after < before
