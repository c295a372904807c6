"""What a kind of database must be able to do, so that one store serves them all."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Engine, FromClause
    from sqlalchemy.engine.interfaces import Dialect

    from langchain_costguard.exceptions import StoreError
    from langchain_costguard.stores.sql_budgets_statements import Statement

_WALL_AHEAD_NS: Final = time.time_ns() - time.monotonic_ns()


class RawCursor(Protocol):
    """The part of a DBAPI cursor that the hot path uses."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""

    def fetchone(self) -> Any:  # noqa: ANN401 - as the driver types it
        """The next row, or `None`."""

    def fetchall(self) -> Any:  # noqa: ANN401 - as the driver types it
        """The rows that are left."""


class RawConnection(Protocol):
    """The part of a DBAPI connection that the hot path uses; it commits each statement by itself."""

    def execute(self, sql: str, parameters: Any = ..., /) -> RawCursor:  # noqa: ANN401 - as the driver types it
        """Run one statement."""

    def close(self) -> None:
        """Let go of it."""


class Backend(ABC):
    """One kind of database at one place."""

    errors: tuple[type[Exception], ...]
    """The driver's exceptions."""

    begin_exclusive: Sequence[str]
    """The statements that begin a transaction under a lock that only one process can hold."""

    begin_change: str
    """The statement that begins a transaction in which every statement sees the same lines."""

    @abstractmethod
    def connect(self) -> RawConnection:
        """A new connection that commits each statement by itself.

        Raises:
            StoreError: the place is refused before the driver is asked.
            Exception: one of `errors`.
        """

    @abstractmethod
    def engine(self) -> Engine:
        """A SQLAlchemy engine over such connections that keeps at most one of them open."""

    @abstractmethod
    def dialect(self) -> Dialect:
        """The SQLAlchemy dialect that compiles statements with positional parameters."""

    @property
    @abstractmethod
    def is_remote(self) -> bool:
        """Whether each step waits for a network."""

    def now_us(self) -> int:
        """The time all processes go by: this machine's clock as it stood at first, advanced without its jumps."""
        return (_WALL_AHEAD_NS + time.monotonic_ns()) // 1000

    def prepare_writer(self, connection: RawConnection) -> None:  # noqa: B027 - most need nothing
        """Make a connection ready for `write` and `begin`, once it is known that the tables are there."""

    @abstractmethod
    def write(self, connection: RawConnection, sql: str, row: Sequence[Any]) -> int:
        """Run one statement and commit it.

        Returns:
            How many rows changed.
        """

    @abstractmethod
    def begin(
        self, connection: RawConnection, locks: Sequence[str], reads: Sequence[Statement], *, wait_seconds: float
    ) -> list[Sequence[Any]]:
        """Begin a transaction that no other can come between, and ask what it must know.

        Args:
            connection: where to.
            locks: the counters it concerns, without which none of them is changed by others.
            reads: the questions.
            wait_seconds: how long to wait for other processes.

        Returns:
            The rows of each answer.
        """

    def ask(self, connection: RawConnection, reads: Sequence[Statement]) -> list[Sequence[Any]]:
        """Ask more in the transaction that has begun."""
        return [connection.execute(sql, row).fetchall() for sql, row in reads]

    @abstractmethod
    def commit(self, connection: RawConnection, writes: Sequence[Statement]) -> list[int]:
        """Run statements in the transaction that has begun, and commit it.

        Returns:
            How many rows each of them changed.
        """

    def roll_back(self, connection: RawConnection) -> None:
        """End the transaction that has begun, if it has, and change nothing."""
        connection.execute("ROLLBACK")

    @abstractmethod
    def is_missing_table(self, error: Exception) -> bool:
        """Whether a statement failed because there is no ledger yet."""

    @abstractmethod
    def is_disconnect(self, connection: RawConnection, error: Exception) -> bool:
        """Whether a statement failed because the connection was lost, so that a new one may do."""

    @abstractmethod
    def is_conflict(self, error: Exception) -> bool:
        """Whether a transaction failed only because another changed the same rows, so that trying again may do."""

    @abstractmethod
    def scrub(self, connection: RawConnection) -> None:
        """Leave nothing of deleted rows in the database's files, as far as this kind of database can.

        Raises:
            StoreError: it cannot do what it could; the rows are deleted in any case.
        """

    @abstractmethod
    def is_current(self) -> bool:
        """Whether open connections still lead to the place that is meant."""

    @abstractmethod
    def explain(self, error: Exception, *, waited_seconds: float | None = None) -> StoreError:
        """A driver's exception in words that say what to do, without any credentials.

        Args:
            error: the exception.
            waited_seconds: how long the step was to wait, if not as long as the store does.
        """

    @abstractmethod
    def each_string(self, column: ColumnElement[str], name: str) -> tuple[FromClause, ColumnElement[str]]:
        """The strings of a JSON list as rows: what to select from, and the column that holds them."""

    def has_string(self, column: ColumnElement[str], text: str, name: str) -> ColumnElement[bool]:
        """Whether a JSON list holds a string."""
        from sqlalchemy import exists, literal_column, select

        rows, value = self.each_string(column, name)
        return exists(select(literal_column("1")).select_from(rows).where(value == text))

    @abstractmethod
    def each_item(self, column: ColumnElement[str], name: str) -> tuple[FromClause, ColumnElement[str]]:
        """The items of a JSON object as rows: what to select from, and the column that holds the keys."""

    @abstractmethod
    def item_is(self, items: FromClause, value: str | float | bool) -> ColumnElement[bool]:
        """Whether an item of `each_item` has a value; numbers compare by value, and a boolean is no number."""

    @abstractmethod
    def item_columns(self, items: FromClause) -> list[ColumnElement[Any]]:
        """The columns that tell an item's value, for `item_value` to put together."""

    @abstractmethod
    def item_value(self, cells: Sequence[Any]) -> str | int | float | bool | None:
        """An item's value from its `item_columns`."""

    @abstractmethod
    def text_contains(self, text: ColumnElement[str], part: str) -> ColumnElement[bool]:
        """Whether a text contains another, letter by letter and minding case."""
