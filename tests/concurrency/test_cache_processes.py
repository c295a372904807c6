"""Threads and processes share one cache file, and some of them are killed: nothing is lost, mixed up or damaged."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from langchain_costguard.semantic_cache.index import LocalIndex
from langchain_costguard.semantic_cache.vectors import from_bytes
from langchain_costguard.stores.cache_sqlite import SQLiteCacheStore
from tests.concurrency.cache_worker import EMBEDDER, TENANTS, entry_of, partition_of

WORKER = Path(__file__).with_name("cache_worker.py")
ROOT = WORKER.parents[2]
PROCESSES = 4
SECONDS = 600.0 if os.environ.get("LONG") else 30.0


@pytest.mark.long
@pytest.mark.required
@pytest.mark.timeout(SECONDS + 120)
def test_four_processes_of_eight_threads_share_one_file(tmp_path: Path) -> None:
    """No error, no lost entry, no wrong tenant: a cache is shared by all workers of a server."""
    path = tmp_path / "cache.db"
    workers = [_start("use", path, number, SECONDS) for number in range(PROCESSES)]
    kept = 0
    for worker in workers:
        output, errors = _finish(worker)
        assert worker.returncode == 0, errors
        kept += int(output.split()[-1])
    assert kept > 100
    store = SQLiteCacheStore(path)
    shared = sum(_has(store, tenant, f"shared {number}") for tenant in range(TENANTS) for number in range(20))
    assert store.size().entries == kept + shared
    assert list(tmp_path.glob("*.damaged-*")) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM vectors").fetchone() == (kept + shared,)
        counted = connection.execute("SELECT count(*), sum(size) FROM entries").fetchone()
    assert tuple(store.size()) == counted


@pytest.mark.required
def test_processes_killed_while_writing_leave_every_entry_they_had_stored(tmp_path: Path) -> None:
    """A killed process must cost nothing that was stored, and must not stop the others."""
    path = tmp_path / "cache.db"
    stored: list[str] = []
    for delay in (0.3, 0.45, 0.6):
        workers = [_start("put_for_ever", path, number, 0) for number in range(2)]
        time.sleep(delay)  # killed at another moment each time
        for worker in workers:
            worker.kill()
        for worker in workers:
            output = worker.communicate(timeout=30)[0].decode()
            stored += output.rpartition("\n")[0].splitlines()
    assert len(stored) > 50
    store = SQLiteCacheStore(path)
    index = LocalIndex(store)
    for question in stored:
        assert _has(store, 0, question)
    for question in stored[::20]:
        near = index.nearest(partition_of(0), EMBEDDER, from_bytes(entry_of(0, question).vector or b""), now_us=0)
        assert near[0].similarity == pytest.approx(1.0, abs=1e-5)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert store.put([entry_of(0, "after them")])


def _has(store: SQLiteCacheStore, tenant: int, question: str) -> bool:
    found = store.get_exact(partition_of(tenant), entry_of(tenant, question).exact, now_us=0)
    assert found is None or found.answer == entry_of(tenant, question).answer
    return found is not None


def _start(job: str, path: Path, number: int, seconds: float) -> subprocess.Popen[bytes]:
    """A worker that has begun."""
    worker = subprocess.Popen(
        [sys.executable, str(WORKER), job, str(path), str(number), str(seconds)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"ready\n"
    worker.stdin.write(b"go\n")
    worker.stdin.flush()
    return worker


def _finish(worker: subprocess.Popen[bytes]) -> tuple[str, str]:
    output, errors = worker.communicate(timeout=SECONDS + 60)
    return output.decode(), errors.decode()
