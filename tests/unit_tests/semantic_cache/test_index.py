"""The vectors in memory: what is found, what is forgotten, and what threads see meanwhile."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from langchain_costguard.semantic_cache.index import LocalIndex, StoreIndex, index_for
from langchain_costguard.semantic_cache.partitions import FLAT_UP_TO, PartitionVectors
from langchain_costguard.semantic_cache.vectors import from_bytes, normalised, similarity_of, to_bytes
from langchain_costguard.stores.cache_base import NearEntry, StoredVector, VectorSearch
from langchain_costguard.stores.cache_memory import InMemoryCacheStore
from langchain_costguard.testing.cache_entries import (
    EMBEDDER,
    NOW_US,
    OTHER_PARTITION,
    PARTITION,
    make_entry,
    unit,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIMS = 100


def directions(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors of length 1 that have, like embeddings, a direction in common."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMS)) + 1.0
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def stored(vectors: NDArray[np.float32], first: int = 1) -> list[StoredVector]:
    """Vectors as a store tells them; the entry's number is the change's and 10,000,000."""
    return [StoredVector(n, 10_000_000 + n, to_bytes(vector)) for n, vector in enumerate(vectors, first)]


@pytest.mark.parametrize("count", [1, 64, FLAT_UP_TO, 3 * FLAT_UP_TO])
def test_the_nearest_of_few_and_of_many_is_what_comparing_all_finds(count: int) -> None:
    """The bits are a short cut: a paraphrase that is there must be found through them, too."""
    vectors = directions(count)
    partition = PartitionVectors(DIMS)
    for start in range(0, count, 700):
        partition.add(stored(vectors[start : start + 700], start + 1))
    noise = np.random.default_rng(1).standard_normal((50, DIMS)) * 0.03
    for target, shift in zip(np.random.default_rng(2).integers(count, size=50), noise, strict=True):
        query = normalised(vectors[target] + shift)
        assert query is not None
        near = partition.nearest(query, 5)
        cosines = vectors @ query
        assert near[0].entry_id == 10_000_001 + int(np.argmax(cosines))
        assert near[0].similarity == pytest.approx(float(cosines.max()), abs=1e-5)
        assert len(near) == min(5, count)
        assert [item.similarity for item in near] == sorted((item.similarity for item in near), reverse=True)


def test_removed_rows_are_not_found_before_or_after_tidying() -> None:
    """A deleted answer may not come back because of where its row is."""
    vectors = directions(3 * FLAT_UP_TO)
    partition = PartitionVectors(DIMS)
    partition.add(stored(vectors))
    for share in (10, 3, 2):  # a few rows are blanked; many make the arrays be tidied
        gone = [n for n in range(1, len(vectors) + 1) if n % share == 0]
        partition.remove(gone)
        for n in gone[:20]:
            assert 10_000_000 + n not in {item.entry_id for item in partition.nearest(vectors[n - 1], 5)}
    left = [n for n in range(1, len(vectors) + 1) if all(n % share for share in (10, 3, 2))]
    assert len(partition) == len(left)
    for n in left[:50]:
        assert partition.nearest(vectors[n - 1], 1)[0].entry_id == 10_000_000 + n
    partition.add(stored(directions(5, seed=9), 50_000))
    assert partition.nearest(directions(5, seed=9)[3], 1)[0].entry_id == 10_050_003


def test_adding_twice_and_removing_what_is_not_there_change_nothing() -> None:
    """What a store tells twice, after a reading that was cut off, is one vector."""
    vectors = directions(3)
    partition = PartitionVectors(DIMS)
    partition.add(stored(vectors))
    partition.add(stored(vectors))
    partition.remove([77])
    assert len(partition) == 3


def test_a_search_while_others_add_finds_whole_rows_only() -> None:
    """Threads search without a lock; a half-written row would be a wrong answer."""
    vectors = directions(4 * FLAT_UP_TO)
    partition = PartitionVectors(DIMS)
    partition.add(stored(vectors[:10]))
    wrong: list[object] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            near = partition.nearest(vectors[3], 3)
            if near[0].entry_id != 10_000_004 or abs(near[0].similarity - 1) > 1e-4:
                wrong.append(near)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(10, len(vectors), 50):
        partition.add(stored(vectors[start : start + 50], start + 1))
        partition.remove([start - 3])
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_partitions_that_were_searched_least_recently_are_forgotten_and_read_again() -> None:
    """Memory is bounded however many tenants there are, and what is forgotten is still found."""
    store = InMemoryCacheStore()
    partitions = [bytes([number]) * 32 for number in range(20)]
    for partition in partitions:
        store.put([make_entry("why?", partition=partition, vector=unit(1, 0, 0))])
    index = LocalIndex(store, memory_bytes=10_000)
    query = from_bytes(unit(1, 0, 0))
    for partition in partitions:
        assert len(index.nearest(partition, EMBEDDER, query, now_us=NOW_US)) == 1
    assert index.memory_bytes <= 10_000
    assert not index.is_ready(partitions[0], EMBEDDER)
    assert index.is_ready(partitions[-1], EMBEDDER)
    assert len(index.nearest(partitions[0], EMBEDDER, query, now_us=NOW_US)) == 1


def test_a_change_in_one_partition_leaves_the_others_as_they_are() -> None:
    """Each partition is brought up to date by itself, and none misses what happened while it was not asked."""
    store = InMemoryCacheStore()
    index = LocalIndex(store)
    query = from_bytes(unit(1, 0, 0))
    for round_ in range(3):
        for partition in (PARTITION, OTHER_PARTITION):
            store.put([make_entry(f"{round_}", partition=partition, vector=unit(1, round_, 0))])
            assert len(index.nearest(partition, EMBEDDER, query, now_us=NOW_US)) == round_ + 1


def test_a_query_of_another_size_finds_nothing() -> None:
    """Vectors of two sizes under one fingerprint cannot be compared; that is a miss and no error."""
    store = InMemoryCacheStore()
    store.put([make_entry("why?", vector=unit(1, 0, 0))])
    assert LocalIndex(store).nearest(PARTITION, EMBEDDER, from_bytes(unit(1, 0)), now_us=NOW_US) == []


def test_an_index_begins_anew_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fork a lock may be held by a thread that is not there; nothing of it may be waited for."""
    store = InMemoryCacheStore()
    store.put([make_entry("why?", vector=unit(1, 0, 0))])
    index = LocalIndex(store)
    query = from_bytes(unit(1, 0, 0))
    index.nearest(PARTITION, EMBEDDER, query, now_us=NOW_US)
    index._lock.acquire()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert len(index.nearest(PARTITION, EMBEDDER, query, now_us=NOW_US)) == 1


def test_what_a_store_calls_nearest_is_compared_again() -> None:
    """A store's own order and distances are not believed."""

    class Inverted(VectorSearch):
        def nearest(self, *_: object, **__: object) -> list[NearEntry]:
            return [NearEntry(1, unit(0, 1, 0)), NearEntry(2, unit(1, 0, 0))]

    found = StoreIndex(Inverted()).nearest(PARTITION, EMBEDDER, from_bytes(unit(1, 0, 0)), now_us=NOW_US)
    assert [(item.entry_id, item.similarity) for item in found] == [(2, pytest.approx(1.0)), (1, 0.0)]


def test_a_store_that_knows_no_vectors_is_refused_with_what_it_needs() -> None:
    """Somebody's own store must say how its vectors are found."""
    with pytest.raises(TypeError, match="VectorFeed"):
        index_for(object())  # type: ignore[arg-type]  # wrong on purpose


def test_embeddings_without_a_direction_are_no_vectors() -> None:
    """A vector of zeros, or with a hole in it, would be equally near to everything."""
    for embedding in ([0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], []):
        assert normalised(embedding) is None
    assert normalised([3.0, 4.0]) == pytest.approx([0.6, 0.8])


def test_similarity_is_between_zero_and_one_whatever_is_stored() -> None:
    """One unit, in [0, 1], also for vectors that point away, are too short or damaged."""
    query = from_bytes(unit(1, 0))
    assert similarity_of(unit(-1, 0), query) == 0.0
    assert similarity_of(unit(1, 0), query) == 1.0
    assert similarity_of(unit(1, 0, 0), query) == 0.0
    assert similarity_of(b"\xff" * 8, query) == 0.0


def test_a_store_in_memory_does_not_remember_removals_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that evicts for months may not grow; an index that slept through it is loaded anew."""
    monkeypatch.setattr("langchain_costguard.stores.cache_memory.REMOVALS_KEPT", 3)
    store = InMemoryCacheStore()
    numbers = store.put([make_entry(f"{n}", vector=unit(1, n, 0)) for n in range(10)])
    index = LocalIndex(store)
    query = from_bytes(unit(1, 0, 0))
    assert len(index.nearest(PARTITION, EMBEDDER, query, k=20, now_us=NOW_US)) == 10
    store.delete(numbers[:6])
    assert sum(map(len, store._removed.values())) <= 3
    found = index.nearest(PARTITION, EMBEDDER, query, k=20, now_us=NOW_US)
    assert [item.entry_id for item in found] == numbers[6:]
    store.clear()
    assert store._vectors == {}
