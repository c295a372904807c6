"""How bills and comparisons are shown: aligned text for a terminal, a plain table for a notebook."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

_NARROWEST: Final = 80


def days(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """The local days of a stretch of time, the last one included."""
    first = start.astimezone(zone).date()
    last = (end - timedelta(microseconds=1)).astimezone(zone).date()
    return f"{first}" if last <= first else f"{first} to {last}"


def as_text(headers: Sequence[str], rows: Sequence[Sequence[str]], *, words: int, notes: Sequence[str] = ()) -> str:
    """A table as lines of text.

    Args:
        headers: one for each column.
        rows: the cells.
        words: so many columns, from the left, hold words; the others are figures and stand to the right.
        notes: sentences below the table.
    """
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        placed = (c.ljust(w) if at < words else c.rjust(w) for at, (c, w) in enumerate(zip(cells, widths, strict=True)))
        return "  ".join(placed).rstrip()

    table = [line(headers), "-" * (sum(widths) + 2 * (len(widths) - 1)), *map(line, rows)]
    below = [fill(note, max(len(table[1]), _NARROWEST)) for note in notes]
    return "\n".join([*table, *([""] if below else []), *below])


def as_html(headers: Sequence[str], rows: Sequence[Sequence[str]], *, words: int, notes: Sequence[str] = ()) -> str:
    """The same as a self-contained piece of HTML."""

    def line(cells: Sequence[str], tag: str) -> str:
        sides = ("left" if at < words else "right" for at in range(len(cells)))
        made = (f'<{tag} style="text-align:{side}">{escape(c)}</{tag}>' for c, side in zip(cells, sides, strict=True))
        return f"<tr>{''.join(made)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    below = "".join(f"<div>{escape(note)}</div>" for note in notes)
    return f"<div><table><thead>{line(headers, 'th')}</thead><tbody>{body}</tbody></table>{below}</div>"
