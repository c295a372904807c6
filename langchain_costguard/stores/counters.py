"""What reserving, settling, charging and expiring do to counters: the rules of budgets as plain data, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from langchain_costguard.budgets.claims import (
    OVERRUN_NOTE,
    PPM,
    Admission,
    BudgetSetting,
    CounterState,
    Crossing,
    Refusal,
    Settled,
)
from langchain_costguard.stores.slots import Counter
from langchain_costguard.stores.units import check_unit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from langchain_costguard.budgets.claims import (
        BudgetChange,
        Charge,
        Claim,
        Reservation,
        Settlement,
    )
    from langchain_costguard.stores.slots import Slot

MAX_COUNTERS: Final = 100_000
"""With more counters than these, the oldest one of a run is forgotten for each new one."""

_Hold: TypeAlias = "tuple[Claim, Slot]"
"""What an open reservation holds of one slot; a plain pair, because one is made for every claim."""

_ADMITTED: Final = Admission()
_APPLIED: Final = Settled(is_applied=True)
_NOT_APPLIED: Final = Settled(is_applied=False)
_RUN: Final = "|run="


class Counters:
    """Counters, reservations and operators' settings of one process.

    It is a state machine: every method is one step, to be taken under the caller's lock. A reservation is open, then
    settled, or expired and then perhaps still settled.
    """

    def __init__(self) -> None:
        """Begin with nothing spent."""
        self._counters: dict[str, Counter] = {}
        self._runs: dict[str, None] = {}
        self._open: dict[str, list[_Hold]] = {}
        self._expired: dict[str, list[_Hold]] = {}
        self._settings: dict[str, BudgetSetting] = {}
        self._changes: list[BudgetChange] = []

    @property
    def open_ids(self) -> Collection[str]:
        """The reservations that are open."""
        return self._open.keys()

    def reserve(self, reservation: Reservation) -> Admission:
        """Reserve every claim, or none; see `BudgetStore.reserve`."""
        key = reservation.id
        if key in self._open or key in self._expired:
            return _ADMITTED
        answer, holds = self._admit(reservation.claims, is_tentative=reservation.is_tentative)
        if holds is not None:
            self._open[key] = holds
        return answer

    def extend(self, reservation_id: str, claims: Sequence[Claim]) -> Admission:
        """Reserve more under an open reservation; see `BudgetStore.extend`.

        Raises:
            LookupError: the reservation is not open.
        """
        if reservation_id not in self._open:
            msg = f"reservation {reservation_id!r} is not open: reserve() under a new id"
            raise LookupError(msg)
        answer, holds = self._admit(claims)
        self._open[reservation_id] += holds or ()
        return answer

    def settle(self, settlement: Settlement) -> Settled:
        """End a reservation; see `BudgetStore.settle`."""
        key = settlement.reservation_id
        holds = self._open.pop(key, None)
        if holds is not None:
            for claim, slot in holds:
                slot.reserved -= claim.amount
        else:
            holds = self._expired.pop(key, None)
            if holds is None:
                return _NOT_APPLIED
            for claim, slot in holds:
                _take_back(claim, slot)
        crossings: list[Crossing] = []
        for charge in settlement.charges:
            slot = self._slot(charge.claim)
            reserved = 0
            for claim, held in holds:
                if held is slot:
                    reserved += claim.amount
            self._book(charge, slot, reserved, crossings, is_told=True)
        return Settled(is_applied=True, crossings=tuple(crossings)) if crossings else _APPLIED

    def charge(self, charges: Sequence[Charge]) -> tuple[Crossing, ...]:
        """Charge what nobody reserved; see `BudgetStore.charge`."""
        crossings: list[Crossing] = []
        for charge in charges:
            self._book(charge, self._slot(charge.claim), 0, crossings, is_told=False)
        return tuple(crossings)

    def expire(self, reservation_ids: Iterable[str]) -> list[Crossing]:
        """Charge or release, as their claims say, those of these reservations that are open."""
        crossings: list[Crossing] = []
        for key in reservation_ids:
            holds = self._open.pop(key, None)
            if holds is None:
                continue
            self._expired[key] = holds
            for claim, slot in holds:
                slot.reserved -= claim.amount
                if claim.charges_lost:
                    slot.spent += claim.amount
                    slot.unsettled += claim.amount
                    self._cross_thresholds(claim, slot, crossings)
        return crossings

    def abandon(self) -> None:
        """Forget every open reservation and what it holds, charging nothing: for the child of a fork."""
        for holds in self._open.values():
            for claim, slot in holds:
                slot.reserved -= claim.amount
        self._open.clear()

    def forget(self, counter: str) -> bool:
        """Let go of a counter whose run has ended.

        Returns:
            Whether it is gone; `False` while something of it is reserved.
        """
        found = self._counters.get(counter)
        if found is not None:
            if found.is_reserved:
                return False
            del self._counters[counter]
            self._runs.pop(counter, None)
        return True

    def states(self, budgets: Sequence[str] | None, since_us: int) -> list[CounterState]:
        """What the counters hold; see `BudgetStore.counters`."""
        found = [
            counter.state(slot)
            for counter in self._counters.values()
            if budgets is None or counter.budget in budgets
            for slot in counter.slots.values()
            if slot.slot_us >= since_us
        ]
        return sorted(found, key=lambda state: (state.slot_us, state.counter))

    def settings(self) -> list[BudgetSetting]:
        """What operators have set, in order of the budgets."""
        return [self._settings[budget] for budget in sorted(self._settings)]

    def change(self, change: BudgetChange) -> None:
        """Make and keep an operator's change; its time is given."""
        budget = change.budget
        limit, frozen = self._settings.get(budget, BudgetSetting(budget, None, None))[1:]
        if change.action == "set":
            limit = change.limit
        else:
            frozen = change.note if change.action == "freeze" else None
        self._settings[budget] = BudgetSetting(budget, limit, frozen)
        self._changes.append(change)
        if change.action != "freeze":
            for counter in self._counters.values():
                if counter.budget == budget:
                    counter.unfreeze()

    def changes(self, budget: str | None) -> list[BudgetChange]:
        """Operators' changes, oldest first."""
        found = [change for change in self._changes if budget is None or change.budget == budget]
        return sorted(found, key=lambda change: change.at_us)

    def _admit(self, claims: Sequence[Claim], *, is_tentative: bool = False) -> tuple[Admission, list[_Hold] | None]:
        """Hold every claim; or none, and count those that were refused.

        Raises:
            StoreError: a counter counts in another unit.
        """
        holds = [(claim, self._slot(claim)) for claim in claims]
        for claim in claims:
            check_unit(claim, self._counters[claim.counter].unit)
        lacking: list[tuple[_Hold, Refusal]] = []
        for hold in holds:
            refusal = self._test(*hold)
            if refusal is not None:
                lacking.append((hold, refusal))
        if lacking:
            refused = [(hold, refusal) for hold, refusal in lacking if hold[0].refuses]
            if refused and is_tentative:
                return Admission(refusals=tuple(refusal for _, refusal in refused)), None
            if refused:
                return _refuse(refused), None
        for claim, slot in holds:
            slot.reserved += claim.amount
        if not lacking:
            return _ADMITTED, holds
        for (_, slot), _ in lacking:
            slot.refused += 1
        return Admission(exceeded=tuple(refusal for _, refusal in lacking)), holds

    def _test(self, claim: Claim, slot: Slot) -> Refusal | None:
        """Why a claim cannot be admitted; `None` if it fits."""
        limit = claim.limit
        if claim.since_us == claim.slot_us:
            spent, reserved, frozen = slot.spent, slot.reserved, slot.frozen
        else:
            spent, reserved, frozen = self._counters[claim.counter].sums(claim.since_us)
        setting = self._settings.get(claim.budget)
        if setting is not None:
            limit = limit if setting.limit is None else setting.limit
            frozen = frozen if setting.frozen is None else setting.frozen
        if frozen is not None:
            return Refusal(claim, limit, spent, reserved, "frozen", frozen)
        if spent + reserved + claim.amount > limit:
            return Refusal(claim, limit, spent, reserved)
        return None

    def _book(self, charge: Charge, slot: Slot, reserved: int, crossings: list[Crossing], *, is_told: bool) -> None:
        """Charge a slot, and note what is to be told of it."""
        claim, amount, freezes = charge
        slot.spent += amount
        if amount > reserved:
            newly_frozen = freezes and slot.frozen is None
            is_first = is_told and not slot.overrun
            slot.overrun += amount - reserved
            if newly_frozen:
                slot.frozen = OVERRUN_NOTE
            if newly_frozen or is_first:
                limit, spent, held = self._figures(claim, slot)
                crossings.append(Crossing(claim, "overrun", spent_share(spent, limit), limit, spent, held))
        if claim.alerts_ppm:
            self._cross_thresholds(claim, slot, crossings)

    def _cross_thresholds(self, claim: Claim, slot: Slot, crossings: list[Crossing]) -> None:
        limit, spent, reserved = self._figures(claim, slot)
        for share in claim.alerts_ppm:
            if spent <= 0 or spent * PPM < share * limit:
                break
            if not self._was_told(claim, slot, share):
                slot.crossed = (*slot.crossed, share)
                crossings.append(Crossing(claim, "threshold", share, limit, spent, reserved))

    def _was_told(self, claim: Claim, slot: Slot, share: int) -> bool:
        if claim.since_us == claim.slot_us:
            return share in slot.crossed
        return any(share in live.crossed for live in self._counters[claim.counter].since(claim.since_us))

    def _figures(self, claim: Claim, slot: Slot) -> tuple[int, int, int]:
        """The limit in force, and what is spent and reserved in the claim's window."""
        setting = self._settings.get(claim.budget)
        limit = claim.limit if setting is None or setting.limit is None else setting.limit
        if claim.since_us == claim.slot_us:
            return limit, slot.spent, slot.reserved
        spent, reserved, _ = self._counters[claim.counter].sums(claim.since_us)
        return limit, spent, reserved

    def _slot(self, claim: Claim) -> Slot:
        """The slot a claim is charged to; it begins empty."""
        counter = self._counters.get(claim.counter)
        if counter is None:
            counter = self._new_counter(claim)
        return counter.slots.get(claim.slot_us) or counter.begin(claim.slot_us, claim.since_us)

    def _new_counter(self, claim: Claim) -> Counter:
        name = claim.counter
        if len(self._counters) >= MAX_COUNTERS:
            oldest = next((run for run in self._runs if not self._counters[run].is_reserved), None)
            if oldest is not None:
                self.forget(oldest)
        if name.startswith(_RUN, len(claim.budget)):
            self._runs[name] = None
        counter = self._counters[name] = Counter(claim.budget, name, claim.unit)
        return counter


def spent_share(spent: int, limit: int) -> int:
    """The share of a limit that is spent, in parts per million, rounded down; all of it where the limit is zero."""
    return spent * PPM // limit if limit > 0 else PPM


def _refuse(refused: Sequence[tuple[_Hold, Refusal]]) -> Admission:
    """Count refusals, and tell the first one of each slot."""
    crossings = []
    for (claim, slot), refusal in refused:
        if not slot.refused:
            share = spent_share(refusal.spent, refusal.limit)
            crossings.append(Crossing(claim, "refused", share, refusal.limit, refusal.spent, refusal.reserved))
        slot.refused += 1
    return Admission(refusals=tuple(refusal for _, refusal in refused), crossings=tuple(crossings))


def _take_back(claim: Claim, slot: Slot) -> None:
    """Undo what an expired reservation was charged."""
    if claim.charges_lost:
        slot.spent -= claim.amount
        slot.unsettled -= claim.amount
