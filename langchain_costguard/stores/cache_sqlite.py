"""Cache entries in a SQLite file that several processes may share."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import cache_schema as sql
from langchain_costguard.stores.cache_base import (
    CacheSize,
    CacheStore,
    StoredVector,
    UnembeddedText,
    VectorChanges,
    VectorFeed,
)
from langchain_costguard.stores.cache_file import CacheFile
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

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from langchain_costguard.stores.cache_base import CacheEntry, CacheLimits, CacheTotals, CacheUse

_logger: Final = logging.getLogger("langchain_costguard")
_TIMEOUT_SECONDS: Final = 0.2
_PORTION: Final = 1024


class SQLiteCacheStore(CacheStore, VectorFeed):
    """A cache in a SQLite file of its own, in write-ahead-log mode, readable for its user only.

    Entries survive the end of the process, also a sudden one; a power cut may cost the last of them. A damaged file is
    moved aside and a new one begins.

    Args:
        path: the absolute path.
        timeout_seconds: how long storing an answer waits for another process's write; clearing waits for some seconds.

    Raises:
        StoreError: the file cannot be opened, or is another program's.
        StoreVersionError: another release laid it out.
    """

    def __init__(self, path: Path, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Open the file."""
        self._file = CacheFile(path, timeout_seconds=timeout_seconds)

    def __repr__(self) -> str:
        """Where it is."""
        return f"SQLiteCacheStore({self.location!r})"

    @property
    def location(self) -> str:
        """The file's path."""
        return str(self._file.path)

    @property
    def is_durable(self) -> bool:
        """True."""
        return True

    @property
    def is_remote(self) -> bool:
        """False: it is a file of this machine."""
        return False

    def get_exact(self, partition: bytes, exact: bytes, *, now_us: int) -> CacheEntry | None:
        """The entry of a question, by its digest."""
        return self._get(sql.GET_EXACT, (partition, exact), now_us)

    def entry(self, entry_id: int, partition: bytes, *, now_us: int) -> CacheEntry | None:
        """An entry by its number."""
        return self._get(sql.GET_ENTRY, (entry_id, partition), now_us)

    def put(self, entries: Sequence[CacheEntry]) -> list[int]:
        """Store entries in one transaction; their numbers are those of the changes that wrote them."""

        def step(connection: sqlite3.Connection) -> list[int]:
            execute = connection.execute
            replaced = [
                found[0] for entry in entries if (found := execute(sql.FIND, (entry.partition, entry.exact)).fetchone())
            ]
            if replaced:
                _doom_ids(connection, replaced)
                _remove_doomed(connection)
            change = execute(sql.READ_CHANGE).fetchone()[0]
            kept = {(entry.partition, entry.exact): number for number, entry in enumerate(entries, change + 1)}
            grown = 0
            for number, entry in enumerate(entries, change + 1):
                if kept[entry.partition, entry.exact] == number:
                    grown += _add(connection, entry, number)
            execute(sql.GROW, (change + len(entries), len(kept), grown))
            return list(range(change + 1, change + len(entries) + 1))

        return self._file.write(step) if entries else []

    def note_uses(self, uses: Sequence[CacheUse]) -> None:
        """Count lookups in one transaction."""
        served = [(hits, at, number) for number, (hits, at) in served_entries(uses).items()]
        counts = [(json.dumps(label), *label, *row) for label, row in sum_uses(uses).items()]

        def step(connection: sqlite3.Connection) -> None:
            connection.executemany(sql.NOTE_USE, served)
            connection.executemany(sql.COUNT_USES, counts)

        if uses:
            self._file.write(step)

    def delete(self, entry_ids: Sequence[int]) -> int:
        """Delete entries."""
        return self._remove(lambda connection: _doom_ids(connection, entry_ids), is_patient=True)

    def clear(self, *, tenant: str | None = None, namespace: str | None = None) -> int:
        """Delete all entries, or a tenant's or namespace's; what is deleted is overwritten in the file."""

        def choose(connection: sqlite3.Connection) -> None:
            connection.execute(sql.DELETE_USES, (tenant, namespace))
            connection.execute(sql.DOOM_LABELLED, (tenant, namespace))

        return self._remove(choose, is_patient=True)

    def evict(self, limits: CacheLimits) -> int:
        """Delete the entries that were used least recently."""
        size = self.size()
        if not exceeds(size, limits):
            return 0

        def choose(connection: sqlite3.Connection) -> None:
            held = CacheSize(*connection.execute(sql.READ_SIZE).fetchone())
            if not exceeds(held, limits):  # another process was faster
                return
            count = count_to_evict(
                (row[1] for row in connection.execute(sql.OLDEST)),
                entries=held.entries,
                held_bytes=held.bytes,
                limits=(lowered(limits.max_entries), lowered(limits.max_bytes)),
            )
            _doom_ids(connection, [row[0] for row in connection.execute(f"{sql.OLDEST} LIMIT ?", (count,))])

        return self._remove(choose)

    def purge(self, *, now_us: int) -> int:
        """Delete the entries that have expired."""
        return self._remove(lambda connection: connection.execute(sql.DOOM_EXPIRED, (now_us,)))

    def size(self) -> CacheSize:
        """How much there is, from one row."""
        return CacheSize(*self._file.read(lambda connection: connection.execute(sql.READ_SIZE).fetchone()))

    def totals(self, *, now_us: int) -> list[CacheTotals]:
        """Entries and uses by tenant, namespace and model."""
        with self._file.following() as connection:
            held = connection.execute(sql.READ_LABELS, (now_us,)).fetchall()
            used = connection.execute(sql.READ_USES).fetchall()
        return join_totals(held, used)

    def fingerprints(self) -> dict[str, int]:
        """The embedders whose vectors are there."""
        with self._file.following() as connection:
            return dict(connection.execute(sql.READ_FINGERPRINTS).fetchall())

    def unembedded(self, fingerprint: str, *, after_id: int = 0, limit: int = 256) -> list[UnembeddedText]:
        """Texts that have no vector of one embedder."""
        with self._file.following() as connection:
            rows = connection.execute(sql.UNEMBEDDED, (fingerprint, after_id, limit)).fetchall()
        return [UnembeddedText(number, text_of(text) or "") for number, text in rows]

    def vectors_of(self, partition: bytes, fingerprint: str, entry_ids: Sequence[int]) -> dict[int, bytes]:
        """The vectors of entries, by number."""

        def question(connection: sqlite3.Connection) -> dict[int, bytes]:
            rows = (
                (n, connection.execute(sql.VECTOR_WHERE, (n, partition, fingerprint)).fetchone()) for n in entry_ids
            )
            return {number: row[0] for number, row in rows if row is not None}

        return self._file.read(question)

    def set_vectors(self, fingerprint: str, vectors: Sequence[tuple[int, bytes]]) -> int:
        """Give entries a vector in place of the one they have."""
        return self._file.write(
            lambda connection: sum(_set_vector(connection, fingerprint, number, vector) for number, vector in vectors),
            is_patient=True,
        )

    def note(self, key: str, value: bytes | None = None) -> bytes | None:
        """Keep or read a small fact about the cache."""
        if value is not None:
            self._file.write(lambda connection: connection.execute(sql.WRITE_NOTE, (key, value)))
            return value
        row = self._file.read(lambda connection: connection.execute(sql.READ_NOTE, (key,)).fetchone())
        return None if row is None else bytes(row[0])

    def change(self) -> int:
        """The number of the newest change."""
        found: int = self._file.read(lambda connection: connection.execute(sql.READ_CHANGE).fetchone())[0]
        return found

    @contextmanager
    def vectors(self, partition: bytes, fingerprint: str, *, since: int) -> Iterator[VectorChanges]:
        """What has happened to the vectors of a partition, all as of one moment."""
        with self._file.following() as connection:
            execute = connection.execute
            change, forgotten = execute(sql.READ_CHANGES).fetchone()
            is_whole = since < forgotten or since > change
            first = 0 if is_whole else since
            expected = execute(sql.COUNT_VECTORS, (partition, fingerprint)).fetchone()[0] if is_whole else None
            removed = [] if is_whole else [row[0] for row in execute(sql.REMOVED_SINCE, (partition, first))]
            rows = execute(sql.VECTORS_SINCE, (partition, fingerprint, first))
            yield VectorChanges(change, is_whole, expected, _portions(rows), removed)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._file.close()

    def _get(self, question: str, cells: tuple[bytes | int, bytes], now_us: int) -> CacheEntry | None:
        row = self._file.read(lambda connection: connection.execute(question, cells).fetchone())
        if row is None:
            return None
        entry = entry_of(row)
        if entry is None:
            self._drop(row[0])
        return entry if is_served(entry, now_us) else None

    def _drop(self, entry_id: int) -> None:
        """Delete a damaged row; where that cannot be done now, it is still not served."""
        try:
            self.delete([entry_id])
        except StoreError:
            return
        _logger.warning("An entry of the cache %s was damaged and was dropped", self.location)

    def _remove(self, choose: Callable[[sqlite3.Connection], object], *, is_patient: bool = False) -> int:
        def step(connection: sqlite3.Connection) -> int:
            choose(connection)
            return _remove_doomed(connection)

        return self._file.write(step, is_patient=is_patient)


def _add(connection: sqlite3.Connection, entry: CacheEntry, number: int) -> int:
    """Write the rows of a new entry.

    Returns:
        Its size.
    """
    row = row_of(entry, number)
    connection.execute(sql.ADD_ENTRY, row)
    if entry.vector is not None:
        connection.execute(sql.ADD_VECTOR, (number, number, entry.partition, entry.fingerprint, entry.vector))
    return int(row[-2])


def _set_vector(connection: sqlite3.Connection, fingerprint: str, entry_id: int, vector: bytes) -> int:
    """Replace one vector.

    Returns:
        How many entries that concerned: 1, or 0 for one that is gone.
    """
    execute = connection.execute
    found = execute(sql.PARTITION_OF, (entry_id,)).fetchone()
    if found is None:
        return 0
    before, length = execute(sql.VECTOR_OF, (entry_id,)).fetchone() or (None, 0)
    change = execute(sql.READ_CHANGE).fetchone()[0] + 1
    if before is not None:
        execute(sql.TELL_REPLACED, (change, before, found[0]))
        execute(sql.DELETE_VECTOR, (entry_id,))
    execute(sql.ADD_VECTOR, (change, entry_id, found[0], fingerprint, vector))
    execute(sql.MARK_EMBEDDED, (fingerprint, len(vector) - length, entry_id))
    execute(sql.GROW, (change, 0, len(vector) - length))
    return 1


def _doom_ids(connection: sqlite3.Connection, entry_ids: Sequence[int]) -> None:
    connection.executemany(sql.DOOM_IDS, [(number,) for number in entry_ids])


def _remove_doomed(connection: sqlite3.Connection) -> int:
    """Delete what is listed, and tell the indexes of all processes.

    Returns:
        How many entries there were.
    """
    execute = connection.execute
    entries, size = execute(sql.COUNT_DOOMED).fetchone()
    if entries:
        execute(sql.SHRINK, (entries, size))
        if entries <= sql.REMOVALS_KEPT:
            execute(sql.TELL_REMOVED)
        execute(sql.DELETE_VECTORS)
        execute(sql.DELETE_ENTRIES)
        execute(sql.FORGET_OLD, (sql.REMOVALS_KEPT if entries <= sql.REMOVALS_KEPT else 0,))
        execute(sql.DELETE_REMOVED)
    execute("DELETE FROM doomed")
    return int(entries)


def _portions(rows: sqlite3.Cursor) -> Iterator[list[StoredVector]]:
    while found := rows.fetchmany(_PORTION):
        yield [StoredVector(*row) for row in found]
