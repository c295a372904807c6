"""Cache entries in a PostgreSQL database with pgvector, shared by several machines."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import weakref
from array import array
from contextlib import contextmanager, suppress
from threading import Semaphore
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.exceptions import StoreError, StoreVersionError
from langchain_costguard.stores import cache_postgresql_schema as sql
from langchain_costguard.stores.cache_base import CacheSize, CacheStore, NearEntry, UnembeddedText, VectorSearch
from langchain_costguard.stores.cache_rows import (
    count_to_evict,
    entry_of,
    exceeds,
    is_served,
    join_totals,
    lowered,
    row_of,
    served_entries,
    sum_uses,
    text_of,
)
from langchain_costguard.stores.postgresql import SCHEMA, PostgreSQLDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_costguard.stores.cache_base import CacheEntry, CacheLimits, CacheTotals, CacheUse
    from langchain_costguard.stores.location import Location

_logger: Final = logging.getLogger("langchain_costguard")
_TIMEOUT_SECONDS: Final = 5.0
_CONNECTIONS: Final = 4
_SECONDS_BETWEEN_COUNTS: Final = 10.0
_HEADER_BYTES: Final = 4
"""Before the numbers of a vector in PostgreSQL's binary form: how many there are."""
_abandoned: Final[list[object]] = []
"""Connections of a parent process: closing them here would harm it, so they are kept and never touched."""


class PostgreSQLCacheStore(CacheStore, VectorSearch):
    """A cache in PostgreSQL, where pgvector compares a question with all vectors of its partition.

    Args:
        location: the database's URL.
        timeout_seconds: how long to wait for the server.

    Raises:
        OptionalDependencyError: psycopg is not installed.
        StoreError: the database cannot be reached, or has no pgvector.
        StoreVersionError: another release laid out its tables.
    """

    def __init__(self, location: Location, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Connect, and make the tables where they are missing."""
        self._database = PostgreSQLDatabase(location, durable=False, timeout_seconds=timeout_seconds, holds="cache")
        self._name = str(location)
        self._begin()
        self._next_count: float = 0.0
        self._is_laid_out = False
        with self._connection():
            pass

    def __repr__(self) -> str:
        """Where it is, without credentials."""
        return f"PostgreSQLCacheStore({self._name!r})"

    @property
    def location(self) -> str:
        """The database, without credentials."""
        return self._name

    @property
    def is_durable(self) -> bool:
        """True."""
        return True

    @property
    def is_remote(self) -> bool:
        """True."""
        return True

    def get_exact(self, partition: bytes, exact: bytes, *, now_us: int) -> CacheEntry | None:
        """The entry of a question, by its digest."""
        return self._get(sql.GET_EXACT, (partition, exact), now_us)

    def entry(self, entry_id: int, partition: bytes, *, now_us: int) -> CacheEntry | None:
        """An entry by its number."""
        return self._get(sql.GET_ENTRY, (entry_id, partition), now_us)

    def put(self, entries: Sequence[CacheEntry]) -> list[int]:
        """Store entries in one transaction and one round trip."""
        rows = [_row(entry) for entry in sorted(entries, key=lambda entry: (entry.partition, entry.exact))]
        with self._connection() as connection, connection.transaction(), connection.pipeline():
            cursors = [connection.execute(sql.PUT, row) for row in rows]
            numbers = {row[:2]: int(cursor.fetchone()[0]) for row, cursor in zip(rows, cursors, strict=True)}
        return [numbers[entry.partition, entry.exact] for entry in entries]

    def note_uses(self, uses: Sequence[CacheUse]) -> None:
        """Count lookups in one transaction."""
        with self._connection() as connection, connection.transaction(), connection.pipeline():
            for number, (hits, at) in sorted(served_entries(uses).items()):
                connection.execute(sql.NOTE_USE, (hits, at, number))
            for label, row in sorted(sum_uses(uses).items(), key=lambda item: json.dumps(item[0])):
                connection.execute(sql.COUNT_USES, (json.dumps(label), *label, *row))

    def delete(self, entry_ids: Sequence[int]) -> int:
        """Delete entries."""
        with self._connection() as connection:
            return int(connection.execute(sql.DELETE, (list(entry_ids),)).rowcount)

    def clear(self, *, tenant: str | None = None, namespace: str | None = None) -> int:
        """Delete all entries, or a tenant's or namespace's."""
        labels = {"tenant": tenant, "namespace": namespace}
        with self._connection() as connection, connection.transaction():
            connection.execute(sql.CLEAR_USES, labels)
            return int(connection.execute(sql.CLEAR, labels).rowcount)

    def evict(self, limits: CacheLimits) -> int:
        """Delete the entries that were used least recently.

        Counting reads every entry, so each process does it every ten seconds at most; the limits may be exceeded in
        between.
        """
        if time.monotonic() < self._next_count:
            return 0
        self._next_count = time.monotonic() + _SECONDS_BETWEEN_COUNTS
        held = self.size()
        if not exceeds(held, limits):
            return 0
        with self._connection() as connection:
            oldest = connection.execute(sql.OLDEST).fetchall()
        count = count_to_evict(
            (row[1] for row in oldest),
            entries=held.entries,
            held_bytes=held.bytes,
            limits=(lowered(limits.max_entries), lowered(limits.max_bytes)),
        )
        return self.delete([row[0] for row in oldest[:count]])

    def purge(self, *, now_us: int) -> int:
        """Delete the entries that have expired."""
        with self._connection() as connection:
            return int(connection.execute(sql.PURGE, (now_us,)).rowcount)

    def size(self) -> CacheSize:
        """How much there is; it reads every entry's size."""
        return CacheSize(*self._all(sql.READ_SIZE)[0])

    def totals(self, *, now_us: int) -> list[CacheTotals]:
        """Entries and uses by tenant, namespace and model."""
        return join_totals(self._all(sql.READ_LABELS, (now_us,)), self._all(sql.READ_USES))

    def fingerprints(self) -> dict[str, int]:
        """The embedders whose vectors are there."""
        return {row[0]: row[1] for row in self._all(sql.READ_FINGERPRINTS)}

    def unembedded(self, fingerprint: str, *, after_id: int = 0, limit: int = 256) -> list[UnembeddedText]:
        """Texts that have no vector of one embedder."""
        rows = self._all(sql.UNEMBEDDED, (fingerprint, after_id, limit))
        return [UnembeddedText(number, text_of(text) or "") for number, text in rows]

    def vectors_of(self, partition: bytes, fingerprint: str, entry_ids: Sequence[int]) -> dict[int, bytes]:
        """The vectors of entries, by number."""
        rows = self._all(sql.VECTORS_OF, (list(entry_ids), partition, fingerprint))
        return {number: _from_wire(sent) for number, sent in rows}

    def set_vectors(self, fingerprint: str, vectors: Sequence[tuple[int, bytes]]) -> int:
        """Give entries a vector in place of the one they have."""
        rows = [(fingerprint, _literal(vector), len(vector) // 4, number) for number, vector in sorted(vectors)]
        with self._connection() as connection, connection.transaction(), connection.pipeline() as pipeline:
            cursors = [connection.execute(sql.SET_VECTOR, row) for row in rows]
            pipeline.sync()
            return sum(int(cursor.rowcount) for cursor in cursors)

    def note(self, key: str, value: bytes | None = None) -> bytes | None:
        """Keep or read a small fact about the cache."""
        if value is not None:
            with self._connection() as connection:
                connection.execute(sql.WRITE_NOTE, (key, value))
            return value
        rows = self._all(sql.READ_NOTE, (key,))
        return bytes(rows[0][0]) if rows else None

    def nearest(self, partition: bytes, fingerprint: str, vector: bytes, *, k: int, now_us: int) -> list[NearEntry]:
        """The entries whose vectors are nearest to one; all of the partition are compared."""
        asked = {
            "partition": partition,
            "fingerprint": fingerprint,
            "dims": len(vector) // 4,
            "now_us": now_us,
            "vector": _literal(vector),
            "k": k,
        }
        return [NearEntry(number, _from_wire(sent)) for number, sent in self._all(sql.NEAREST, asked)]

    def close(self) -> None:
        """Hang up; the next use connects again."""
        self._leave_parent()
        while self._idle:
            self._idle.pop().close()

    def _get(self, question: str, cells: tuple[bytes | int, bytes], now_us: int) -> CacheEntry | None:
        rows = self._all(question, cells)
        if not rows:
            return None
        (row,) = rows
        entry = entry_of(row)
        if entry is None:
            with suppress(StoreError):  # where it cannot be deleted now, it is still not served
                self.delete([row[0]])
            _logger.warning("An entry of the cache %s was damaged and was dropped", self.location)
        return entry if is_served(entry, now_us) else None

    def _all(self, question: str, cells: Any = None) -> list[Any]:  # noqa: ANN401 - whatever psycopg takes
        with self._connection() as connection:
            rows: list[Any] = connection.execute(question, cells).fetchall()
        return rows

    def _begin(self) -> None:
        self._idle: list[Any] = []
        self._free = Semaphore(_CONNECTIONS)
        self._pid = os.getpid()
        weakref.finalize(self, _hang_up_all, self._idle, self._pid)

    def _leave_parent(self) -> None:
        """After a fork, forget the parent's connections without closing them."""
        if self._pid != os.getpid():
            _abandoned.extend(self._idle)
            self._begin()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """One of a few connections; one on which anything failed is not used again."""
        self._leave_parent()
        free = self._free
        with free:
            connection: Any = None
            try:
                connection = self._take()
                yield connection
            except self._database.errors as error:
                _hang_up(connection)
                raise self._database.explain(error) from error
            except BaseException:  # an interrupted step leaves no connection in use; raised again
                _hang_up(connection)
                raise
            self._idle.append(connection)

    def _take(self) -> Any:  # noqa: ANN401 - psycopg's own connection
        """A connection that answers: a server that was restarted has hung up on those that were idle."""
        while self._idle:
            connection = self._idle.pop()
            with suppress(*self._database.errors):
                connection.execute("")
                return connection
            _hang_up(connection)
        connection = self._database.connect()
        try:
            self._prepare(connection)
        except BaseException:  # closed whatever happens, and raised again
            _hang_up(connection)
            raise
        return connection

    def _prepare(self, connection: Any) -> None:  # noqa: ANN401 - psycopg's own connection
        """Make the tables where they are missing, and let this connection find the type `vector`."""
        if not self._is_laid_out:
            with connection.transaction():
                for statement in self._database.begin_exclusive[1:]:
                    connection.execute(statement)
                self._lay_out(connection)
            self._is_laid_out = True
        self._find_vectors(connection)

    def _lay_out(self, connection: Any) -> None:  # noqa: ANN401 - psycopg's own connection
        try:
            if connection.execute(sql.FIND_EXTENSION).fetchone() is None:
                connection.execute(sql.MAKE_EXTENSION)
        except self._database.errors as error:
            msg = (
                f"PostgreSQL at {self._name} has no pgvector: install it on the server and let the database's owner "
                "run `CREATE EXTENSION vector`, or keep the cache in a file with store='cache.db'"
            )
            raise StoreError(msg) from error
        self._find_vectors(connection)
        if not connection.execute(sql.HAS_TABLES).fetchone()[0]:
            for statement in sql.TABLES:
                connection.execute(statement)
            connection.execute(sql.WRITE_NOTE, (sql.LAYOUT_KEY, str(sql.VERSION).encode()))
        found = bytes(connection.execute(sql.READ_NOTE, (sql.LAYOUT_KEY,)).fetchone()[0]).decode()
        if found != str(sql.VERSION):
            msg = (
                f"The cache in {self._name} was laid out by another release (layout {found}; this one has "
                f"{sql.VERSION}): use that release, or drop the tables {SCHEMA}.cache_* and its answers are asked for "
                "again"
            )
            raise StoreVersionError(msg, found=found, supported=str(sql.VERSION))

    def _find_vectors(self, connection: Any) -> None:  # noqa: ANN401 - psycopg's own connection
        """Add the schema pgvector was installed in to the end of the search path."""
        path = connection.execute("SHOW search_path").fetchone()[0]
        schema = connection.execute(sql.FIND_EXTENSION).fetchone()[0]
        if schema not in [part.strip() for part in path.split(",")]:
            connection.execute(f"SET search_path = {path}, {schema}")


def _hang_up_all(idle: list[Any], pid: int) -> None:
    """End what is open when the store is given up; a parent's connections are left to the parent."""
    while idle and pid == os.getpid():
        idle.pop().close()


def _hang_up(connection: Any) -> None:  # noqa: ANN401 - psycopg's own connection
    if connection is not None:
        connection.close()


def _row(entry: CacheEntry) -> tuple[Any, ...]:
    """The cells of `PUT`."""
    _, *cells = row_of(entry, 0)
    return (*cells, None if entry.vector is None else _literal(entry.vector))


def _literal(vector: bytes) -> str:
    """A vector as pgvector reads it; nine digits tell every float32 apart."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return f"[{','.join(format(number, '.9g') for number in numbers)}]"


def _from_wire(sent: bytes) -> bytes:
    """A vector from PostgreSQL's binary form, which is big-endian."""
    numbers = array("f", bytes(sent)[_HEADER_BYTES:])
    numbers.byteswap()  # turns the bytes round, whatever this machine takes them for
    return numbers.tobytes()
