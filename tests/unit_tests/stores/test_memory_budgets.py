"""Budgets in memory: the contract, and what is special about a store that ends with its process."""

from __future__ import annotations

import os
import sys
import time

import pytest

from langchain_costguard.budgets.claims import BudgetChange, Charge, Settlement
from langchain_costguard.stores import InMemoryStore, counters, slots
from langchain_costguard.stores.memory_budgets import steady_clock
from langchain_costguard.testing.budget_stores import BudgetStoreSuite, JointStoreSuite
from langchain_costguard.testing.claims import (
    DAY_US,
    TODAY,
    TOMORROW,
    admit,
    ask,
    held,
    make_claim,
    make_reservation,
    settlement,
    spend,
)


class TestInMemoryBudgets(JointStoreSuite, BudgetStoreSuite):
    """The reference implementation."""

    @pytest.fixture
    def budget_store(self) -> InMemoryStore:
        """Budgets in this process."""
        return InMemoryStore()


def run_claim(run: int, amount: int = 1) -> counters.Claim:
    """A claim on the counter of a run."""
    return make_claim(amount, f"usd/run|run={run}", budget="usd/run", slot_us=0)


def test_the_store_says_that_its_budgets_end_with_it() -> None:
    """Whoever shows a budget says whether it outlives the process."""
    store = InMemoryStore()
    assert (store.location, store.is_durable, store.is_remote) == ("memory", False, False)


def test_nothing_is_known_of_a_call_that_only_began() -> None:
    """Lines in memory are those of calls that ended; a reservation still has its opening."""
    store = InMemoryStore()
    assert store.reserve(make_reservation(make_claim(1)), wait_seconds=0).is_admitted
    assert list(store.entries()) == []


# -- runs -----------------------------------------------------------------------------------------------------------


def test_the_counter_of_a_run_that_ended_can_be_forgotten() -> None:
    """A service makes a run per request, and must not keep a counter of each."""
    store = InMemoryStore()
    for run in range(100):
        spend(store, run_claim(run))
        assert store.forget(f"usd/run|run={run}") is True
    assert store.counters() == []
    assert store.forget("never heard of") is True


def test_a_counter_that_holds_something_is_not_forgotten() -> None:
    """A call that is still open would otherwise be charged to nobody."""
    store = InMemoryStore()
    reservation = admit(store, run_claim(1, 60))
    assert store.forget("usd/run|run=1") is False
    assert held(store, "usd/run|run=1", 0) == (0, 60)
    store.settle(settlement(reservation, 5))
    assert store.forget("usd/run|run=1") is True


def test_counters_of_runs_are_bounded_and_the_oldest_idle_one_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody says that a run has ended, memory still has an end."""
    monkeypatch.setattr(counters, "MAX_COUNTERS", 10)
    store = InMemoryStore()
    spend(store, make_claim(7, "usd/total", slot_us=0))
    spend(store, make_claim(3, "usd/day|user=|run=", budget="usd/day"))
    kept = admit(store, run_claim(0))
    for run in range(1, 50):
        spend(store, run_claim(run))
    names = {found.counter for found in store.counters()}
    assert names == {
        "usd/total",
        "usd/day|user=|run=",
        "usd/run|run=0",
        *(f"usd/run|run={run}" for run in range(43, 50)),
    }
    assert store.settle(settlement(kept, 1)).is_applied


# -- slots ----------------------------------------------------------------------------------------------------------


def test_old_slots_are_let_go_of_and_none_that_holds_something(monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget per minute has half a million slots a year."""
    monkeypatch.setattr(slots, "KEPT_SLOTS", 5)
    store = InMemoryStore()
    for day in range(20):
        spend(store, make_claim(1, slot_us=TODAY + day * DAY_US))
    assert [found.slot_us for found in store.counters()] == [TODAY + day * DAY_US for day in range(15, 20)]
    waiting = admit(store, make_claim(9, slot_us=TODAY + 20 * DAY_US))
    for day in range(21, 40):
        spend(store, make_claim(1, slot_us=TODAY + day * DAY_US))
    assert store.settle(settlement(waiting, 4)).is_applied
    assert held(store, slot_us=TODAY + 20 * DAY_US) == (4, 0)


def test_a_rolling_window_keeps_every_slot_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are."""
    monkeypatch.setattr(slots, "KEPT_SLOTS", 5)
    store = InMemoryStore()
    for day in range(20):
        slot_us = TODAY + day * DAY_US
        spend(store, make_claim(5, slot_us=slot_us, since_us=slot_us - 19 * DAY_US))
    last = TODAY + 19 * DAY_US
    assert not ask(store, make_claim(1, slot_us=last, since_us=TODAY)).is_admitted
    assert ask(store, make_claim(5, slot_us=last, since_us=TODAY + DAY_US)).is_admitted


def test_a_slot_that_was_let_go_of_admits_nothing_and_is_still_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What had been spent of it is not known any more, so a very late claim could overspend it."""
    monkeypatch.setattr(slots, "KEPT_SLOTS", 5)
    store = InMemoryStore()
    for day in range(20):
        spend(store, make_claim(100, slot_us=TODAY + day * DAY_US))
    (refusal,) = ask(store, make_claim(1)).refusals
    assert (refusal.reason, refusal.note) == ("frozen", "its window ended long ago")
    store.change(BudgetChange("usd/day", "unfreeze", 0, "ann"))
    assert not ask(store, make_claim(1)).is_admitted
    store.charge([Charge(make_claim(0), 3)])
    assert held(store) == (3, 0)


def test_slots_that_come_out_of_order_are_counted_all_the_same() -> None:
    """A thread may look at the clock before another one and reserve after it."""
    store = InMemoryStore()
    for day in (2, 0, 1):
        slot_us = TODAY + day * DAY_US
        admit(store, make_claim(10, slot_us=slot_us, since_us=TODAY - DAY_US))
    (refusal,) = ask(store, make_claim(90, slot_us=TODAY + 2 * DAY_US, since_us=TOMORROW)).refusals
    assert refusal.reserved == 20


# -- what is lost ---------------------------------------------------------------------------------------------------


def test_a_settlement_after_an_expiry_replaces_what_was_charged() -> None:
    """The step that stores with other owners take: charged in full, then corrected, once."""
    machine = counters.Counters()
    reservation = make_reservation(make_claim(60, alerts_ppm=(500_000,)))
    machine.reserve(reservation)
    (crossing,) = machine.expire([reservation.id, "unknown"])
    assert (crossing.kind, crossing.spent) == ("threshold", 60)
    assert [(found.spent, found.reserved, found.unsettled) for found in machine.states(None, 0)] == [(60, 0, 60)]
    assert machine.settle(settlement(reservation, 75, freezes=True)).is_applied
    (found,) = machine.states(None, 0)
    assert (found.spent, found.unsettled, found.overrun, found.frozen is None) == (75, 0, 15, False)
    assert not machine.settle(settlement(reservation, 75)).is_applied


def test_what_expired_is_not_reserved_again_under_its_id() -> None:
    """Whoever repeats a reservation that was charged meanwhile must not hold it twice."""
    machine = counters.Counters()
    reservation = make_reservation(make_claim(60))
    machine.reserve(reservation)
    machine.expire([reservation.id])
    assert machine.reserve(reservation).is_admitted
    assert [(found.spent, found.reserved) for found in machine.states(None, 0)] == [(60, 0)]


# -- time and forks -------------------------------------------------------------------------------------------------


def test_the_clock_can_be_given() -> None:
    """A test of windows needs a time of its own."""
    store = InMemoryStore(clock=lambda: TODAY)
    store.change(BudgetChange("usd/day", "freeze", 0, "ann"))
    assert (store.now_us(), store.changes()[0].at_us) == (TODAY, TODAY)


def test_a_machine_whose_clock_is_set_does_not_move_the_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that jumps back would open yesterday's budget again."""
    now_us = steady_clock()
    before = now_us()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert before <= now_us() < before + 60_000_000


def test_a_clock_goes_on_where_the_system_has_none_that_runs_while_it_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none on macOS and Windows, which count by their monotonic clock."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    now_us = steady_clock()
    assert abs(now_us() - time.time_ns() // 1000) < 60_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_begins_with_what_was_spent_and_without_its_parents_reservations() -> None:
    """The parent's calls end in the parent; the child would hold their amounts for ever."""
    store = InMemoryStore()
    spend(store, make_claim(30))
    open_call = admit(store, make_claim(60))
    child = os.fork()
    if child == 0:
        applied = store.settle(settlement(open_call, 60)).is_applied
        is_right = held(store) == (30, 0) and not applied and ask(store, make_claim(70)).is_admitted
        os._exit(0 if is_right else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert held(store) == (30, 60)
    assert store.settle(Settlement(open_call.id, (Charge(open_call.claims[0], 60),))).is_applied


def test_a_counter_that_is_of_no_run_can_be_forgotten_as_well() -> None:
    """Whoever asks need not know what kind of counter it is."""
    store = InMemoryStore()
    spend(store, make_claim(5))
    assert store.forget("usd/day") is True
    assert store.counters() == []


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has no clock that runs while it sleeps")
def test_the_clock_goes_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that ended in the night has ended."""
    boot = {"ns": 5_000_000_000}
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: boot["ns"])
    clock = steady_clock()
    before = clock()
    boot["ns"] += 7_000_000_000
    assert clock() - before == 7_000_000


@pytest.mark.parametrize(("spent", "limit", "share"), [(2**62 - 1, 2**62, 999_999), (1, 3, 333_333), (5, 0, 1_000_000)])
def test_a_share_is_rounded_down_exactly(spent: int, limit: int, share: int) -> None:
    """A budget that is not quite used up is not used up."""
    assert counters.spent_share(spent, limit) == share
