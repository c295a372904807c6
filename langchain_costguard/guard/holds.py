"""What a call has reserved, and what it is charged when it ends: pure arithmetic on a claim and an ending."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.budgets.claims import Charge, Settlement
from langchain_costguard.guard.uncounted import note_uncounted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.budgets import Budget
    from langchain_costguard.budgets.claims import Claim
    from langchain_costguard.guard.bound import CallBound
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.ledger import CallStatus, LedgerEntry
    from langchain_costguard.stores.budget_base import BudgetStore

_NS_PER_SECOND: Final = 1_000_000_000
_NOT_TOLD: Final = frozenset({"cancelled", "lost"})


class Ending(NamedTuple):
    """How a call ended, as far as its budgets care."""

    status: CallStatus
    is_unbilled: bool
    """Whether the provider certainly bills nothing for it."""
    is_reported: bool
    """Whether what was used is known: the provider said so, or charges by a count that is known here too."""
    has_output: bool
    """Whether anything of an answer had arrived."""
    output_bytes: int
    """The length of the answer's text."""
    latency_ns: int
    retries: int | None = None
    """How many attempts the client made before the one that ended so; `None` if it does not say."""


class Hold:
    """What one call has reserved in one store.

    Attributes:
        guard: who reserved it, and is told what its settlement crosses.
        store: where.
        reservation_id: its id there; empty if the store did not answer and the guard lets calls through.
        claims: what is reserved.
        budgets: for each claim, whose it is.
        charges_unknown: for each claim, whether what is not known is charged as reserved (or as estimated).
        bound: what the claims were made from.
        charged: what was charged for each claim; `None` while the call is open.
        siblings: the holds of other prompts, still open, whose usage stands in this call's answer.
        carried: for each claim, what is charged here for a sibling, or below zero by a sibling for this one.
        recorder: who settles it.
    """

    __slots__ = (
        "bound",
        "budgets",
        "carried",
        "charged",
        "charges_unknown",
        "claims",
        "guard",
        "recorder",
        "reservation_id",
        "siblings",
        "store",
    )

    def __init__(
        self,
        guard: BudgetGuard,
        store: BudgetStore,
        reservation_id: str,
        claims: tuple[Claim, ...],
        budgets: tuple[Budget, ...],
        bound: CallBound,
    ) -> None:
        """Note what was reserved."""
        self.guard: BudgetGuard = guard
        self.store: BudgetStore = store
        self.reservation_id: str = reservation_id
        self.claims: tuple[Claim, ...] = claims
        self.budgets: tuple[Budget, ...] = budgets
        self.charges_unknown: tuple[bool, ...] = tuple(budget.on_unknown == "reserved" for budget in budgets)
        self.bound: CallBound = bound
        self.charged: tuple[int, ...] | None = None
        self.siblings: Sequence[Hold] = ()
        self.carried: list[int] | None = None
        self.recorder: object = guard.recorder

    def settlement(self, entry: LedgerEntry, ending: Ending) -> Settlement | Sequence[Charge]:
        """What to do in the store now that the call has ended.

        Args:
            entry: the call's line.
            ending: how it ended.

        Returns:
            A settlement for the first ending; for a later one, and where nothing could be reserved, the charges that
            bring the counters to what is known now.
        """
        amounts = tuple(
            self._amount(claim, entry, ending, charges_unknown=charges_unknown)
            for claim, charges_unknown in zip(self.claims, self.charges_unknown, strict=True)
        )
        if self.charged is None:
            for claim, amount in zip(self.claims, amounts, strict=True):
                if not amount and _is_uncounted(claim, entry, ending):
                    note_uncounted(self.store, claim)
        if self.siblings and self.charged is None:
            self._spread(amounts)
        if self.carried is not None:
            amounts = tuple(amount + carried for amount, carried in zip(amounts, self.carried, strict=True))
        before, self.charged = self.charged, amounts
        if before is None and self.reservation_id:
            return Settlement(
                self.reservation_id,
                tuple(Charge(claim, amount, claim.refuses) for claim, amount in zip(self.claims, amounts, strict=True)),
            )
        known = before or (0,) * len(amounts)
        return [
            Charge(claim, amount - earlier)
            for claim, amount, earlier in zip(self.claims, amounts, known, strict=True)
            if amount != earlier
        ]

    def release(self) -> Settlement:
        """The settlement of a call that was never made."""
        self.charged = (0,) * len(self.claims)
        return Settlement(self.reservation_id, tuple(Charge(claim, 0) for claim in self.claims))

    def carry(self, index: int, amount: int) -> None:
        """Charge more for one claim, or less, than this call has used."""
        if self.carried is None:
            self.carried = [0] * len(self.claims)
        self.carried[index] += amount

    def beyond(self, index: int, amount: int) -> int:
        """How much of an amount goes beyond what one claim has reserved; below zero where there is room."""
        return amount - self.claims[index].amount + (0 if self.carried is None else self.carried[index])

    def _spread(self, amounts: Sequence[int]) -> None:
        """Leave to siblings what goes beyond this reservation, as far as theirs reach: one answer bills them all."""
        for sibling in self.siblings:
            if sibling.charged is not None or sibling.store is not self.store:
                continue
            places = {(claim.counter, claim.slot_us): index for index, claim in enumerate(sibling.claims)}
            for index, (claim, amount) in enumerate(zip(self.claims, amounts, strict=True)):
                place = places.get((claim.counter, claim.slot_us))
                if place is not None:
                    part = max(0, min(self.beyond(index, amount), -sibling.beyond(place, 0)))
                    self.carry(index, -part)
                    sibling.carry(place, part)

    def _amount(self, claim: Claim, entry: LedgerEntry, ending: Ending, *, charges_unknown: bool) -> int:
        """What a claim is charged: what was used, where that is known, and the most that can be, where it is not."""
        if ending.status == "cached":
            return 0
        if claim.unit == "calls":
            return 0 if ending.is_unbilled else entry.calls
        used = self._used(claim, entry, ending)
        if used is not None and charges_unknown and not ending.is_unbilled:
            used = self._believable(claim, entry, ending, used)
        hidden = self._hidden_attempts(ending) * -(-claim.amount // self.bound.attempts) if charges_unknown else 0
        if used is not None:
            return used + hidden
        if charges_unknown:
            return min(self._most(claim, ending) + hidden, claim.amount)
        return (entry.billed_nano or 0) if claim.unit == "usd" else _tokens_of(entry)

    @staticmethod
    def _used(claim: Claim, entry: LedgerEntry, ending: Ending) -> int | None:
        """What the provider says was used; `None` if it does not say."""
        if ending.is_unbilled:
            return 0
        if claim.unit == "usd":
            is_known = ending.is_reported or entry.reported_nano is not None
            return entry.billed_nano if is_known else None
        return _tokens_of(entry) if ending.is_reported else None

    def _believable(self, claim: Claim, entry: LedgerEntry, ending: Ending, used: int) -> int | None:
        """What was used, unless the report denies what is plainly there; `None` if nothing of it is to be believed.

        An answer is not made of no tokens, and a cost of nothing stands for usage only where its price is nothing.
        """
        usage = entry.usage
        if claim.unit == "usd" and entry.reported_nano == 0 and entry.list_nano != 0:
            if not ending.is_reported or usage is None or entry.list_nano is None:
                return None
            used = max(used, entry.list_nano)
        if ending.output_bytes and ending.is_reported and usage is not None and usage.output_tokens <= 0:
            return max(used, self._most(claim, ending))
        return used

    def _hidden_attempts(self, ending: Ending) -> int:
        """How many requests may have failed, and been billed, before the one that is known."""
        hidden = self.bound.attempts - 1
        if ending.retries is not None:
            return min(hidden, ending.retries)
        timeout = self.bound.timeout_seconds
        if not hidden or timeout is None or timeout == math.inf:
            return 0
        return min(hidden, ending.latency_ns // max(1, round(timeout * _NS_PER_SECOND)))

    def _most(self, claim: Claim, ending: Ending) -> int:
        """The most that a call can have used whose usage is not known."""
        attempt = -(-claim.amount // self.bound.attempts)
        if ending.status == "ok":
            known = self.bound.answered(ending.output_bytes)
            if known is not None:
                return min(attempt, known[0] if claim.unit == "usd" else known[1])
        if ending.status in _NOT_TOLD or ending.has_output or ending.retries is not None:
            return attempt
        return claim.amount


def _is_uncounted(claim: Claim, entry: LedgerEntry, ending: Ending) -> bool:
    """Whether a charge of nothing stands for what is not known."""
    if claim.unit == "calls" or ending.status == "cached" or ending.is_unbilled:
        return False
    return entry.billed_nano is None if claim.unit == "usd" else entry.usage is None


def _tokens_of(entry: LedgerEntry) -> int:
    usage = entry.usage
    return 0 if usage is None else usage.input_tokens + usage.output_tokens
