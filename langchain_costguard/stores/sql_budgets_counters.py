"""The counters that one step concerns, as they were read: what fits, what is told, and what is written back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.budgets.claims import OVERRUN_NOTE, PPM, Crossing, Refusal
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.sql_budgets_statements import Statement, keyed
from langchain_costguard.stores.units import check_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from langchain_costguard.budgets.claims import Charge, Claim, CrossingKind
    from langchain_costguard.stores.sql_budgets_statements import BudgetStatements

_MOST: Final = 2**63 - 1
_REFUSED: Final = "refused"
_OVERRUN: Final = "overrun"
"""What was told stands among the thresholds."""


class Setting(NamedTuple):
    """What an operator has set for a budget."""

    limit: int | None = None
    frozen: str | None = None


_UNSET: Final = Setting()


class Slot:
    """One row of a counter: what it holds, and what this step adds to it."""

    __slots__ = (
        "added",
        "budget",
        "crossed",
        "freezes",
        "frozen",
        "has_told",
        "is_changed",
        "overrun",
        "refused",
        "reserved",
        "spent",
        "unit",
    )

    def __init__(self, claim: Claim) -> None:
        """An empty row for the counter of a claim."""
        self.budget: str = claim.budget
        self.unit: str = claim.unit
        self.spent: int = 0
        self.reserved: int = 0
        self.overrun: int = 0
        self.refused: int = 0
        self.frozen: str | None = None
        self.freezes: str | None = None
        """Why this step freezes it."""
        self.crossed: tuple[str, ...] = ()
        self.added: list[int] = [0, 0, 0, 0, 0]
        """Spent, reserved, unsettled, overrun, refused."""
        self.is_changed: bool = False
        self.has_told: bool = False

    def read(self, row: Sequence[Any]) -> None:
        """Take over what the row holds."""
        _, _, self.unit, self.spent, self.reserved, self.overrun, self.refused, self.frozen, crossed = row
        self.crossed = tuple(crossed.split(",")) if crossed else ()

    def tell(self, what: str) -> None:
        """Note that something was told."""
        self.crossed = (*self.crossed, what)
        self.has_told = self.is_changed = True

    @property
    def figures(self) -> tuple[int, ...]:
        """The largest of what it holds."""
        return self.spent, self.reserved, self.overrun

    def add(self, *, spent: int = 0, reserved: int = 0, unsettled: int = 0, overrun: int = 0, refused: int = 0) -> None:
        """Change the figures."""
        self.spent += spent
        self.reserved += reserved
        self.overrun += overrun
        self.refused += refused
        old = self.added
        self.added = [old[0] + spent, old[1] + reserved, old[2] + unsettled, old[3] + overrun, old[4] + refused]
        self.is_changed = True


class Counters:
    """What one step has read of the counters of its claims.

    Args:
        claims: whose counters.
        statements: the SQL.
    """

    def __init__(self, claims: Iterable[Claim], statements: BudgetStatements) -> None:
        """Note which counters; they are empty until `read`."""
        self._statements = statements
        self._claims: dict[tuple[str, int], Claim] = {(claim.counter, claim.slot_us): claim for claim in claims}
        self.names: list[str] = sorted({counter for counter, _ in self._claims})
        """The counters, in the order in which they are locked."""
        self._slots: dict[str, dict[int, Slot]] = {}
        self._settings: dict[str, Setting] = dict.fromkeys((claim.budget for claim in self._claims.values()), _UNSET)

    def reads(self) -> list[Statement]:
        """The questions whose answers `read` takes."""
        questions = [self._question(name, list(self._claims_of(name))) for name in self.names]
        return questions + [Statement(self._statements.setting, (keyed(budget),)) for budget in self._settings]

    def read(self, answers: Sequence[Sequence[Sequence[Any]]]) -> None:
        """Take over the rows."""
        for name, rows in zip(self.names, answers, strict=False):
            sample = next(self._claims_of(name))
            slots = self._slots[name] = {}
            for row in rows:
                slots[row[1]] = Slot(sample)
                slots[row[1]].read(row)
        for budget, rows in zip(self._settings, answers[len(self.names) :], strict=True):
            if rows:
                self._settings[budget] = Setting(*rows[0])

    def slot(self, claim: Claim) -> Slot:
        """The row that a claim is charged to."""
        slots = self._slots.setdefault(claim.counter, {})
        if claim.slot_us not in slots:
            slots[claim.slot_us] = Slot(claim)
        return slots[claim.slot_us]

    def check_units(self, claims: Iterable[Claim]) -> None:
        """Refuse claims in another unit than their counter's.

        Raises:
            StoreError: there is one.
        """
        for claim in claims:
            check_unit(claim, self.slot(claim).unit)

    def limit(self, claim: Claim) -> int:
        """The limit in force."""
        limit = self._settings[claim.budget].limit
        return claim.limit if limit is None else limit

    def refusal(self, claim: Claim) -> Refusal | None:
        """Why a claim is not admitted; `None` if it is."""
        window, limit = self._window(claim), self.limit(claim)
        spent, reserved = sum(slot.spent for slot in window), sum(slot.reserved for slot in window)
        note = self._frozen(claim, window)
        if note is not None:
            return Refusal(claim, limit, spent, reserved, "frozen", note)
        return Refusal(claim, limit, spent, reserved) if spent + reserved + claim.amount > limit else None

    def headroom(self, claim: Claim) -> int:
        """What is left for a claim; 0 where it would be refused whatever it asks."""
        if self._frozen(claim, self._window(claim)) is not None:
            return 0
        return self.limit(claim) - self._spent(claim) - self._reserved(claim)

    def refuse(self, claim: Claim) -> Iterator[Crossing]:
        """Count a claim that did not fit; the first of its window is told."""
        is_first = not self._is_told(claim, _REFUSED)
        slot = self.slot(claim)
        slot.add(refused=1)
        if is_first and claim.refuses:
            slot.tell(_REFUSED)
            yield self._crossing(claim, _REFUSED)

    def settle(self, charge: Charge, held: int) -> Iterator[Crossing]:
        """Charge what was used for a claim of which so much was held, and tell an overrun."""
        overrun = max(0, charge.amount - held)
        slot = self.slot(charge.claim)
        slot.add(spent=charge.amount, overrun=overrun)
        if overrun:
            is_new = not self._is_told(charge.claim, _OVERRUN)
            if charge.freezes and self._frozen_by_overrun(charge.claim) is None:
                slot.frozen = slot.freezes = OVERRUN_NOTE
                is_new = True
            if is_new:
                slot.tell(_OVERRUN)
                yield self._crossing(charge.claim, _OVERRUN)
        yield from self.thresholds(charge.claim)

    def thresholds(self, claim: Claim) -> Iterator[Crossing]:
        """Tell each threshold that spending has reached and that was not told in the window."""
        if not claim.alerts_ppm:
            return
        spent, limit = self._spent(claim), self.limit(claim)
        for share in claim.alerts_ppm:
            if spent > 0 and spent * PPM >= share * limit and not self._is_told(claim, str(share)):
                self.slot(claim).tell(str(share))
                yield Crossing(claim, "threshold", share, limit, spent, self._reserved(claim))

    def writes(self) -> list[Statement]:
        """The statements that write back what has changed, in the order of the counters.

        Raises:
            StoreError: a figure became larger than a database can hold.
        """
        if any(abs(figure) > _MOST for slots in self._slots.values() for s in slots.values() for figure in s.figures):
            msg = "A budget's figures became larger than its store can hold: give smaller amounts"
            raise StoreError(msg)
        return [
            Statement(
                self._statements.add_told if slot.has_told else self._statements.add,
                (
                    keyed(name),
                    slot_us,
                    keyed(slot.budget),
                    slot.unit,
                    *slot.added,
                    slot.freezes,
                    ",".join(dict.fromkeys(slot.crossed)),
                ),
            )
            for name in sorted(self._slots)
            for slot_us, slot in sorted(self._slots[name].items())
            if slot.is_changed
        ]

    def _claims_of(self, name: str) -> Iterator[Claim]:
        return (claim for (counter, _), claim in self._claims.items() if counter == name)

    def _question(self, name: str, claims: Sequence[Claim]) -> Statement:
        """One row where that is all that counts, else every row from the first that counts."""
        first = claims[0]
        if len(claims) == 1 and first.since_us == first.slot_us:
            return Statement(self._statements.slot, (keyed(name), first.slot_us))
        return Statement(self._statements.window, (keyed(name), min(claim.since_us for claim in claims)))

    def _window(self, claim: Claim) -> list[Slot]:
        """The rows that count against a claim's limit; a rolling window goes on to the newest slot there is."""
        slots: Mapping[int, Slot] = self._slots.get(claim.counter, {})
        if claim.since_us == claim.slot_us:
            return [slots[claim.slot_us]] if claim.slot_us in slots else []
        return [slot for slot_us, slot in slots.items() if slot_us >= claim.since_us]

    def _frozen(self, claim: Claim, window: Sequence[Slot]) -> str | None:
        by_operator = self._settings[claim.budget].frozen
        return (
            by_operator if by_operator is not None else next((s.frozen for s in window if s.frozen is not None), None)
        )

    def _frozen_by_overrun(self, claim: Claim) -> str | None:
        return next((slot.frozen for slot in self._window(claim) if slot.frozen is not None), None)

    def _is_told(self, claim: Claim, what: str) -> bool:
        return any(what in slot.crossed for slot in self._window(claim))

    def _spent(self, claim: Claim) -> int:
        return sum(slot.spent for slot in self._window(claim))

    def _reserved(self, claim: Claim) -> int:
        return sum(slot.reserved for slot in self._window(claim))

    def _crossing(self, claim: Claim, kind: CrossingKind) -> Crossing:
        spent, limit = self._spent(claim), self.limit(claim)
        share = spent * PPM // limit if limit > 0 else PPM
        return Crossing(claim, kind, share, limit, spent, self._reserved(claim))
