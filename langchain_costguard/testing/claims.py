"""Claims, reservations and settlements for tests of budget stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from langchain_costguard.budgets.claims import Charge, Claim, Reservation, Settlement

if TYPE_CHECKING:
    from langchain_costguard.budgets.claims import Admission, CounterState, Unit
    from langchain_costguard.stores.budget_base import BudgetStore

DAY_US: Final = 86_400_000_000
TODAY: Final = 1_774_742_400_000_000
"""A slot: midnight (UTC) of 29 March 2026."""
TOMORROW: Final = TODAY + DAY_US


def make_claim(
    amount: int = 1,
    counter: str = "usd/day",
    *,
    budget: str | None = None,
    slot_us: int = TODAY,
    since_us: int | None = None,
    unit: Unit = "usd",
    limit: int = 100,
    refuses: bool = True,
    charges_lost: bool = True,
    alerts_ppm: tuple[int, ...] = (),
) -> Claim:
    """A claim on a hard budget of 100 for one day.

    Args:
        amount: how much is claimed, in the claim's unit.
        counter: the counter it is claimed of.
        budget: the budget's key; the counter's name if not given.
        slot_us: the slot that is charged.
        since_us: the first slot that counts; `slot_us` if not given.
        unit: what the budget counts.
        limit: the limit.
        refuses: whether the budget is hard.
        charges_lost: whether it is charged when its owner is gone.
        alerts_ppm: the thresholds, in parts per million of the limit.
    """
    since = slot_us if since_us is None else since_us
    key = counter if budget is None else budget
    return Claim(key, counter, slot_us, since, unit, amount, limit, refuses, charges_lost, alerts_ppm)


def make_reservation(*claims: Claim, lease_us: int = 600_000_000) -> Reservation:
    """A reservation with an id of its own."""
    return Reservation(uuid4().hex, claims, lease_us)


def settlement(reservation: Reservation, *amounts: int, freezes: bool = False) -> Settlement:
    """The end of a reservation, with one amount per claim in their order."""
    pairs = zip(reservation.claims, amounts, strict=True)
    return Settlement(reservation.id, tuple(Charge(claim, amount, freezes) for claim, amount in pairs))


def admit(store: BudgetStore, *claims: Claim) -> Reservation:
    """Reserve, and fail unless all is admitted."""
    reservation = make_reservation(*claims)
    answer = store.reserve(reservation)
    if not answer.is_admitted:
        msg = f"{claims} was refused: {answer.refusals}"
        raise AssertionError(msg)
    return reservation


def ask(store: BudgetStore, *claims: Claim) -> Admission:
    """What the store answers to these claims; what it admits stays reserved."""
    return store.reserve(make_reservation(*claims))


def spend(store: BudgetStore, claim: Claim) -> None:
    """Reserve a claim and settle it in full."""
    store.settle(settlement(admit(store, claim), claim.amount))


def state(store: BudgetStore, counter: str = "usd/day", slot_us: int = TODAY) -> CounterState:
    """What a counter holds in a slot; a `LookupError` if it is not there."""
    for found in store.counters():
        if (found.counter, found.slot_us) == (counter, slot_us):
            return found
    msg = f"the store has no counter {counter!r} in slot {slot_us}"
    raise LookupError(msg)


def held(store: BudgetStore, counter: str = "usd/day", slot_us: int = TODAY) -> tuple[int, int]:
    """What is spent and what is reserved on a counter; zeros where it is not there."""
    try:
        found = state(store, counter, slot_us)
    except LookupError:
        return 0, 0
    return found.spent, found.reserved
