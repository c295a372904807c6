"""What a kind of database must be able to do, so that one store serves them all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Engine, FromClause
    from sqlalchemy.engine.interfaces import Dialect

    from langchain_costguard.exceptions import StoreError


class RawCursor(Protocol):
    """The part of a DBAPI cursor that the hot path uses."""

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""

    def fetchone(self) -> Any:  # noqa: ANN401 - as the driver types it
        """The next row, or `None`."""


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
    def explain(self, error: Exception) -> StoreError:
        """A driver's exception in words that say what to do, without any credentials."""

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
