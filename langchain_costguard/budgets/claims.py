"""What is asked of a budget store and what it answers: claims on counters, admissions, settlements, crossings.

A counter holds, for one slot of time, what was spent and what is reserved. A reservation claims amounts on several
counters at once, all or nothing; it ends by a settlement, which charges what was really used. Amounts are integers:
nano-USD, tokens or calls.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Unit = Literal["usd", "tokens", "calls"]
"""What a budget counts: money (in nano-USD), input and output tokens together, or calls."""

CrossingKind = Literal["threshold", "refused", "overrun"]
RefusalReason = Literal["full", "frozen"]

OVERRUN_NOTE = "a call cost more than was reserved for it"
"""Why a counter is frozen after an overrun."""

PPM = 1_000_000
"""Shares of a limit are kept in parts per million."""


class Claim(NamedTuple):
    """What one reservation asks of one counter."""

    budget: str
    """The budget's key, under which an operator's changes are kept."""
    counter: str
    """The counter: the budget's key, and the value that has a counter of its own (a user, a run)."""
    slot_us: int
    """The slot that admits the claim and is charged, whenever it ends: microseconds since 1970-01-01 UTC."""
    since_us: int
    """The first slot that counts against the limit: `slot_us` itself, or an earlier one for a rolling window."""
    unit: Unit
    amount: int
    """How much is reserved."""
    limit: int
    """The limit, unless an operator has set another one for the budget."""
    refuses: bool
    """Whether the claim is refused when it does not fit (a hard budget)."""
    charges_lost: bool
    """Whether a reservation whose owner is gone is charged; it is released otherwise."""
    alerts_ppm: tuple[int, ...] = ()
    """The shares of the limit at which spending is to be reported, ascending."""


class Reservation(NamedTuple):
    """Claims that are admitted together or not at all."""

    id: str
    """Unique for ever: every operation on it can be repeated without harm."""
    claims: tuple[Claim, ...]
    """At most one per counter."""
    lease_us: int = 600_000_000
    """How long it holds without being renewed, in microseconds, where nobody can tell whether its owner lives."""
    is_tentative: bool = False
    """Whether a refusal is neither counted nor told, because whoever asks will ask for less or elsewhere next."""


class Refusal(NamedTuple):
    """A claim that did not fit, and what its counter held."""

    claim: Claim
    limit: int
    """The limit in force."""
    spent: int
    reserved: int
    """Reserved by others."""
    reason: RefusalReason = "full"
    note: str = ""
    """Why the counter or the budget is frozen."""


class Crossing(NamedTuple):
    """Something that is to be told once per counter and window."""

    claim: Claim
    kind: CrossingKind
    share_ppm: int
    """The threshold that was crossed; for an overrun or a refusal the share that is spent."""
    limit: int
    spent: int
    reserved: int


class Admission(NamedTuple):
    """The answer to a reservation."""

    refusals: tuple[Refusal, ...] = ()
    """The claims that were refused; empty if all were admitted. If there are any, nothing was reserved."""
    exceeded: tuple[Refusal, ...] = ()
    """Claims of soft and observing budgets that were admitted although they do not fit."""
    crossings: tuple[Crossing, ...] = ()

    @property
    def is_admitted(self) -> bool:
        """Whether everything is reserved."""
        return not self.refusals


class Charge(NamedTuple):
    """What is charged to a counter: for a claim that ends, or by itself."""

    claim: Claim
    amount: int
    """What was really used; negative only for a correction."""
    freezes: bool = False
    """Whether the counter is frozen if the amount is above what was reserved."""


class Settlement(NamedTuple):
    """The end of a reservation."""

    reservation_id: str
    charges: tuple[Charge, ...]
    """One per claim; an amount of zero releases it."""


class Settled(NamedTuple):
    """What a settlement did."""

    is_applied: bool
    """Whether it was the first for its reservation; a repeated one changes nothing."""
    crossings: tuple[Crossing, ...] = ()


class CounterState(NamedTuple):
    """What a counter holds in one slot."""

    budget: str
    counter: str
    slot_us: int
    unit: Unit
    spent: int
    """Charged, `unsettled` included."""
    reserved: int
    unsettled: int
    """The part of `spent` that was charged for reservations whose owner is gone; a late settlement corrects it."""
    overrun: int
    """How much was charged above what was reserved."""
    refused: int
    """How many claims were refused, or, where the budget does not refuse, did not fit."""
    frozen: str | None
    """Why the counter admits nothing; `None` if it does."""
    crossed_ppm: tuple[int, ...] = ()
    """The thresholds that have been reported."""


class BudgetSetting(NamedTuple):
    """What an operator has set for a budget."""

    budget: str
    limit: int | None
    """The limit in force instead of the one in the code; `None` leaves it."""
    frozen: str | None
    """Why the budget admits nothing; `None` if it does."""


class BudgetChange(NamedTuple):
    """An operator's change, as it is kept."""

    budget: str
    action: Literal["set", "freeze", "unfreeze"]
    at_us: int
    """The store's time; 0 asks the store to fill it in."""
    by: str
    """Who changed it."""
    limit: int | None = None
    note: str = ""
