"""When a process leases headroom from the store behind, how much, and when it books and gives back."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final
from uuid import uuid4
from weakref import ref

from langchain_costguard.budgets.claims import PPM, Admission, Charge, Refusal, Reservation, Settlement
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.fair_lock import FairLock
from langchain_costguard.stores.forks import watch_forks
from langchain_costguard.stores.headroom_pools import Hold, Part, Pool, take

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.budgets.claims import Claim, Crossing
    from langchain_costguard.stores.budget_base import BudgetStore

_MOST_OF_REST: Final = 10
"""A chunk is at most one part in so many of what is left of the limit."""
_HELD: Final = Reservation("", (), 600_000_000)
_logger: Final = logging.getLogger("langchain_costguard")

PoolKey = tuple[object, ...]


class Leases:
    """The pools of one process in front of one store.

    Its methods are called with `lock` held, `tick` and `stop` excepted.

    Args:
        inner: the store behind.
        chunk_ppm: the share of a limit that is leased at once.
        flush_seconds: how often everything is booked and what is unused given back.
    """

    def __init__(self, inner: BudgetStore, *, chunk_ppm: int, flush_seconds: float) -> None:
        """Nothing is leased yet."""
        self.inner = inner
        self.lock: FairLock = FairLock()
        self.pools: dict[PoolKey, Pool] = {}
        self.retired: list[Pool] = []
        self.open: dict[str, list[Hold]] = {}
        self.crossings: list[Crossing] = []
        self._chunk_ppm = chunk_ppm
        self._flush_seconds = flush_seconds
        self._outbox: deque[Settlement] = deque()
        self._owed: deque[Charge] = deque()
        self._unanswered: set[str] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        watch_forks(self)

    def admit(self, reservation: Reservation, wait_seconds: float | None) -> Admission:
        """Hold what the claims ask, leasing what is missing; those that refuse come first."""
        refusals: list[Refusal] = []
        exceeded: list[Refusal] = []
        holds: list[Hold] = []
        for claim in sorted(reservation.claims, key=_is_soft):
            if refusals and not claim.refuses:
                break
            pool = self.pools.get(pool_key(claim)) or Pool(claim)
            own = pool.spent, pool.free
            answer = self._lease(pool, claim, reservation, wait_seconds)
            if pool.parts:
                self.pools[pool_key(claim)] = pool
            self.crossings += answer.crossings
            refusals += (_seen_by_call(claim, refusal, *own) for refusal in answer.refusals)
            exceeded += (_seen_by_call(claim, refusal, *own) for refusal in answer.exceeded)
            holds.append(Hold(pool, claim.amount))
        if refusals:
            return Admission(refusals=tuple(refusals))
        take(holds)
        self.open.setdefault(reservation.id, []).extend(holds)
        return Admission(exceeded=tuple(exceeded))

    def book_used_up(self, pool: Pool) -> None:
        """Tell the store behind of every part that is spent in full; what it does not take is told later."""
        try:
            while pool.is_used_up:
                self._settle_oldest(pool)
        except StoreError as error:
            _logger.warning("spending is booked later: %s", error)

    def book_above(self, above: Iterable[Charge]) -> None:
        """Charge what was used above what was held; a counter that this freezes is not served from here any more."""
        for charge in above:
            self._note_above(charge)
        try:
            self._send()
        except StoreError as error:
            _logger.warning("spending is booked later: %s", error)

    def retire(self, *, counter: str | None = None, budget: str | None = None) -> None:
        """Serve no more calls from the pools of a counter, or of a budget; calls under way end in them."""
        for key, pool in list(self.pools.items()):
            if counter in {None, pool.claim.counter} and budget in {None, pool.claim.budget}:
                self.retired.append(self.pools.pop(key))

    def flush(self) -> None:
        """Book everything that was spent, and give back everything that no call holds.

        Raises:
            StoreError: the store behind did not answer; what is not booked is still reserved there.
        """
        self._send()
        for pool in self.unbooked():
            self._give_back(pool)
        self.pools = {key: pool for key, pool in self.pools.items() if pool.parts}
        self.retired = [pool for pool in self.retired if pool.parts]

    def unbooked(self) -> list[Pool]:
        """Every pool."""
        return [*self.pools.values(), *self.retired]

    def told(self) -> tuple[Crossing, ...]:
        """What is to be told and was not yet; the next caller takes it along."""
        crossings, self.crossings = tuple(self.crossings), []
        return crossings

    def tick(self) -> bool:
        """Flush, as the thread does every so often.

        Returns:
            Whether the thread is still needed.
        """
        with self.lock:
            try:
                self.flush()
            except StoreError as error:
                _logger.warning("headroom is given back later: %s", error)
            if self.pools or self.retired or self._outbox or self._owed:
                return True
            self._thread = None
            return False

    def stop(self) -> None:
        """Flush for good, at the end of the process or of the store."""
        self._stopping.set()
        self.tick()

    def before_fork(self) -> None:
        """Nothing is waited for: a child begins without headroom, whatever its parent was doing."""

    def after_fork(self) -> None:
        """In the child: what is leased is the parent's."""
        if os.getpid() == self._pid:
            return
        self._pid = os.getpid()
        self.lock = FairLock()
        self.pools, self.retired, self.open, self.crossings = {}, [], {}, []
        self._outbox, self._owed, self._unanswered, self._thread = deque(), deque(), set(), None
        self._stopping = threading.Event()

    def _lease(self, pool: Pool, claim: Claim, asked: Reservation, wait_seconds: float | None) -> Admission:
        """See to it that a claim fits into its pool: with a chunk, else with just what is missing."""
        lacking = max(claim.amount - pool.free, 0)
        if pool.parts and not lacking:
            return Admission()
        rest = self.inner.headroom(claim)
        chunk = min(claim.limit * self._chunk_ppm // PPM, rest // _MOST_OF_REST)
        if chunk > lacking:
            answer = self._reserve(pool, claim._replace(amount=chunk), asked._replace(is_tentative=True), wait_seconds)
            if answer.is_admitted:
                return answer
        return self._reserve(pool, claim._replace(amount=lacking), asked, wait_seconds)

    def _reserve(self, pool: Pool, claim: Claim, asked: Reservation, wait_seconds: float | None) -> Admission:
        part = Part(f"headroom-{uuid4().hex}", claim.amount)
        reservation = Reservation(part.id, (claim,), asked.lease_us, asked.is_tentative)
        try:
            answer = self.inner.reserve(reservation, wait_seconds=wait_seconds)
        except StoreError:
            self._outbox.append(Settlement(part.id, (Charge(claim, 0),)))
            raise
        if answer.is_admitted:
            pool.add(part)
            self._start()
        return answer

    def _give_back(self, pool: Pool) -> None:
        """Settle every part, with one in their place for what calls under way still hold, if there is room for it."""
        if pool.held and not self._replace_held(pool):
            return
        kept = 1 if pool.held else 0
        while len(pool.parts) > kept:
            self._settle_oldest(pool)

    def _replace_held(self, pool: Pool) -> bool:
        """Reserve what calls under way hold once more, so that the parts it is in can be settled."""
        if not pool.spent and not pool.free:
            return False
        claim = pool.claim._replace(amount=pool.held)
        if self.inner.headroom(claim) < pool.held:
            return False
        answer = self._reserve(pool, claim, _HELD, None)
        self.crossings += answer.crossings
        return answer.is_admitted

    def _note_above(self, charge: Charge) -> None:
        """Have an overrun told: by a charge that freezes, else as the end of a reservation of nothing."""
        if charge.freezes or charge.amount < 0:
            self._owed.append(charge)
            self.retire(counter=charge.claim.counter)
            return
        key = f"overrun-{uuid4().hex}"
        try:
            self.inner.reserve(Reservation(key, (charge.claim._replace(amount=0, refuses=False),)))
            self._outbox.append(Settlement(key, (charge,)))
        except StoreError:
            self._owed.append(charge)  # charged later, in full; only the telling is lost

    def _settle_oldest(self, pool: Pool) -> None:
        """Take the oldest part out of its pool, and tell the store behind."""
        part, used = pool.pop_oldest()
        self._outbox.append(Settlement(part.id, (Charge(pool.claim._replace(amount=part.amount), used),)))
        self._send()

    def _send(self) -> None:
        """Settle and charge what waits, oldest first; what is not answered waits on, and can be repeated."""
        while self._outbox:
            settlement = self._outbox[0]
            try:
                settled = self.inner.settle(settlement)
            except StoreError:
                self._unanswered.add(settlement.reservation_id)
                raise
            self._outbox.popleft()
            self.crossings += settled.crossings
            if not settled.is_applied and settlement.reservation_id not in self._unanswered:
                self._owed += (charge for charge in settlement.charges if charge.amount)  # it had been released
            self._unanswered.discard(settlement.reservation_id)
        while self._owed:
            self.crossings += self.inner.charge((self._owed[0],))
            self._owed.popleft()

    def _start(self) -> None:
        if self._thread is None and not self._stopping.is_set():
            arguments = (ref(self), self._stopping, self._flush_seconds)
            self._thread = threading.Thread(target=_run, args=arguments, name="costguard-headroom", daemon=True)
            self._thread.start()


def pool_key(claim: Claim) -> PoolKey:
    """What claims have in common that are served from one pool: everything but the amount."""
    return claim[:5] + claim[6:]


def _seen_by_call(claim: Claim, refusal: Refusal, spent: int, free: int) -> Refusal:
    """A refusal of a lease as the call sees it: what this process has free is not held by others."""
    return refusal._replace(claim=claim, spent=refusal.spent + spent, reserved=refusal.reserved - spent - free)


def _is_soft(claim: Claim) -> bool:
    return not claim.refuses


def _run(leases: ref[Leases], stopping: threading.Event, seconds: float) -> None:
    """Flush every so often, for as long as anything is leased and the store is in use."""
    while not stopping.wait(seconds):
        alive = leases()
        if alive is None or not alive.tick():
            return
        del alive
