"""Many processes keep one ledger, and some of them die: no line is lost, doubled or damaged."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores import SQLStore
from langchain_costguard.stores.migrations import HEAD
from langchain_costguard.testing.stores import MORNING
from tests.concurrency.workers import end, finish, go, start, wait_for
from tests.migrations.old_ledger import ROW, make_old_database, make_old_file

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKER = Path(__file__).with_name("ledger_worker.py")
PLACES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.required)]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new SQLite file, or a new PostgreSQL database where a test asks for one."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return str(tmp_path / "costs.db")
    return str(request.getfixturevalue("postgresql_url"))


@pytest.mark.required
@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_four_processes_lose_no_line(place: str) -> None:
    """Workers of a web server write one ledger; the bill must be the sum of all of them."""
    finish([start(WORKER, "write", place, 2000) for _ in range(4)])
    with SQLStore(place) as store:
        (total,) = store.totals()
        assert (total.calls, total.open_calls) == (8000, 0)
        assert total.billed_cost == 4 * sum(Decimal(number) for number in range(2000)) / 10**9
        assert [row.calls for row in store.totals(by=["tag"])] == [2000] * 4
        assert len({line.run_id for line in store.entries()}) == 8000


@pytest.mark.required
@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_pruning_and_erasing_among_writers_lose_and_double_no_line(place: str) -> None:
    """A nightly job prunes while the service writes and another job prunes, too; no line may slip between them."""
    written, the_day_after = LedgerQuery(until=MORNING + timedelta(days=1)), MORNING + timedelta(days=1)
    workers = [start(WORKER, "write", place, 1000) for _ in range(2)]
    workers += [start(WORKER, "prune", place, 40) for _ in range(2)]
    workers.append(start(WORKER, "erase", place, 10))
    seen: list[int] = []
    with SQLStore(place, timeout_seconds=30) as store, ThreadPoolExecutor(1) as pool:
        done = pool.submit(finish, workers)
        while not done.done():
            seen.append(store.totals(written)[0].calls)
        done.result()
        assert seen == sorted(seen)
        store.prune(the_day_after)
        assert list(store.entries()) == []
        (total,) = store.totals()
        assert (total.calls, total.open_calls) == (2000, 0)
        assert total.billed_cost == 2 * sum(Decimal(number) for number in range(1000)) / 10**9


@pytest.mark.required
@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_a_killed_process_loses_at_most_the_line_it_was_writing(place: str, tmp_path: Path) -> None:
    """`kill -9` asks nobody: what was written stays, and the call that was open is known."""
    draw = random.Random()
    for turn in range(4):
        said = tmp_path / f"said-{turn}"
        with said.open("wb") as output:
            worker = start(WORKER, "write_for_ever", place, stdout=output)
            wait_for(said, lines=1)
            go(worker)
            wait_for(said, lines=3)
            time.sleep(draw.random() * 0.1)  # a random moment
            worker.kill()
            end(worker)
        _check_after_kill(place, said.read_text(encoding="ascii").splitlines())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_a_forked_child_and_its_parent_write_on(place: str) -> None:
    """Servers open the ledger and fork their workers; SQLite's locks and sockets do not survive that."""
    finish([start(WORKER, "fork", place, 50)])
    with SQLStore(place) as store:
        assert store.totals()[0].calls == 1 + 5 * 50
        assert store.totals()[0].open_calls == 0
        assert len(store.totals(by=["tag"])) == 4


@pytest.mark.required
@pytest.mark.parametrize("kind", PLACES)
def test_eight_processes_open_an_old_ledger_together(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """After an update all workers start at once, and each of them finds an old schema."""
    if kind == "sqlite":
        place = str(make_old_file(tmp_path / "old.db", ROW))
    else:
        place = make_old_database(request.getfixturevalue("postgresql_url"), ROW)
    keys = finish([start(WORKER, "show_key", place) for _ in range(8)])
    with SQLStore(place, migrate="never") as store:
        assert {store.digest_key.hex()} == set(keys)
        assert store.totals()[0].billed_cost == Decimal("0.00021")


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_eight_processes_open_a_new_ledger_together(place: str) -> None:
    """They must agree on one digest key, or equal prompts would look different."""
    keys = finish([start(WORKER, "show_key", place) for _ in range(8)])
    assert len(keys) == 8
    assert len(set(keys)) == 1
    if not place.startswith("postgresql"):
        with closing(sqlite3.connect(place)) as connection:
            assert connection.execute("SELECT version_num FROM costguard_schema_version").fetchall() == [(HEAD,)]


def _check_after_kill(place: str, said: Sequence[str]) -> None:
    with SQLStore(place) as store:
        lines = {line.run_id: line for line in store.entries()}
        for word, run_id in (sentence.split() for sentence in said if sentence.count("-") == 4 and len(sentence) == 41):
            assert lines[UUID(run_id)].status == "ok" or word == "open"
        unfinished = [line for line in lines.values() if line.status == "open"]
        assert len(unfinished) <= 1
        assert store.orphans() == unfinished
        for line in unfinished:
            line.status = "lost"
            assert store.append(line) is True
        assert store.orphans() == []
    if not place.startswith("postgresql"):
        with closing(sqlite3.connect(place)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
