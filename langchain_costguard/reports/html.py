"""How a report is laid out as HTML: self-contained, every foreign word escaped, readable on light and dark pages."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING, Final

from langchain_costguard.reports.money import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.reports.notes import Note
    from langchain_costguard.reports.view import Table, Tile, View

_STYLE: Final = """
.costguard { color: inherit; font-family: system-ui, sans-serif; line-height: 1.4; max-width: 62rem }
.costguard h3 { margin: 0 0 .2rem; font-size: 1.15em }
.costguard h4 { margin: 1.1rem 0 .3rem; font-size: 1em }
.costguard .cg-scope, .costguard .cg-footer, .costguard .cg-remark { opacity: .72; font-size: .88em }
.costguard .cg-tiles { display: flex; flex-wrap: wrap; gap: .6rem; margin: .7rem 0 }
.costguard .cg-tile { border: 1px solid rgba(128, 128, 128, .4); border-radius: 6px; padding: .45rem .8rem }
.costguard .cg-label { font-size: .82em; opacity: .72 }
.costguard .cg-value { font-size: 1.35em; font-weight: 600; font-variant-numeric: tabular-nums }
.costguard .cg-fine { font-size: .62em; font-weight: 400; opacity: .72 }
.costguard .cg-note { margin: .3rem 0; padding: .1rem 0 .1rem .6rem; border-left: 3px solid rgba(128, 128, 128, .5) }
.costguard .cg-warning { border-left-color: #d9822b }
.costguard table { border-collapse: collapse; color: inherit; background: transparent; margin: 0 }
.costguard th, .costguard td { padding: .2rem .7rem; border-bottom: 1px solid rgba(128, 128, 128, .25);
  font-variant-numeric: tabular-nums; background: transparent; color: inherit }
.costguard th, .costguard td.cg-name { text-align: left }
.costguard th.cg-figure, .costguard td.cg-figure { text-align: right; white-space: nowrap }
.costguard .cg-footer { margin-top: .9rem }
.costguard img { max-width: 100%; background: transparent }
"""


def as_html(view: View, *, figure_png: bytes | None) -> str:
    """The report as one `<div>` with its own style.

    Args:
        view: what to lay out.
        figure_png: the figures as a PNG image; `None` if they could not be drawn.
    """
    parts = [f"<style>{_STYLE}</style>", f"<h3>{escape(view.title)}</h3>"]
    if view.scope:
        parts.append(f'<div class="cg-scope">{escape(view.scope)}</div>')
    parts.append(f'<div class="cg-tiles">{"".join(map(_tile, view.tiles))}</div>')
    parts += map(_note, view.notes)
    parts += map(_table, view.budgets)
    if view.tables:
        parts.append(_figure(figure_png, "Bar charts of the tables below: by day and by model"))
    parts += map(_table, view.tables)
    parts.append(f'<div class="cg-footer">{"<br>".join(map(escape, view.footer))}</div>')
    return f'<div class="costguard">{"".join(parts)}</div>'


def table_as_html(table: Table, remarks: Iterable[str] = ()) -> str:
    """One table alone as a `<div>` with its own style, sentences below it."""
    below = "".join(f'<div class="cg-footer">{escape(remark)}</div>' for remark in remarks)
    return f'<div class="costguard"><style>{_STYLE}</style>{_table(table)}{below}</div>'


def page_of(title: str, parts: Iterable[str]) -> str:
    """A whole page: one self-contained file that asks no network for anything.

    Args:
        title: of the page; it is escaped here.
        parts: its contents as HTML, in their order.
    """
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        '<meta name="color-scheme" content="light dark">\n</head>\n'
        f"<body>\n{''.join(parts)}\n</body>\n</html>\n"
    )


def figure_as_html(png: bytes | None, description: str) -> str:
    """A figure alone, or what would draw it.

    Args:
        png: the figure as a PNG image; `None` if it could not be drawn.
        description: what it shows, for those who cannot see it.
    """
    return f'<div class="costguard"><style>{_STYLE}</style>{_figure(png, description)}</div>'


def _tile(tile: Tile) -> str:
    remark = f'<div class="cg-remark">{escape(tile.remark)}</div>' if tile.remark else ""
    return (
        f'<div class="cg-tile"><div class="cg-label">{escape(tile.label)}</div>'
        f'<div class="cg-value">{_amount(tile.value)}</div>{remark}</div>'
    )


def _amount(value: str) -> str:
    """The value; the digits of a dollar amount behind its cents are there, but small."""
    whole, point, fraction = value.partition(".")
    if not value.startswith("$") or whole == "$0" or len(fraction) <= len("00"):
        return escape(value)
    return f'{escape(whole + point + fraction[:2])}<span class="cg-fine">{escape(fraction[2:])}</span>'


def _note(note: Note) -> str:
    kind = "cg-note cg-warning" if note.is_warning else "cg-note"
    return f'<div class="{kind}">{escape(note.text)}</div>'


def _figure(png: bytes | None, description: str) -> str:
    if png is None:
        return (
            '<div class="cg-note">Figures need matplotlib: '
            "<code>pip install 'langchain-costguard[notebook]'</code></div>"
        )
    data = b64encode(png).decode("ascii")
    return f'<img alt="{escape(description)}" src="data:image/png;base64,{data}">'


def _table(table: Table) -> str:
    last = len(table.headers) - 1
    head = "".join(f'<th scope="col"{_kind(at, last)}>{_text(cell)}</th>' for at, cell in enumerate(table.headers))
    body = "".join(f"<tr>{_cells(row, last)}</tr>" for row in table.rows)
    caption = f"<h4>{_text(table.caption)}</h4>" if table.caption else ""
    return f"{caption}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Iterable[str], last: int) -> str:
    return "".join(f"<td{_kind(at, last)}>{_text(cell)}</td>" for at, cell in enumerate(row))


def _text(text: str) -> str:
    """Text of a cell; what no page can hold, such as half a character, is spelled out."""
    return escape(plain(text))


def _kind(position: int, last: int) -> str:
    return ' class="cg-figure"' if 0 < position < last else ' class="cg-name"'
