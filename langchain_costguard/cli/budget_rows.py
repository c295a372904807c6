"""What `budgets show` prints of counters, of what operators have set, and of what they have changed."""

from __future__ import annotations

import re
from datetime import UTC
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard._amounts import volume
from langchain_costguard.budgets.limits import outside
from langchain_costguard.budgets.windows import instant, window
from langchain_costguard.reports.money import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from langchain_costguard.budgets.claims import BudgetChange, BudgetSetting, CounterState, Unit

_ROLLING: Final = re.compile(r"(?:usd|tokens|calls)/([1-9][0-9]*(?:d|h|min|s))(?:[/|]|$)")
_MOMENT: Final = "%Y-%m-%d %H:%M"
_MORE: Final = {"reserved": "reserved", "unsettled": "unsettled", "overrun": "above what was reserved"}
_FIGURES: Final = ("spent", *_MORE)


class CounterRow(NamedTuple):
    """What is shown of one counter in one window."""

    state: CounterState
    """What it holds; for a rolling window the sums over its slots, with the first of them."""
    limit: int | None
    """The limit an operator has set; `None` where that of the code is in force."""
    frozen: str | None
    """Why it admits nothing, or its budget; `None` if it does."""


def rows_of(
    states: Iterable[CounterState], settings: Iterable[BudgetSetting], now_us: int, *, every_window: bool = False
) -> list[CounterRow]:
    """One row per counter, in order of their names, for the newest window in which it was used.

    Older windows in which something is still reserved are there as well.

    Args:
        states: what the store holds.
        settings: what operators have set.
        now_us: the store's time, where rolling windows end.
        every_window: whether all windows are wanted that are kept; those of rolling ones slot by slot.
    """
    by_key = {setting.budget: setting for setting in settings}
    rows = []
    for _, slots in groupby(sorted(states, key=_place), key=lambda state: state.counter):
        kept = list(slots)
        shown = kept if every_window else _present(kept, now_us)
        rows += [_row(state, by_key.get(state.budget)) for state in shown]
    return rows


def as_cells(rows: Sequence[CounterRow]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Headers and cells of a table whose last column says in words what not every counter has.

    Args:
        rows: what is shown, at least one.
    """
    limits = ["" if row.limit is None else amount(row.limit, row.state.unit) for row in rows]
    columns = [
        ("Counter", [plain(row.state.counter) for row in rows], True),
        ("Since (UTC)", [_since(row.state) for row in rows], any(row.state.slot_us for row in rows)),
        ("Limit set", limits, any(limits)),
        ("Spent", [amount(row.state.spent, row.state.unit) for row in rows], True),
        ("", ["; ".join(_remarks(row)) for row in rows], True),
    ]
    kept = [(header, cells) for header, cells, is_kept in columns if is_kept]
    return tuple(header for header, _ in kept), tuple(zip(*(cells for _, cells in kept), strict=True))


def unused(
    settings: Iterable[BudgetSetting], rows: Sequence[CounterRow], units: Mapping[str, Unit | None]
) -> list[str]:
    """A line for each budget that an operator has set and of which no counter is shown."""
    shown = {row.state.budget for row in rows}
    lines = []
    for setting in settings:
        said = list(_said(setting, units.get(setting.budget)))
        if setting.budget not in shown and said:
            lines.append(f"{plain(setting.budget)}: {', '.join(said)}; not used yet.")
    return lines


def change_line(change: BudgetChange, unit: Unit | None) -> str:
    """One change as a line: when, who, what."""
    what = {
        "set": f"set the limit to {_limit(change.limit, unit)}",
        "freeze": f"froze it: {change.note}",
        "unfreeze": "unfroze it",
    }[change.action]
    return plain(f"{instant(change.at_us):{_MOMENT}} UTC  {change.budget}: {change.by} {what}")


def row_dict(row: CounterRow) -> dict[str, Any]:
    """A counter as JSON-safe values: money as decimal strings, tokens and calls as whole numbers."""
    state = row.state
    return {
        "budget": state.budget,
        "counter": state.counter,
        "since": _iso(state.slot_us) if state.slot_us else None,
        "unit": state.unit,
        "limit_set": safe(row.limit, state.unit),
        **{name: safe(getattr(state, name), state.unit) for name in _FIGURES},
        "refused": state.refused,
        "frozen": row.frozen,
    }


def change_dict(change: BudgetChange, unit: Unit | None) -> dict[str, Any]:
    """A change as JSON-safe values."""
    return {
        "budget": change.budget,
        "action": change.action,
        "at": _iso(change.at_us),
        "by": change.by,
        "limit": safe(change.limit, unit),
        "note": change.note,
    }


def amount(number: int, unit: Unit) -> str:
    """So much of a unit in words, such as `"$8.03"` or `"1,200 tokens"`."""
    return volume(outside(number, unit), unit)


def safe(number: int | None, unit: Unit | None) -> str | int | None:
    """So much of a unit as JSON holds it: dollars as a decimal string, everything else as a whole number."""
    return number if number is None or unit != "usd" else f"{outside(number, unit):f}"


def _place(state: CounterState) -> tuple[str, int]:
    return state.counter, state.slot_us


def _present(slots: list[CounterState], now_us: int) -> list[CounterState]:
    """The newest window of a counter, and older ones in which something is reserved."""
    rolling = _ROLLING.match(slots[0].budget)
    if rolling is None:
        return [*(state for state in slots[:-1] if state.reserved), slots[-1]]
    since_us = window(rolling[1]).at(now_us).since_us
    inside = [state for state in slots if state.slot_us >= since_us]
    return [_sum(inside)] if inside else []


def _sum(slots: Sequence[CounterState]) -> CounterState:
    sums = {name: sum(getattr(state, name) for state in slots) for name in (*_FIGURES, "refused")}
    return slots[0]._replace(**sums, frozen=next((state.frozen for state in slots if state.frozen), None))


def _row(state: CounterState, setting: BudgetSetting | None) -> CounterRow:
    if setting is None:
        return CounterRow(state, None, state.frozen)
    return CounterRow(state, setting.limit, state.frozen if setting.frozen is None else setting.frozen)


def _said(setting: BudgetSetting, unit: Unit | None) -> Iterator[str]:
    if setting.limit is not None:
        yield f"limit {_limit(setting.limit, unit)}"
    if setting.frozen is not None:
        yield f"frozen: {plain(setting.frozen)}"


def _limit(limit: int | None, unit: Unit | None) -> str:
    """A limit, whose unit is not known for a budget with a name that was never used."""
    if limit is None:
        return "that of the code"
    return f"{limit:,} (nano-dollars, tokens or calls)" if unit is None else amount(limit, unit)


def _remarks(row: CounterRow) -> Iterator[str]:
    if row.frozen is not None:
        yield f"frozen: {plain(row.frozen)}"
    for name, words in _MORE.items():
        number = getattr(row.state, name)
        if number:
            yield f"{amount(number, row.state.unit)} {words}"
    if row.state.refused:
        yield f"{row.state.refused:,} refused"


def _since(state: CounterState) -> str:
    return f"{instant(state.slot_us):{_MOMENT}}" if state.slot_us else ""


def _iso(at_us: int) -> str:
    return instant(at_us).astimezone(UTC).isoformat()
