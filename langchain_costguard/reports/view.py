"""What a reader of a report sees, whatever draws it: figures at the top, notes, tables and the last lines."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard._amounts import counted
from langchain_costguard.reports.money import dollar_column, dollars, plain
from langchain_costguard.reports.rows import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.reports.notes import Note, PriceListUse
    from langchain_costguard.reports.rows import ReportRow
    from langchain_costguard.stores.base import LedgerStore

_SHOWN_DAYS: Final = 31
_SHOWN_MODELS: Final = 20
_OPTIONAL_COUNTS: Final = {
    "Cache read": "cache_read",
    "Cache write": "cache_creation",
    "Reasoning": "reasoning",
    "Cached calls": "cached_calls",
    "Failed": "failed_calls",
}


class Tile(NamedTuple):
    """One figure at the top of a report."""

    label: str
    """What it is."""
    value: str
    """The figure."""
    remark: str = ""
    """What it leaves out, or how it came about."""


class Table(NamedTuple):
    """One table: its first column names the row, the last completes the cost, those between are figures."""

    caption: str
    """What the rows are."""
    headers: tuple[str, ...]
    """One for each column."""
    rows: tuple[tuple[str, ...], ...]
    """The cells, row by row."""


class View(NamedTuple):
    """Everything a report shows, in words and figures that only need to be laid out."""

    title: str
    """The title."""
    scope: str
    """Which calls are meant; empty for all."""
    tiles: tuple[Tile, ...]
    """The sums at the top."""
    notes: tuple[Note, ...]
    """What the sums leave out; warnings first."""
    tables: tuple[Table, ...]
    """By model and by day; empty if there are no calls."""
    footer: tuple[str, ...]
    """Which prices were used, and where lines are kept."""
    budgets: tuple[Table, ...] = ()
    """How budgets stand; empty where none were given."""


def tiles_of(total: ReportRow) -> tuple[Tile, ...]:
    """The sums at the top of a report; what did not happen is not shown."""
    cost = Tile("Cost", dollars(total.billed_cost), total.remainder)
    tiles = [cost, Tile("Calls", f"{total.calls:,}"), _tokens(total, "input"), _tokens(total, "output")]
    if total.list_cost != total.billed_cost:
        tiles.insert(1, Tile("List price", dollars(total.list_cost)))
    if total.avoided_cost:
        remark = f"by {counted(total.cached_calls, 'cached answer')}"
        tiles.insert(1, Tile("Avoided", dollars(total.avoided_cost), remark))
    return tuple(tiles)


def tables_of(models: Sequence[ReportRow], days: Sequence[ReportRow], *, tz: str) -> tuple[Table, ...]:
    """The tables by model, dearest first, and by day, newest first."""
    if not models:
        return ()
    newest_first = shortened(tuple(reversed(days)), _SHOWN_DAYS, rest="earlier days")
    return (
        table_of(shortened(models, _SHOWN_MODELS, rest="other models"), caption="By model", header="Model"),
        table_of(newest_first, caption=f"By day ({tz})", header="Day"),
    )


def table_of(rows: Sequence[ReportRow], *, caption: str, header: str) -> Table:
    """One table; columns of counts that are zero throughout are left away."""
    columns: list[tuple[str, list[str]]] = [
        (header, [row.name for row in rows]),
        ("Calls", [f"{row.calls:,}" for row in rows]),
        ("Input tokens", [f"{row.input_tokens:,}" for row in rows]),
        ("Output tokens", [f"{row.output_tokens:,}" for row in rows]),
    ]
    for label, name in _OPTIONAL_COUNTS.items():
        counts = [getattr(row, name) for row in rows]
        if any(counts):
            columns.append((label, [f"{count:,}" for count in counts]))
    columns.append(("Cost", dollar_column([row.billed_cost for row in rows])))
    columns.append(("", [row.remainder for row in rows]))
    cells = zip(*(cells for _, cells in columns), strict=True)
    return Table(caption, tuple(name for name, _ in columns), tuple(cells))


def footer_of(price_lists: Sequence[PriceListUse], list_in_use: str | None, store: LedgerStore) -> tuple[str, ...]:
    """The last lines: which lists priced the calls, which list is in use, and where lines are kept."""
    used = f"Priced by {', '.join(map(str, price_lists))}." if price_lists else None
    return tuple(line for line in (used, list_in_use, where_kept(store)) if line)


def where_kept(store: LedgerStore) -> str:
    """Where the store keeps lines, as a sentence."""
    if store.is_durable:
        return f"Lines are kept in {plain(store.location)}."
    return "Lines are kept in memory only and end with this process: give store=... to keep them."


def conditions_of(query: LedgerQuery) -> tuple[str, ...]:
    """The names of the conditions that a query has, its `limit` aside."""
    names = (field.name for field in fields(query) if field.name != "limit")
    return tuple(name for name in names if getattr(query, name) not in (None, {}))


def scope_of(query: LedgerQuery) -> str:
    """The conditions of a query as words, such as `"user u1, since 2026-11-01 00:00 UTC"`."""
    words = []
    for name in (field.name for field in fields(query) if field.name != "limit"):
        value = getattr(query, name)
        if value is not None:
            text = f"{value:%Y-%m-%d %H:%M %Z}" if name in {"since", "until"} else str(value)
            words.append(f"{name.replace('_', ' ')} {plain(text)}")
    return ", ".join(words)


def _tokens(total: ReportRow, side: str) -> Tile:
    if side == "input":
        remark = f"{total.cache_read:,} read from the prompt cache" if total.cache_read else ""
        return Tile("Input tokens", f"{total.input_tokens:,}", remark)
    remark = f"{total.reasoning:,} for reasoning" if total.reasoning else ""
    return Tile("Output tokens", f"{total.output_tokens:,}", remark)
