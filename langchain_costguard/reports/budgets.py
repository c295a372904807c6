"""How budgets stand in a report: a table with what is left and until when, and what a reader must know beside it."""

from __future__ import annotations

from datetime import UTC
from shlex import quote
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from langchain_costguard._amounts import counted, volume
from langchain_costguard.reports.money import plain
from langchain_costguard.reports.notes import Note
from langchain_costguard.reports.view import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from langchain_costguard.budgets.claims import Unit
    from langchain_costguard.budgets.status import BudgetStatus

SHOWN: Final = 20
"""So many counters are shown, the fullest; a budget per user has one for each user."""

_HEADERS: Final = ("Budget", "Window", "Limit", "Spent", "Remaining", "")
_MOMENT: Final = "%Y-%m-%d %H:%M"
_TIME: Final = "%H:%M"
_UNSETTLED: Final = (
    "Unsettled amounts were charged in full for calls whose process is gone; they are corrected when the true cost "
    "becomes known."
)


def budget_table(statuses: Sequence[BudgetStatus], *, now: datetime, tz: str = "UTC") -> Table:
    """The budgets, frozen ones and then the fullest first.

    The figures that every budget has stand in columns; the last column says what else there is, in words, so that the
    table fits a narrow terminal.

    Args:
        statuses: one for each counter.
        now: the moment from which forecasts look ahead; must know its time zone.
        tz: the IANA time zone in which moments are written.
    """
    zone = ZoneInfo(tz)
    shown = _fullest_first(statuses)[:SHOWN]
    rows = [
        (
            _name(each),
            each.per,
            *(volume(amount, each.unit) for amount in (each.limit, each.spent, each.remaining)),
            "; ".join(_remarks(each, now, zone)),
        )
        for each in shown
    ]
    if len(statuses) > SHOWN:
        rows.append((f"{counted(len(statuses) - SHOWN, 'more counter')}, less full", "", "", "", "", ""))
    return Table(f"Budgets ({tz})", _HEADERS, tuple(rows))


def budget_notes(statuses: Sequence[BudgetStatus]) -> tuple[Note, ...]:
    """What a reader must know beside the budgets: which admit nothing, and which amounts may be corrected."""
    frozen = {each.key: each.frozen for each in statuses if each.frozen is not None}
    notes = [Note(_frozen(plain(key), plain(why)), is_warning=True) for key, why in frozen.items()]
    notes += [Note(_uncounted(each), is_warning=True) for each in statuses if each.uncounted]
    return (*notes, *([Note(_UNSETTLED)] if any(each.unsettled for each in statuses) else []))


def budget_dict(status: BudgetStatus, *, now: datetime) -> dict[str, Any]:
    """One budget as JSON-safe values: money as decimal strings, tokens and calls as whole numbers, moments in UTC."""
    amounts = ("limit", "spent", "reserved", "remaining", "unsettled", "overrun")
    return {
        "name": status.name,
        "key": status.key,
        "each_value": status.each_value,
        "covers": status.covers,
        "unit": status.unit,
        "per": status.per,
        **{name: _plain_amount(getattr(status, name), status.unit) for name in amounts},
        "share_spent": f"{status.share_spent:f}",
        "refused": status.refused,
        "uncounted": status.uncounted,
        "frozen": status.frozen,
        "started_at": _iso(status.started_at),
        "resets_at": _iso(status.resets_at),
        "forecast": _iso(status.forecast(now)),
    }


def _frozen(key: str, why: str) -> str:
    mend = f"langchain-costguard budgets unfreeze {quote(key)}"
    return f"The budget {key} is frozen ({why}): `{mend}` lets calls through again."


def _uncounted(status: BudgetStatus) -> str:
    return (
        f"The budget {_name(status)} does not count {counted(status.uncounted, 'call')} of this process, because what "
        "they cost is not known: prices={...} gives their model a price."
    )


def _fullest_first(statuses: Sequence[BudgetStatus]) -> list[BudgetStatus]:
    return sorted(statuses, key=lambda each: (each.frozen is None, -each.share_spent))


def _name(status: BudgetStatus) -> str:
    whose = "" if status.each_value is None else f" ({status.each_value})"
    return plain(f"{status.name}{whose}")


def _remarks(status: BudgetStatus, now: datetime, zone: ZoneInfo) -> Iterator[str]:
    if status.frozen is not None:
        yield f"frozen: {plain(status.frozen)}"
    forecast = status.forecast(now)
    if status.spent >= status.limit:
        yield "limit reached"
    elif forecast is not None:
        yield f"reached {_when(forecast, now, zone)} at this rate"
    if status.resets_at is not None:
        yield f"resets {status.resets_at.astimezone(zone):{_MOMENT}}"
    if status.reserved:
        yield f"{volume(status.reserved, status.unit)} reserved"
    if status.refused:
        yield f"{status.refused:,} refused"
    if status.uncounted:
        yield f"{status.uncounted:,} not counted"
    if status.overrun:
        yield f"{volume(status.overrun, status.unit)} above what was reserved"
    if status.unsettled:
        yield f"{volume(status.unsettled, status.unit)} unsettled"


def _when(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """The time of day alone where it is today."""
    local = moment.astimezone(zone)
    return f"{local:{_TIME if local.date() == now.astimezone(zone).date() else _MOMENT}}"


def _plain_amount(amount: Decimal | int, unit: Unit) -> str | int:
    return f"{amount:f}" if unit == "usd" else int(amount)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
