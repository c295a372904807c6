"""When a budget starts anew: never, with each run, with the calendar of a time zone, or rolling behind the clock."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple, cast, get_args

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from langchain_costguard.pricing.plans.periods import PeriodName, Periods

WindowName = Literal["run", "minute", "hour", "day", "week", "month", "total"]
"""A window with a name; a rolling one is given by its length."""

SLOTS: Final = 60
"""A rolling window is counted in so many slots of equal length."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_STEPS: Final = {"minute": 60 * _SECOND, "hour": 3600 * _SECOND}
_LENGTHS: Final = {"d": 86_400, "h": 3600, "min": 60, "s": 1}
_LENGTH: Final = re.compile(r"([1-9][0-9]{0,8})(d|h|min|s)")
_LONGEST: Final = 366 * 86_400
_TWO_DAYS: Final = 2 * 86_400
_ALWAYS: Final = 2**63
_LAST: Final = (datetime(9998, 1, 1, tzinfo=UTC) - _EPOCH) // _US


class Place(NamedTuple):
    """Where a moment lies. All times are microseconds since 1970-01-01 UTC."""

    start_us: int
    """The first moment for which all of this holds."""
    end_us: int
    """The first moment for which it does not."""
    slot_us: int
    """The slot that is charged."""
    since_us: int
    """The first slot that counts."""
    resets_at_us: int | None
    """When nothing is spent again; `None` for windows that never end, end with the run, or roll."""


class Window(ABC):
    """A rule that says for every moment which slot is charged and which slots count.

    The last answer is kept, because most calls ask for a moment of the same window.
    """

    outlives_process: ClassVar[bool] = True

    def __init__(self, text: str) -> None:
        """Nothing is known yet."""
        self.text: str = text
        self._last: Place = Place(0, 0, 0, 0, None)

    def at(self, now_us: int) -> Place:
        """Where a moment lies; safe to ask from many threads."""
        place = self._last
        if place.start_us <= now_us < place.end_us:
            return place
        place = self._last = self._at(now_us)
        return place

    @abstractmethod
    def _at(self, now_us: int) -> Place:
        """Where a moment lies."""


class TotalWindow(Window):
    """The whole time."""

    def _at(self, now_us: int) -> Place:  # noqa: ARG002 - every moment is the same
        return Place(-_ALWAYS, _ALWAYS, 0, 0, None)


class RunWindow(TotalWindow):
    """One run: its id stands in the counter, so that time has nothing to say."""

    outlives_process: ClassVar[bool] = False


class RollingWindow(Window):
    """The last so many seconds before each moment.

    It is counted in 60 slots. Whatever was charged within the length before a moment is in the sum, and at most one
    slot more, so that any stretch of time of that length holds at most the limit.
    """

    def __init__(self, seconds: int) -> None:
        """Divide the length into slots."""
        super().__init__(length_text(seconds))
        self.length_us: int = seconds * _SECOND
        self.slot_us: int = -(-self.length_us // SLOTS)

    def _at(self, now_us: int) -> Place:
        slot = now_us - now_us % self.slot_us
        return Place(slot, slot + self.slot_us, slot, slot - SLOTS * self.slot_us, None)


class CalendarWindow(Window):
    """Days, weeks (from Monday) and months of a time zone; a day with a change of clocks has 23 or 25 hours."""

    def __init__(self, name: PeriodName, tz: str) -> None:
        """Look the time zone up."""
        from langchain_costguard.pricing.plans.periods import Periods

        super().__init__(name)
        self._periods: Periods = Periods(name, tz)

    def _at(self, now_us: int) -> Place:
        span = self._periods.around(instant(_known(now_us)))
        start, end = (span.start - _EPOCH) // _US, (span.end - _EPOCH) // _US
        return Place(start, end, start, start, end)


class ClockWindow(Window):
    """Minutes and hours by the clocks of a time zone; a change of clocks ends the one it falls in."""

    def __init__(self, name: str, zone: ZoneInfo) -> None:
        """Keep the zone."""
        super().__init__(name)
        self._step: int = _STEPS[name]
        self._zone: ZoneInfo = zone

    def _at(self, now_us: int) -> Place:
        offset = self._offset(_known(now_us))
        start = now_us - (now_us + offset) % self._step
        end = start + self._step
        if self._offset(start) != offset:
            start = self._change(start, now_us)
        if self._offset(end - 1) != offset:
            end = self._change(now_us, end - 1)
        return Place(start, end, start, start, end)

    def _offset(self, at_us: int) -> int:
        return cast("timedelta", instant(at_us).astimezone(self._zone).utcoffset()) // _US

    def _change(self, before_us: int, after_us: int) -> int:
        """The first moment with the offset of the later of two moments whose offsets differ."""
        offset = self._offset(after_us)
        while after_us - before_us > 1:
            middle = (before_us + after_us) // 2
            if self._offset(middle) == offset:
                after_us = middle
            else:
                before_us = middle
        return after_us


def window(per: str | timedelta, tz: str = "UTC") -> Window:
    """The window a user names.

    Args:
        per: `"run"`, `"minute"`, `"hour"`, `"day"`, `"week"`, `"month"` or `"total"`; or the length of a rolling
            window: `"90s"`, `"15min"`, `"24h"`, `"7d"`, or a `timedelta` of whole seconds, up to 366 days.
        tz: the IANA time zone of calendar windows.

    Raises:
        ValueError: the window or the time zone is not known, or the length is out of bounds.
        TypeError: it is something else.
    """
    from langchain_costguard.pricing.plans.periods import zone

    local = zone(tz)
    if per == "total":
        return TotalWindow("total")
    if per == "run":
        return RunWindow("run")
    if isinstance(per, str) and per in _STEPS:
        return ClockWindow(per, local)
    if isinstance(per, str) and per in get_args(WindowName):
        return CalendarWindow(cast("PeriodName", per), tz)
    return RollingWindow(_seconds(per))


def length_text(seconds: int) -> str:
    """The length of a rolling window: days from two days on, else hours, minutes or seconds, whichever are whole."""
    for unit, length in _LENGTHS.items():
        if seconds % length == 0 and (unit != "d" or seconds >= _TWO_DAYS):
            break
    return f"{seconds // length}{unit}"


def instant(at_us: int) -> datetime:
    """A time of the store as a moment in UTC."""
    return _EPOCH + timedelta(microseconds=at_us)


def _seconds(per: object) -> int:
    """The length of a rolling window."""
    if isinstance(per, timedelta):
        length = per
    elif isinstance(per, str):
        found = _LENGTH.fullmatch(per)
        if not found:
            raise ValueError(_unknown(per))
        length = timedelta(seconds=int(found[1]) * _LENGTHS[found[2]])
    else:
        raise TypeError(_unknown(per))
    seconds, rest = divmod(length, timedelta(seconds=1))
    if rest or not 1 <= seconds <= _LONGEST:
        msg = f"per={per!r} cannot be a rolling window: give whole seconds, from one second to 366 days"
        raise ValueError(msg)
    return seconds


def _unknown(per: object) -> str:
    return (
        f"per={per!r} is no window: give per='run', 'minute', 'hour', 'day', 'week', 'month' or 'total', "
        "or the length of a rolling window, such as '24h', '15min', '90s' or '7d'"
    )


def _known(at_us: int) -> int:
    """A moment that the calendar has, with room for the window around it."""
    if not 0 <= at_us < _LAST:
        msg = f"now_us={at_us} is not between the years 1970 and 9997: give microseconds since 1970-01-01 UTC"
        raise ValueError(msg)
    return at_us
