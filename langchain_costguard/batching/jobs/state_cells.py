"""Rows of batch jobs as cells of a SQLite file, which has no lists and no truth values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from langchain_costguard.batching.jobs.rows import ItemRow, JobRow, PartRow

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

_JSON: Final = frozenset({"options", "betas", "outputs", "errors", "holds", "foreign"})
_FLAGS: Final = frozenset({"is_ready", "is_cancelled", "is_collected", "is_held", "is_settled", "is_booked"})

Row = TypeVar("Row", JobRow, PartRow, ItemRow)


def columns_of(kind: type[NamedTuple]) -> str:
    """The columns of a kind of row, as a statement lists them."""
    return ", ".join(f'"{name}"' for name in kind._fields)


def _stored(name: str, value: object) -> object:
    return json.dumps(value) if name in _JSON else int(bool(value)) if name in _FLAGS else value


def row_of(kind: type[Row], values: Sequence[Any]) -> Row:
    """A row of what stands in the columns of its kind."""
    fields = dict(zip(kind._fields, values, strict=True))
    for name, value in fields.items():
        if name in _JSON:
            known = json.loads(value)
            fields[name] = (
                tuple(tuple(one) if isinstance(one, list) else one for one in known)
                if isinstance(known, list)
                else known
            )
        elif name in _FLAGS:
            fields[name] = bool(value)
    return kind(**fields)


def insert(connection: sqlite3.Connection, table: str, rows: Iterable[NamedTuple], **more: object) -> None:
    """Insert rows, with further columns that the row classes do not have."""
    lists = [{**{name: _stored(name, value) for name, value in row._asdict().items()}, **more} for row in rows]
    if not lists:
        return
    names = ", ".join(f'"{name}"' for name in lists[0])
    places = ", ".join("?" * len(lists[0]))
    connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", [tuple(one.values()) for one in lists])  # noqa: S608 - names of ours


def update(
    connection: sqlite3.Connection, table: str, columns: dict[str, Any], where: str, values: Sequence[object]
) -> None:
    """Set columns where a condition holds, whose question marks are these values."""
    sets = ", ".join(f'"{name}" = ?' for name in columns)
    stored = [_stored(name, value) for name, value in columns.items()]
    connection.execute(f"UPDATE {table} SET {sets} WHERE {where}", (*stored, *values))  # noqa: S608 - names of ours
