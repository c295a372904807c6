"""Where entries near a vector are found: in arrays of this process that follow the store, or by the store itself."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.stores.cache_base import CacheStore, VectorFeed, VectorSearch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from langchain_costguard.semantic_cache.partitions import PartitionVectors
    from langchain_costguard.stores.cache_base import CacheEntry

DEFAULT_MEMORY_BYTES: Final = 1 << 30
"""About 600,000 vectors of 384 dimensions."""


class Candidate(NamedTuple):
    """An entry near a question."""

    entry_id: int
    similarity: float
    """The cosine of the two vectors, in [0, 1], larger is closer; vectors at more than a right angle count as 0. It is
    computed here from the stored vector, whatever found the entry."""


class CandidateIndex(ABC):
    """Finds the entries whose vectors are near one, within a partition; safe to use from many threads."""

    @property
    @abstractmethod
    def is_remote(self) -> bool:
        """Whether a search waits for a network."""

    @abstractmethod
    def nearest(
        self, partition: bytes, fingerprint: str, vector: NDArray[np.float32], *, k: int = 5, now_us: int
    ) -> list[Candidate]:
        """The nearest entries, nearest first.

        An entry may be gone or expired when it is fetched: go on with the next one then.

        Args:
            partition: where to look.
            fingerprint: the embedder that made `vector`; only its vectors are compared.
            vector: `(dims,)`, of length 1.
            k: how many at most.
            now_us: the time.

        Raises:
            StoreError: the store cannot be read.
        """

    def is_ready(self, partition: bytes, fingerprint: str) -> bool:  # noqa: ARG002 - only some load a partition
        """Whether a search needs no long loading first, so that it may be done on an event loop."""
        return not self.is_remote

    def add(self, entries: Sequence[CacheEntry], entry_ids: Sequence[int]) -> None:  # noqa: B027 - most follow the store
        """Take what was put into the store; an index that follows the store has nothing to do."""

    def remove(self, entry_ids: Sequence[int]) -> None:  # noqa: B027 - most follow the store
        """Forget entries; an index that follows the store has nothing to do."""

    def forget(self) -> None:  # noqa: B027 - most hold nothing
        """Forget all that is held in memory; it is read again when it is needed."""


def index_for(store: CacheStore, *, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> CandidateIndex:
    """The index that fits a store.

    Args:
        store: whose vectors are searched.
        memory_bytes: how much memory the vectors of all partitions may take here, where they are searched here.

    Raises:
        TypeError: the store neither tells its vectors nor searches them.
    """
    if isinstance(store, VectorSearch):
        return StoreIndex(store)
    if isinstance(store, VectorFeed):
        return LocalIndex(store, memory_bytes=memory_bytes)
    msg = f"{store!r} can neither tell nor search its vectors: derive it from VectorFeed or VectorSearch"
    raise TypeError(msg)


class _Followed:
    """The vectors of a partition, and the change up to which they are known."""

    __slots__ = ("change", "lock", "vectors")

    def __init__(self, vectors: PartitionVectors) -> None:
        self.vectors = vectors
        self.change: int = 0
        self.lock = Lock()


class LocalIndex(CandidateIndex):
    """Searches arrays in this process, loaded when a partition is first asked and brought up to date at each search.

    What other processes store or delete is seen by the next search. Partitions that were searched least recently are
    forgotten when all together take too much memory; one that is too large by itself is kept all the same.

    Args:
        feed: the store.
        memory_bytes: how much memory the arrays may take.
    """

    def __init__(self, feed: VectorFeed, *, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> None:
        """Begin with nothing loaded."""
        self._feed = feed
        self._memory_bytes = memory_bytes
        self._begin()

    @property
    def is_remote(self) -> bool:
        """False."""
        return False

    @property
    def memory_bytes(self) -> int:
        """What the arrays take now."""
        with self._lock:
            return sum(followed.vectors.memory_bytes for followed in self._partitions.values())

    def is_ready(self, partition: bytes, fingerprint: str) -> bool:
        """Whether the partition is loaded; at most what has changed since is read then."""
        self._leave_parent()
        return (partition, fingerprint) in self._partitions

    def nearest(
        self,
        partition: bytes,
        fingerprint: str,
        vector: NDArray[np.float32],
        *,
        k: int = 5,
        now_us: int,  # noqa: ARG002 - an expired entry is found out when it is fetched
    ) -> list[Candidate]:
        """The nearest entries, nearest first."""
        followed = self._followed(partition, fingerprint, len(vector))
        newest = self._feed.change()
        if followed.change != newest:
            self._catch_up(followed, partition, fingerprint, newest)
        return [Candidate(*near) for near in followed.vectors.nearest(vector, k)]

    def forget(self) -> None:
        """Forget all partitions."""
        with self._lock:
            self._partitions.clear()

    def _begin(self) -> None:
        self._lock = Lock()
        self._pid = os.getpid()
        self._partitions: OrderedDict[tuple[bytes, str], _Followed] = OrderedDict()
        """The one searched least recently comes first."""

    def _leave_parent(self) -> None:
        """In a forked child begin anew: locks may have been held, and arrays half written, by threads it has not."""
        if self._pid != os.getpid():
            self._begin()

    def _followed(self, partition: bytes, fingerprint: str, dims: int) -> _Followed:
        self._leave_parent()
        key = (partition, fingerprint)
        with self._lock:
            found = self._partitions.get(key)
            if found is None or found.vectors.dims != dims:
                from langchain_costguard.semantic_cache.partitions import PartitionVectors

                found = self._partitions[key] = _Followed(PartitionVectors(dims))
            self._partitions.move_to_end(key)
        return found

    def _catch_up(self, followed: _Followed, partition: bytes, fingerprint: str, newest: int) -> None:
        """Read what has changed, unless another thread has done so by the time it is this one's turn."""
        with followed.lock:
            if followed.change == newest:
                return
            with self._feed.vectors(partition, fingerprint, since=followed.change) as changes:
                vectors = followed.vectors
                if changes.is_whole:
                    vectors = type(vectors)(vectors.dims)
                    vectors.reserve(changes.expected or 0)
                for portion in changes.added:
                    vectors.add(portion)
                vectors.remove(changes.removed)
            followed.vectors, followed.change = vectors, changes.change
        if changes.is_whole:
            self._make_room()

    def _make_room(self) -> None:
        with self._lock:
            held = {key: followed.vectors.memory_bytes for key, followed in self._partitions.items()}
            excess = sum(held.values()) - self._memory_bytes
            for key in list(held)[:-1]:
                if excess <= 0:
                    return
                del self._partitions[key]
                excess -= held[key]


class StoreIndex(CandidateIndex):
    """Lets the store search, and computes the similarity itself.

    Args:
        search: the store.
    """

    def __init__(self, search: VectorSearch) -> None:
        """Note the store."""
        self._search = search

    @property
    def is_remote(self) -> bool:
        """True."""
        return True

    def nearest(
        self, partition: bytes, fingerprint: str, vector: NDArray[np.float32], *, k: int = 5, now_us: int
    ) -> list[Candidate]:
        """The nearest entries, nearest first."""
        from langchain_costguard.semantic_cache.vectors import similarity_of

        found = self._search.nearest(partition, fingerprint, vector.astype("<f4").tobytes(), k=k, now_us=now_us)
        candidates = [Candidate(near.entry_id, similarity_of(near.vector, vector)) for near in found]
        return sorted(candidates, key=lambda candidate: -candidate.similarity)
