"""The tests that say what a reservation holds, and what becomes of it, in every budget store."""

# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.budgets.claims import Charge, Settlement
from langchain_costguard.testing.claims import (
    TODAY,
    admit,
    ask,
    held,
    make_claim,
    make_reservation,
    settlement,
    spend,
    state,
)

if TYPE_CHECKING:
    from langchain_costguard.stores.budget_base import BudgetStore


class ReservationSuite:
    """Admission, settlement and extension, and what is repeated of them; a part of `BudgetStoreSuite`."""

    # -- reserve and settle --------------------------------------------------------------------------------------------

    def test_what_is_reserved_is_held_and_what_is_settled_is_spent(self, budget_store: BudgetStore) -> None:
        """The life of a call: its bound is held, then its cost is charged and the rest is free again."""
        reservation = admit(budget_store, make_claim(60))
        assert held(budget_store) == (0, 60)
        assert budget_store.settle(settlement(reservation, 25)).is_applied
        found = state(budget_store)
        assert (found.budget, found.counter, found.slot_us, found.unit) == ("usd/day", "usd/day", TODAY, "usd")
        assert (found.spent, found.reserved, found.unsettled, found.overrun, found.refused) == (25, 0, 0, 0, 0)
        assert ask(budget_store, make_claim(75)).is_admitted

    def test_the_limit_itself_fits_and_nothing_above(self, budget_store: BudgetStore) -> None:
        """Strict, to the last unit: spent and reserved amounts together are at most the limit."""
        spend(budget_store, make_claim(40))
        admit(budget_store, make_claim(60))
        answer = ask(budget_store, make_claim(1))
        (refusal,) = answer.refusals
        assert (refusal.claim, refusal.limit) == (make_claim(1), 100)
        assert (refusal.spent, refusal.reserved, refusal.reason) == (40, 60, "full")
        assert held(budget_store) == (40, 60)
        assert ask(budget_store, make_claim(0)).is_admitted

    def test_a_limit_of_zero_admits_nothing_that_costs(self, budget_store: BudgetStore) -> None:
        """Nothing may be spent; what is free may run."""
        assert not ask(budget_store, make_claim(1, limit=0)).is_admitted
        assert ask(budget_store, make_claim(0, limit=0)).is_admitted

    def test_several_claims_are_admitted_together_or_not_at_all(self, budget_store: BudgetStore) -> None:
        """A call that one budget refuses must hold nothing of the others."""
        spend(budget_store, make_claim(95, "usd/day|user=ann"))
        answer = ask(budget_store, make_claim(10), make_claim(10, "usd/day|user=ann"), make_claim(10, "usd/total"))
        assert [refusal.claim.counter for refusal in answer.refusals] == ["usd/day|user=ann"]
        assert [held(budget_store, counter) for counter in ("usd/day", "usd/total")] == [(0, 0), (0, 0)]
        assert held(budget_store, "usd/day|user=ann") == (95, 0)
        reservation = admit(budget_store, make_claim(10), make_claim(5, "usd/day|user=ann"))
        assert budget_store.settle(settlement(reservation, 7, 3)).is_applied
        assert [held(budget_store, counter) for counter in ("usd/day", "usd/day|user=ann")] == [(7, 0), (98, 0)]

    def test_every_claim_that_does_not_fit_is_named_and_counted(self, budget_store: BudgetStore) -> None:
        """Who raises one limit should know that the next one refuses too."""
        answer = ask(budget_store, make_claim(101, "a"), make_claim(1, "b"), make_claim(101, "c"))
        assert {refusal.claim.counter for refusal in answer.refusals} == {"a", "c"}
        assert {found.counter: found.refused for found in budget_store.counters() if found.refused} == {"a": 1, "c": 1}

    def test_a_soft_budget_admits_what_does_not_fit_and_says_so(self, budget_store: BudgetStore) -> None:
        """Observing shows what a hard budget would have done, and the money is counted all the same."""
        soft = make_claim(80, refuses=False)
        assert ask(budget_store, soft).exceeded == ()
        answer = ask(budget_store, soft)
        assert answer.is_admitted
        assert [(found.claim, found.limit, found.reserved, found.reason) for found in answer.exceeded] == [
            (soft, 100, 80, "full")
        ]
        assert (state(budget_store).reserved, state(budget_store).refused) == (160, 1)

    def test_a_soft_claim_beside_a_refused_one_is_neither_held_nor_counted(self, budget_store: BudgetStore) -> None:
        """What was not admitted exceeded nothing."""
        answer = ask(budget_store, make_claim(101, "soft", refuses=False), make_claim(101, "hard"))
        assert (len(answer.refusals), answer.exceeded) == (1, ())
        assert held(budget_store, "soft") == (0, 0)
        assert "soft" not in {found.counter for found in budget_store.counters() if found.refused}

    def test_a_release_gives_everything_back(self, budget_store: BudgetStore) -> None:
        """A request that was never sent costs nothing."""
        reservation = admit(budget_store, make_claim(100), make_claim(7, "calls/day", unit="calls"))
        assert budget_store.settle(settlement(reservation, 0, 0)).is_applied
        assert held(budget_store) == held(budget_store, "calls/day") == (0, 0)
        assert ask(budget_store, make_claim(100)).is_admitted

    def test_a_claim_that_its_settlement_does_not_name_is_released(self, budget_store: BudgetStore) -> None:
        """No reservation may outlive its end."""
        reservation = admit(budget_store, make_claim(10, "a"), make_claim(10, "b"))
        budget_store.settle(Settlement(reservation.id, (Charge(reservation.claims[0], 4),)))
        assert (held(budget_store, "a"), held(budget_store, "b")) == ((4, 0), (0, 0))

    def test_no_claims_are_always_admitted(self, budget_store: BudgetStore) -> None:
        """A call that no budget is meant for."""
        reservation = make_reservation()
        assert budget_store.reserve(reservation).is_admitted
        assert budget_store.settle(Settlement(reservation.id, ())).crossings == ()
        assert budget_store.charge(()) == ()
        assert budget_store.counters() == []

    def test_with_nothing_open_exactly_what_is_left_is_admitted(self, budget_store: BudgetStore) -> None:
        """However calls ended, nothing stays held."""
        for end in (0, 3, 5, 9):
            budget_store.settle(settlement(admit(budget_store, make_claim(9)), end))
        ask(budget_store, make_claim(99))
        reservation = admit(budget_store, make_claim(5))
        budget_store.extend(reservation.id, [make_claim(20)])
        budget_store.settle(settlement(reservation, 8))
        assert held(budget_store) == (25, 0)
        assert not ask(budget_store, make_claim(76)).is_admitted
        assert ask(budget_store, make_claim(75)).is_admitted

    # -- repeated ------------------------------------------------------------------------------------------------------

    def test_a_repeated_settlement_changes_nothing(self, budget_store: BudgetStore) -> None:
        """An answer may be lost on its way; whoever asks again must not pay twice."""
        end = settlement(admit(budget_store, make_claim(50)), 30, freezes=True)
        assert budget_store.settle(end).is_applied
        again = budget_store.settle(end)
        assert (again.is_applied, again.crossings, held(budget_store)) == (False, (), (30, 0))

    def test_a_repeated_reservation_holds_once(self, budget_store: BudgetStore) -> None:
        """The same id is the same reservation."""
        reservation = make_reservation(make_claim(60))
        assert budget_store.reserve(reservation).is_admitted
        assert budget_store.reserve(reservation).is_admitted
        assert held(budget_store) == (0, 60)

    def test_an_unknown_reservation_settles_nothing(self, budget_store: BudgetStore) -> None:
        """A settlement without its reservation must not charge."""
        unknown = settlement(make_reservation(make_claim(50)), 30)
        assert budget_store.settle(unknown) == (False, ())
        assert held(budget_store) == (0, 0)

    def test_a_refused_reservation_settles_nothing(self, budget_store: BudgetStore) -> None:
        """It was never open."""
        refused = make_reservation(make_claim(101))
        assert not budget_store.reserve(refused).is_admitted
        assert not budget_store.settle(settlement(refused, 5)).is_applied
        assert held(budget_store) == (0, 0)

    # -- extend --------------------------------------------------------------------------------------------------------

    def test_an_extension_comes_on_top(self, budget_store: BudgetStore) -> None:
        """A long stream needs more than was foreseen; its end gives all of it back."""
        reservation = admit(budget_store, make_claim(40))
        assert budget_store.extend(reservation.id, [make_claim(50), make_claim(5, "b")]).is_admitted
        assert (held(budget_store), held(budget_store, "b")) == ((0, 90), (0, 5))
        assert budget_store.settle(settlement(reservation, 85, freezes=True)).crossings == ()
        assert (held(budget_store), held(budget_store, "b")) == ((85, 0), (0, 0))
        assert state(budget_store).frozen is None

    def test_an_extension_that_does_not_fit_changes_nothing(self, budget_store: BudgetStore) -> None:
        """All or nothing, and what is held stays held."""
        reservation = admit(budget_store, make_claim(40))
        answer = budget_store.extend(reservation.id, [make_claim(61), make_claim(5, "b")])
        assert [(refusal.claim.counter, refusal.reserved) for refusal in answer.refusals] == [("usd/day", 40)]
        assert (held(budget_store), held(budget_store, "b")) == ((0, 40), (0, 0))
        assert budget_store.settle(settlement(reservation, 40)).is_applied

    def test_only_what_is_open_is_extended(self, budget_store: BudgetStore) -> None:
        """An extension of a settled reservation would be held for ever."""
        reservation = admit(budget_store, make_claim(1))
        budget_store.settle(settlement(reservation, 1))
        for unknown in (reservation.id, "never reserved"):
            with pytest.raises(LookupError):
                budget_store.extend(unknown, [make_claim(1)])
        assert held(budget_store) == (1, 0)
