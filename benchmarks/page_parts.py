"""What a benchmark's part of the page is made of, and how its figures are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Table(NamedTuple):
    """A table, the name of each row in its first cell."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]


class Bar(NamedTuple):
    """A bar we set ourselves, and what was measured."""

    name: str
    bar: str
    measured: str
    is_met: bool


class Section(NamedTuple):
    """One benchmark's part of the page."""

    what: str
    """What is measured, and in which unit."""
    tables: Sequence[Table]
    bars: Sequence[Bar] = ()


def at_most(name: str, bar: float, measured: float, unit: str) -> Bar:
    """A bar that is met from below."""
    return Bar(name, f"<= {number(bar)} {unit}".strip(), f"{number(measured)} {unit}".strip(), is_met=measured <= bar)


def at_least(name: str, bar: float, measured: float, unit: str) -> Bar:
    """A bar that is met from above."""
    return Bar(name, f">= {number(bar)} {unit}".strip(), f"{number(measured)} {unit}".strip(), is_met=measured >= bar)


def number(figure: float | None) -> str:
    """A figure with three digits that count."""
    if figure is None:
        return "-"
    if figure == 0 or abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.3g}"


def share(figure: float | None) -> str:
    """A share in per cent."""
    return "-" if figure is None else f"{figure:.1%}".replace("%", " %")


def nested(found: dict[str, dict[str, Any]], title: str, first: str, form: Any = number) -> Table:  # noqa: ANN401 - a function
    """A table of a mapping of mappings, one row each; a figure that a row lacks is a dash."""
    columns = list(dict.fromkeys(name for row in found.values() for name in row))
    rows = [[name, *(form(row[one]) if one in row else "-" for one in columns)] for name, row in found.items()]
    return Table(title, [first, *columns], rows)
