"""The tests that every store of cached answers must pass, yours as well."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its figures are its content

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.semantic_cache.index import index_for
from langchain_costguard.semantic_cache.vectors import from_bytes
from langchain_costguard.stores.cache_base import CacheLimits, CacheSize, CacheTotals, CacheUse
from langchain_costguard.stores.cache_uses import CacheUses
from langchain_costguard.testing.cache_entries import (
    EMBEDDER,
    HOUR_US,
    NOW_US,
    OTHER_PARTITION,
    PARTITION,
    make_entry,
    unit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.stores.cache_base import CacheStore

__all__ = ["CacheStoreSuite"]


class CacheStoreSuite:
    """Subclass it, return your store from a fixture, and pytest runs every rule a store of cached answers must keep.

    The store is also a `VectorFeed`, whose vectors this package searches, or a `VectorSearch`, which searches itself.

    Example:
        ```python
        import pytest
        from langchain_costguard.testing import CacheStoreSuite


        class TestMyStore(CacheStoreSuite):
            @pytest.fixture
            def cache_store(self):
                store = MyStore()
                yield store
                store.close()
        ```
    """

    @pytest.fixture
    def cache_store(self) -> Iterator[CacheStore]:
        """An empty store, fresh for each test."""
        msg = f"{type(self).__name__} needs a fixture `cache_store` that returns an empty store of cached answers"
        raise NotImplementedError(msg)

    def test_an_entry_is_found_by_its_digest_as_it_was_stored(self, cache_store: CacheStore) -> None:
        """An answer must come back byte for byte, with all that is told of it."""
        stored = make_entry(
            "why?", vector=unit(1, 2, 3), tenant="u1", answer=bytes(range(256)), avoided_nanos=7, text="w\x00hy? \ud800"
        )
        (number,) = cache_store.put([stored])
        found = cache_store.get_exact(PARTITION, stored.exact, now_us=NOW_US)
        assert found == stored._replace(id=number, vector=None, last_used_us=NOW_US)
        assert cache_store.entry(number, PARTITION, now_us=NOW_US) == found

    def test_an_entry_is_never_found_in_another_partition(self, cache_store: CacheStore) -> None:
        """A partition stands for model, tools and tenant: crossing it would serve somebody else's answer."""
        stored = make_entry("why?", vector=unit(1, 0, 0))
        (number,) = cache_store.put([stored])
        assert cache_store.get_exact(OTHER_PARTITION, stored.exact, now_us=NOW_US) is None
        assert cache_store.entry(number, OTHER_PARTITION, now_us=NOW_US) is None
        assert cache_store.vectors_of(OTHER_PARTITION, EMBEDDER, [number]) == {}
        query = from_bytes(unit(1, 0, 0))
        assert index_for(cache_store).nearest(OTHER_PARTITION, EMBEDDER, query, now_us=NOW_US) == []

    def test_the_same_question_in_two_partitions_is_two_entries(self, cache_store: CacheStore) -> None:
        """The same prompt under two models: neither answer may evict the other."""
        ours, theirs = make_entry("why?", answer=b"a"), make_entry("why?", answer=b"b", partition=OTHER_PARTITION)
        cache_store.put([ours])
        cache_store.put([theirs])
        for entry in (ours, theirs):
            found = cache_store.get_exact(entry.partition, entry.exact, now_us=NOW_US)
            assert found is not None
            assert found.answer == entry.answer

    def test_a_new_answer_replaces_the_old_one_and_its_vector(self, cache_store: CacheStore) -> None:
        """An old vector that led to a new answer, or stayed as a second entry, would be counted and served twice."""
        (old,) = cache_store.put([make_entry("why?", vector=unit(1, 0, 0))])
        (new,) = cache_store.put([make_entry("why?", vector=unit(0, 1, 0), answer=b"new")])
        assert old != new
        assert cache_store.size().entries == 1
        assert cache_store.entry(old, PARTITION, now_us=NOW_US) is None
        near = index_for(cache_store).nearest(PARTITION, EMBEDDER, from_bytes(unit(1, 0, 0)), now_us=NOW_US)
        assert [(candidate.entry_id, round(candidate.similarity, 3)) for candidate in near] == [(new, 0.0)]

    def test_of_entries_stored_at_once_the_last_of_each_question_stays(self, cache_store: CacheStore) -> None:
        """Warming up from a file with repeats must not fail, nor keep what was replaced."""
        numbers = cache_store.put(
            [make_entry("why?", answer=b"1"), make_entry("how?"), make_entry("why?", answer=b"2")]
        )
        found = cache_store.get_exact(PARTITION, make_entry("why?").exact, now_us=NOW_US)
        assert found is not None
        assert (found.answer, found.id) == (b"2", numbers[2])
        assert cache_store.size() == CacheSize(2, sum(entry.size_bytes for entry in (make_entry("how?"), found)))

    def test_an_entry_is_served_until_its_time_and_not_at_it(self, cache_store: CacheStore) -> None:
        """A life is absolute: being used does not make it longer."""
        stored = make_entry("why?", expires_us=NOW_US + HOUR_US)
        (number,) = cache_store.put([stored, make_entry("for ever?")])[:1]
        cache_store.note_uses([CacheUse("exact", NOW_US + HOUR_US - 1, number)])
        assert cache_store.get_exact(PARTITION, stored.exact, now_us=NOW_US + HOUR_US - 1) is not None
        assert cache_store.get_exact(PARTITION, stored.exact, now_us=NOW_US + HOUR_US) is None
        assert cache_store.entry(number, PARTITION, now_us=NOW_US + HOUR_US) is None
        assert cache_store.purge(now_us=NOW_US + HOUR_US) == 1
        assert cache_store.size().entries == 1

    def test_eviction_takes_what_was_used_least_recently(self, cache_store: CacheStore) -> None:
        """An old answer that is asked for all the time is worth more than a new one nobody asks for again."""
        entries = [make_entry(f"question {number}", created_us=NOW_US + number) for number in range(20)]
        numbers = cache_store.put(entries)
        cache_store.note_uses([CacheUse("exact", NOW_US + 100, numbers[0])])
        assert cache_store.evict(CacheLimits(max_entries=10)) == 10
        left = [entry for entry in entries if cache_store.get_exact(PARTITION, entry.exact, now_us=NOW_US)]
        assert left == [entries[0], *entries[11:]]

    def test_eviction_by_bytes_brings_the_store_below_its_limit(self, cache_store: CacheStore) -> None:
        """Long answers fill a disk long before a count does."""
        cache_store.put([make_entry(f"question {number}", answer=b"x" * 10_000) for number in range(20)])
        cache_store.evict(CacheLimits(max_bytes=100_000))
        assert 80_000 < cache_store.size().bytes <= 100_000

    def test_within_limits_nothing_is_evicted(self, cache_store: CacheStore) -> None:
        """Exactly full is not too full."""
        cache_store.put([make_entry(f"question {number}") for number in range(10)])
        assert cache_store.evict(CacheLimits(max_entries=10)) == 0
        assert cache_store.evict(CacheLimits()) == 0

    def test_clearing_a_tenant_leaves_the_others(self, cache_store: CacheStore) -> None:
        """A user who asks to be forgotten takes no other user's answers along."""
        cache_store.put([make_entry(f"{who} asks", tenant=who, vector=unit(1, 0, 0)) for who in ("u1", "u2")])
        cache_store.note_uses([CacheUse("miss", NOW_US, tenant=who) for who in ("u1", "u2")])
        assert cache_store.clear(tenant="u1") == 1
        assert [(row.tenant, row.entries, row.misses) for row in cache_store.totals(now_us=NOW_US)] == [
            ("u2", 0, 1),
            ("u2", 1, 0),
        ]
        assert len(index_for(cache_store).nearest(PARTITION, EMBEDDER, from_bytes(unit(1, 0, 0)), now_us=NOW_US)) == 1

    def test_clearing_a_namespace_and_then_all(self, cache_store: CacheStore) -> None:
        """Two caches in one store are emptied apart or together."""
        cache_store.put(
            [make_entry("a"), make_entry("b", namespace="docs"), make_entry("c", namespace="docs", tenant="u")]
        )
        assert cache_store.clear(namespace="docs", tenant="u") == 1
        assert cache_store.clear(namespace="docs") == 1
        assert cache_store.clear() == 1
        assert cache_store.size() == CacheSize(0, 0)

    def test_deleting_an_entry_that_is_gone_is_no_error(self, cache_store: CacheStore) -> None:
        """Two processes may drop the same damaged entry."""
        (number,) = cache_store.put([make_entry("why?")])
        assert cache_store.delete([number]) == 1
        assert cache_store.delete([number]) == 0

    def test_totals_tell_entries_uses_and_what_they_saved(self, cache_store: CacheStore) -> None:
        """What a cache saves is its reason to be; hits of unknown price are counted apart, never as zero."""
        one = make_entry("one", vector=unit(1, 0, 0), avoided_nanos=5_000)
        gone = make_entry("gone", expires_us=NOW_US - 1)
        numbers = cache_store.put([one, gone])
        use = partial(CacheUse, namespace="shop", model="gpt-5-mini")
        cache_store.note_uses([use("exact", NOW_US, numbers[0], avoided_nanos=5_000)])
        cache_store.note_uses(
            [
                use("semantic", NOW_US, numbers[0], avoided_nanos=5_000),
                use("semantic", NOW_US, numbers[1]),
                use("vetoed", NOW_US, numbers[0]),
                use("miss", NOW_US),
            ]
        )
        assert cache_store.totals(now_us=NOW_US) == [
            CacheTotals(
                None, "shop", "gpt-5-mini", entries=2, bytes=one.size_bytes + gone.size_bytes, with_vector=1, expired=1,
                exact=1, semantic=2, misses=1, vetoed=1, avoided_nanos=10_000, unpriced_hits=1,
            )
        ]  # fmt: skip
        used = cache_store.entry(numbers[0], PARTITION, now_us=NOW_US)
        assert used is not None
        assert used.hits == 2

    def test_near_entries_come_nearest_first_with_their_cosine(self, cache_store: CacheStore) -> None:
        """One unit everywhere: larger is closer, and what points away counts as 0 and not as a negative number."""
        vectors = {"near": unit(3, 4, 0), "far": unit(0, 1, 0), "away": unit(-1, 0, 0)}
        near, far, away = cache_store.put([make_entry(name, vector=vector) for name, vector in vectors.items()])
        found = index_for(cache_store).nearest(PARTITION, EMBEDDER, from_bytes(unit(1, 0, 0)), k=3, now_us=NOW_US)
        assert [item.entry_id for item in found] == [near, far, away]
        assert [item.similarity for item in found] == pytest.approx([0.6, 0.0, 0.0], abs=1e-6)

    def test_vectors_of_another_embedder_are_not_compared(self, cache_store: CacheStore) -> None:
        """Vectors of two models have nothing to do with one another, even where their sizes agree."""
        stored = make_entry("why?", vector=unit(1, 0, 0), fingerprint="old/3/00")
        cache_store.put([stored])
        index = index_for(cache_store)
        assert index.nearest(PARTITION, EMBEDDER, from_bytes(unit(1, 0, 0)), now_us=NOW_US) == []
        assert cache_store.get_exact(PARTITION, stored.exact, now_us=NOW_US) is not None
        assert cache_store.fingerprints() == {"old/3/00": 1}

    def test_texts_without_a_vector_of_an_embedder_are_told_and_given_one(self, cache_store: CacheStore) -> None:
        """After a change of the embedder, entries are found by their meaning again once they were embedded anew."""
        entries = [
            make_entry("old", vector=unit(1, 0, 0), fingerprint="old/3/00"),
            make_entry("bare"),
            make_entry("kept", vector=unit(0, 1, 0)),
            make_entry("silent", text=None),
        ]
        old, bare, kept, _ = (cache_store.put([entry])[0] for entry in entries)
        index = index_for(cache_store)
        query = from_bytes(unit(1, 0, 0))
        assert [item.entry_id for item in index.nearest(PARTITION, EMBEDDER, query, now_us=NOW_US)] == [kept]
        first = cache_store.unembedded(EMBEDDER, limit=1)
        rest = cache_store.unembedded(EMBEDDER, after_id=first[0].entry_id)
        assert [(item.entry_id, item.text) for item in (*first, *rest)] == [(old, "old"), (bare, "bare")]
        before = cache_store.size().bytes
        changed = cache_store.set_vectors(
            EMBEDDER, [(old, unit(1, 0, 0)), (bare, unit(1, 1, 0)), (10**9, unit(1, 0, 0))]
        )
        assert changed == 2
        assert cache_store.size().bytes == before + len(unit(1, 1, 0))
        assert [item.entry_id for item in index.nearest(PARTITION, EMBEDDER, query, now_us=NOW_US)] == [old, bare, kept]
        assert index.nearest(PARTITION, "old/3/00", query, now_us=NOW_US) == []
        assert cache_store.unembedded(EMBEDDER) == []

    def test_a_note_is_kept_until_it_is_written_anew(self, cache_store: CacheStore) -> None:
        """A calibrated threshold must be there for the next process."""
        assert cache_store.note("threshold") is None
        assert cache_store.note("threshold", b"0.9") == b"0.9"
        cache_store.note("threshold", b"\x00\xff")
        assert cache_store.note("threshold") == b"\x00\xff"

    def test_storing_and_noting_nothing_is_no_error(self, cache_store: CacheStore) -> None:
        """A batch may be empty."""
        assert cache_store.put([]) == []
        cache_store.note_uses([])
        assert cache_store.delete([]) == 0

    def test_a_store_goes_on_after_it_was_closed(self, cache_store: CacheStore) -> None:
        """Closing frees what is held; the cache may still be LangChain's global one."""
        stored = make_entry("why?")
        cache_store.put([stored])
        cache_store.close()
        assert cache_store.get_exact(PARTITION, stored.exact, now_us=NOW_US) is not None

    def test_uses_that_wait_are_noted_when_asked_for(self, cache_store: CacheStore) -> None:
        """Statistics must not lag behind what `stats()` is asked for."""
        uses = CacheUses(cache_store)
        for _ in range(3):
            uses.add(CacheUse("miss", NOW_US))
        uses.flush()
        assert [row.misses for row in cache_store.totals(now_us=NOW_US)] == [3]
