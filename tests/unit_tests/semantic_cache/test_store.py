"""What every cache store keeps to, in memory, in a file and in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.semantic_cache.index import index_for
from langchain_costguard.semantic_cache.vectors import from_bytes
from langchain_costguard.stores.cache_opening import open_cache_store
from langchain_costguard.testing import CacheStoreSuite
from langchain_costguard.testing.cache_entries import EMBEDDER, NOW_US, PARTITION, make_entry, unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.stores.cache_base import CacheStore


class TestEveryCacheStore(CacheStoreSuite):
    """The public suite, on each kind of store."""

    @pytest.fixture
    def cache_store(self, cache_place: str) -> Iterator[CacheStore]:
        """A new, empty cache store of each kind."""
        store = open_cache_store(cache_place)
        yield store
        store.close()


def test_another_store_at_the_same_place_sees_what_this_one_does(cache_place: str) -> None:
    """Processes share one cache: what one stores or deletes, the next search of another knows."""
    if cache_place == "memory":
        pytest.skip("memory is of one process")
    ours, theirs = open_cache_store(cache_place), open_cache_store(cache_place)
    index = index_for(theirs)
    query = from_bytes(unit(1, 0, 0))
    assert index.nearest(PARTITION, EMBEDDER, query, now_us=NOW_US) == []
    first, second = ours.put([make_entry(f"{n}", vector=unit(1, n, 0)) for n in range(2)])
    assert [item.entry_id for item in index.nearest(PARTITION, EMBEDDER, query, now_us=NOW_US)] == [first, second]
    ours.delete([first])
    assert [item.entry_id for item in index.nearest(PARTITION, EMBEDDER, query, now_us=NOW_US)] == [second]
    ours.clear()
    assert index.nearest(PARTITION, EMBEDDER, query, now_us=NOW_US) == []
    ours.close()
    theirs.close()
