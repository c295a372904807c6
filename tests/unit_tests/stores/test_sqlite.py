"""A SQLite ledger in trouble says what to do, loses nothing it took, and works again afterwards."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.exceptions import StoreError
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores import SQLStore, open_store
from langchain_costguard.testing.stores import MORNING, make_entry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger is kept."""
    return tmp_path / "costs.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLStore]:
    """A ledger with one line that waits for nobody long."""
    with SQLStore(path, timeout_seconds=0.1) as store:
        store.append(make_entry())
        yield store


def test_a_locked_ledger_refuses_in_time_and_works_again(store: SQLStore, path: Path) -> None:
    """A backup tool that holds the file must not hang the user's chain."""
    line = make_entry()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"locked by another process.*timeout_seconds=") as caught:
            store.append(line)
        with pytest.raises(StoreError):
            store.open_call(make_entry(status="open"))
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert store.append(line) is True
    assert store.totals()[0].calls == 2


def test_a_ledger_that_is_locked_when_it_is_opened_is_refused_in_time(path: Path) -> None:
    """The same at the start of a program, where the file is no ledger yet."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"locked by another process for more than 0\.1 seconds"):
            SQLStore(path, timeout_seconds=0.1)
    SQLStore(path).close()


def test_a_full_disk_is_said_and_no_line_that_was_taken_is_lost(store: SQLStore) -> None:
    """The recorder keeps what was refused; what was taken must be there."""
    writer = store._connections._writer
    assert writer is not None
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count={pages + 3}")
    lines = [make_entry(at=MORNING + timedelta(seconds=second), chain="x" * 3000) for second in range(10)]
    with pytest.raises(StoreError, match=r"no room left.*free space"):
        list(map(store.append, lines))
    taken = [line for line in store.entries() if line in lines]
    assert 0 < len(taken) < 10
    assert taken == lines[: len(taken)]
    assert store.append(lines[len(taken)]) is True


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(path: Path) -> None:
    """A wrong path must not cost the user that file."""
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StoreError, match=r"damaged or is no SQLite file.*move it away"):
        SQLStore(path)
    assert path.read_bytes() == b"Dear diary, " * 1000


def test_a_damaged_ledger_is_said_to_be_damaged(path: Path) -> None:
    """Bad sectors happen; a report over them must not be a wrong report."""
    with SQLStore(path) as store:
        for _ in range(300):
            store.append(make_entry(chain="x" * 200))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 3))
    with pytest.raises(StoreError, match="is damaged"), SQLStore(path) as store:
        list(store.entries())


def test_a_folder_is_not_a_ledger(tmp_path: Path) -> None:
    """`store="."` is an easy mistake."""
    with pytest.raises(StoreError, match=r"is a folder: give the path of a file in it, such as store=.*costs\.db"):
        SQLStore(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root may write to")
def test_a_folder_that_cannot_be_written_is_said_to_be_so() -> None:
    """Containers mount their disks read-only."""
    with pytest.raises(StoreError, match=r"cannot be written.*COSTGUARD_STORE"):
        SQLStore("/proc/costs.db")


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    """The folder of the ledger is somebody's file."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written.*store="):
        SQLStore(tmp_path / "file" / "costs.db")


def test_a_changed_table_is_said_to_be_changed(store: SQLStore, path: Path) -> None:
    """Somebody tidied up by hand."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE ledger")
    with pytest.raises(StoreError, match="not laid out as a ledger"):
        store.totals()
    with pytest.raises(StoreError, match="not laid out as a ledger"):
        store.append(make_entry())


def test_only_the_user_can_read_a_new_ledger(path: Path) -> None:
    """Names of users and sessions are nobody else's business."""
    path = path.parent / "new" / "costs.db"
    with SQLStore(path) as store:
        store.append(make_entry())
        if sys.platform != "win32":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE(path.with_name("costs.db-wal").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not delete files that are open")
def test_a_ledger_deleted_under_a_running_program_begins_anew(store: SQLStore, path: Path) -> None:
    """Otherwise lines would go into a file that nobody can open, without a word."""
    for file in path.parent.iterdir():
        file.unlink()
    assert store.append(make_entry()) is True
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM ledger").fetchone() == (1,)
    assert store.totals()[0].calls == 1


def test_reading_does_not_give_up_the_locks_of_writing(store: SQLStore, path: Path) -> None:
    """POSIX drops all locks of a process when it closes any descriptor of the file; lines were lost that way."""
    store.totals()
    store.close()
    store.append(make_entry())
    with closing(SQLStore(path)):
        pass
    code = f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('PRAGMA journal_mode=DELETE')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "database is locked" in done.stderr


def test_a_child_of_an_unannounced_fork_opens_its_own_connections(store: SQLStore) -> None:
    """Programs written in C fork without telling Python; the process number still tells."""
    connections = store._connections
    inherited = connections._writer
    connections._pid = -1
    assert store.append(make_entry()) is True
    assert connections._writer is not inherited
    assert connections._pid == os.getpid()
    assert store.totals()[0].calls == 2


def test_nothing_of_an_erased_user_is_left_in_any_file(store: SQLStore, path: Path) -> None:
    """A deleted row is still in the file and in its log, for anybody with an editor, unless somebody sees to it."""
    _write_before_secure_delete(store)
    assert b"forget-me" in _bytes(path)
    assert store.erase("forget-me") == 300
    assert b"forget-me" not in _bytes(path)
    assert b"remember-me" in _bytes(path)
    assert store.totals()[0].calls == 301


def test_nothing_of_a_user_is_left_in_any_file_after_pruning_and_closing(store: SQLStore, path: Path) -> None:
    """What is pruned is overwritten; the log is emptied when the last process lets go of the ledger."""
    for _ in range(300):
        line = make_entry(user="forget-me", status="open", metadata={"note": "x" * 100})
        store.open_call(line)
        store.append(replace(line, status="ok", metadata={"user": "forget-me", "note": "y" * 200}))
    assert store.prune(MORNING + timedelta(days=2)) == 301
    store.close()
    assert b"forget-me" not in _bytes(path)
    assert store.totals()[0].calls == 301


def test_an_erasure_that_a_reader_keeps_out_of_the_files_says_so(store: SQLStore, path: Path) -> None:
    """A promise that was kept by half must not look kept."""
    store.append(make_entry(user="forget-me"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM ledger").fetchone()
        with pytest.raises(StoreError, match=r"lines are deleted, but .* \(SQLITE_BUSY\): .*erase once more"):
            store.erase("forget-me")
        assert list(store.entries(LedgerQuery(user="forget-me"))) == []
        other.execute("COMMIT")
    assert store.erase("forget-me") == 0
    assert b"forget-me" not in _bytes(path)


def test_a_pruning_that_fails_changes_nothing(store: SQLStore, path: Path) -> None:
    """Sums without the deletion would count every line twice."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TRIGGER no BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(StoreError):
            store.prune(MORNING + timedelta(days=2))
        assert other.execute("SELECT count(*) FROM daily_totals").fetchone() == (0,)
    assert store.totals()[0].calls == 1


def test_what_is_left_of_an_erased_running_call_goes_with_its_day(store: SQLStore, path: Path) -> None:
    """A row that is no line must not stay for ever either."""
    store.open_call(make_entry(user="u1", status="open", session="s1", chain="Agent"))
    store.erase("u1")
    with closing(sqlite3.connect(path)) as other:
        other.row_factory = sqlite3.Row
        (row,) = other.execute("SELECT * FROM ledger WHERE status = 'erased'")
        assert {name: row[name] for name in row.keys() if row[name]}.keys() == {  # noqa: SIM118 - a row is no mapping
            "run_id",
            "started_at_us",
            "kind",
            "status",
        }
        assert store.prune(MORNING + timedelta(days=10)) == 1
        assert other.execute("SELECT count(*) FROM ledger").fetchone()[0] == 0


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
def test_durable_means_a_flush_for_each_line(path: Path, durable: bool, level: int) -> None:
    """Who needs every line after a power cut can have it."""
    with SQLStore(path, durable=durable) as store:
        assert store.append(make_entry()) is True
        writer = store._connections._writer
        assert writer is not None
        assert writer.execute("PRAGMA synchronous").fetchone() == (level,)
        assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_driver_never_sees_a_figure_it_cannot_hold(store: SQLStore) -> None:
    """What is cut is flagged on the line."""
    line = make_entry(billed_nano=10**17)
    store.append(line)
    (found,) = [entry for entry in store.entries() if entry.run_id == line.run_id]
    assert found.billed_nano == 10**16
    assert found.usage is not None
    assert found.usage.flags == ("a figure beyond 10000000000000000 was cut to it",)


def _write_before_secure_delete(store: SQLStore) -> None:
    """Lines that move about in the file, as a release or a SQLite that did not overwrite has left them."""
    writer = store._connections._writer
    assert writer is not None
    writer.execute("PRAGMA secure_delete=OFF")
    for number in range(600):
        user = "forget-me" if number % 2 else "remember-me"
        line = make_entry(user=user, status="open", metadata={"note": "x" * 100})
        store.open_call(line)
        store.append(replace(line, status="ok", metadata={"user": user, "note": "y" * (number % 300)}))


def _bytes(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_a_ledger_says_what_it_is(path: Path) -> None:
    """The recorder asks before it lets a write happen on an event loop."""
    store = open_store(path)
    assert (store.is_durable, store.may_block) == (True, True)
    assert store.location == str(path.resolve())
    assert repr(store) == f"SQLStore({str(path.resolve())!r})"
