"""What a cache store can do: keep answers by partition and exact digest, with the vectors of their questions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

UseKind = Literal["exact", "semantic", "miss", "vetoed"]
"""What a lookup ended in: a hit by the same words or by the same meaning, a miss, or a near entry a guard refused."""

USE_KINDS: Final[tuple[UseKind, ...]] = ("exact", "semantic", "miss", "vetoed")


class CacheEntry(NamedTuple):
    """An answer and what it may be found by.

    An entry is found by its `exact` digest, or by its vector among those of the same embedder, and in both cases only
    within its `partition`. There is one entry for each partition and digest.
    """

    partition: bytes
    """The digest of everything that must be the same: model, parameters, tools, earlier turns, tenant. The embedder is
    not part of it, so an entry is still found by its words when the embedder changes."""
    exact: bytes
    """The digest of the whole question."""
    answer: bytes
    """The answer, serialised; a store never reads it."""
    created_us: int
    """When it was stored, in microseconds since 1970-01-01 UTC."""
    expires_us: int | None = None
    """When it is no longer served, however often it is used; `None`: never."""
    tenant: str | None = None
    """Whose it is; `clear(tenant=)` deletes by it."""
    namespace: str = ""
    """The name the cache was given, for statistics and `clear(namespace=)`."""
    model: str | None = None
    """The model that answered, for statistics."""
    text: str | None = None
    """What was embedded, or can be once the embedder changes; `None`: found by its exact digest only."""
    fingerprint: str | None = None
    """The embedder that made `vector`; `None` without one."""
    vector: bytes | None = None
    """The embedding of `text`: float32, little-endian, of length 1; `None` without one and where it was not asked
    for."""
    avoided_nanos: int | None = None
    """What each hit saves: the cost of this answer in billionths of a US dollar; `None` when not known."""
    hits: int = 0
    """How often it was served, as far as uses have been noted."""
    last_used_us: int = 0
    """When it was last served, or stored if later."""
    id: int = 0
    """The store's number for it, never given twice; 0 until it is stored."""

    @property
    def size_bytes(self) -> int:
        """What it counts for in `CacheLimits.max_bytes`: its answer, text and vector, and a fixed part for the rest."""
        text = 0 if self.text is None else len(self.text.encode("utf-8", "surrogatepass"))
        vector = 0 if self.vector is None else len(self.vector)
        return ENTRY_OVERHEAD_BYTES + len(self.answer) + text + vector


ENTRY_OVERHEAD_BYTES: Final = 256
"""Digests, labels, times and index entries of one entry, roughly."""


class CacheUse(NamedTuple):
    """One lookup and what it ended in."""

    kind: UseKind
    at_us: int
    """When, in microseconds since 1970-01-01 UTC."""
    entry_id: int | None = None
    """The entry that was served, or that a guard refused."""
    tenant: str | None = None
    namespace: str = ""
    model: str | None = None
    avoided_nanos: int | None = None
    """What the hit saved, in billionths of a US dollar; `None` when not known, and for what is no hit."""


class CacheLimits(NamedTuple):
    """How much a store may hold; `None` is no limit."""

    max_entries: int | None = None
    max_bytes: int | None = None
    """The sum of `CacheEntry.size_bytes`."""


class CacheTotals(NamedTuple):
    """What a store holds, and what it was used for, of one tenant, namespace and model."""

    tenant: str | None
    namespace: str
    model: str | None
    entries: int = 0
    bytes: int = 0
    with_vector: int = 0
    """How many of the entries can be found by meaning."""
    expired: int = 0
    """How many of the entries are past their time and not yet purged."""
    exact: int = 0
    semantic: int = 0
    misses: int = 0
    vetoed: int = 0
    """Lookups by how they ended; hits of entries that are gone count as well."""
    avoided_nanos: int = 0
    """What the hits of known price saved, in billionths of a US dollar."""
    unpriced_hits: int = 0
    """Hits of which it is not known what they saved."""


class CacheSize(NamedTuple):
    """How much a store holds."""

    entries: int
    bytes: int


class StoredVector(NamedTuple):
    """The vector of one entry."""

    change: int
    """The number of the change that wrote it: never given twice, and larger than every earlier one."""
    entry_id: int
    vector: bytes
    """float32, little-endian, of length 1."""


class VectorChanges(NamedTuple):
    """What has happened to the vectors of a partition since a change."""

    change: int
    """The newest change that is told here; ask for what came after it next time."""
    is_whole: bool
    """Whether `added` is everything there is, so that what was known before is to be forgotten."""
    expected: int | None
    """How many are added in all; `None` where it is not counted because they are few."""
    added: Iterator[Sequence[StoredVector]]
    """The new ones in portions, in the order of their changes; to be read before the context is left."""
    removed: Sequence[int]
    """The `StoredVector.change` of those that are gone."""


class NearEntry(NamedTuple):
    """An entry near a vector, as a store found it."""

    entry_id: int
    vector: bytes


class UnembeddedText(NamedTuple):
    """A text that one embedder has not embedded."""

    entry_id: int
    text: str


class CacheStore(ABC):
    """Keeps cache entries; safe to use from many threads, and from many processes where it is shared.

    Methods that touch a file or a database raise `StoreError`. An entry that cannot be read, or was changed by
    anything but this package, is dropped and not served.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where entries are kept, for people to read; without user name and password."""

    @property
    @abstractmethod
    def is_durable(self) -> bool:
        """Whether entries outlive the process."""

    @property
    @abstractmethod
    def is_remote(self) -> bool:
        """Whether a lookup waits for a network, so that it must never be done on an event loop."""

    @abstractmethod
    def get_exact(self, partition: bytes, exact: bytes, *, now_us: int) -> CacheEntry | None:
        """The entry of a question, by its digest.

        Args:
            partition: where to look.
            exact: the question's digest.
            now_us: the time; entries that have expired by then are not found.

        Returns:
            The entry without its vector; `None` when there is none.
        """

    @abstractmethod
    def entry(self, entry_id: int, partition: bytes, *, now_us: int) -> CacheEntry | None:
        """An entry by its number.

        Args:
            entry_id: what a search for near vectors gave.
            partition: where it must be; an entry of any other partition is not given.
            now_us: the time; an entry that has expired by then is not given.

        Returns:
            The entry without its vector; `None` when it is gone.
        """

    @abstractmethod
    def put(self, entries: Sequence[CacheEntry]) -> list[int]:
        """Store entries in one step; an entry of the same partition and digest is replaced.

        `id`, `hits` and `last_used_us` of the given entries are not used: a stored entry begins unused.

        Returns:
            Their numbers, in the same order. Of entries that replace one another, only the last is there afterwards.
        """

    @abstractmethod
    def note_uses(self, uses: Sequence[CacheUse]) -> None:
        """Count lookups in one step, and move the served entries to the end of the queue for eviction.

        It writes, so it does not belong on the way of an answer: collect uses with `CacheUses` instead.
        """

    @abstractmethod
    def delete(self, entry_ids: Sequence[int]) -> int:
        """Delete entries.

        Returns:
            How many there were.
        """

    @abstractmethod
    def clear(self, *, tenant: str | None = None, namespace: str | None = None) -> int:
        """Delete all entries, or those of one tenant, one namespace or both; and the counts of their uses.

        Returns:
            How many entries there were.
        """

    @abstractmethod
    def evict(self, limits: CacheLimits) -> int:
        """Delete the entries that were used least recently until the rest is within limits, and a little below.

        Within limits it costs one small read, so it can follow each `put`.

        Returns:
            How many were deleted.
        """

    @abstractmethod
    def purge(self, *, now_us: int) -> int:
        """Delete the entries that have expired.

        Returns:
            How many there were.
        """

    @abstractmethod
    def size(self) -> CacheSize:
        """How much there is; cheap."""

    @abstractmethod
    def totals(self, *, now_us: int) -> list[CacheTotals]:
        """Entries and uses by tenant, namespace and model, in that order; it reads every entry's labels."""

    @abstractmethod
    def fingerprints(self) -> dict[str, int]:
        """The embedders whose vectors are there, and how many of each."""

    @abstractmethod
    def unembedded(self, fingerprint: str, *, after_id: int = 0, limit: int = 256) -> list[UnembeddedText]:
        """Texts that have no vector of one embedder, by their entry's number.

        Args:
            fingerprint: the embedder.
            after_id: the last number that was given before.
            limit: how many at most.
        """

    @abstractmethod
    def vectors_of(self, partition: bytes, fingerprint: str, entry_ids: Sequence[int]) -> dict[int, bytes]:
        """The vectors of entries, by number; those of another partition or embedder are left out.

        Args:
            partition: where the entries must be.
            fingerprint: who must have made the vectors.
            entry_ids: which entries, a few at a time.
        """

    @abstractmethod
    def set_vectors(self, fingerprint: str, vectors: Sequence[tuple[int, bytes]]) -> int:
        """Give entries a vector in place of the one they have; entries that are gone are left out.

        Args:
            fingerprint: the embedder that made them.
            vectors: each entry's number and its vector: float32, little-endian, of length 1.

        Returns:
            How many entries were changed.
        """

    @abstractmethod
    def note(self, key: str, value: bytes | None = None) -> bytes | None:
        """Keep or read a small fact about the cache, such as an embedder's calibrated threshold.

        Args:
            key: its name.
            value: what to keep; `None` only reads.

        Returns:
            What is kept now; `None` when nothing is.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections; the next use opens them again."""


class VectorFeed(ABC):
    """A store whose vectors can be followed, so that an index in each process sees what the others do."""

    @abstractmethod
    def change(self) -> int:
        """The number of the newest change to any partition; cheap, asked before every search."""

    @abstractmethod
    def vectors(self, partition: bytes, fingerprint: str, *, since: int) -> AbstractContextManager[VectorChanges]:
        """What has happened to the vectors of one embedder in a partition; others may write meanwhile.

        Args:
            partition: which partition.
            fingerprint: which embedder.
            since: the `VectorChanges.change` that was told last; 0 asks for all.

        Returns:
            A context to read the changes in.
        """


class VectorSearch(ABC):
    """A store that finds near vectors itself."""

    @abstractmethod
    def nearest(self, partition: bytes, fingerprint: str, vector: bytes, *, k: int, now_us: int) -> list[NearEntry]:
        """The entries whose vectors are nearest to one, nearest first.

        Args:
            partition: where to look.
            fingerprint: the embedder that made `vector`; only its vectors are compared.
            vector: float32, little-endian, of length 1.
            k: how many at most.
            now_us: the time; entries that have expired by then are not found.
        """


def is_entry_alive(expires_us: int | None, now_us: int) -> bool:
    """Whether an entry may still be served.

    Args:
        expires_us: when it ends, in microseconds since 1970-01-01 UTC; `None` for never.
        now_us: the time, in the same unit. An entry is not served at the moment it ends.
    """
    return expires_us is None or now_us < expires_us
