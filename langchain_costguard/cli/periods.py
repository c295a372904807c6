"""Which period a report is about, as it was typed: two moments, so long ago, or a month; and the one before it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import typer

from langchain_costguard.cli import options

PREVIOUS: Final = "previous"
"""Asks for the period of the same length that ends where this one begins."""

_AGO: Final = re.compile(r"(\d{1,6})([hdw])")
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_MONTH: Final = re.compile(r"\d{4}-\d\d")


class Period(NamedTuple):
    """From one moment until before another; `None` is no limit."""

    since: datetime | None
    """The first moment."""
    until: datetime | None
    """The first moment after it."""

    def previous(self, *, month: str | None, tz: str) -> Period:
        """The period before: the month before where a month was typed, else as long as this one.

        Raises:
            BadParameter: it has no beginning.
        """
        if month is not None:
            return month_of(_month_before(_first_day(month, "--month")), "--compare", tz)
        if self.since is None:
            msg = f"{PREVIOUS} is before nothing: give --since 7d or --month 2026-11, too"
            raise typer.BadParameter(msg, param_hint="--compare")
        try:
            return Period(self.since - ((self.until or datetime.now(UTC)) - self.since), self.since)
        except OverflowError as error:
            msg = f"{PREVIOUS} is before all calendars: give a later --since"
            raise typer.BadParameter(msg, param_hint="--compare") from error


def period(since: str | None, until: str | None, month: str | None, tz: str) -> Period:
    """The period that was typed.

    Args:
        since: a day, a moment, or how long ago it begins: `7d`, `24h`, `4w`; `None` for no limit.
        until: a day or a moment; `None` for no limit.
        month: a month, such as `2026-11`; `None` where the other two are meant.
        tz: the IANA time zone that is meant.

    Raises:
        BadParameter: one of them is not understood, or a month is given beside a day.
    """
    if month is not None:
        if since is not None or until is not None:
            msg = f"{month} is a period already: leave --since and --until away"
            raise typer.BadParameter(msg, param_hint="--month")
        return month_of(month, "--month", tz)
    ago = None if since is None else _AGO.fullmatch(since)
    if ago is None:
        return Period(*options.period(since, until, tz))
    end = options.moment(until, "--until", tz)
    try:
        begins = (end or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    except OverflowError as error:
        msg = f"{since} is too long ago: give fewer days"
        raise typer.BadParameter(msg, param_hint="--since") from error
    return Period(begins, end)


def compared(text: str, current: Period, month: str | None, tz: str) -> Period:
    """The period that `--compare` means.

    Args:
        text: `previous`, or a month.
        current: the period it is compared with.
        month: what was typed as `--month`.
        tz: the IANA time zone that is meant.

    Raises:
        BadParameter: it is neither, or there is none before.
    """
    return current.previous(month=month, tz=tz) if text == PREVIOUS else month_of(text, "--compare", tz)


def month_of(text: str, option: str, tz: str) -> Period:
    """A month as a period in a time zone.

    Raises:
        BadParameter: it is no month, or the time zone is not known.
    """
    first = _first_day(text, option)
    begin = options.required_moment(first.isoformat(), option, tz)
    try:
        following = (first + timedelta(days=31)).replace(day=1)
    except OverflowError as error:
        msg = f"{text} is the last month of all calendars: give an earlier one"
        raise typer.BadParameter(msg, param_hint=option) from error
    return Period(begin, datetime(following.year, following.month, 1, tzinfo=ZoneInfo(tz)))


def _month_before(first: date) -> str:
    try:
        return f"{first - timedelta(days=1):%Y-%m}"
    except OverflowError as error:
        msg = f"{PREVIOUS} is before all calendars: give a later --month"
        raise typer.BadParameter(msg, param_hint="--compare") from error


def _first_day(text: str, option: str) -> date:
    try:
        if _MONTH.fullmatch(text):
            return date.fromisoformat(f"{text}-01")
    except ValueError:
        pass
    words = f"or {PREVIOUS}" if option == "--compare" else "and nothing else"
    msg = f"{text!r} is no month: write it as 2026-11, {words}"
    raise typer.BadParameter(msg, param_hint=option)
