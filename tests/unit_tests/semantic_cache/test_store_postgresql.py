"""What a cache in PostgreSQL keeps to besides: its layout, its credentials, lost connections, forks."""

from __future__ import annotations

import os

import pytest

from langchain_costguard.exceptions import StoreError, StoreVersionError
from langchain_costguard.semantic_cache.index import StoreIndex, index_for
from langchain_costguard.semantic_cache.vectors import from_bytes
from langchain_costguard.stores.cache_base import CacheLimits
from langchain_costguard.stores.cache_opening import open_cache_store
from langchain_costguard.testing.cache_entries import EMBEDDER, NOW_US, PARTITION, make_entry, unit

pytestmark = pytest.mark.required


def test_another_releases_layout_is_refused(postgresql_url: str) -> None:
    """Guessing at a layout would serve wrong answers."""
    store = open_cache_store(postgresql_url)
    store.note("costguard.layout", b"99")
    with pytest.raises(StoreVersionError, match="another release") as caught:
        open_cache_store(postgresql_url)
    assert caught.value.found == "99"


def test_credentials_are_never_shown(postgresql_url: str) -> None:
    """Logs and reports show where a cache is; a password must not be among it."""
    store = open_cache_store(postgresql_url.replace("tester@", "tester:secret@"))
    assert "secret" not in f"{store.location} {store!r}"
    assert "secret" not in store.location
    assert isinstance(index_for(store), StoreIndex)


def test_a_server_that_hung_up_is_called_again(postgresql_url: str) -> None:
    """Servers restart and firewalls forget; the next lookup must work."""
    import psycopg

    store = open_cache_store(postgresql_url)
    stored = make_entry("why?")
    store.put([stored])
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    assert store.get_exact(PARTITION, stored.exact, now_us=NOW_US) is not None


def test_a_server_that_is_not_there_is_an_error_with_a_way_out() -> None:
    """What is wrong must be known when the cache is made."""
    with pytest.raises(StoreError, match="host and port"):
        open_cache_store("postgresql://tester@127.0.0.1:1/nothing")


def test_an_error_names_the_cache_and_not_the_ledger(postgresql_url: str) -> None:
    """Both may be on one server; whoever reads the log must look at the right tables."""
    import psycopg

    from langchain_costguard.stores.postgresql import SCHEMA

    store = open_cache_store(postgresql_url)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    with pytest.raises(StoreError, match="The tables of the cache in") as caught:
        store.size()
    assert "ledger" not in str(caught.value)


def test_pgvector_in_another_schema_is_found(postgresql_url: str) -> None:
    """Many servers have it in `public` or in a schema for extensions, where our search path does not lead."""
    import psycopg

    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "Our Extensions"')
        connection.execute('CREATE EXTENSION vector SCHEMA "Our Extensions"')
    store = open_cache_store(postgresql_url)
    (number,) = store.put([make_entry("why?", vector=unit(1, 0, 0))])
    found = index_for(store).nearest(PARTITION, EMBEDDER, from_bytes(unit(1, 0, 0)), now_us=NOW_US)
    assert [item.entry_id for item in found] == [number]


def test_expired_entries_do_not_hide_living_ones(postgresql_url: str) -> None:
    """The nearest five must be five that can be served."""
    store = open_cache_store(postgresql_url)
    store.put([make_entry(f"old {n}", vector=unit(1, 0, 0), expires_us=NOW_US) for n in range(5)])
    (number,) = store.put([make_entry("new", vector=unit(1, 1, 0))])
    found = index_for(store).nearest(PARTITION, EMBEDDER, from_bytes(unit(1, 0, 0)), k=1, now_us=NOW_US)
    assert [item.entry_id for item in found] == [number]


def test_counting_for_eviction_is_not_done_at_every_call(postgresql_url: str) -> None:
    """It reads every entry, so it may not follow each answer that is stored."""
    store = open_cache_store(postgresql_url)
    store.put([make_entry(f"{n}") for n in range(10)])
    assert store.evict(CacheLimits(max_entries=5)) == 5
    store.put([make_entry(f"{n}") for n in range(10, 20)])
    assert store.evict(CacheLimits(max_entries=5)) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_talk_over_its_parents_connection(postgresql_url: str) -> None:
    """Two processes on one connection get one another's answers."""
    store = open_cache_store(postgresql_url)
    store.put([make_entry("before")])
    child = os.fork()
    if child == 0:
        store.put([make_entry("of the child")])
        os._exit(store.size().entries)
    store.put([make_entry("of the parent")])
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {2, 3}
    assert store.size().entries == 3
