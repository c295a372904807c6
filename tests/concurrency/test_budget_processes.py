"""Many processes spend from one budget, and some of them die: it is never overspent and nothing stays held.

`LONG=1` kills 30 processes instead of 6.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from langchain_costguard.stores import SQLStore
from langchain_costguard.testing.claims import admit, held, make_claim, settlement
from tests.concurrency.workers import end, finish, go, start, wait_for

KILLS = 30 if os.environ.get("LONG") == "1" else 6
WORKER = Path(__file__).with_name("budget_worker.py")
PLACES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.required)]
_HELD = (
    "SELECT c.counter, c.reserved, COALESCE(SUM(r.amount), 0) FROM counters c LEFT JOIN reservations r "
    "ON r.counter = c.counter AND r.slot_us = c.slot_us AND r.state = 'open' GROUP BY c.counter, c.slot_us, c.reserved"
)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new SQLite file, and a new PostgreSQL database."""
    if request.param == "sqlite":
        return str(tmp_path / "costs.db")
    return str(request.getfixturevalue("postgresql_url"))


@pytest.mark.required
def test_thirty_two_contenders_spend_a_dollar_exactly(place: str) -> None:
    """640 attempts of one cent on one dollar by four processes of eight threads: 100 run, not 99 and not 101."""
    assert sum(int(said) for said in finish([start(WORKER, "race", place, 20) for _ in range(4)])) == 100
    with SQLStore(place) as store:
        assert held(store) == (1_000_000_000, 0)
        assert store.counters()[0].refused == 540


@pytest.mark.required
def test_processes_that_cross_thresholds_together_tell_each_once(place: str) -> None:
    """Four workers of a web server see half the budget spent; one mail is sent."""
    assert sum(int(said) for said in finish([start(WORKER, "cross", place, 100) for _ in range(4)])) == 4
    with SQLStore(place) as store:
        assert store.counters()[0].crossed_ppm == (250_000, 500_000, 750_000, 1_000_000)


@pytest.mark.required
def test_kill_leaves_no_step_half_done(place: str, tmp_path: Path) -> None:
    """`kill -9` asks nobody: what is held is what open reservations say, and once expired nothing is held."""
    draw = random.Random()
    for turn in range(KILLS):
        said = tmp_path / f"said-{turn}"
        with said.open("wb") as output:
            worker = start(WORKER, "spend_for_ever", place, stdout=output)
            wait_for(said, lines=1)
            go(worker)
            wait_for(said, lines=2)
            time.sleep(draw.random() * 0.05)  # a random moment
            worker.kill()
            end(worker)
        with SQLStore(place) as store:
            _check_held(store)
            store.expire()
            assert [state.reserved for state in store.counters()] == [0, 0]
            assert {state.counter: state.unsettled > 0 for state in store.counters()} == {"a": True, "b": False}
            rest = admit(store, make_claim(10**15 - held(store, "a")[0], "a", limit=10**15))
            store.settle(settlement(rest, 0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_children_spend_on(place: str) -> None:
    """Servers open the store and fork their workers."""
    assert finish([start(WORKER, "fork", place, 20)]) == ["forked"]
    with SQLStore(place) as store:
        assert (held(store, "a"), held(store, "b")) == ((60, 0), (120, 0))


def _check_held(store: SQLStore) -> None:
    for counter, reserved, held_by_rows in store._connections._ready_writer().execute(_HELD).fetchall():
        assert (counter, reserved) == (counter, int(held_by_rows))
