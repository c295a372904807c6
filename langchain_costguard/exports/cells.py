"""How a value becomes a cell of a CSV file that no spreadsheet executes and no terminal obeys.

Texts are always quoted, so that a spreadsheet that splits at semicolons finds one cell as well; numbers never are; what
is not known is an empty cell without quotes. A text that a spreadsheet would take for a formula gets an apostrophe in
front, as OWASP advises, and what could steer a terminal or end the row is spelled out (a line break as a backslash and
an n): each row is one line of the file.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.reports.money import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - as meant
"""With these a cell begins that a spreadsheet computes; the last four are their full-width forms."""

Cell = str | int | Decimal | bool | None
"""What a cell is made of."""


def row(values: Iterable[Cell]) -> str:
    """One line of a CSV file, with its end.

    Args:
        values: the cells; `None` for what is not known.

    Example:
        >>> print(row(["=1+1", -5, Decimal("0.00021"), None, "a, b"]), end="")
        "'=1+1",-5,0.00021,,"a, b"
    """
    return ",".join(_cell(value) for value in values) + "\n"


def usd(nano: int | None) -> Decimal | None:
    """An amount in US dollars, exactly; `None` when it is not known.

    Args:
        nano: the amount in nano-USD.
    """
    return None if nano is None else to_usd(nano, NANO_PER_USD)


def as_json(value: object) -> str | None:
    """A list or a mapping as JSON in one cell, still JSON where letters are spelled out; `None` for an empty one.

    Args:
        value: plain values, lists and mappings of them.
    """
    if not value:
        return None
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int):
        return str(value)
    return _quoted(value)


def _quoted(text: str) -> str:
    safe = plain(text).replace('"', '""')
    return f'"\'{safe}"' if text.lstrip(" ").startswith(FORMULA_STARTS) else f'"{safe}"'
