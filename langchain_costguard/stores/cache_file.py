"""A cache's SQLite file: opened for one user, never inherited by a fork, and moved aside once it is damaged."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from langchain_costguard.exceptions import StoreError, StoreVersionError
from langchain_costguard.stores.cache_schema import APPLICATION_ID, BEGIN_STATE, DOOMED, TABLES, VERSION
from langchain_costguard.stores.filesystems import refuse_network_filesystem
from langchain_costguard.stores.forks import watch_forks
from langchain_costguard.stores.new_files import create_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_T = TypeVar("_T")

_logger: Final = logging.getLogger("langchain_costguard")
_PAUSE_SECONDS: Final = 0.0003
"""A step takes about as long, so whoever waits looks about once per step of the others."""
_PATIENCE_SECONDS: Final = 5.0
"""How long opening a file and what a user asked for wait: many processes may begin at once."""
_REST_SECONDS: Final = 5.0
"""So long nothing more is written in passing once a write has waited in vain."""
_PRIMARY_CODE: Final = 0xFF
"""The part of an error's code that says its kind."""
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PAGES_PER_CHECKPOINT: Final = 8000
"""About 1500 entries; the log stays below 40 MB."""
_CACHE_KIB: Final = 16_384
"""Room for the index by digest of 150,000 entries, whose pages are written in no order."""
_abandoned: Final[list[object]] = []
"""Connections of a parent process: closing them here would harm it, so they are kept and never touched."""


class _Access:
    """One connection, who may use it just now, and which file and process it was opened for."""

    __slots__ = ("connection", "identity", "lock", "pid")

    def __init__(self) -> None:
        self.connection: sqlite3.Connection | None = None
        self.identity: tuple[int, int] | None = None
        self.lock = Lock()
        self.pid = 0

    def close(self) -> None:
        """Close the connection, or forget it if it is a parent's."""
        connection, self.connection, self.identity = self.connection, None, None
        if connection is None:
            return
        if self.pid == os.getpid():
            connection.close()
        else:
            _abandoned.append(connection)


class CacheFile:
    """Reads and writes one cache file from one process, however many threads and forks it has.

    Args:
        path: the absolute path; file and folders are created when missing, for the user's eyes only.
        timeout_seconds: how long a write in passing waits for another process's write.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(self, path: Path, *, timeout_seconds: float) -> None:
        """Open the file, so that what is wrong with it is known now."""
        self.path = path
        self._timeout_seconds = timeout_seconds
        self._rests_until: float = 0.0
        self._reader, self._follower, self._writer = _Access(), _Access(), _Access()
        watch_forks(self)
        weakref.finalize(self, _close_all, (self._reader, self._follower, self._writer))
        self.read(lambda connection: connection.execute("SELECT change FROM state").fetchone())

    def read(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        """Answer a short question.

        Raises:
            StoreError: the file cannot be read.
        """
        return self._run(self._reader, question)

    def write(self, step: Callable[[sqlite3.Connection], _T], *, is_patient: bool = False) -> _T:
        """Do a step as one transaction.

        Args:
            step: what is done.
            is_patient: whether somebody waits for just this, so that it is tried for seconds; else a write that waited
                in vain keeps others from waiting for a while.

        Raises:
            StoreError: it could not be done; nothing was changed.
        """
        if is_patient:
            return self._run(self._writer, lambda connection: self._transact(connection, step))
        self._refuse_at_rest()
        return self._run(self._writer, lambda connection: self._in_passing(connection, step))

    def _refuse_at_rest(self) -> None:
        if time.monotonic() < self._rests_until:
            msg = (
                f"The cache {self.path} was locked by another process and is not written for some seconds: end what "
                "holds it, or wait longer with timeout_seconds="
            )
            raise StoreError(msg)

    def _in_passing(self, connection: sqlite3.Connection, step: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do a step without waiting long; threads that stood behind one that waited in vain do not wait at all."""
        self._refuse_at_rest()
        try:
            return self._transact(connection, step, self._timeout_seconds)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY:
                self._rests_until = time.monotonic() + _REST_SECONDS
            raise

    @contextmanager
    def following(self) -> Iterator[sqlite3.Connection]:
        """A connection whose questions all see the same moment, for long reading that is in nobody's way."""
        access = self._follower
        with access.lock:
            try:
                connection = self._ready(access)
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._mend(access, error)
                raise self.explain(error) from error
            except BaseException:  # closed whatever happens, and raised again
                access.close()
                raise

    def close(self) -> None:
        """Close all connections; the next use opens them again."""
        for access in (self._reader, self._follower, self._writer):
            with access.lock:
                access.close()

    def before_fork(self) -> None:
        """Wait for what is under way, and close what a child must not inherit."""
        for access in (self._reader, self._follower, self._writer):
            access.lock.acquire()
            access.close()

    def after_fork(self) -> None:
        """Let threads go on."""
        for access in (self._reader, self._follower, self._writer):
            access.lock.release()

    def explain(self, error: sqlite3.Error) -> StoreError:
        """What SQLite's error means for the user."""
        name = getattr(error, "sqlite_errorname", "") or type(error).__name__
        for beginnings, meaning in _MEANINGS.items():
            if name.startswith(beginnings):
                return StoreError(meaning.format(path=self.path, seconds=self._timeout_seconds, name=name))
        return StoreError(f"The cache {self.path} failed ({name}): delete the file, or give another path with store=")

    def _run(self, access: _Access, job: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do a job; once more where a damaged file could be moved aside."""
        with access.lock:
            try:
                return job(self._ready(access))
            except sqlite3.Error as error:
                if not self._mend(access, error):
                    raise self.explain(error) from error
            try:
                return job(self._ready(access))
            except sqlite3.Error as error:
                access.close()
                raise self.explain(error) from error

    def _transact(
        self,
        connection: sqlite3.Connection,
        step: Callable[[sqlite3.Connection], _T],
        seconds: float = _PATIENCE_SECONDS,
    ) -> _T:
        self._patiently(connection, "BEGIN IMMEDIATE", seconds)
        try:
            result = step(connection)
            connection.execute("COMMIT")
        except BaseException:  # undone whatever happens, and raised again
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return result

    def _patiently(self, connection: sqlite3.Connection, sql: str, seconds: float = _PATIENCE_SECONDS) -> Any:  # noqa: ANN401 - a cell of any type
        """Run a statement, waiting in short steps while another process writes: SQLite's own steps grow too long."""
        deadline: float | None = None
        while True:
            try:
                return connection.execute(sql).fetchone()
            except sqlite3.OperationalError as error:
                now = time.monotonic()
                deadline = now + seconds if deadline is None else deadline
                if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY or now >= deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)  # asked again soon

    def _ready(self, access: _Access) -> sqlite3.Connection:
        """The connection, opened now if it is not open, belongs to a parent, or leads to a deleted file."""
        if access.connection is not None:
            if access.pid == os.getpid() and access.identity == _identity(self.path):
                return access.connection
            access.close()
        access.pid = os.getpid()
        access.connection = self._connect()
        access.identity = _identity(self.path)
        return access.connection

    def _connect(self) -> sqlite3.Connection:
        refuse_network_filesystem(self.path)
        create_missing(self.path, what="cache", example="cache.db", variable="COSTGUARD_CACHE")
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._enter_wal(connection)
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("PRAGMA cell_size_check=ON")
            connection.execute(f"PRAGMA wal_autocheckpoint={_PAGES_PER_CHECKPOINT}")
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._lay_out(connection)
            connection.execute(f"PRAGMA busy_timeout={int(self._timeout_seconds * 1000)}")
            connection.execute(DOOMED)
        except BaseException:  # closed whatever happens, and raised again
            connection.close()
            raise
        return connection

    def _enter_wal(self, connection: sqlite3.Connection) -> None:
        """Switch the file to write-ahead logging; a file that is none of SQLite's is found out here."""
        if self._patiently(connection, "PRAGMA journal_mode=WAL")[0] != "wal":
            msg = (
                f"{self.path} is on a filesystem that cannot share memory between processes, which SQLite's "
                "write-ahead log needs: keep the cache on a local disk, or in PostgreSQL"
            )
            raise StoreError(msg)

    def _lay_out(self, connection: sqlite3.Connection) -> None:
        """Make the tables of a new file, or refuse one that this release cannot read."""
        if self._is_ready(connection):
            return
        self._transact(connection, self._make_tables)

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        if self._is_ready(connection):  # another process was faster
            return
        for statement in TABLES:
            connection.execute(statement)
        connection.execute(BEGIN_STATE, (time.time_ns() // 1000,))
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")

    def _is_ready(self, connection: sqlite3.Connection) -> bool:
        """Whether the file is laid out as this release needs it; `False` for an empty one.

        Raises:
            StoreVersionError: it was laid out by another release.
            StoreError: it is another program's database.
        """
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if owner != APPLICATION_ID:
            if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
                return False
            msg = f"{self.path} is a database, but no cache: give another path with store="
            raise StoreError(msg)
        if version == VERSION:
            return True
        mending = (
            "pip install --upgrade langchain-costguard, or give another path with store="
            if version > VERSION
            else "delete the file and its answers are asked for again, or give another path with store="
        )
        age = "a newer" if version > VERSION else "an older"
        msg = (
            f"The cache {self.path} was written by {age} release (layout {version}; this one has {VERSION}): {mending}"
        )
        raise StoreVersionError(msg, found=str(version), supported=str(VERSION))

    def _mend(self, access: _Access, error: sqlite3.Error) -> bool:
        """Let go of a connection that failed; move its file aside if that is damaged.

        Returns:
            Whether it was, so that a new file can begin.
        """
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        seen = access.identity or _identity(self.path)
        access.close()
        if code not in _DAMAGE:
            return False
        if seen == _identity(self.path):  # otherwise another thread or process has done it
            self._move_aside()
        return True

    def _move_aside(self) -> None:
        """Rename the file, after its log: a new file must never find the log of another."""
        aside = f"{self.path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
        for ending in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{ending}").rename(f"{aside}{ending}")
        _logger.error("The cache %s is damaged and was moved to %s; a new one begins", self.path, aside)


def _close_all(accesses: Iterable[_Access]) -> None:
    """Close what is open when the store is given up, or the interpreter ends."""
    for access in accesses:
        access.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - on the way of every lookup; `Path.stat` costs twice as much
    except OSError:
        return None
    return status.st_dev, status.st_ino


_MEANINGS: Final[dict[tuple[str, ...], str]] = {
    ("SQLITE_BUSY", "SQLITE_LOCKED"): "The cache {path} was locked by another process for more than {seconds:g} "
    "seconds: end what holds it, or wait longer with timeout_seconds=",
    ("SQLITE_FULL", "SQLITE_TOOBIG"): "There is no room left for the cache {path}: free space on its disk, or set "
    "lower limits",
    ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"): "The cache {path} is damaged ({name}): delete the file",
    ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"): "The cache {path} cannot be written "
    "({name}): make the file and its folder writable for you, or give another path with store= or the environment "
    "variable COSTGUARD_CACHE",
    ("SQLITE_IOERR",): "The disk under the cache {path} failed ({name}): check the disk, or give another path with "
    "store=",
}
"""What an error whose name begins like one of these means."""
