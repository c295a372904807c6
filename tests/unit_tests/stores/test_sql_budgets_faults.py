"""Budgets in a database in trouble refuse in time, change nothing, and work again afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from langchain_costguard.budgets.claims import BudgetChange, Charge, Settlement
from langchain_costguard.budgets.identity import escaped
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import SQLStore
from langchain_costguard.stores.budget_base import OutboxStore
from langchain_costguard.stores.outbox import from_text, to_text
from langchain_costguard.testing.claims import admit, ask, held, make_claim, make_reservation, settlement, state
from langchain_costguard.testing.stores import MORNING, make_entry
from tests.servers import new_database, postgresql_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KILL_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'langchain-costguard' AND datname = current_database()"
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.required)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new SQLite file, and a new PostgreSQL database."""
    if request.param == "sqlite":
        return str(tmp_path / "costs.db")
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def store(place: str) -> Iterator[SQLStore]:
    """Budgets that wait for nobody long."""
    with SQLStore(place, timeout_seconds=0.3) as store:
        yield store


def test_a_file_that_is_locked_refuses_in_time_and_nothing_is_held(tmp_path: Path) -> None:
    """A backup tool holds the file; a call must not wait for it, and must not be held for ever afterwards."""
    with SQLStore(tmp_path / "costs.db", timeout_seconds=0.3) as store:
        reservation = admit(store, make_claim(10))
        with closing(sqlite3.connect(tmp_path / "costs.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=r"locked by another process for more than 0\.005 seconds"):
                store.reserve(make_reservation(make_claim(1)), wait_seconds=0.005)
            with pytest.raises(StoreError, match=r"more than 0\.3 seconds.*timeout_seconds="):
                store.settle(settlement(reservation, 5))
            assert held(store) == (0, 10)
        assert store.settle(settlement(reservation, 5)).is_applied
        assert held(store) == (5, 0)


def test_a_counter_that_another_client_locks_refuses_in_time(postgresql_url: str) -> None:
    """Somebody's transaction was left open; a call must not wait for its end."""
    with SQLStore(postgresql_url, timeout_seconds=0.3) as store:
        admit(store, make_claim(10))
        with psycopg.connect(postgresql_url) as other:
            other.execute("SELECT * FROM costguard.counters FOR UPDATE")
            with pytest.raises(StoreError, match=r"more than 0\.05 seconds"):
                store.reserve(make_reservation(make_claim(1)), wait_seconds=0.05)
            with pytest.raises(StoreError, match=r"more than 0\.3 seconds"):
                store.charge([Charge(make_claim(1), 1)])
        assert held(store) == (0, 10)
        assert ask(store, make_claim(90)).is_admitted


def test_a_thread_that_holds_the_store_is_not_waited_for_long(store: SQLStore) -> None:
    """A hook on an event loop waits a second for this process's own threads and no more."""
    with (
        store._connections._writing,
        pytest.raises(StoreError, match=r"other threads for more than 1 s: .*timeout_seconds="),
    ):
        store.reserve(make_reservation(make_claim(1)), wait_seconds=0.005)
    assert held(store) == (0, 0)
    assert ask(store, make_claim(1)).is_admitted


@pytest.mark.required
def test_broken_connections_cost_no_step(postgresql_url: str) -> None:
    """Connections break at night; the next step finds a new one by itself."""
    with SQLStore(postgresql_url) as store:
        reservation = admit(store, make_claim(60))
        for step in (
            lambda: store.settle(settlement(reservation, 20)),
            lambda: store.reserve(make_reservation(make_claim(30))),
            lambda: store.charge([Charge(make_claim(1), 5)]),
            lambda: store.change(BudgetChange("usd/day", "set", 0, "ann", limit=200)),
            lambda: store.renew(1),
        ):
            with psycopg.connect(postgresql_url, autocommit=True) as other:
                other.execute(_KILL_CONNECTIONS)
            step()
        assert held(store) == (25, 30)
        assert len(store.changes()) == 1


@pytest.mark.required
def test_a_server_that_is_gone_refuses_and_keeps_what_it_had() -> None:
    """Nothing is admitted by a store that does not answer."""
    with postgresql_server() as url:
        store = SQLStore(new_database(url), timeout_seconds=1)
        reservation = admit(store, make_claim(60))
    for step in (lambda: ask(store, make_claim(1)), lambda: store.settle(settlement(reservation, 1)), store.expire):
        with pytest.raises(StoreError, match="check host and port"):
            step()
    assert store.now_us() > 0
    store.close()


def test_a_full_disk_changes_nothing_and_a_smaller_step_goes_on(tmp_path: Path) -> None:
    """Counter, reservation and opening note are one step: none of them is there alone."""
    with SQLStore(tmp_path / "costs.db") as store:
        admit(store, make_claim(1))
        writer = store._connections._writer
        assert writer is not None
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count={pages + 1}")
        opening = make_entry(status="open", usage=None, chain="x" * 60_000)
        with pytest.raises(StoreError, match="no room left"):
            store.reserve_opening(make_reservation(make_claim(10)), opening)
        assert held(store) == (0, 1)
        assert list(store.entries()) == []
        assert ask(store, make_claim(99)).is_admitted


def test_an_amount_that_no_database_can_count_is_refused_and_nothing_is_held(store: SQLStore) -> None:
    """SQLite would quietly go on with an inexact number."""
    huge = make_claim(2**62, refuses=False)
    admit(store, huge)
    with pytest.raises(StoreError, match="smaller amounts"):
        ask(store, huge)
    assert held(store) == (0, 2**62)


def test_the_time_can_be_given(place: str) -> None:
    """Tests of windows need tomorrow today."""
    with SQLStore(place, clock=lambda: 42) as store:
        assert store.now_us() == 42
        store.change(BudgetChange("usd/day", "freeze", 0, "ann"))
        assert store.changes()[0].at_us == 42


def test_a_lease_of_another_machine_holds_until_it_ends(place: str) -> None:
    """Nobody here can tell whether a process of another machine lives; its lease speaks for it."""
    now = [1_000_000]
    with SQLStore(place, clock=lambda: now[0]) as store:
        reservation = make_reservation(make_claim(60), lease_us=500)
        store.reserve(reservation)
        _move_to_another_machine(store)
        assert store.expire() == []
        assert not ask(store, make_claim(41)).is_admitted
        now[0] += 500
        assert not ask(store, make_claim(41)).is_admitted
        assert (held(store), state(store).unsettled) == ((60, 0), 60)
        assert store.settle(settlement(reservation, 10)).is_applied
        assert (held(store), state(store).unsettled) == ((10, 0), 0)


def test_a_renewed_lease_goes_on(place: str) -> None:
    """One heartbeat per process keeps every call of it alive."""
    now = [1_000_000]
    with SQLStore(place, clock=lambda: now[0]) as store:
        store.reserve(make_reservation(make_claim(60), lease_us=500))
        now[0] += 400
        assert store.renew(500) == 1
        _move_to_another_machine(store)
        now[0] += 400
        assert store.expire() == []
        assert held(store) == (0, 60)
        assert store.renew(500) == 0


def test_a_claim_that_its_settlement_does_not_name_keeps_what_was_told(store: SQLStore) -> None:
    """Its counter is given room without being looked at, and must not forget whom it has told what."""
    alerting = make_claim(50, "b", alerts_ppm=(500_000,))
    assert len(store.settle(settlement(admit(store, alerting), 50)).crossings) == 1
    reservation = admit(store, make_claim(10, "a"), alerting)
    store.settle(Settlement(reservation.id, (Charge(reservation.claims[0], 4),)))
    assert (held(store, "a"), held(store, "b")) == ((4, 0), (50, 0))
    assert state(store, "b").crossed_ppm == (500_000,)


def test_erasing_a_user_erases_the_counters_named_after_them(store: SQLStore) -> None:
    """A counter of its own carries the user's name; a budget of everybody carries nobody's."""
    for user in ("a|b", "a", "a%7Cb"):
        admit(store, make_claim(5, f"usd/day|user={escaped(user)}", budget="usd/day"))
        admit(store, make_claim(5, f"usd/run|user={escaped(user)}|run=7", budget="usd/run"))
    shared = admit(store, make_claim(5), make_claim(5, f"usd/week|user={escaped('a|b')}", budget="usd/week"))
    store.erase("a|b")
    left = {found.counter for found in store.counters()}
    assert left == {
        "usd/day",
        *(f"usd/{part}" for part in ("day|user=a", "run|user=a|run=7", "day|user=a%257Cb", "run|user=a%257Cb|run=7")),
    }
    assert store.settle(settlement(shared, 3, 3)).is_applied
    assert held(store) == (3, 0)


def test_pruning_keeps_counters_and_forgets_what_can_no_longer_be_corrected(place: str) -> None:
    """A settlement that comes after its call was pruned is of nobody's call any more."""
    now = [int(MORNING.timestamp()) * 1_000_000]
    with SQLStore(place, clock=lambda: now[0]) as store:
        reservation = make_reservation(make_claim(60), lease_us=0)
        store.reserve(reservation)
        _move_to_another_machine(store)
        store.expire()
        store.prune(MORNING + timedelta(days=7))
        assert _rows(store) == 1
        store.prune(MORNING + timedelta(days=30))
        assert _rows(store) == 0
        assert not store.settle(settlement(reservation, 1)).is_applied
        assert held(store) == (60, 0)


def test_a_settlement_waits_with_its_line_until_it_is_delivered(store: SQLStore, tmp_path: Path) -> None:
    """Killed between ledger and budgets, nothing is lost and nothing is charged twice."""
    assert isinstance(store, OutboxStore)
    line = make_entry()
    with SQLStore(tmp_path / "budgets.db") as budgets:
        reservation = admit(budgets, make_claim(60, alerts_ppm=(500_000,)))
        end = settlement(reservation, 21, freezes=True)
        assert store.append_with_outbox(line, end, budgets.location) is True
        assert store.append_with_outbox(line, end, budgets.location) is False
        ((waiting, location),) = store.pending_settlements()
        assert (waiting, location) == (end, budgets.location)
        for is_first in (True, False):
            assert budgets.settle(waiting).is_applied is is_first
        assert held(budgets) == (21, 0)
    store.settled(reservation.id)
    store.settled(reservation.id)
    assert store.pending_settlements() == []
    assert store.totals()[0].billed_cost == Decimal("0.00021")


def test_a_settlement_of_another_machine_is_delivered_after_a_while(place: str) -> None:
    """Its process is likely to deliver it itself; if it died, somebody must."""
    now = [10**15]
    with SQLStore(place, clock=lambda: now[0], lost_after_seconds=10) as store:
        store.append_with_outbox(make_entry(), settlement(make_reservation(make_claim(1)), 1), "elsewhere")
        store._connections._ready_writer().execute("UPDATE outbox SET owner_host = 'another machine'")
        assert store.pending_settlements() == []
        now[0] += 11_000_000
        assert len(store.pending_settlements()) == 1


def test_a_settlement_of_a_newer_release_is_not_guessed_at() -> None:
    """A field that is not understood may be money."""
    end = settlement(make_reservation(make_claim(2**60, alerts_ppm=(1, 2))), 2**61)
    assert from_text(to_text(end)) == end
    with pytest.raises(StoreError, match="pip install --upgrade"):
        from_text(to_text(end).replace('"version": 1', '"version": 2'))


def test_a_line_and_its_reservation_end_together(store: SQLStore) -> None:
    """A line without its charge would be spending that no budget knows of."""
    opening = make_entry(status="open", usage=None, billed_nano=None)
    reservation = make_reservation(make_claim(300_000, limit=10**6))
    store.reserve_opening(reservation, opening)
    line = replace(opening, status="ok", billed_nano=2**80)
    assert store.append_settled(line, settlement(reservation, 210_000)).is_applied
    assert (held(store), len(list(store.entries()))) == ((210_000, 0), 1)


def _move_to_another_machine(store: SQLStore) -> None:
    store._connections._ready_writer().execute("UPDATE reservations SET owner_host = 'another machine'")


def _rows(store: SQLStore) -> int:
    (count,) = store._connections._ready_writer().execute("SELECT COUNT(*) FROM reservations").fetchone()
    return int(count)
