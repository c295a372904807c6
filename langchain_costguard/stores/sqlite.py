"""The ledger in a SQLite file: how it is opened, and what its faults mean."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, create_engine, func, true
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.pool import QueuePool

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.backends import Backend
from langchain_costguard.stores.filesystems import refuse_network_filesystem
from langchain_costguard.stores.new_files import create_missing
from langchain_costguard.stores.write_ahead import enter_write_ahead

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement, Engine, FromClause
    from sqlalchemy.engine.interfaces import Dialect

    from langchain_costguard.stores.backends import RawConnection, RawCursor
    from langchain_costguard.stores.sql_budgets_statements import Statement

_BUSY: Final = "SQLITE_BUSY"
_BOOLEANS: Final = ("true", "false")
_PAGES_PER_CHECKPOINT: Final = 4000
"""At about ten pages a line the disk is flushed every few hundred lines; the log stays below 20 MB."""

_BEYOND_64_BITS: Final = 2**63
_RETRY_SECONDS: Final = 0.01
_PAUSE_SECONDS: Final = 0.0003
"""A step takes about as long, so whoever waits looks about once per step of the others."""
_PRIMARY_CODE: Final = 0xFF
"""The part of an error's code that says its kind."""


class SQLiteFile(Backend):
    """A SQLite file in write-ahead-log mode.

    Args:
        path: the absolute path; file and folders are created when missing, for the user's eyes only.
        durable: whether a line survives a power cut, at the price of a disk flush each; without it a line survives
            the end of the process, and a power cut may cost the last moments.
        timeout_seconds: how long to wait for another process's write.
    """

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    begin_exclusive: Sequence[str] = ("BEGIN EXCLUSIVE",)
    begin_change = "BEGIN IMMEDIATE"

    def __init__(self, path: Path, *, durable: bool, timeout_seconds: float) -> None:
        """Note where and how; nothing is opened yet."""
        self._path = path
        self._synchronous = "FULL" if durable else "NORMAL"
        self._timeout_seconds = timeout_seconds
        self._identity: tuple[int, int] | None = None

    def connect(self) -> RawConnection:
        """Open the file, creating it if need be."""
        refuse_network_filesystem(self._path)
        create_missing(self._path, what="ledger", example="costs.db", variable="COSTGUARD_STORE")
        connection = sqlite3.connect(
            self._path, timeout=self._timeout_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            self._enter_wal(connection)
            connection.execute(f"PRAGMA synchronous={self._synchronous}")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("PRAGMA cell_size_check=ON")  # of a damaged page no row is found, and no error raised
            connection.execute(f"PRAGMA wal_autocheckpoint={_PAGES_PER_CHECKPOINT}")
        except BaseException:  # closed whatever happens, and raised again
            connection.close()
            raise
        self._identity = _identity(self._path)
        return connection

    def engine(self) -> Engine:
        """An engine that reads over one connection of its own."""
        return create_engine(
            "sqlite://",
            creator=self.connect,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
        )

    def dialect(self) -> Dialect:
        """SQLite's, whose parameters are question marks."""
        return sqlite_dialect(paramstyle="qmark")

    @property
    def is_remote(self) -> bool:
        """False: it is a file of this machine."""
        return False

    def prepare_writer(self, connection: RawConnection) -> None:
        """Have SQLite itself not wait: it sleeps longer and longer, and processes that come later overtake."""
        connection.execute("PRAGMA busy_timeout=0")

    def write(self, connection: RawConnection, sql: str, row: Sequence[Any]) -> int:
        """Run one statement, as soon as no other process writes."""
        return _patiently(connection, sql, row, self._timeout_seconds).rowcount

    def begin(
        self,
        connection: RawConnection,
        locks: Sequence[str],  # noqa: ARG002 - one transaction writes at a time
        reads: Sequence[Statement],
        *,
        wait_seconds: float,
    ) -> list[Sequence[Any]]:
        """Take the file's only right to write."""
        _patiently(connection, "BEGIN IMMEDIATE", (), wait_seconds)
        execute = connection.execute
        return [execute(sql, row).fetchall() for sql, row in reads]

    def commit(self, connection: RawConnection, writes: Sequence[Statement]) -> list[int]:
        """Run the statements one by one; the file is local."""
        execute = connection.execute
        changed = [execute(sql, row).rowcount for sql, row in writes]
        execute("COMMIT")
        return changed

    def roll_back(self, connection: RawConnection) -> None:
        """End the transaction, unless SQLite has done so by itself."""
        if getattr(connection, "in_transaction", False):
            connection.execute("ROLLBACK")

    def is_missing_table(self, error: Exception) -> bool:
        """Whether SQLite says that a table does not exist."""
        return isinstance(error, sqlite3.OperationalError) and "no such table" in str(error)

    def is_disconnect(self, connection: RawConnection, error: Exception) -> bool:  # noqa: ARG002 - the backend's interface
        """False: a file cannot hang up."""
        return False

    def is_conflict(self, error: Exception) -> bool:  # noqa: ARG002 - the backend's interface
        """False: SQLite lets one transaction write at a time."""
        return False

    def scrub(self, connection: RawConnection) -> None:
        """Write the file anew without its free parts, and empty its log.

        Deleted content is overwritten anyway (`secure_delete`), but not in files that were written without.
        """
        try:
            connection.execute(f"PRAGMA busy_timeout={int(self._timeout_seconds * 1000)}")
            connection.execute("VACUUM")
            is_emptied = self._empty_log(connection)
        except sqlite3.Error as error:
            raise self._unscrubbed(error.sqlite_errorname) from error
        finally:
            self.prepare_writer(connection)
        if not is_emptied:
            raise self._unscrubbed(_BUSY)

    def is_current(self) -> bool:
        """Whether the path still names the file that was opened: it may have been deleted or replaced."""
        return _identity(self._path) == self._identity

    def explain(self, error: Exception, *, waited_seconds: float | None = None) -> StoreError:
        """What SQLite's error means for the user."""
        seconds = self._timeout_seconds if waited_seconds is None else waited_seconds
        name = getattr(error, "sqlite_errorname", "") or type(error).__name__
        for beginnings, meaning in _MEANINGS.items():
            if name.startswith(beginnings):
                return StoreError(meaning.format(path=self._path, seconds=seconds, name=name))
        return StoreError(
            f"The ledger {self._path} failed ({name}): check the file with `sqlite3 FILE 'PRAGMA integrity_check'`, "
            "or give another path with store="
        )

    def each_string(self, column: ColumnElement[str], name: str) -> tuple[FromClause, ColumnElement[str]]:
        """The strings of a JSON list, through `json_each`."""
        rows = func.json_each(column).table_valued("value", name=name)
        return rows, rows.c.value

    def each_item(self, column: ColumnElement[str], name: str) -> tuple[FromClause, ColumnElement[str]]:
        """The items of a JSON object, through `json_each`."""
        rows = func.json_each(column).table_valued("key", "value", "type", name=name)
        return rows, rows.c.key

    def item_is(self, items: FromClause, value: str | float | bool) -> ColumnElement[bool]:
        """Compare by value, and by type where one side is a boolean."""
        is_boolean = items.c.type.in_(_BOOLEANS)
        bound = float(value) if not isinstance(value, str) and abs(value) >= _BEYOND_64_BITS else value
        return and_(is_boolean if isinstance(value, bool) else ~is_boolean, items.c.value == bound)

    def item_columns(self, items: FromClause) -> list[ColumnElement[Any]]:
        """The value and its JSON type."""
        return [items.c.value, items.c.type]

    def item_value(self, cells: Sequence[Any]) -> str | int | float | bool | None:
        """The value; SQLite gives booleans as 1 and 0."""
        value: str | int | float | None = cells[0]
        return bool(value) if cells[1] in _BOOLEANS else value

    def text_contains(self, text: ColumnElement[str], part: str) -> ColumnElement[bool]:
        """Look with `instr`, because `LIKE` does not mind case."""
        return func.instr(text, part) > 0 if part else true()

    def _empty_log(self, connection: RawConnection) -> bool:
        """Empty the write-ahead log; SQLite does not wait for a process that is moving it into the file just now."""
        deadline = time.monotonic() + self._timeout_seconds
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_RETRY_SECONDS)  # asked again soon
        return True

    def _unscrubbed(self, reason: str) -> StoreError:
        return StoreError(
            f"The lines are deleted, but {self._path} or its log may still hold what they said ({reason}): end what "
            "uses the ledger, make room on its disk for a copy of it, and erase once more"
        )

    def _enter_wal(self, connection: sqlite3.Connection) -> None:
        """Switch the file to write-ahead logging, waiting for others."""
        if not enter_write_ahead(connection, self._timeout_seconds):
            msg = (
                f"{self._path} is on a filesystem that cannot share memory between processes, which SQLite's "
                "write-ahead log needs: keep the ledger on a local disk, or in PostgreSQL"
            )
            raise StoreError(msg)


def _patiently(connection: RawConnection, sql: str, row: Sequence[Any], seconds: float) -> RawCursor:
    """Run a statement, waiting in short steps while another process writes."""
    deadline: float | None = None
    while True:
        try:
            return connection.execute(sql, row)
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            deadline = now + seconds if deadline is None else deadline
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or now >= deadline:
                raise
            time.sleep(min(_PAUSE_SECONDS, deadline - now))  # asked again soon


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - on the way of every write; `Path.stat` costs twice as much
    except OSError:
        return None
    return status.st_dev, status.st_ino


_MEANINGS: Final[dict[tuple[str, ...], str]] = {
    (_BUSY, "SQLITE_LOCKED"): "The ledger {path} was locked by another process for more than {seconds:g} "
    "seconds: end what holds it, or wait longer with SQLStore(..., timeout_seconds=)",
    ("SQLITE_FULL", "SQLITE_TOOBIG"): "There is no room left for the ledger {path}: free space on its disk, or give "
    "another path with store=",
    ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"): "The file {path} is damaged or is no SQLite file ({name}): "
    "move it away and a new ledger begins; what can be saved of the old one, `sqlite3 FILE .recover` saves",
    ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"): "The ledger {path} cannot be written "
    "({name}): make the file and its folder writable for you, or give another path with store= or the environment "
    "variable COSTGUARD_STORE",
    ("SQLITE_ERROR",): "The file {path} is not laid out as a ledger: it is another program's, or was changed by hand. "
    "Give another path with store=",
    ("SQLITE_IOERR",): "The disk under the ledger {path} failed ({name}): check the disk, or give another path with "
    "store=",
}
"""What an error whose name begins like one of these means."""
