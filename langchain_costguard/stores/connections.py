"""The two connections a store has in its process, one to write and one to read: opened when needed, never inherited."""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy.exc import DBAPIError

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.fair_lock import FairLock, patience_of
from langchain_costguard.stores.forks import watch_forks
from langchain_costguard.stores.sql_budgets_step import Done, Step, UnansweredError
from langchain_costguard.stores.statements import statements_for
from langchain_costguard.stores.versions import ensure_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Engine, Executable

    from langchain_costguard.stores.backends import Backend, RawConnection
    from langchain_costguard.stores.statements import Statements
    from langchain_costguard.stores.versions import Migrate

_T = TypeVar("_T")
_logger: Final = logging.getLogger("langchain_costguard")

_DIGEST_KEY: Final = "digest_key"
_DIGEST_KEY_BYTES: Final = 32
_CONFLICTS_BORNE: Final = 9
_abandoned: Final[list[object]] = []
"""Connections of a parent process: closing them here would harm it, so they are kept and never touched."""


class Connections:
    """Reads and writes one database from one process, however many threads and forks it has.

    Args:
        backend: the database.
        migrate: whether an older ledger is brought up to date.
        place: the database, for messages.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(self, backend: Backend, *, migrate: Migrate, place: str) -> None:
        """Open the database, so that what is wrong with it is known now."""
        self._backend = backend
        self._migrate: Migrate = migrate
        self._place = place
        self._engine: Engine = backend.engine()
        self._writing = FairLock()
        self._reading = Lock()
        self._writer: RawConnection | None = None
        self._pid = os.getpid()
        self._is_in_doubt: bool = False
        self.statements: Statements = statements_for(backend.dialect())
        self.digest_key: bytes = b""
        watch_forks(self)
        self.open()

    def open(self) -> None:
        """Open the database if it is not open.

        Raises:
            StoreError: it cannot be opened.
        """
        with self._writing, self._explained():
            self._ready_writer()

    def write(self, sql: str, row: Sequence[Any]) -> int:
        """Run one statement of the hot path and commit it.

        Args:
            sql: one of `statements`.
            row: its parameters.

        Returns:
            How many rows changed.

        Raises:
            StoreError: the database refused; nothing was changed.
        """
        with self._writing, self._explained():
            try:
                return self._run(sql, row)
            except self._backend.errors as error:
                lost = self._writer is not None and self._backend.is_disconnect(self._writer, error)
                self._drop_writer()
                if not lost:
                    raise
            return self._run(sql, row)

    def step(self, step: Step[_T], *, wait_seconds: float) -> Done[_T]:
        """Run one step on the budgets as one transaction; threads come in the order in which they asked.

        A step that an event loop waits for, as its short patience says, comes before the others. It waits longer for
        this process's own threads, see `OWN_THREADS_SECONDS`, and then as long as it was asked to for other processes.

        Args:
            step: what to do.
            wait_seconds: how long to wait for this process's other threads, and for other processes.

        Returns:
            Its result, and how many rows it changed.

        Raises:
            StoreError: it could not be done in time; nothing was changed.
            UnansweredError: it failed at its end; it was done in whole or not at all.
        """
        queueing_seconds, is_urgent = patience_of(wait_seconds)
        deadline = time.monotonic() + wait_seconds
        if not self._writing.acquire(queueing_seconds, is_urgent=is_urgent):
            msg = (
                f"The ledger {self._place} was in use by other threads for more than {queueing_seconds:g} s: "
                "make fewer calls at once, or wait longer with SQLStore(..., timeout_seconds=)"
            )
            raise StoreError(msg)
        if is_urgent:
            deadline = time.monotonic() + wait_seconds
        try:
            with self._explained(wait_seconds):
                return self._attempt(step, deadline)
        except StoreError as error:
            if self._is_in_doubt:
                raise UnansweredError(str(error)) from error.__cause__
            raise
        finally:
            self._writing.release()

    def read(self, statement: Executable) -> Sequence[Sequence[Any]]:
        """All rows of a question.

        Raises:
            StoreError: the database cannot be read.
        """
        self.open()
        with self._reading, self._explained(), self._engine.connect() as connection:
            return connection.execute(statement).all()

    def change(self, statements: Sequence[Executable]) -> list[int]:
        """Run statements in one transaction: all of them or none.

        Returns:
            How many rows each of them changed.

        Raises:
            StoreError: the database refused; nothing was changed.
        """
        with self._writing, self._reading, self._explained():
            self._ready_writer()
            for _ in range(_CONFLICTS_BORNE):
                try:
                    return self._transact(statements)
                except DBAPIError as error:
                    if not (isinstance(error.orig, Exception) and self._backend.is_conflict(error.orig)):
                        raise
            return self._transact(statements)

    def scrub(self) -> None:
        """Leave nothing of deleted rows in the files, as far as the database can.

        Raises:
            StoreError: it could not be done.
        """
        with self._writing, self._reading, self._explained():
            self._backend.scrub(self._ready_writer())

    def close(self) -> None:
        """Close both connections; they open again when needed."""
        with self._writing, self._reading:
            self._leave_parent()
            self._close()

    def before_fork(self) -> None:
        """Close both connections, because neither SQLite's locks nor a socket can be shared with a child."""
        self._writing.acquire()
        self._reading.acquire()
        self._close()

    def after_fork(self) -> None:
        """Let reads and writes go on."""
        self._reading.release()
        self._writing.release()

    def _attempt(self, step: Step[_T], deadline: float) -> Done[_T]:
        """Run a step, again after a conflict, and once again over a new connection if the old one was lost."""
        may_reconnect = True
        self._is_in_doubt = False
        for conflicts_left in range(_CONFLICTS_BORNE, -1, -1):
            writer = self._ready_writer()
            is_ending = False
            try:
                answers = self._backend.begin(
                    writer, step.locks, step.reads, wait_seconds=max(0.0, deadline - time.monotonic())
                )
                outcome = step.decide(answers, partial(self._backend.ask, writer))
                is_ending = bool(outcome.writes)
                if is_ending:
                    return Done(outcome.result, self._backend.commit(writer, outcome.writes))
                self._backend.roll_back(writer)
                return Done(outcome.result, ())
            except self._backend.errors as error:
                lost = self._backend.is_disconnect(writer, error)
                is_conflict = self._backend.is_conflict(error)
                self._is_in_doubt = self._is_in_doubt or (is_ending and not is_conflict)
                self._leave_transaction(writer)
                if lost and may_reconnect and (step.is_repeatable or not is_ending):
                    may_reconnect = False
                elif not conflicts_left or not is_conflict:
                    raise
            except BaseException:  # an interrupted step leaves no transaction open; raised again
                self._leave_transaction(writer)
                raise
        raise AssertionError  # the last conflict was raised

    def _leave_transaction(self, writer: RawConnection) -> None:
        """Change nothing; a connection that cannot even do that is given up."""
        try:
            self._backend.roll_back(writer)
        except self._backend.errors:
            self._drop_writer()

    def _transact(self, statements: Sequence[Executable]) -> list[int]:
        with self._engine.begin() as connection:
            connection.exec_driver_sql(self._backend.begin_change)
            return [connection.execute(statement).rowcount for statement in statements]

    def _run(self, sql: str, row: Sequence[Any]) -> int:
        return self._backend.write(self._ready_writer(), sql, row)

    def _ready_writer(self) -> RawConnection:
        """The writing connection, opened now if it is not open, belongs to a parent, or leads to a deleted file."""
        self._leave_parent()
        if self._writer is not None:
            if self._backend.is_current():
                return self._writer
            _logger.error(
                "the ledger %s was deleted or replaced while it was in use: it begins anew, and so does what its "
                "budgets have spent: put the file back while nothing uses it, or set new limits with `budgets set`",
                self._place,
            )
            self._close()
        writer = self._backend.connect()
        try:
            ensure_version(self._backend, writer, self._engine, migrate=self._migrate, place=self._place)
            self.digest_key = self._read_digest_key(writer)
            self._backend.prepare_writer(writer)
        except BaseException:  # closed whatever happens, and raised again
            writer.close()
            self._engine.dispose()
            raise
        self._writer = writer
        return writer

    def _read_digest_key(self, writer: RawConnection) -> bytes:
        """The key of this database; the first who asks makes it."""
        found = writer.execute(self.statements.read_meta, (_DIGEST_KEY,)).fetchone()
        if found is None:
            writer.execute(self.statements.add_meta, (_DIGEST_KEY, os.urandom(_DIGEST_KEY_BYTES)))
            found = writer.execute(self.statements.read_meta, (_DIGEST_KEY,)).fetchone()
        return bytes(found[0])

    def _leave_parent(self) -> None:
        """After a fork nobody announced, forget the parent's connections without closing them."""
        if self._pid != os.getpid():
            _abandoned.extend((self._writer, self._engine))
            self._writer, self._engine, self._pid = None, self._backend.engine(), os.getpid()

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _close(self) -> None:
        self._drop_writer()
        self._engine.dispose()

    @contextmanager
    def _explained(self, waited_seconds: float | None = None) -> Iterator[None]:
        """Turn the driver's exceptions, and SQLAlchemy's around them, into `StoreError`."""
        try:
            yield
        except self._backend.errors as error:
            raise self._backend.explain(error, waited_seconds=waited_seconds) from error
        except DBAPIError as error:
            cause = error.orig if isinstance(error.orig, Exception) else error
            raise self._backend.explain(cause) from cause
