"""What a cache file keeps to besides: permissions, damage, other programs' files, forks, and where it is by default."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.exceptions import StoreError, StoreVersionError
from langchain_costguard.semantic_cache.index import LocalIndex
from langchain_costguard.semantic_cache.vectors import from_bytes
from langchain_costguard.stores import cache_opening
from langchain_costguard.stores.cache_opening import default_cache_location, open_cache_store
from langchain_costguard.stores.cache_sqlite import SQLiteCacheStore
from langchain_costguard.testing.cache_entries import EMBEDDER, NOW_US, PARTITION, make_entry, unit

if TYPE_CHECKING:
    from pathlib import Path

QUERY = from_bytes(unit(1, 0, 0))


def test_only_the_user_may_read_the_file(tmp_path: Path) -> None:
    """It holds answers; other users of the machine must not read them."""
    path = tmp_path / "new" / "cache.db"
    SQLiteCacheStore(path).put([make_entry("why?")])
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_entries_outlive_the_process_that_stored_them(tmp_path: Path) -> None:
    """That is what a file is for."""
    SQLiteCacheStore(tmp_path / "cache.db").put([make_entry("why?")])
    found = SQLiteCacheStore(tmp_path / "cache.db").get_exact(PARTITION, make_entry("why?").exact, now_us=NOW_US)
    assert found is not None


@pytest.mark.parametrize("column", ["answer", "text", "exact", "partition"])
def test_a_changed_row_is_dropped_and_not_served(tmp_path: Path, column: str, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged answer, or one put under another question by hand, must not reach anybody."""
    store = SQLiteCacheStore(tmp_path / "cache.db")
    (number,) = store.put([make_entry("why?", vector=unit(1, 0, 0))])
    _execute(tmp_path / "cache.db", f"UPDATE entries SET {column} = X'00'")  # noqa: S608 - a column of the test's own
    assert store.entry(number, b"\x00" if column == "partition" else PARTITION, now_us=NOW_US) is None
    assert store.size().entries == 0
    assert "damaged" in caplog.text


def test_a_damaged_vector_is_no_candidate(tmp_path: Path) -> None:
    """A vector that is not of length 1, not a number or of another size could be near to anything."""
    store = SQLiteCacheStore(tmp_path / "cache.db")
    numbers = store.put([make_entry(f"{n}", vector=unit(1, n, 0)) for n in range(4)])
    broken = [b"\xff" * 12, b"\x00" * 12, b"short"]
    for number, vector in zip(numbers, broken, strict=False):
        _execute(tmp_path / "cache.db", "UPDATE vectors SET vector = ? WHERE entry_id = ?", vector, number)
    found = LocalIndex(store).nearest(PARTITION, EMBEDDER, QUERY, now_us=NOW_US)
    assert [item.entry_id for item in found] == [numbers[3]]


def test_a_damaged_file_is_moved_aside_when_it_is_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broken cache must not break the program; what is left of it is kept for whoever wants to look."""
    path = tmp_path / "cache.db"
    path.write_bytes(b"no database at all " * 1000)
    store = SQLiteCacheStore(path)
    assert store.put([make_entry("why?")])
    assert "is damaged and was moved to" in caplog.text
    (aside,) = tmp_path.glob("cache.db.damaged-*")
    assert aside.read_bytes().startswith(b"no database")


def test_a_file_that_is_damaged_while_in_use_is_moved_aside(tmp_path: Path) -> None:
    """A disk may fail at any time; the cache begins anew, and the index does not serve what was in the old file."""
    path = tmp_path / "cache.db"
    store = SQLiteCacheStore(path)
    store.put([make_entry(f"question {n}", vector=unit(1, n, 0), answer=b"x" * 5000) for n in range(200)])
    index = LocalIndex(store)
    assert index.nearest(PARTITION, EMBEDDER, QUERY, now_us=NOW_US)
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with path.open("rb") as file:
        assert file.read(6) == b"SQLite"
    for n in range(200):
        assert store.get_exact(PARTITION, make_entry(f"question {n}").exact, now_us=NOW_US) is None
    assert list(tmp_path.glob("cache.db.damaged-*"))
    (number,) = store.put([make_entry("new", vector=unit(1, 1, 0))])
    assert [item.entry_id for item in index.nearest(PARTITION, EMBEDDER, QUERY, now_us=NOW_US)] == [number]


def test_a_deleted_file_begins_anew_and_the_index_forgets(tmp_path: Path) -> None:
    """Deleting the file is how people empty a cache."""
    path = tmp_path / "cache.db"
    store = SQLiteCacheStore(path)
    index = LocalIndex(store)
    store.put([make_entry(f"{n}", vector=unit(1, n, 0)) for n in range(3)])
    assert len(index.nearest(PARTITION, EMBEDDER, QUERY, now_us=NOW_US)) == 3
    for file in tmp_path.iterdir():
        file.unlink()
    assert index.nearest(PARTITION, EMBEDDER, QUERY, now_us=NOW_US) == []
    assert store.size().entries == 0


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A typing error in a path must not put tables into somebody's database, nor move it away."""
    path = tmp_path / "orders.db"
    _execute(path, "CREATE TABLE orders (id)")
    with pytest.raises(StoreError, match="no cache"):
        SQLiteCacheStore(path)
    assert [file.name for file in tmp_path.iterdir() if not file.name.endswith(("-wal", "-shm"))] == ["orders.db"]


@pytest.mark.parametrize(("version", "hint"), [(99, "pip install --upgrade"), (0, "delete the file")])
def test_another_releases_file_is_refused_with_the_way_out(tmp_path: Path, version: int, hint: str) -> None:
    """Guessing at a layout would serve wrong answers."""
    SQLiteCacheStore(tmp_path / "cache.db").close()
    _execute(tmp_path / "cache.db", f"PRAGMA user_version={version}")
    with pytest.raises(StoreVersionError, match=hint) as caught:
        SQLiteCacheStore(tmp_path / "cache.db")
    assert caught.value.found == str(version)


def test_a_folder_and_a_place_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    """What is wrong must be known when the cache is made, with the argument that mends it."""
    with pytest.raises(StoreError, match="store="):
        SQLiteCacheStore(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="COSTGUARD_CACHE"):
        SQLiteCacheStore(tmp_path / "file" / "cache.db")


def test_after_a_write_that_waited_in_vain_others_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stuck process must not cost every call of all others its wait."""
    path = tmp_path / "cache.db"
    store = SQLiteCacheStore(path, timeout_seconds=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="was locked by another process for more than"):
            store.put([make_entry("why?")])
        with pytest.raises(StoreError, match="not written for some seconds"):
            store.put([make_entry("why?")])
        other.execute("ROLLBACK")
    assert store.clear() == 0  # what a user asks for is tried
    monkeypatch.setattr("langchain_costguard.stores.cache_file.time.monotonic", lambda: 1e12)
    assert store.put([make_entry("why?")])


def test_a_file_that_stays_locked_is_an_error_and_no_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call waits for its cache a while at most; then it is a miss."""
    monkeypatch.setattr("langchain_costguard.stores.cache_file._REST_SECONDS", 0.0)
    path = tmp_path / "cache.db"
    store = SQLiteCacheStore(path, timeout_seconds=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.put([make_entry("why?")])
        assert store.size().entries == 0
        other.execute("ROLLBACK")
    assert store.put([make_entry("why?")])


def test_removals_that_are_no_longer_remembered_load_the_index_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that slept through a large clearing must not serve what is gone."""
    monkeypatch.setattr("langchain_costguard.stores.cache_schema.REMOVALS_KEPT", 3)
    store = SQLiteCacheStore(tmp_path / "cache.db")
    numbers = store.put([make_entry(f"{n}", vector=unit(1, n, 0)) for n in range(10)])
    index = LocalIndex(store)
    assert len(index.nearest(PARTITION, EMBEDDER, QUERY, k=20, now_us=NOW_US)) == 10
    for number in numbers[:6]:
        store.delete([number])
    found = index.nearest(PARTITION, EMBEDDER, QUERY, k=20, now_us=NOW_US)
    assert [item.entry_id for item in found] == numbers[6:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_reads_and_writes_and_so_does_its_parent(tmp_path: Path) -> None:
    """Servers fork their workers after the cache was opened; a shared connection would damage the file."""
    store = SQLiteCacheStore(tmp_path / "cache.db")
    index = LocalIndex(store)
    store.put([make_entry("before", vector=unit(1, 0, 0))])
    index.nearest(PARTITION, EMBEDDER, QUERY, now_us=NOW_US)
    child = os.fork()
    if child == 0:
        store.put([make_entry("of the child", vector=unit(1, 1, 0))])
        os._exit(len(index.nearest(PARTITION, EMBEDDER, QUERY, now_us=NOW_US)))
    store.put([make_entry("of the parent", vector=unit(1, 2, 0))])
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {2, 3}
    assert len(index.nearest(PARTITION, EMBEDDER, QUERY, now_us=NOW_US)) == 3


def test_the_default_file_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody should have to look for the file that holds their answers."""
    monkeypatch.delenv("COSTGUARD_CACHE", raising=False)
    assert default_cache_location().endswith("cache.db")
    monkeypatch.setenv("COSTGUARD_CACHE", str(tmp_path / "cache.db"))
    monkeypatch.setattr(cache_opening, "_announced", set())
    with caplog.at_level(logging.INFO, "langchain_costguard"):
        first, second = open_cache_store(), open_cache_store()
    assert first.location == second.location == str(tmp_path / "cache.db")
    assert caplog.text.count("Cached answers are kept in") == 1


def test_a_store_is_opened_by_path_url_or_name_and_given_back_as_it_is(tmp_path: Path) -> None:
    """One argument says where, in the words the ledger knows."""
    assert open_cache_store("memory").location == "memory"
    for spec in (tmp_path / "a.db", str(tmp_path / "a.db"), f"sqlite:///{tmp_path}/a.db"):
        assert open_cache_store(spec).location == str(tmp_path / "a.db")
    store = open_cache_store("memory")
    assert open_cache_store(store) is store
    with pytest.raises(StoreError, match="store"):
        open_cache_store("mysql://host/database")


def _execute(path: Path, sql: str, *cells: object) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql, cells)
        connection.commit()
