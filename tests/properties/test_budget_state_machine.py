"""Whatever is done to a budget store, in whatever order, it holds and answers what a naive list does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from langchain_costguard.budgets.claims import BudgetChange, Charge, Claim, Settlement
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing.claims import DAY_US, TODAY, make_claim, make_reservation
from tests.properties.budget_model import NaiveBudgets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_costguard.budgets.claims import Crossing
    from langchain_costguard.stores.budget_base import BudgetStore

LIMIT = 100
ALERTS = (500_000, 800_000, 1_000_000)
COUNTERS = ("day", "total", "soft", "rolling")
amounts = st.integers(0, 60)
picks = st.integers(0, 10**6)
some_counters = st.lists(st.sampled_from(COUNTERS), min_size=1, unique=True)


class BudgetMachine(RuleBasedStateMachine):
    """Four budgets: hard by day, hard for ever, soft by day, and hard over the last three days."""

    open_store: Callable[[], BudgetStore]
    lose_owner: Callable[[Any, str], list[Crossing]]

    def __init__(self) -> None:
        super().__init__()
        self.day = 0
        self.reservations: dict[str, list[Claim]] = {}
        self.highest = dict.fromkeys(COUNTERS, LIMIT)

    @initialize()
    def begin(self) -> None:
        self.store = type(self).open_store()
        self.model = NaiveBudgets()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    def claim(self, counter: str, amount: int, back: int = 0) -> Claim:
        slot_us = 0 if counter == "total" else TODAY + (self.day - back) * DAY_US
        since_us = slot_us - 2 * DAY_US if counter == "rolling" else slot_us
        is_hard = counter != "soft"
        return make_claim(
            amount,
            counter,
            slot_us=slot_us,
            since_us=since_us,
            limit=LIMIT,
            refuses=is_hard,
            charges_lost=is_hard,
            alerts_ppm=ALERTS,
        )

    @rule(counters=some_counters, amount=amounts, back=st.sampled_from((0, 0, 0, 1)))
    def reserve(self, counters: list[str], amount: int, back: int) -> None:
        """A claim on some of the budgets; now and then by a thread that looked at the clock a day ago."""
        claims = [self.claim(counter, amount, back) for counter in counters]
        reservation = make_reservation(*claims)
        refused, exceeded = self.model.admit(reservation.id, claims)
        answer = self.store.reserve(reservation)
        assert [refusal.claim for refusal in answer.refusals] == refused
        assert [refusal.claim for refusal in answer.exceeded] == exceeded
        if not refused:
            self.reservations[reservation.id] = claims
            assert self.store.reserve(reservation).is_admitted

    @precondition(lambda self: self.reservations)
    @rule(pick=picks, amount=amounts)
    def extend(self, pick: int, amount: int) -> None:
        """More under a reservation, in the windows that admitted it."""
        key = self.pick(pick)
        claims = [claim._replace(amount=amount) for claim in self.reservations[key]]
        if not self.model.lines_of(key, "open"):
            with pytest.raises(LookupError):
                self.store.extend(key, claims)
            return
        refused, exceeded = self.model.admit(key, claims)
        answer = self.store.extend(key, claims)
        assert ([found.claim for found in answer.refusals], len(answer.exceeded)) == (refused, len(exceeded))

    @precondition(lambda self: self.reservations)
    @rule(pick=picks, share=st.sampled_from((0, 0, 25, 50, 100, 100, 130)), freezes=st.booleans())
    def settle(self, pick: int, share: int, *, freezes: bool) -> None:
        """A release, an end within its bound, or an overrun; a second end of the same reservation changes nothing."""
        key = self.pick(pick)
        charges = [
            Charge(claim, (claim.amount * share + 99) // 100, freezes and claim.refuses)
            for claim in self.reservations[key]
        ]
        expected = self.model.settle(key, charges)
        settled = self.store.settle(Settlement(key, tuple(charges)))
        assert settled.is_applied == (expected is not None)
        assert thresholds(settled.crossings) == (expected or [])
        assert self.store.settle(Settlement(key, tuple(charges))) == (False, ())

    @precondition(lambda self: self.reservations)
    @rule(pick=picks)
    def lose(self, pick: int) -> None:
        """The owner of a reservation dies."""
        key = self.pick(pick)
        assert thresholds(type(self).lose_owner(self.store, key)) == self.model.expire(key)

    @rule(counter=st.sampled_from(COUNTERS), amount=st.integers(-20, 30))
    def charge(self, counter: str, amount: int) -> None:
        """Spending recorded afterwards, or a correction."""
        charge = Charge(self.claim(counter, 0), amount)
        assert thresholds(self.store.charge([charge])) == self.model.charge(charge)

    @rule(counter=st.sampled_from(COUNTERS), limit=st.sampled_from((None, 0, 30, 150)))
    def set_limit(self, counter: str, limit: int | None) -> None:
        self.store.change(BudgetChange(counter, "set", 0, "ann", limit=limit))
        self.model.limits[counter] = limit
        self.model.unfreeze(counter)
        self.highest[counter] = max(self.highest[counter], limit or 0)

    @rule(counter=st.sampled_from(COUNTERS), is_frozen=st.booleans())
    def freeze(self, counter: str, *, is_frozen: bool) -> None:
        self.store.change(BudgetChange(counter, "freeze" if is_frozen else "unfreeze", 0, "ann"))
        if is_frozen:
            self.model.frozen_budgets.add(counter)
        else:
            self.model.frozen_budgets.discard(counter)
            self.model.unfreeze(counter)

    @rule()
    def roll_over(self) -> None:
        """The next day begins."""
        self.day += 1

    @invariant()
    def every_counter_holds_what_the_list_adds_up_to(self) -> None:
        """I3, for every slot there ever was."""
        lines, found = self.model.lines, {(row.counter, row.slot_us): row for row in self.store.counters()}
        places = {(line.claim.counter, line.claim.slot_us) for line in lines} | set(self.model.refused)
        for place in places & set(found):
            row, here = found[place], [line for line in lines if (line.claim.counter, line.claim.slot_us) == place]
            assert row.spent == sum(line.charged for line in here)
            assert row.reserved == sum(line.claim.amount for line in here if line.state == "open")
            assert row.unsettled == sum(line.charged for line in here if line.state == "expired")
            assert row.overrun == sum(line.overrun for line in here)
            assert row.refused == self.model.refused[place]
            assert (row.frozen is not None) == (place in self.model.frozen_slots)
            assert {(*place, share) for share in row.crossed_ppm} == {
                told for told in self.model.told if told[:2] == place
            }
        live = {place for place in places if place[1] in (0, TODAY + self.day * DAY_US)}
        assert live <= set(found)

    @invariant()
    def no_window_holds_more_than_its_limit_and_what_was_overrun(self) -> None:
        """I1, for the highest limit there was: lowering it takes nothing back."""
        for counter in ("day", "total"):
            for row in self.store.counters([counter]):
                assert row.spent + row.reserved <= self.highest[counter] + row.overrun
        live = self.store.counters(["rolling"], since_us=TODAY + (self.day - 2) * DAY_US)
        held = sum(row.spent + row.reserved for row in live)
        assert held <= self.highest["rolling"] + sum(row.overrun for row in live)

    @invariant()
    def with_nothing_open_what_is_left_is_admitted(self) -> None:
        """I5: nothing stays held, whatever happened."""
        for counter in ("day", "total", "rolling"):
            claim = self.claim(counter, 0)
            room = self.model.limit(claim) - self.model.spent(claim)
            if room >= 0 and not self.model.is_frozen(claim) and not self.model.reserved(claim):
                probe = make_reservation(claim._replace(amount=room))
                assert self.store.reserve(probe).is_admitted
                assert self.store.settle(Settlement(probe.id, ())).is_applied

    def pick(self, number: int) -> str:
        """One of the reservations that were ever admitted."""
        return list(self.reservations)[number % len(self.reservations)]


def thresholds(crossings: Sequence[Crossing]) -> list[tuple[str, str, int]]:
    """The thresholds among what is to be told."""
    return [(found.kind, found.claim.counter, found.share_ppm) for found in crossings if found.kind == "threshold"]


def lose_in_memory(store: InMemoryStore, reservation_id: str) -> list[Crossing]:
    """In one process no owner dies, so the step behind `expire()` is taken by hand."""
    return store._counters.expire([reservation_id])


STORES = {"memory": (InMemoryStore, lose_in_memory, 100)}
"""Per store: how to open an empty one, how to have a reservation's owner die, and how many examples to try."""


@pytest.mark.parametrize("name", STORES)
def test_a_store_does_what_a_list_does(name: str) -> None:
    """Conservation, safety and liveness, after each step of any history."""
    opened, lose, examples = STORES[name]
    machine = type("Machine", (BudgetMachine,), {"open_store": staticmethod(opened), "lose_owner": staticmethod(lose)})
    limits = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    )
    run_state_machine_as_test(machine, settings=limits)
