"""JobFile: the SQLite file in which batch jobs are kept, so that a process may die at any point.

A file of its own beside the ledger, as the semantic cache has one: it holds requests and answers, and the ledger holds
neither prompts nor answers unless asked. Nothing in it is pickled: rows, JSON, and the provider's own answers.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.jobs.job_errors import BatchNotFoundError, BatchStateError
from langchain_costguard.batching.jobs.rows import ItemRow, JobRow, PartRow
from langchain_costguard.batching.jobs.state_cells import Row, columns_of, insert, row_of, update
from langchain_costguard.batching.jobs.state_schema import APPLICATION_ID, TABLES, VERSION
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.filesystems import refuse_network_filesystem
from langchain_costguard.stores.location import parse_location
from langchain_costguard.stores.new_files import create_missing
from langchain_costguard.stores.owners import Owner, is_gone, this_process
from langchain_costguard.stores.write_ahead import enter_write_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

BATCHES_VARIABLE: Final = "COSTGUARD_BATCHES"
"""The environment variable that names the file of jobs."""

_APP_NAME: Final = "langchain-costguard"
_FILE_NAME: Final = "batches.db"
_PATIENCE_SECONDS: Final = 30.0
_LOOK_AGAIN_SECONDS: Final = 0.2
_LEASE_US: Final = 900_000_000
"""How long a job is held by a process of which it cannot be seen whether it lives."""


def default_batches_location() -> str:
    """The file of jobs that is used when none was named.

    Returns:
        What the environment variable `COSTGUARD_BATCHES` says, else the path of `batches.db` in the user's data
        directory (on Linux `~/.local/share/langchain-costguard/batches.db`).
    """
    named = os.environ.get(BATCHES_VARIABLE, "").strip()
    if named:
        return named
    from platformdirs import user_data_path

    return str(user_data_path(_APP_NAME, appauthor=False) / _FILE_NAME)


class JobFile:
    """Reads and writes one file of jobs; safe to use from many threads and processes.

    Attributes:
        path: the file; requests are in folders beside it.
    """

    def __init__(self, spec: str | os.PathLike[str] | None = None) -> None:
        """Open the file, and create it when it is missing, for the user's eyes only.

        Args:
            spec: a path or a `sqlite:///` URL; `None` for `default_batches_location()`.

        Raises:
            BatchStateError: it cannot be opened, or is no file of jobs.
        """
        try:
            location = parse_location(default_batches_location() if spec is None else spec)
            if location.path is None:
                msg = "batch jobs are kept in a SQLite file: give its path with store="
                raise BatchStateError(msg)
            create_missing(location.path, what="file of batch jobs", example=_FILE_NAME, variable=BATCHES_VARIABLE)
            refuse_network_filesystem(location.path)
        except StoreError as error:
            msg = f"the file of batch jobs cannot be opened ({error}): give another path with store="
            raise BatchStateError(msg) from error
        self.path: Path = location.path
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._depth = 0
        with self._transaction():
            pass

    def folder(self, job: str) -> Path:
        """Where the requests of a job are."""
        return self.path.with_name(self.path.name + ".files") / job

    # -- jobs --------------------------------------------------------------------------------------------------------

    def add_job(self, job: JobRow) -> None:
        """Note a job that is being made."""
        with self._transaction() as connection:
            insert(connection, "jobs", [job], owner=json.dumps(this_process()), owned_until_us=_until())

    def job(self, id_or_name: str) -> JobRow:
        """A job that is ready.

        Raises:
            BatchNotFoundError: there is none of this id or name.
        """
        where = "is_ready AND (id = ? OR name = ?) ORDER BY id = ? DESC"
        found = self._read(JobRow, "jobs", where, (id_or_name, id_or_name, id_or_name))
        if not found:
            msg = f"no batch job {id_or_name!r} in {self.path}: list_batches(store=...) shows those there are"
            raise BatchNotFoundError(msg)
        return found[0]

    def jobs(self) -> list[JobRow]:
        """All jobs that are ready, newest first."""
        return self._read(JobRow, "jobs", "is_ready ORDER BY created_us DESC", ())

    def same_job(self, content: str, name: str | None) -> JobRow | None:
        """The job that a new one would repeat: one of the same name, or an unfinished one of the same content."""
        if name is not None:
            named = self._read(JobRow, "jobs", "is_ready AND name = ?", (name,))
            return named[0] if named else None
        where = "is_ready AND name IS NULL AND content = ? AND NOT is_collected AND NOT is_cancelled"
        same = self._read(JobRow, "jobs", where, (content,))
        return same[0] if same else None

    def update_job(self, job: str, **columns: object) -> None:
        """Change columns of a job."""
        with self._transaction() as connection:
            update(connection, "jobs", columns, "id = ?", (job,))

    def drop_job(self, job: str) -> None:
        """Forget a job that was not submitted, with its files."""
        import shutil

        with self._transaction() as connection:
            for table, column in (("items", "job"), ("parts", "job"), ("jobs", "id")):
                connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (job,))  # noqa: S608 - names of ours
        shutil.rmtree(self.folder(job), ignore_errors=True)

    @contextmanager
    def holding(self, job: str) -> Iterator[None]:
        """Be the only one who advances a job.

        Raises:
            BatchStateError: another process that lives is at it.
        """
        with _lock_of(self.path, job):
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not self._own(job):
                if time.monotonic() > deadline:
                    msg = f"another process is at batch job {job}: wait until it has ended, or end it"
                    raise BatchStateError(msg)
                time.sleep(_LOOK_AGAIN_SECONDS)  # a file lock tells nobody when it is free
            try:
                yield
            finally:
                with self._transaction() as connection:
                    connection.execute("UPDATE jobs SET owner = NULL WHERE id = ?", (job,))

    def _own(self, job: str) -> bool:
        """Have a job to this process; whether nobody else has it."""
        with self._transaction() as connection:
            found = connection.execute("SELECT owner, owned_until_us FROM jobs WHERE id = ?", (job,)).fetchone()
            if found and found[0] is not None and _is_kept(_owner(found[0]), found[1]):
                return False
            owner = json.dumps(this_process())
            connection.execute("UPDATE jobs SET owner = ?, owned_until_us = ? WHERE id = ?", (owner, _until(), job))
            return True

    def drop_abandoned(self) -> None:
        """Forget the jobs that processes which are gone had not finished making; nothing of them was sent."""
        with self._lock, self._explained():
            found = self._connect().execute("SELECT id, owner, owned_until_us FROM jobs WHERE NOT is_ready").fetchall()
        for job, owner, until in found:
            if owner is None or (_owner(owner) != this_process() and not _is_kept(_owner(owner), until)):
                self.drop_job(job)

    # -- parts -------------------------------------------------------------------------------------------------------

    def add_part(self, part: PartRow) -> None:
        """Note a part that is being made."""
        with self._transaction() as connection:
            insert(connection, "parts", [part])

    def parts(self, job: str) -> list[PartRow]:
        """The parts of a job, in order."""
        return self._read(PartRow, "parts", "job = ? ORDER BY number", (job,))

    def batch_ids(self) -> set[str]:
        """The provider's ids of all batches of all jobs."""
        with self._lock, self._explained():
            found = self._connect().execute("SELECT batch_id FROM parts WHERE batch_id IS NOT NULL").fetchall()
        return {batch_id for (batch_id,) in found}

    def update_part(self, part: PartRow, **columns: Any) -> PartRow:  # noqa: ANN401 - of the column's type
        """Change columns of a part, and renew the hold on its job; the part as it is then."""
        with self._transaction() as connection:
            update(connection, "parts", columns, "job = ? AND number = ?", (part.job, part.number))
            connection.execute(
                "UPDATE jobs SET owned_until_us = ? WHERE id = ? AND owner IS NOT NULL", (_until(), part.job)
            )
        return part._replace(**columns)

    def drop_part(self, part: PartRow) -> None:
        """Forget a part that was not finished on disk, with its items."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM items WHERE job = ? AND part = ?", (part.job, part.number))
            connection.execute("DELETE FROM parts WHERE job = ? AND number = ?", (part.job, part.number))

    # -- items -------------------------------------------------------------------------------------------------------

    def add_items(self, items: Iterable[ItemRow]) -> None:
        """Note items of a step."""
        with self._transaction() as connection:
            insert(connection, "items", items)

    def items(self, where: str, values: Sequence[object]) -> Iterator[ItemRow]:
        """Items that meet a condition of ours, read a few hundred at a time."""
        return self.select(f"SELECT {columns_of(ItemRow)} FROM items WHERE {where}", values)  # noqa: S608 - conditions of ours

    def select(self, statement: str, values: Sequence[object]) -> Iterator[ItemRow]:
        """Items that a statement of ours selects, as they were at its beginning; `{columns}` stands for theirs."""
        self._connect()
        with self._explained(), closing(self._opened()) as connection:
            cursor = connection.execute(statement.replace("{columns}", columns_of(ItemRow)), values)
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                for row in rows:
                    yield row_of(ItemRow, row)

    def one(self, statement: str, values: Sequence[object]) -> tuple[Any, ...]:
        """The first row of a statement of ours."""
        with self._lock, self._explained():
            found: tuple[Any, ...] = self._connect().execute(statement, values).fetchone()
            return found

    def write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Do a statement of ours for each row, all or none."""
        with self._transaction() as connection:
            connection.executemany(statement, rows)

    # -- the file ----------------------------------------------------------------------------------------------------

    @contextmanager
    def together(self) -> Iterator[None]:
        """Several changes in one step."""
        with self._transaction():
            yield

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            connection = self._connect()
            if self._depth:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield connection
            except BaseException:  # undone whatever happens, and raised again
                connection.execute("ROLLBACK")
                raise
            else:
                connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def _read(self, kind: type[Row], table: str, where: str, values: Sequence[object]) -> list[Row]:
        with self._lock, self._explained():
            statement = f"SELECT {columns_of(kind)} FROM {table} WHERE {where}"  # noqa: S608 - conditions of ours
            return [row_of(kind, row) for row in self._connect().execute(statement, values).fetchall()]

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        with self._explained():
            connection = self._opened()
            self._prepare(connection)
        self._connection, self._pid = connection, os.getpid()
        return connection

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        enter_write_ahead(connection, _PATIENCE_SECONDS)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        (identity,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            for statement in TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
        if tables and (identity, version) != (APPLICATION_ID, VERSION):
            connection.close()
            what = f"of version {version}, newer than this release" if identity == APPLICATION_ID else "something else"
            msg = f"{self.path} is no file of batch jobs, but {what}: give another path with store="
            raise BatchStateError(msg)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, json.JSONDecodeError) as error:
            msg = (
                f"the file of batch jobs {self.path} cannot be used ({type(error).__name__}: {error}): restore it from "
                "a copy, or give another path with store=; what was submitted is still at the provider"
            )
            raise BatchStateError(msg) from error


_ROWS_AT_ONCE: Final = 200


_locks: Final[dict[tuple[Path, str], RLock]] = {}
_locks_lock: Final = RLock()


def _lock_of(path: Path, job: str) -> RLock:
    """What keeps the threads of this process from advancing one job at once."""
    with _locks_lock:
        return _locks.setdefault((path, job), RLock())


def _owner(stored: str) -> Owner:
    return Owner(*json.loads(stored))


def now_us() -> int:
    """This machine's time, in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def _until() -> int:
    return now_us() + _LEASE_US


def _is_kept(owner: Owner, until_us: int) -> bool:
    """Whether a process still has a job to itself."""
    if owner == this_process():
        return False
    gone = is_gone(owner)
    return until_us > now_us() if gone is None else not gone
