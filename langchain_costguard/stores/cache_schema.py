"""The tables of a cache file and the statements on them."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = int.from_bytes(b"cgca", "big")
"""Written into the file's header, so that no other program's database is taken for a cache."""

VERSION: Final = 1
"""The layout this release reads and writes; kept as the file's `user_version`."""

TABLES: Final = (
    """
    CREATE TABLE state (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        change INTEGER NOT NULL,
        forgotten INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        partition BLOB NOT NULL,
        exact BLOB NOT NULL,
        answer BLOB NOT NULL,
        created_us INTEGER NOT NULL,
        expires_us INTEGER,
        tenant TEXT,
        namespace TEXT NOT NULL,
        model TEXT,
        text BLOB,
        fingerprint TEXT,
        avoided_nanos INTEGER,
        hits INTEGER NOT NULL,
        last_used_us INTEGER NOT NULL,
        size INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        UNIQUE (partition, exact)
    )
    """,
    "CREATE INDEX entries_by_use ON entries (last_used_us)",
    "CREATE INDEX entries_by_expiry ON entries (expires_us) WHERE expires_us IS NOT NULL",
    """
    CREATE TABLE vectors (
        change INTEGER PRIMARY KEY,
        entry_id INTEGER NOT NULL UNIQUE,
        partition BLOB NOT NULL,
        fingerprint TEXT NOT NULL,
        vector BLOB NOT NULL
    )
    """,
    "CREATE INDEX vectors_by_partition ON vectors (partition, fingerprint)",
    "CREATE TABLE removed (change INTEGER NOT NULL, vector INTEGER NOT NULL, partition BLOB NOT NULL)",
    "CREATE INDEX removed_by_partition ON removed (partition, change)",
    "CREATE INDEX removed_by_change ON removed (change)",
    """
    CREATE TABLE uses (
        label TEXT PRIMARY KEY,
        tenant TEXT,
        namespace TEXT NOT NULL,
        model TEXT,
        exact INTEGER NOT NULL,
        semantic INTEGER NOT NULL,
        misses INTEGER NOT NULL,
        vetoed INTEGER NOT NULL,
        avoided_nanos INTEGER NOT NULL,
        unpriced_hits INTEGER NOT NULL
    )
    """,
    "CREATE TABLE notes (key TEXT PRIMARY KEY, value BLOB NOT NULL)",
)

BEGIN_STATE: Final = "INSERT INTO state VALUES (1, ?1, ?1, 0, 0)"
"""A new file counts its changes on from the clock, so that no number of a deleted one returns."""

REMOVALS_KEPT: Final = 20_000
"""An index that is more changes behind than this is loaded anew, so that removals need not be remembered for ever."""

DOOMED: Final = "CREATE TEMP TABLE doomed (id INTEGER PRIMARY KEY)"

_COLUMNS: Final = (
    "id, partition, exact, answer, created_us, expires_us, tenant, namespace, model, text, fingerprint, avoided_nanos, "
    "hits, last_used_us"
)
GET_EXACT: Final = f"SELECT {_COLUMNS}, checksum FROM entries WHERE partition = ? AND exact = ?"  # noqa: S608 - a constant of ours
GET_ENTRY: Final = f"SELECT {_COLUMNS}, checksum FROM entries WHERE id = ? AND partition = ?"  # noqa: S608 - a constant of ours
FIND: Final = "SELECT id FROM entries WHERE partition = ? AND exact = ?"
ADD_ENTRY: Final = f"INSERT INTO entries ({_COLUMNS}, size, checksum) VALUES ({', '.join('?' * 16)})"  # noqa: S608 - a constant of ours
ADD_VECTOR: Final = "INSERT INTO vectors (change, entry_id, partition, fingerprint, vector) VALUES (?, ?, ?, ?, ?)"
READ_CHANGE: Final = "SELECT change FROM state"
READ_CHANGES: Final = "SELECT change, forgotten FROM state"
READ_SIZE: Final = "SELECT entries, bytes FROM state"
GROW: Final = "UPDATE state SET change = ?, entries = entries + ?, bytes = bytes + ?"

COUNT_DOOMED: Final = "SELECT count(*), coalesce(sum(size), 0) FROM entries WHERE id IN (SELECT id FROM doomed)"
SHRINK: Final = "UPDATE state SET change = change + 1, entries = entries - ?, bytes = bytes - ?"
TELL_REMOVED: Final = (
    "INSERT INTO removed SELECT (SELECT change FROM state), change, partition FROM vectors "
    "WHERE entry_id IN (SELECT id FROM doomed)"
)
DELETE_VECTORS: Final = "DELETE FROM vectors WHERE entry_id IN (SELECT id FROM doomed)"
DELETE_ENTRIES: Final = "DELETE FROM entries WHERE id IN (SELECT id FROM doomed)"
FORGET_OLD: Final = "UPDATE state SET forgotten = max(forgotten, change - ?)"
DELETE_REMOVED: Final = "DELETE FROM removed WHERE change <= (SELECT forgotten FROM state)"

VECTORS_ALL: Final = "SELECT change, entry_id, vector FROM vectors WHERE partition = ? AND fingerprint = ?"
VECTORS_SINCE: Final = f"{VECTORS_ALL} AND change > ? ORDER BY change"
COUNT_VECTORS: Final = "SELECT count(*) FROM vectors WHERE partition = ? AND fingerprint = ?"
REMOVED_SINCE: Final = "SELECT vector FROM removed WHERE partition = ? AND change > ?"

NOTE_USE: Final = "UPDATE entries SET hits = hits + ?, last_used_us = max(last_used_us, ?) WHERE id = ?"
COUNT_USES: Final = """
    INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (label) DO UPDATE SET exact = exact + excluded.exact, semantic = semantic + excluded.semantic,
        misses = misses + excluded.misses, vetoed = vetoed + excluded.vetoed,
        avoided_nanos = avoided_nanos + excluded.avoided_nanos, unpriced_hits = unpriced_hits + excluded.unpriced_hits
"""
READ_USES: Final = (
    "SELECT tenant, namespace, model, exact, semantic, misses, vetoed, avoided_nanos, unpriced_hits FROM uses"
)
READ_LABELS: Final = (
    "SELECT tenant, namespace, model, count(*), sum(size), count(fingerprint), coalesce(sum(expires_us <= ?), 0) "
    "FROM entries GROUP BY tenant, namespace, model"
)
READ_FINGERPRINTS: Final = "SELECT fingerprint, count(*) FROM vectors GROUP BY fingerprint"
UNEMBEDDED: Final = (
    "SELECT id, text FROM entries WHERE text IS NOT NULL AND fingerprint IS NOT ? AND id > ? ORDER BY id LIMIT ?"
)
VECTOR_OF: Final = "SELECT change, length(vector) FROM vectors WHERE entry_id = ?"
VECTOR_WHERE: Final = "SELECT vector FROM vectors WHERE entry_id = ? AND partition = ? AND fingerprint = ?"
PARTITION_OF: Final = "SELECT partition FROM entries WHERE id = ?"
TELL_REPLACED: Final = "INSERT INTO removed VALUES (?, ?, ?)"
DELETE_VECTOR: Final = "DELETE FROM vectors WHERE entry_id = ?"
MARK_EMBEDDED: Final = "UPDATE entries SET fingerprint = ?, size = size + ? WHERE id = ?"

READ_NOTE: Final = "SELECT value FROM notes WHERE key = ?"
WRITE_NOTE: Final = "INSERT INTO notes VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"

DOOM_IDS: Final = "INSERT OR IGNORE INTO doomed VALUES (?)"
DOOM_EXPIRED: Final = "INSERT INTO doomed SELECT id FROM entries WHERE expires_us <= ?"
DOOM_LABELLED: Final = (
    "INSERT INTO doomed SELECT id FROM entries WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR namespace = ?2)"
)
DELETE_USES: Final = "DELETE FROM uses WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR namespace = ?2)"
OLDEST: Final = "SELECT id, size FROM entries ORDER BY last_used_us, id"
