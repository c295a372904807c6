"""Budgets as nobody would build them: every claim and charge in one list, and every question answered by adding up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_costguard.budgets.claims import PPM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_costguard.budgets.claims import Charge, Claim


@dataclass
class Line:
    """One claim of one reservation, or one charge (`reservation` is `None`)."""

    reservation: str | None
    claim: Claim
    state: str = "open"
    charged: int = 0
    overrun: int = 0


@dataclass
class NaiveBudgets:
    """What a budget store should hold and answer, by the plainest means."""

    lines: list[Line] = field(default_factory=list)
    limits: dict[str, int | None] = field(default_factory=dict)
    frozen_budgets: set[str] = field(default_factory=set)
    frozen_slots: set[tuple[str, int]] = field(default_factory=set)
    refused: Counter[tuple[str, int]] = field(default_factory=Counter)
    told: set[tuple[str, int, int]] = field(default_factory=set)

    def limit(self, claim: Claim) -> int:
        """The limit in force."""
        limit = self.limits.get(claim.budget)
        return claim.limit if limit is None else limit

    def window(self, claim: Claim) -> Iterator[Line]:
        """What counts against a claim's limit."""
        for line in self.lines:
            if line.claim.counter == claim.counter and _counts(claim, line.claim.slot_us):
                yield line

    def spent(self, claim: Claim) -> int:
        """What is charged in a claim's window."""
        return sum(line.charged for line in self.window(claim))

    def reserved(self, claim: Claim) -> int:
        """What is reserved in it."""
        return sum(line.claim.amount for line in self.window(claim) if line.state == "open")

    def is_frozen(self, claim: Claim) -> bool:
        """Whether the budget, or a slot of the window, is frozen."""
        slots = (slot for counter, slot in self.frozen_slots if counter == claim.counter)
        return claim.budget in self.frozen_budgets or any(_counts(claim, slot) for slot in slots)

    def lacks(self, claim: Claim) -> bool:
        """Whether a claim does not fit."""
        return self.is_frozen(claim) or self.spent(claim) + self.reserved(claim) + claim.amount > self.limit(claim)

    def admit(self, reservation: str, claims: Sequence[Claim]) -> tuple[list[Claim], list[Claim]]:
        """Admit all or none: what is refused, and what is admitted although it does not fit."""
        lacking = [claim for claim in claims if self.lacks(claim)]
        refused = [claim for claim in lacking if claim.refuses]
        self.refused.update((claim.counter, claim.slot_us) for claim in refused or lacking)
        if refused:
            return refused, []
        self.lines += [Line(reservation, claim) for claim in claims]
        return [], lacking

    def lines_of(self, reservation: str, *states: str) -> list[Line]:
        """The claims of a reservation that are in one of these states."""
        return [line for line in self.lines if line.reservation == reservation and line.state in states]

    def settle(self, reservation: str, charges: Sequence[Charge]) -> list[tuple[str, str, int]] | None:
        """End a reservation: the thresholds it crosses, or `None` if it had ended before."""
        lines = self.lines_of(reservation, "open", "expired")
        if not lines:
            return None
        held: Counter[tuple[str, int]] = Counter()
        for line in lines:
            held[line.claim.counter, line.claim.slot_us] += line.claim.amount
            line.state, line.charged = "settled", 0
        return [told for charge in charges for told in self._book(charge, held)]

    def charge(self, charge: Charge) -> list[tuple[str, str, int]]:
        """Charge what nobody reserved."""
        return self._book(charge, Counter())

    def expire(self, reservation: str) -> list[tuple[str, str, int]]:
        """Charge or release what a reservation holds whose owner is gone."""
        told = []
        for line in self.lines_of(reservation, "open"):
            line.state = "expired"
            if line.claim.charges_lost:
                line.charged = line.claim.amount
                told += self._thresholds(line.claim)
        return told

    def unfreeze(self, budget: str) -> None:
        """Lift what overruns have frozen; a budget has one counter here."""
        self.frozen_slots = {(counter, slot) for counter, slot in self.frozen_slots if counter != budget}

    def _book(self, charge: Charge, held: Counter[tuple[str, int]]) -> list[tuple[str, str, int]]:
        claim, amount, freezes = charge
        place = (claim.counter, claim.slot_us)
        overrun = max(0, amount - held[place])
        self.lines.append(Line(None, claim, "charged", amount, overrun))
        if overrun and freezes:
            self.frozen_slots.add(place)
        return self._thresholds(claim)

    def _thresholds(self, claim: Claim) -> list[tuple[str, str, int]]:
        told = []
        spent, limit = self.spent(claim), self.limit(claim)
        for share in claim.alerts_ppm:
            is_known = any(
                counter == claim.counter and known == share and _counts(claim, slot)
                for counter, slot, known in self.told
            )
            if spent > 0 and spent * PPM >= share * limit and not is_known:
                self.told.add((claim.counter, claim.slot_us, share))
                told.append(("threshold", claim.counter, share))
        return told


def _counts(claim: Claim, slot_us: int) -> bool:
    """Whether a slot counts against a claim's limit: its own, or every one from `since_us` on if the window rolls."""
    return slot_us == claim.slot_us if claim.since_us == claim.slot_us else slot_us >= claim.since_us
