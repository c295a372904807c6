"""MemoryBudgets: the budgets of one process, under one lock."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from langchain_costguard.stores.budget_base import BudgetStore
from langchain_costguard.stores.counters import Counters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Lock

    from langchain_costguard.budgets.claims import (
        Admission,
        BudgetChange,
        BudgetSetting,
        Charge,
        Claim,
        CounterState,
        Crossing,
        Reservation,
        Settled,
        Settlement,
    )


class MemoryBudgets(BudgetStore):
    """The budgets of `InMemoryStore`.

    The owner of every reservation is this process, which lives: none ever expires here. A child of a fork goes on with
    what was spent until then, and without its parent's reservations, which the parent settles; from there on each has
    a limit of its own, so processes that shall share one need a store that they share.
    """

    _lock: Lock
    _counters: Counters
    _clock: Callable[[], int]
    _pid: int

    @property
    def is_remote(self) -> bool:
        """False: a step takes about a microsecond."""
        return False

    def now_us(self) -> int:
        """This machine's time when the store was made, and what has passed since; see `BudgetStore.now_us`."""
        return self._clock()

    def reserve(self, reservation: Reservation, *, wait_seconds: float | None = None) -> Admission:
        """Reserve every claim, or none; see `BudgetStore.reserve`. Nothing is waited for."""
        del wait_seconds
        with self._lock:
            return self._counters.reserve(reservation)

    def settle(self, settlement: Settlement) -> Settled:
        """End a reservation; see `BudgetStore.settle`."""
        with self._lock:
            return self._counters.settle(settlement)

    def charge(self, charges: Sequence[Charge]) -> tuple[Crossing, ...]:
        """Charge counters for what nobody reserved; see `BudgetStore.charge`."""
        with self._lock:
            return self._counters.charge(charges)

    def extend(self, reservation_id: str, claims: Sequence[Claim]) -> Admission:
        """Reserve more under an open reservation; see `BudgetStore.extend`."""
        with self._lock:
            return self._counters.extend(reservation_id, claims)

    def renew(self, lease_us: int) -> int:
        """How many reservations are open; their leases never end while this process lives."""
        del lease_us
        with self._lock:
            return len(self._counters.open_ids)

    def expire(self) -> list[Crossing]:
        """Nothing: the owner of every reservation is this process."""
        return []

    def counters(self, budgets: Sequence[str] | None = None, *, since_us: int = 0) -> list[CounterState]:
        """What the counters hold; see `BudgetStore.counters`. Of each, about the newest 100 slots are kept."""
        with self._lock:
            return self._counters.states(budgets, since_us)

    def settings(self) -> list[BudgetSetting]:
        """What operators have set; see `BudgetStore.settings`."""
        with self._lock:
            return self._counters.settings()

    def change(self, change: BudgetChange) -> None:
        """Make and keep an operator's change; see `BudgetStore.change`."""
        with self._lock:
            self._counters.change(change if change.at_us else change._replace(at_us=self._clock()))

    def changes(self, budget: str | None = None) -> list[BudgetChange]:
        """Operators' changes, oldest first."""
        with self._lock:
            return self._counters.changes(budget)

    def forget(self, counter: str) -> bool:
        """Let go of the counter of a run that has ended; a claim on it would find it empty.

        Returns:
            Whether it is gone; `False` while something of it is reserved.
        """
        with self._lock:
            return self._counters.forget(counter)

    def _begin_budgets(self, lock: Lock, clock: Callable[[], int] | None) -> None:
        """Begin with nothing spent, under the lock of the whole store."""
        self._lock = lock
        self._counters = Counters()
        self._clock = steady_clock() if clock is None else clock
        self._pid = os.getpid()

    def _after_fork(self) -> None:
        """In a child, let go of what its parent has reserved."""
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._counters.abandon()


def steady_clock() -> Callable[[], int]:
    """A clock that knows the time now and is not set afterwards, whatever happens to the machine's.

    It goes on while the machine sleeps where the system has a clock that does (`CLOCK_BOOTTIME` of Linux).

    Returns:
        A function that gives microseconds since 1970-01-01 UTC.
    """
    passed = _ns_since_boot if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic_ns
    begun = time.time_ns() - passed()
    return lambda: (begun + passed()) // 1000


def _ns_since_boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
