"""How a report is laid out as text: plain ASCII lines that look alike in a terminal, a log and a mail."""

from __future__ import annotations

import shutil
from io import StringIO
from typing import TYPE_CHECKING, Final

from langchain_costguard.reports.money import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group, RenderableType
    from rich.table import Table as RichTable

    from langchain_costguard.reports.view import Table, Tile, View

_FALLBACK_SIZE: Final = (100, 24)
_WIDEST: Final = 140
_NARROWEST: Final = 40
_LINES: Final = "    \n    \n -- \n    \n    \n    \n    \n    \n"
_LABEL_WIDTH: Final = 15


def as_text(view: View, *, width: int | None = None) -> str:
    """The report as lines of text without colours, none longer than `width` where words allow it.

    Args:
        view: what to lay out.
        width: characters per line; `None` takes the terminal's, or 100 where there is none.
    """
    return _lines(layout(view), width)


def table_as_text(table: Table, *, width: int | None = None) -> str:
    """One table alone as lines of text; `width` as for `as_text`."""
    return _lines(_table(table), width)


def captioned_as_text(table: Table, remarks: Sequence[str], *, width: int | None = None) -> str:
    """A table under its caption and above sentences of its own, as lines of text; `width` as for `as_text`."""
    from rich.console import Group
    from rich.text import Text

    below = [Text(), *map(Text, remarks)] if remarks else []
    caption = [Text(plain(table.caption))] if table.caption else []
    return _lines(Group(*caption, _table(table), *below), width)


def layout(view: View) -> Group:
    """The report as something Rich can print, with its headings and warnings marked."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Text | RichTable] = [Text(view.title, style="bold")]
    if view.scope:
        parts.append(Text(view.scope))
    parts += [Text(), _tiles(view.tiles)]
    if view.notes:
        parts.append(Text())
    for note in view.notes:
        mark = "! " if note.is_warning else "- "
        parts.append(_indented(mark, note.text, style="yellow" if note.is_warning else ""))
    for table in (*view.budgets, *view.tables):
        parts += [Text(), Text(plain(table.caption), style="bold"), _table(table)]
    parts += [Text(), *(Text(line, style="dim") for line in view.footer)]
    return Group(*parts)


def _lines(content: RenderableType, width: int | None) -> str:
    from rich.console import Console

    columns = width or min(shutil.get_terminal_size(_FALLBACK_SIZE).columns, _WIDEST)
    page = StringIO()
    Console(file=page, width=max(columns, _NARROWEST), color_system=None, force_jupyter=False).print(content)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def _tiles(tiles: tuple[Tile, ...]) -> RichTable:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=_LABEL_WIDTH)
    grid.add_column()
    for tile in tiles:
        grid.add_row(Text(tile.label), Text(f"{tile.value} {tile.remark}".rstrip()))
    return grid


def _indented(mark: str, text: str, *, style: str) -> RichTable:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid()
    grid.add_row(Text(mark, style=style), Text(text, style=style))
    return grid


def _table(table: Table) -> RichTable:
    from rich.box import Box
    from rich.table import Table as Grid
    from rich.text import Text

    has_remainders = any(row[-1] for row in table.rows)
    shown = len(table.headers) if has_remainders else len(table.headers) - 1
    grid = Grid(box=Box(_LINES, ascii=True), pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for position, header in enumerate(table.headers[:shown]):
        is_figure = 0 < position < len(table.headers) - 1
        grid.add_column(
            Text(plain(header)), justify="right" if is_figure else "left", overflow="fold", no_wrap=is_figure
        )
    for row in table.rows:
        grid.add_row(*(Text(plain(cell)) for cell in row[:shown]))
    return grid
