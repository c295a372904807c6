"""When a plan settles: days, weeks, months and years of a time zone, whatever its clocks and calendars do."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from langchain_costguard.pricing.plans.usage import Charge

PeriodName = Literal["day", "week", "month", "year"]
"""How often a plan settles."""

_STEPS: Final = {"day": 1, "week": 7, "month": 1, "year": 12}
"""Days of a day and of a week; months of a month and of a year."""

_MONTHS_A_YEAR: Final = 12


class Span(NamedTuple):
    """A stretch of time: from `start` (included) to `end` (not included), both in UTC."""

    start: datetime
    """Its first moment."""
    end: datetime
    """The first moment after it."""

    def clipped(self, other: Span) -> Span:
        """What both spans have in common."""
        return Span(max(self.start, other.start), min(self.end, other.end))


class Periods:
    """The periods of a plan in a time zone.

    A period begins with the first moment of a local day. Months and years that begin on a day a month does not have
    begin on its last day: after 31 January come 28 (or 29) February and 31 March.

    Args:
        name: how long a period is.
        tz: the IANA time zone whose days are meant.
        renews: a day on which a period begins; `None` for calendar months and years, and weeks that begin on Monday.

    Raises:
        ValueError: the period or the time zone is not known, or `renews` is no date.
    """

    def __init__(self, name: PeriodName, tz: str = "UTC", renews: date | None = None) -> None:
        """Look the time zone up."""
        self._in_months = name in {"month", "year"}
        self._step = _STEPS[period_name(name)]
        self._zone = zone(tz)
        self._anchor = renewal_day(renews) or date(1, 1, 1)  # a Monday

    def around(self, at: datetime) -> Span:
        """The period in which a moment lies."""
        number = self._about(at.astimezone(self._zone).date())
        while self._begins(number) > at:
            number -= 1
        while self._begins(number + 1) <= at:
            number += 1
        return Span(self._begins(number), self._begins(number + 1))

    def touching(self, window: Span) -> Iterator[Span]:
        """Every period that has a moment in common with the window, oldest first."""
        if window.start >= window.end:
            return
        span = self.around(window.start)
        while span.start < window.end:
            yield span
            span = self.around(span.end)

    def group(self, charges: Iterable[Charge]) -> Iterator[tuple[Span, list[Charge]]]:
        """Charges, oldest first, by the period they fall in; periods without any are left out."""
        known = Span(datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))

        def period(charge: Charge) -> Span:
            nonlocal known
            if charge.at >= known.end:
                known = self.around(charge.at)
            return known

        for span, group in groupby(charges, key=period):
            yield span, list(group)

    def _about(self, day: date) -> int:
        """The number of the period in which a local day lies, or of its neighbour."""
        if not self._in_months:
            return (day - self._anchor).days // self._step
        months = (day.year - self._anchor.year) * _MONTHS_A_YEAR + day.month - self._anchor.month
        return months // self._step

    def _day(self, number: int) -> date:
        """The local day on which a period begins."""
        if not self._in_months:
            return self._anchor + timedelta(days=number * self._step)
        year, month = divmod(self._anchor.month - 1 + number * self._step, _MONTHS_A_YEAR)
        year, month = self._anchor.year + year, month + 1
        return date(year, month, min(self._anchor.day, monthrange(year, month)[1]))

    def _begins(self, number: int) -> datetime:
        return datetime.combine(self._day(number), time.min, tzinfo=self._zone).astimezone(UTC)


def period_name(name: object) -> PeriodName:
    """A known period.

    Raises:
        ValueError: it is none.
    """
    for known in get_args(PeriodName):
        if name == known:
            return known  # type: ignore[no-any-return] # the memo holds nothing else
    msg = f"period={name!r} is not known: give 'day', 'week', 'month' or 'year'"
    raise ValueError(msg)


def renewal_day(day: object) -> date | None:
    """The day of a renewal.

    Raises:
        ValueError: it is no date.
    """
    if day is None or (isinstance(day, date) and not isinstance(day, datetime)):
        return day
    msg = f"renews={day!r} is no day: give a date, such as date(2026, 1, 31)"
    raise ValueError(msg)


def zone(tz: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        ValueError: the name is not known.
    """
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError, TypeError, AttributeError) as error:
        msg = (
            f"tz={tz!r} is not a known time zone: give an IANA name such as 'UTC' or 'Europe/Zurich'"
            " (on a system without time zone data: pip install tzdata)"
        )
        raise ValueError(msg) from error


def months_in(window: Span, tz: str) -> tuple[int, int]:
    """How many calendar months a window is long, as a fraction; part of a month counts by its part of the time."""
    numerator, denominator = 0, 1
    for month in Periods("month", tz).touching(window):
        part = month.clipped(window)
        length, whole = (part.end - part.start) // _US, (month.end - month.start) // _US
        numerator, denominator = numerator * whole + length * denominator, denominator * whole
    return numerator, denominator


_US: Final = timedelta(microseconds=1)
