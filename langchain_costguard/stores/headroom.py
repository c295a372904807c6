"""Leases headroom from another budget store in chunks, so that most calls are admitted and settled in memory.

A process reserves a chunk of a counter in the store behind, as one reservation, and admits calls from it. What calls
used is booked when a chunk is used up, and everything every second: then what was used is charged and what no call
holds is given back. The promise of the store behind holds at every instant, because a chunk counts as reserved there; a
process that is killed leaves its chunk, which is charged in whole under a hard budget and released under a soft one.

A chunk is 1 % of the limit, and at most a tenth of what is left of it, so that one process does not starve others near
the limit. A call that is larger than the chunk, or for which there is no chunk, reserves what it needs and no more.

What that costs: other processes see spending up to a chunk or a second late, as reserved; so do thresholds, and an
operator's new limit or freeze. A call can be refused while another process has headroom that it does not use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import finalize

from langchain_costguard.budgets.claims import PPM, Admission, Reservation, Settled
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.budget_base import BudgetStore
from langchain_costguard.stores.fair_lock import patience_of
from langchain_costguard.stores.headroom_leases import Leases
from langchain_costguard.stores.headroom_pools import Hold, end, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.budgets.claims import (
        BudgetChange,
        BudgetSetting,
        Charge,
        Claim,
        CounterState,
        Crossing,
        Settlement,
    )

_ADMITTED: Final = Admission()
_SETTLED: Final = Settled(is_applied=True)
_EXTENSION_LEASE_US: Final = 600_000_000


class HeadroomStore(BudgetStore):
    """A budget store in front of another one.

    Crossings that a booking in the background finds are handed out with the next answer of `reserve`, `settle`,
    `charge`, `expire` or `flush`. A child of a fork begins without headroom.

    Args:
        inner: the store behind, which processes may share.
        chunk_ppm: the share of a limit that is leased at once, in parts per million.
        flush_seconds: how often everything is booked and what is unused given back.

    Raises:
        ValueError: `chunk_ppm` is not a share, or `flush_seconds` is not positive.
    """

    def __init__(self, inner: BudgetStore, *, chunk_ppm: int = 10_000, flush_seconds: float = 1.0) -> None:
        """Lease nothing yet; the first call does."""
        if not 0 <= chunk_ppm <= PPM:
            msg = f"chunk_ppm={chunk_ppm} is no share of a limit: give 0 to 1_000_000 (10_000 is 1 %)"
            raise ValueError(msg)
        if not flush_seconds > 0:
            msg = f"flush_seconds={flush_seconds} never comes round: give a positive number of seconds"
            raise ValueError(msg)
        self._inner = inner
        self._leases = Leases(inner, chunk_ppm=chunk_ppm, flush_seconds=flush_seconds)
        finalize(self, self._leases.stop)

    @property
    def location(self) -> str:
        """Where the store behind keeps its counters."""
        return self._inner.location

    @property
    def is_durable(self) -> bool:
        """Whether the counters of the store behind outlive the process."""
        return self._inner.is_durable

    @property
    def is_remote(self) -> bool:
        """Whether a step that needs the store behind waits for a network."""
        return self._inner.is_remote

    def now_us(self) -> int:
        """The time of the store behind."""
        return self._inner.now_us()

    def reserve(self, reservation: Reservation, *, wait_seconds: float | None = None) -> Admission:
        """Reserve every claim, or none; see `BudgetStore.reserve`."""
        leases = self._leases
        self._acquire(wait_seconds)
        try:
            if reservation.id in leases.open:
                return _ADMITTED
            pools, holds = leases.pools, []
            for claim in reservation.claims:
                pool = pools.get(claim[:5] + claim[6:])
                if pool is None or pool.free < claim[5]:
                    return self._lease(reservation, wait_seconds)
                holds.append(Hold(pool, claim[5]))
            take(holds)
            leases.open[reservation.id] = holds
            return Admission(crossings=leases.told()) if leases.crossings else _ADMITTED
        finally:
            leases.lock.release()

    def settle(self, settlement: Settlement) -> Settled:
        """End a reservation; see `BudgetStore.settle`.

        It is not undone when the store behind does not answer: what was used is booked there later.
        """
        leases = self._leases
        with leases.lock:
            holds = leases.open.pop(settlement.reservation_id, None)
            if holds is not None:
                above = end(holds, settlement.charges)
                for pool, _ in holds:
                    if pool.is_used_up:
                        leases.book_used_up(pool)
                if above:
                    leases.book_above(above)
                return Settled(is_applied=True, crossings=leases.told()) if leases.crossings else _SETTLED
        return self._inner.settle(settlement)

    def charge(self, charges: Sequence[Charge]) -> tuple[Crossing, ...]:
        """Charge counters for what nobody reserved, in the store behind."""
        return self._inner.charge(charges) + self._told()

    def extend(self, reservation_id: str, claims: Sequence[Claim]) -> Admission:
        """Reserve more under an open reservation; see `BudgetStore.extend`."""
        with self._leases.lock:
            if reservation_id in self._leases.open:
                return self._lease(Reservation(reservation_id, tuple(claims), _EXTENSION_LEASE_US), None)
        return self._inner.extend(reservation_id, claims)

    def renew(self, lease_us: int) -> int:
        """Renew this process's chunks.

        Returns:
            How many reservations are open: calls, not chunks.
        """
        self._inner.renew(lease_us)
        return len(self._leases.open)

    def expire(self) -> list[Crossing]:
        """Charge or release the chunks of processes that are gone; see `BudgetStore.expire`."""
        return [*self._inner.expire(), *self._told()]

    def flush(self) -> tuple[Crossing, ...]:
        """Book everything that was used, and give back everything that no call holds.

        Raises:
            StoreError: the store behind did not answer; what is not booked is still reserved there.
        """
        with self._leases.lock:
            self._leases.flush()
            return self._leases.told()

    def counters(self, budgets: Sequence[str] | None = None, *, since_us: int = 0) -> list[CounterState]:
        """What counters hold; see `BudgetStore.counters`.

        What this process has not booked is spent, and of what it has leased only what calls hold is reserved. Of other
        processes, everything they have leased is reserved.
        """
        with self._leases.lock:
            states = self._inner.counters(budgets, since_us=since_us)
            unbooked: dict[tuple[str, int], tuple[int, int]] = {}
            for pool in self._leases.unbooked():
                place = pool.claim.counter, pool.claim.slot_us
                spent, taken = unbooked.get(place, (0, 0))
                unbooked[place] = spent + pool.spent, taken + pool.spent + pool.free
        return [_with_unbooked(state, *unbooked.get((state.counter, state.slot_us), (0, 0))) for state in states]

    def headroom(self, claim: Claim) -> int:
        """What could still be reserved: what is left in the store behind, and what this process has free."""
        with self._leases.lock:
            free = sum(pool.free for key, pool in self._leases.pools.items() if key == claim[:5] + claim[6:])
            return self._inner.headroom(claim) + free

    def settings(self) -> list[BudgetSetting]:
        """What operators have set, in the store behind."""
        return self._inner.settings()

    def change(self, change: BudgetChange) -> None:
        """Do what an operator asks, and serve no more calls of this budget from what is leased."""
        with self._leases.lock:
            self._inner.change(change)
            self._leases.retire(budget=change.budget)

    def changes(self, budget: str | None = None) -> list[BudgetChange]:
        """Operators' changes, in the store behind."""
        return self._inner.changes(budget)

    def close(self) -> None:
        """Flush, and close the store behind; both can be used again afterwards.

        Raises:
            StoreError: the store behind did not answer; what is not booked is booked later.
        """
        with self._leases.lock:
            self._leases.flush()
        self._inner.close()

    def __repr__(self) -> str:
        """The store behind."""
        return f"HeadroomStore({self._inner!r})"

    def _lease(self, reservation: Reservation, wait_seconds: float | None) -> Admission:
        admission = self._leases.admit(reservation, wait_seconds)
        return admission._replace(crossings=self._leases.told())

    def _told(self) -> tuple[Crossing, ...]:
        with self._leases.lock:
            return self._leases.told()

    def _acquire(self, wait_seconds: float | None) -> None:
        """Wait for this process's own threads; a call that an event loop waits for comes before the others."""
        if wait_seconds is None:
            self._leases.lock.acquire()
            return
        seconds, is_urgent = patience_of(wait_seconds)
        if not self._leases.lock.acquire(seconds, is_urgent=is_urgent):
            msg = (
                f"Another thread of this process has been waiting for {self.location} for more than {seconds:g} s: "
                "check the store, or wait longer"
            )
            raise StoreError(msg)


def _with_unbooked(state: CounterState, spent: int, taken: int) -> CounterState:
    return state._replace(spent=state.spent + spent, reserved=state.reserved - taken) if taken else state
