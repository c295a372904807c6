"""Headroom leased in chunks never lifts the store behind over its limit, and all of it comes back or is booked."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from langchain_costguard.budgets.claims import BudgetChange, Charge, Settlement
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import InMemoryStore, SQLStore
from langchain_costguard.stores.headroom import HeadroomStore
from langchain_costguard.testing.budget_stores import BudgetStoreSuite
from langchain_costguard.testing.claims import (
    TOMORROW,
    admit,
    ask,
    held,
    make_claim,
    make_reservation,
    settlement,
    spend,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_costguard.budgets.claims import Admission, Claim, Reservation, Settled

LIMIT = 100_000
CHUNK = 1_000


class CountingStore(InMemoryStore):
    """A store that counts its steps, and can be cut off."""

    steps: int = 0
    is_down: bool = False

    def reserve(self, reservation: Reservation, *, wait_seconds: float | None = None) -> Admission:
        self._step()
        return super().reserve(reservation, wait_seconds=wait_seconds)

    def settle(self, settlement: Settlement) -> Settled:
        self._step()
        return super().settle(settlement)

    def _step(self) -> None:
        self.steps += 1
        if self.is_down:
            msg = "it is down: start it"
            raise StoreError(msg)


@pytest.fixture
def inner() -> CountingStore:
    """The store behind."""
    return CountingStore()


@pytest.fixture
def store(inner: CountingStore) -> Iterator[HeadroomStore]:
    """A store in front that never flushes by itself."""
    store = HeadroomStore(inner, flush_seconds=3600)
    yield store
    inner.is_down = False
    store.close()


def _claim(amount: int, **changes: object) -> Claim:
    return make_claim(amount, **{"limit": LIMIT, **changes})


class TestHeadroomStore(BudgetStoreSuite):
    """With chunks of a unit or of nothing, it answers like the store behind; larger ones tell thresholds later."""

    @pytest.fixture(params=[0, 10_000])
    def budget_store(self, request: pytest.FixtureRequest) -> Iterator[HeadroomStore]:
        """In front of a new store in memory."""
        store = HeadroomStore(InMemoryStore(), chunk_ppm=request.param, flush_seconds=3600)
        yield store
        store.close()


# -- the life of a chunk ---------------------------------------------------------------------------------------------


def test_many_calls_need_few_steps_of_the_store_behind(store: HeadroomStore, inner: CountingStore) -> None:
    """That is what it is for: a hundred calls of a tenth of a chunk are ten chunks."""
    for _ in range(100):
        spend(store, _claim(CHUNK // 10))
    assert inner.steps <= 20
    assert held(store) == (10 * CHUNK, 0)
    store.flush()
    assert held(inner) == (10 * CHUNK, 0)


def test_a_chunk_is_reserved_in_the_store_behind_before_a_call_runs_on_it(
    store: HeadroomStore, inner: CountingStore
) -> None:
    """Other processes must see what this one may spend."""
    reservation = admit(store, _claim(10))
    assert held(inner) == (0, CHUNK)
    assert held(store) == (0, 10)
    store.settle(settlement(reservation, 4))
    assert (held(inner), held(store)) == ((0, CHUNK), (4, 0))


def test_a_flush_books_what_was_spent_and_gives_back_what_no_call_holds(
    store: HeadroomStore, inner: CountingStore
) -> None:
    """A call under way keeps what it holds, and no more."""
    spend(store, _claim(30))
    reservation = admit(store, _claim(50))
    store.flush()
    assert held(inner) == held(store) == (30, 50)
    store.settle(settlement(reservation, 20))
    store.flush()
    assert held(inner) == (50, 0)


def test_idle_headroom_goes_back_by_itself(inner: CountingStore) -> None:
    """A process that does nothing must not keep others from spending."""
    store = HeadroomStore(inner, flush_seconds=0.01)
    spend(store, _claim(30))
    thread = store._leases._thread
    assert thread is not None
    thread.join(30)
    assert held(inner) == (30, 0)
    spend(store, _claim(30))
    store.close()
    assert held(inner) == (60, 0)


def test_a_store_that_nobody_holds_any_more_books_what_it_knows(inner: CountingStore) -> None:
    """A forgotten `close()` loses nothing."""
    store = HeadroomStore(inner, flush_seconds=3600)
    spend(store, _claim(30))
    del store
    assert held(inner) == (30, 0)


def test_chunks_shrink_near_the_limit(store: HeadroomStore, inner: CountingStore) -> None:
    """An idle process must not hold the last of a budget."""
    spend(inner, _claim(LIMIT - 100))
    admit(store, _claim(1))
    assert inner.headroom(_claim(0)) == 90


def test_the_last_of_a_budget_can_be_spent_to_the_unit(store: HeadroomStore, inner: CountingStore) -> None:
    """Chunks must not refuse what fits."""
    spend(inner, _claim(LIMIT - 100))
    for _ in range(100):
        spend(store, _claim(1))
    answer = ask(store, _claim(1))
    (refusal,) = answer.refusals
    assert (refusal.claim, refusal.spent, refusal.reserved) == (_claim(1), LIMIT, 0)
    assert [crossing.kind for crossing in answer.crossings] == ["refused"]
    store.flush()
    assert held(inner) == (LIMIT, 0)
    assert state(inner).refused == 1


def test_a_call_larger_than_a_chunk_reserves_what_it_needs(store: HeadroomStore, inner: CountingStore) -> None:
    """A long prompt is admitted like any other."""
    admit(store, _claim(70_000))
    assert held(inner) == (0, 70_000)
    assert not ask(store, _claim(30_001)).is_admitted
    assert ask(store, _claim(30_000)).is_admitted


def test_several_claims_are_admitted_together_or_not_at_all(store: HeadroomStore, inner: CountingStore) -> None:
    """A call that one budget refuses holds nothing of the others."""
    answer = ask(store, _claim(10, counter="a"), make_claim(2, "b", limit=1), make_claim(2, "soft", refuses=False))
    assert [refusal.claim.counter for refusal in answer.refusals] == ["b"]
    assert (held(store, "a"), held(store, "soft")) == ((0, 0), (0, 0))
    store.flush()
    assert held(inner, "a") == (0, 0)


def test_each_window_has_headroom_of_its_own(store: HeadroomStore, inner: CountingStore) -> None:
    """A call over midnight is charged to the day that admitted it."""
    reservation = admit(store, _claim(10))
    spend(store, _claim(20, slot_us=TOMORROW))
    store.settle(settlement(reservation, 10))
    store.flush()
    assert (held(inner), held(inner, slot_us=TOMORROW)) == ((10, 0), (20, 0))


def test_a_lower_limit_in_the_code_is_tested_for_itself(store: HeadroomStore) -> None:
    """Two releases of a program that name two limits for one counter."""
    spend(store, _claim(60))
    store.flush()
    assert not ask(store, make_claim(41, limit=100)).is_admitted
    assert ask(store, make_claim(40, limit=100)).is_admitted


def test_a_repeated_reservation_and_settlement_change_nothing(store: HeadroomStore) -> None:
    """An answer may be lost on its way."""
    reservation = make_reservation(_claim(60))
    assert store.reserve(reservation).is_admitted
    assert store.reserve(reservation).is_admitted
    assert held(store) == (0, 60)
    end = settlement(reservation, 30)
    assert [store.settle(end).is_applied for _ in range(2)] == [True, False]
    assert held(store) == (30, 0)


def test_an_extension_comes_on_top(store: HeadroomStore, inner: CountingStore) -> None:
    """A long stream needs more than was foreseen."""
    reservation = admit(store, _claim(40))
    assert store.extend(reservation.id, [_claim(2 * CHUNK)]).is_admitted
    assert held(store) == (0, 2 * CHUNK + 40)
    store.settle(settlement(reservation, CHUNK))
    store.flush()
    assert held(inner) == (CHUNK, 0)
    with pytest.raises(LookupError):
        store.extend(reservation.id, [_claim(1)])


# -- what is told ----------------------------------------------------------------------------------------------------


def test_thresholds_are_told_once_when_the_spending_is_booked(store: HeadroomStore) -> None:
    """Late by a chunk at most, and never twice."""
    claim = _claim(CHUNK, alerts_ppm=(20_000,))
    told = [store.settle(settlement(admit(store, claim), CHUNK)).crossings for _ in range(5)]
    assert [len(crossings) for crossings in told] == [0, 1, 0, 0, 0]


def test_an_overrun_is_booked_in_full_and_freezes_at_once(store: HeadroomStore, inner: CountingStore) -> None:
    """Leased headroom must not outlive the discovery that bounds are wrong."""
    reservation, other = admit(store, _claim(10)), admit(store, _claim(10))
    (crossing,) = store.settle(settlement(reservation, 15, freezes=True)).crossings
    assert crossing.kind == "overrun"
    assert ask(store, _claim(1)).refusals[0].reason == "frozen"
    store.settle(settlement(other, 10))
    store.flush()
    assert (held(inner), state(inner).overrun) == ((25, 0), 5)


def test_an_overrun_that_freezes_nothing_is_told_too(store: HeadroomStore, inner: CountingStore) -> None:
    """A soft budget's bounds may be wrong as well."""
    told = store.settle(settlement(admit(store, _claim(10, refuses=False)), 15)).crossings
    assert [crossing.kind for crossing in told] == ["overrun"]
    store.flush()
    assert (held(inner), state(inner).overrun, state(inner).refused) == ((15, 0), 5, 0)


def test_an_operators_freeze_stops_this_process_at_once(store: HeadroomStore) -> None:
    """What is leased of a frozen budget is not spent."""
    admit(store, _claim(10))
    store.change(BudgetChange("usd/day", "freeze", 0, "ann", note="stop"))
    assert ask(store, _claim(1)).refusals[0].note == "stop"


# -- trouble ---------------------------------------------------------------------------------------------------------


def test_spending_that_cannot_be_booked_is_booked_later(store: HeadroomStore, inner: CountingStore) -> None:
    """A call has ended whether the store answers or not."""
    reservations = [admit(store, _claim(CHUNK)) for _ in range(3)]
    inner.is_down = True
    for reservation in reservations:
        assert store.settle(settlement(reservation, CHUNK)).is_applied
    with pytest.raises(StoreError):
        store.flush()
    with pytest.raises(StoreError):
        ask(store, _claim(CHUNK))
    inner.is_down = False
    store.flush()
    assert held(inner) == (3 * CHUNK, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_no_chunk(tmp_path: Path) -> None:
    """Two processes that spend one chunk would spend it twice."""
    with SQLStore(tmp_path / "costs.db") as inner:
        store = HeadroomStore(inner, flush_seconds=3600)
        reservation = admit(store, _claim(10))
        child = os.fork()
        if child == 0:
            is_clean = not store._leases.pools and not store._leases.open and ask(store, _claim(10)).is_admitted
            os._exit(0 if is_clean and held(inner) == (0, 2 * CHUNK) else 1)
        assert os.waitpid(child, 0)[1] == 0
        store.settle(settlement(reservation, 10))
        store.close()
        inner.expire()
        assert held(inner) == (10 + CHUNK, 0)


def test_spending_under_a_chunk_that_was_released_meanwhile_is_charged(
    store: HeadroomStore, inner: CountingStore
) -> None:
    """A process that was cut off for longer than its lease, under a soft budget."""
    spend(store, _claim(30, refuses=False, charges_lost=False))
    ((part,),) = [pool.parts for pool in store._leases.unbooked()]
    inner.settle(Settlement(part.id, ()))
    store.flush()
    assert held(inner) == (30, 0)


def test_threads_of_one_process_spend_the_limit_exactly(store: HeadroomStore, inner: CountingStore) -> None:
    """160 attempts of a cent on a dollar: 100 run."""
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(_attempt, [store] * 8)) == 100
    store.flush()
    assert held(inner) == (1_000_000_000, 0)


def test_stores_that_race_never_overspend_and_leave_nothing_behind(tmp_path: Path) -> None:
    """Two processes flush, lease and give back at every moment."""
    with SQLStore(tmp_path / "costs.db") as inner:
        stores = [HeadroomStore(inner, chunk_ppm=100_000, flush_seconds=0.001) for _ in range(2)]
        with ThreadPoolExecutor(8) as threads:
            admitted = sum(threads.map(_attempt, stores * 4))
        for store in stores:
            store.close()
        assert admitted <= 100
        assert held(inner) == (admitted * 10_000_000, 0)
        assert ask(inner, make_claim((100 - admitted) * 10_000_000, limit=1_000_000_000)).is_admitted


def _attempt(store: HeadroomStore) -> int:
    """Try to spend a cent twenty times; how often it was admitted."""
    admitted = 0
    for _ in range(20):
        reservation = make_reservation(make_claim(10_000_000, limit=1_000_000_000))
        if store.reserve(reservation).is_admitted:
            admitted += store.settle(settlement(reservation, 10_000_000)).is_applied
    return admitted


def test_a_process_that_ends_books_what_it_knows(tmp_path: Path) -> None:
    """A script has no `close()` at its end."""
    place = tmp_path / "costs.db"
    script = _KILLED.rpartition("os.kill")[0]
    subprocess.run([sys.executable, "-c", script, str(place), "3"], capture_output=True, check=True)
    with SQLStore(place) as inner:
        assert held(inner) == (3 * 45, 0)


_KILLED = """
import os, signal, sys
from langchain_costguard.stores import SQLStore
from langchain_costguard.stores.headroom import HeadroomStore
from langchain_costguard.testing.claims import admit, make_claim, settlement
store, spent = HeadroomStore(SQLStore(sys.argv[1]), flush_seconds=3600), 0
for number in range(int(sys.argv[2])):
    reservation = admit(store, make_claim(70, limit=100_000))
    spent += 45
    print(spent, flush=True)
    store.settle(settlement(reservation, 45))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell whether a process lives")
@pytest.mark.parametrize("calls", [1, 13, 14, 200])
def test_what_a_killed_process_spent_is_charged_at_least(tmp_path: Path, calls: int) -> None:
    """Its chunk is charged as a whole, because nobody knows how much of it was used."""
    place = tmp_path / "costs.db"
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(place), str(calls)], capture_output=True, text=True, check=False
    )
    truth = int(ended.stdout.split()[-1])
    assert truth == 45 * calls, ended.stderr
    with SQLStore(place) as inner:
        inner.expire()
        spent, reserved = held(inner)
        assert (reserved, truth <= spent <= truth + 2 * CHUNK) == (0, True)
        assert ask(inner, _claim(LIMIT - spent)).is_admitted


# -- any order -------------------------------------------------------------------------------------------------------

_STEP = st.tuples(st.integers(0, 1), st.sampled_from("rrrrsssfe"), st.integers(0, 150), st.integers(0, 100))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(_STEP, max_size=60), limit=st.integers(0, 2000), chunk_ppm=st.sampled_from([0, 10_000, 300_000]))
def test_two_processes_in_any_order_stay_within_the_limit_and_lose_nothing(
    steps: list[tuple[int, str, int, int]], limit: int, chunk_ppm: int
) -> None:
    """At every instant what is spent and reserved behind is at most the limit; at the end it is what calls used."""
    inner = InMemoryStore()
    stores = [HeadroomStore(inner, chunk_ppm=chunk_ppm, flush_seconds=3600) for _ in range(2)]
    open_calls: list[list[Reservation]] = [[], []]
    total = 0
    for who, what, amount, percent in steps:
        store, calls = stores[who], open_calls[who]
        if what == "r":
            reservation = make_reservation(make_claim(amount, "a", limit=limit), make_claim(1, "b", limit=20))
            if store.reserve(reservation).is_admitted:
                calls.append(reservation)
        elif what == "f":
            store.flush()
        elif calls and what == "s":
            reservation = calls.pop(percent % len(calls))
            used = reservation.claims[0].amount * percent // 100
            assert store.settle(settlement(reservation, used, 1)).is_applied
            total += used
        elif calls and store.extend(calls[0].id, [make_claim(amount, "a", limit=limit)]).is_admitted:
            first = calls[0].claims[0]
            calls[0] = calls[0]._replace(claims=(first._replace(amount=first.amount + amount), calls[0].claims[1]))
        assert sum(held(inner, "a")) <= limit
        assert sum(held(inner, "b")) <= 20
        assert sum(held(store, "a")) <= limit
    for store, calls in zip(stores, open_calls, strict=True):
        for reservation in calls:
            store.settle(settlement(reservation, 0, 0))
        store.close()
    assert held(inner, "a") == (total, 0)
    assert held(inner, "b")[1] == 0


@pytest.mark.parametrize(("name", "value"), [("chunk_ppm", -1), ("chunk_ppm", 1_000_001), ("flush_seconds", 0)])
def test_a_chunk_that_is_none_is_refused(inner: CountingStore, name: str, value: int) -> None:
    """A typing mistake must not become a budget that leases everything."""
    with pytest.raises(ValueError, match=f"{name}={value}"):
        HeadroomStore(inner, **{name: value})  # type: ignore[arg-type]  # wrong on purpose


def test_a_charge_that_nobody_reserved_goes_to_the_store_behind(store: HeadroomStore, inner: CountingStore) -> None:
    """Spending that was recorded afterwards is not lent out."""
    store.charge([Charge(_claim(0), 130)])
    assert held(inner) == (130, 0)


def test_a_call_on_an_event_loop_waits_a_little_for_other_threads_and_then_says_so() -> None:
    """Five milliseconds are for other processes; our own threads are getting on, and are not waited for without end."""
    store = HeadroomStore(InMemoryStore())
    with store._leases.lock, pytest.raises(StoreError, match=r"more than 1 s: "):
        store.reserve(make_reservation(make_claim(1)), wait_seconds=0.005)
    assert store.reserve(make_reservation(make_claim(1)), wait_seconds=0.005).is_admitted
