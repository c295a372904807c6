"""The SQL of the hot path, compiled once per kind of database and run by the driver itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, literal_column, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from langchain_costguard.ledger import FINAL_STATUSES
from langchain_costguard.stores.rows import COLUMNS
from langchain_costguard.stores.schema import ERASED, ledger, meta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Executable
    from sqlalchemy.engine.interfaces import Dialect

_OWNER_COLUMNS: Final = ("owner_host", "owner_pid", "owner_started")
_CORRECTABLE: Final[ColumnElement[bool]] = literal_column("ledger.status IN ('open', 'cancelled', 'lost')")
_IS_LINE: Final[ColumnElement[bool]] = literal_column(f"ledger.status <> '{ERASED}'")
_INSERTS: Final[dict[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_compiled: Final[dict[str, Statements]] = {}


class Statements(NamedTuple):
    """SQL text with positional parameters."""

    open_call: str
    """Inserts the columns of a row and its owner's; does nothing where the run is known."""
    append: str
    """Inserts the columns of a row, or replaces a row that may still be corrected, or does nothing."""
    correct: str
    """Replaces a row, but no finished one by an unfinished; takes a row without its run id, the run id, the status."""
    read_meta: str
    """Reads the value of a name."""
    add_meta: str
    """Gives a name a value; does nothing where it has one."""


def statements_for(dialect: Dialect) -> Statements:
    """The statements in a dialect's own SQL."""
    if dialect.name not in _compiled:
        _compiled[dialect.name] = _compile(dialect)
    return _compiled[dialect.name]


def _compile(dialect: Dialect) -> Statements:
    insert = _INSERTS[dialect.name]
    opened = (*COLUMNS, *_OWNER_COLUMNS)
    append = insert(ledger).values({name: bindparam(name) for name in COLUMNS})
    replaced = {name: append.excluded[name] for name in COLUMNS[1:]} | dict.fromkeys(_OWNER_COLUMNS, null())
    return Statements(
        open_call=_text(
            insert(ledger).values({name: bindparam(name) for name in opened}).on_conflict_do_nothing(), dialect, opened
        ),
        append=_text(
            append.on_conflict_do_update(index_elements=["run_id"], set_=replaced, where=_CORRECTABLE), dialect, COLUMNS
        ),
        correct=_text(_correct(), dialect, (*COLUMNS[1:], "wanted", "new_status")),
        read_meta=_text(select(meta.c.value).where(meta.c.name == bindparam("wanted")), dialect, ("wanted",)),
        add_meta=_text(
            insert(meta).values(name=bindparam("name"), value=bindparam("value")).on_conflict_do_nothing(),
            dialect,
            ("name", "value"),
        ),
    )


def _correct() -> Executable:
    replaced: list[tuple[Any, Any]] = [(ledger.c[name], bindparam(name)) for name in COLUMNS[1:]]
    is_finished = bindparam("new_status").in_([literal_column(f"'{status}'") for status in sorted(FINAL_STATUSES)])
    return (
        update(ledger)
        .ordered_values(*replaced)
        .where(ledger.c.run_id == bindparam("wanted"), or_(_CORRECTABLE, is_finished), _IS_LINE)
    )


def _text(statement: Executable, dialect: Dialect, order: Sequence[str]) -> str:
    """A statement's SQL, after making sure that its parameters come in the order in which rows hold them."""
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined] # every statement has it
    if tuple(compiled.positiontup) != tuple(order):
        msg = f"parameters are in the order {compiled.positiontup}, rows in the order {order}"
        raise AssertionError(msg)
    return str(compiled)
