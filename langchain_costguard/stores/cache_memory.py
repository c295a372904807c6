"""Cache entries in the memory of one process."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING

from langchain_costguard.stores.cache_base import (
    CacheSize,
    CacheStore,
    StoredVector,
    UnembeddedText,
    VectorChanges,
    VectorFeed,
    is_entry_alive,
)
from langchain_costguard.stores.cache_rows import count_to_evict, join_totals, lowered, served_entries, sum_uses
from langchain_costguard.stores.cache_schema import REMOVALS_KEPT
from langchain_costguard.stores.forks import watch_forks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from langchain_costguard.stores.cache_base import CacheEntry, CacheLimits, CacheTotals, CacheUse
    from langchain_costguard.stores.cache_rows import Label


class InMemoryCacheStore(CacheStore, VectorFeed):
    """A cache that ends with its process; for tests and notebooks. A forked child goes on with a copy."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = RLock()
        self._entries: dict[int, CacheEntry] = {}
        """By number; the least recently used comes first."""
        self._numbers: dict[tuple[bytes, bytes], int] = {}
        self._vectors: dict[tuple[bytes, str], dict[int, StoredVector]] = {}
        """By partition and embedder, then by entry."""
        self._removed: dict[bytes, list[tuple[int, int]]] = {}
        """By partition: the change that removed a vector, and the one that had written it."""
        self._uses: dict[Label, list[int]] = {}
        self._notes: dict[str, bytes] = {}
        self._removed_count: int = 0
        self._forgotten: int = 0
        """Removals up to this change are no longer remembered."""
        self._change: int = 0
        self._bytes: int = 0
        watch_forks(self)

    @property
    def location(self) -> str:
        """`"memory"`."""
        return "memory"

    @property
    def is_durable(self) -> bool:
        """False."""
        return False

    @property
    def is_remote(self) -> bool:
        """False."""
        return False

    def get_exact(self, partition: bytes, exact: bytes, *, now_us: int) -> CacheEntry | None:
        """The entry of a question, by its digest."""
        with self._lock:
            number = self._numbers.get((partition, exact))
            return None if number is None else self.entry(number, partition, now_us=now_us)

    def entry(self, entry_id: int, partition: bytes, *, now_us: int) -> CacheEntry | None:
        """An entry by its number."""
        with self._lock:
            found = self._entries.get(entry_id)
        if found is None or found.partition != partition or not is_entry_alive(found.expires_us, now_us):
            return None
        return found._replace(vector=None)

    def put(self, entries: Sequence[CacheEntry]) -> list[int]:
        """Store entries."""
        with self._lock:
            return [self._put(entry) for entry in entries]

    def note_uses(self, uses: Sequence[CacheUse]) -> None:
        """Count lookups."""
        with self._lock:
            for label, row in sum_uses(uses).items():
                before = self._uses.get(label, [0] * len(row))
                self._uses[label] = [old + new for old, new in zip(before, row, strict=True)]
            for number, (hits, at) in served_entries(uses).items():
                found = self._entries.pop(number, None)
                if found is not None:
                    used = found._replace(hits=found.hits + hits, last_used_us=max(found.last_used_us, at))
                    self._entries[number] = used

    def delete(self, entry_ids: Sequence[int]) -> int:
        """Delete entries."""
        with self._lock:
            return sum(self._remove(number) for number in entry_ids)

    def clear(self, *, tenant: str | None = None, namespace: str | None = None) -> int:
        """Delete all entries, or a tenant's or namespace's."""

        def is_meant(its_tenant: str | None, its_namespace: str) -> bool:
            return tenant in {None, its_tenant} and namespace in {None, its_namespace}

        with self._lock:
            for label in [label for label in self._uses if is_meant(label[0], label[1])]:
                del self._uses[label]
            entries = self._entries.items()
            return self.delete([number for number, entry in entries if is_meant(entry.tenant, entry.namespace)])

    def evict(self, limits: CacheLimits) -> int:
        """Delete the entries that were used least recently."""
        with self._lock:
            held = self.size()
            if _count(self._entries.values(), held, limits.max_entries, limits.max_bytes) == 0:
                return 0
            lower = lowered(limits.max_entries), lowered(limits.max_bytes)
            return self.delete(list(islice(self._entries, _count(self._entries.values(), held, *lower))))

    def purge(self, *, now_us: int) -> int:
        """Delete the entries that have expired."""
        with self._lock:
            entries = self._entries.items()
            return self.delete([number for number, entry in entries if not is_entry_alive(entry.expires_us, now_us)])

    def size(self) -> CacheSize:
        """How much there is."""
        with self._lock:
            return CacheSize(len(self._entries), self._bytes)

    def totals(self, *, now_us: int) -> list[CacheTotals]:
        """Entries and uses by tenant, namespace and model."""
        held: dict[Label, list[int]] = {}
        with self._lock:
            for entry in self._entries.values():
                row = held.setdefault((entry.tenant, entry.namespace, entry.model), [0] * 4)
                row[0] += 1
                row[1] += entry.size_bytes
                row[2] += entry.vector is not None
                row[3] += not is_entry_alive(entry.expires_us, now_us)
            used = [(*label, *row) for label, row in self._uses.items()]
        return join_totals([(*label, *row) for label, row in held.items()], used)

    def fingerprints(self) -> dict[str, int]:
        """The embedders whose vectors are there."""
        counts: dict[str, int] = {}
        with self._lock:
            for (_, fingerprint), vectors in self._vectors.items():
                counts[fingerprint] = counts.get(fingerprint, 0) + len(vectors)
        return {fingerprint: count for fingerprint, count in counts.items() if count}

    def unembedded(self, fingerprint: str, *, after_id: int = 0, limit: int = 256) -> list[UnembeddedText]:
        """Texts that have no vector of one embedder."""
        with self._lock:
            texts = [
                UnembeddedText(number, entry.text)
                for number, entry in self._entries.items()
                if entry.text is not None and number > after_id and entry.fingerprint != fingerprint
            ]
        return sorted(texts)[:limit]

    def vectors_of(self, partition: bytes, fingerprint: str, entry_ids: Sequence[int]) -> dict[int, bytes]:
        """The vectors of entries, by number."""
        with self._lock:
            held = self._vectors.get((partition, fingerprint), {})
            return {number: held[number].vector for number in entry_ids if number in held}

    def set_vectors(self, fingerprint: str, vectors: Sequence[tuple[int, bytes]]) -> int:
        """Give entries a vector in place of the one they have."""
        with self._lock:
            known = [(number, vector) for number, vector in vectors if number in self._entries]
            for number, vector in known:
                self._take_vector(self._entries[number])
                before = self._entries[number]
                after = before._replace(fingerprint=fingerprint, vector=vector)
                self._entries[number] = after
                self._bytes += after.size_bytes - before.size_bytes
                self._give_vector(after)
            return len(known)

    def note(self, key: str, value: bytes | None = None) -> bytes | None:
        """Keep or read a small fact about the cache."""
        with self._lock:
            if value is not None:
                self._notes[key] = value
            return self._notes.get(key)

    def change(self) -> int:
        """The number of the newest change."""
        return self._change

    @contextmanager
    def vectors(self, partition: bytes, fingerprint: str, *, since: int) -> Iterator[VectorChanges]:
        """What has happened to the vectors of a partition."""
        with self._lock:
            is_whole = since == 0 or since < self._forgotten
            held = self._vectors.get((partition, fingerprint), {})
            added = sorted(vector for vector in held.values() if is_whole or vector.change > since)
            removed = [vector for change, vector in self._removed.get(partition, ()) if change > since]
            changes = VectorChanges(self._change, is_whole, len(added), iter([added] if added else []), removed)
        yield changes

    def close(self) -> None:
        """Nothing is to be let go of; entries stay."""

    def before_fork(self) -> None:
        """Wait for what is under way."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Let threads go on."""
        self._lock.release()

    def _put(self, entry: CacheEntry) -> int:
        replaced = self._numbers.get((entry.partition, entry.exact))
        if replaced is not None:
            self._remove(replaced)
        self._change += 1
        fingerprint = None if entry.vector is None else entry.fingerprint
        stored = entry._replace(id=self._change, hits=0, last_used_us=entry.created_us, fingerprint=fingerprint)
        self._entries[stored.id] = stored
        self._numbers[stored.partition, stored.exact] = stored.id
        self._bytes += stored.size_bytes
        self._give_vector(stored)
        return stored.id

    def _remove(self, number: int) -> int:
        found = self._entries.pop(number, None)
        if found is None:
            return 0
        self._change += 1
        del self._numbers[found.partition, found.exact]
        self._bytes -= found.size_bytes
        self._take_vector(found)
        return 1

    def _give_vector(self, entry: CacheEntry) -> None:
        if entry.vector is not None and entry.fingerprint is not None:
            self._change += 1
            known = self._vectors.setdefault((entry.partition, entry.fingerprint), {})
            known[entry.id] = StoredVector(self._change, entry.id, entry.vector)

    def _take_vector(self, entry: CacheEntry) -> None:
        if entry.vector is not None and entry.fingerprint is not None:
            self._change += 1
            known = self._vectors[entry.partition, entry.fingerprint]
            gone = known.pop(entry.id)
            if not known:
                del self._vectors[entry.partition, entry.fingerprint]
            self._removed.setdefault(entry.partition, []).append((self._change, gone.change))
            self._removed_count += 1
            if self._removed_count > REMOVALS_KEPT:
                self._removed.clear()
                self._removed_count, self._forgotten = 0, self._change


def _count(entries: Iterable[CacheEntry], held: CacheSize, max_entries: int | None, max_bytes: int | None) -> int:
    sizes = (entry.size_bytes for entry in entries)
    return count_to_evict(sizes, entries=held.entries, held_bytes=held.bytes, limits=(max_entries, max_bytes))
