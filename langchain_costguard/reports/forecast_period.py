"""Which days a forecast is about, and from which days it is made."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

HISTORY_DAYS: Final = 56
"""So many days before today are looked at."""

_FARTHEST_DAYS: Final = 366
_SECOND: Final = timedelta(seconds=1)


class Period(NamedTuple):
    """The days that a forecast is about, and those it is made of."""

    now: datetime
    """The moment from which it looks ahead."""
    today: date
    """Its day in the time zone of the report."""
    begins: date
    """The first day of the period."""
    stops: date
    """The first day after it."""
    zone: ZoneInfo
    """The time zone of the report."""

    @property
    def first_read(self) -> datetime:
        """From when on the ledger is read."""
        return self.midnight(min(self.begins, self.today - timedelta(days=HISTORY_DAYS)))

    def midnight(self, day: date) -> datetime:
        """When a day begins."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def left_of_today(self) -> Fraction:
        """The share of today that is still to come; days on which clocks change are longer or shorter."""
        ends = self.midnight(self.today + timedelta(days=1))
        whole = ends - self.midnight(self.today)
        return Fraction((ends - self.now) // _SECOND, whole // _SECOND)

    def ahead(self) -> list[tuple[date, Fraction]]:
        """Today and the days to come in the period, with the share of each that is still to come."""
        later = (self.stops - self.today).days
        shares = (self.left_of_today(), *(Fraction(1) for _ in range(1, later)))
        return [(self.today + timedelta(days=at), share) for at, share in enumerate(shares)]


def period_of(now: datetime, *, until: date | None, tz: str) -> Period:
    """The month that a moment lies in, or what of it and after it lies before a day.

    Raises:
        ValueError: `until` is not after today, or more than a year ahead.
    """
    zone = ZoneInfo(tz)
    today = now.astimezone(zone).date()
    begins = today.replace(day=1)
    stops = until or (begins + timedelta(days=31)).replace(day=1)
    if not 0 < (stops - today).days <= _FARTHEST_DAYS:
        msg = f"until={stops} is not ahead of {today} by a year at most: give the first day after the period"
        raise ValueError(msg)
    return Period(now, today, begins, stops, zone)
