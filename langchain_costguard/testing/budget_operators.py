"""The tests that say what an operator can do to a budget while calls are open, in every budget store."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its figures are its content

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.budgets.claims import BudgetChange, BudgetSetting, Charge
from langchain_costguard.testing.claims import admit, ask, held, make_claim, settlement, spend, state

if TYPE_CHECKING:
    from typing import Literal

    from langchain_costguard.stores.budget_base import BudgetStore


class OperatorSuite:
    """Limits, freezing and their history; a part of `BudgetStoreSuite`."""

    def test_an_operators_limit_is_in_force_at_once(self, budget_store: BudgetStore) -> None:
        """A limit that needs a new release is no help at night."""
        spend(budget_store, make_claim(100))
        _change(budget_store, "set", limit=150)
        admit(budget_store, make_claim(50))
        (refusal,) = ask(budget_store, make_claim(1)).refusals
        assert (refusal.limit, refusal.spent, refusal.reserved) == (150, 100, 50)

    def test_a_limit_lowered_while_calls_are_open_stops_new_ones_only(self, budget_store: BudgetStore) -> None:
        """What is admitted is admitted; its end is charged in full and it is no overrun."""
        reservation = admit(budget_store, make_claim(80))
        _change(budget_store, "set", limit=50)
        assert not ask(budget_store, make_claim(1)).is_admitted
        assert budget_store.settle(settlement(reservation, 80, freezes=True)).is_applied
        found = state(budget_store)
        assert (found.spent, found.reserved, found.overrun, found.frozen) == (80, 0, 0, None)
        assert not ask(budget_store, make_claim(1)).is_admitted

    def test_thresholds_are_shares_of_the_limit_in_force(self, budget_store: BudgetStore) -> None:
        """Half of a raised limit is more than half of the old one."""
        _change(budget_store, "set", limit=1000)
        claim = make_claim(60, alerts_ppm=(500_000,))
        assert budget_store.settle(settlement(admit(budget_store, claim), 60)).crossings == ()
        (crossing,) = budget_store.charge([Charge(claim, 440)])
        assert (crossing.limit, crossing.spent, crossing.share_ppm) == (1000, 500, 500_000)

    def test_setting_no_limit_gives_back_the_one_in_the_code(self, budget_store: BudgetStore) -> None:
        """An operator can take back what they set."""
        _change(budget_store, "set", limit=1000)
        _change(budget_store, "set", limit=None)
        assert ask(budget_store, make_claim(101)).refusals[0].limit == 100
        assert budget_store.settings() == [BudgetSetting("usd/day", None, None)]

    def test_a_limit_holds_for_every_counter_of_its_budget_and_for_no_other(self, budget_store: BudgetStore) -> None:
        """One row stops or lifts all users of a budget."""
        _change(budget_store, "set", limit=10)
        for user in ("ann", "bo"):
            claim = make_claim(11, f"usd/day|user={user}", budget="usd/day")
            assert ask(budget_store, claim).refusals[0].limit == 10
        assert ask(budget_store, make_claim(11, "usd/day/tag=a")).is_admitted

    def test_a_frozen_budget_admits_nothing_and_says_why(self, budget_store: BudgetStore) -> None:
        """The switch for the night on which something is wrong."""
        _change(budget_store, "freeze", note="incident 7")
        (refusal,) = ask(budget_store, make_claim(0)).refusals
        assert (refusal.reason, refusal.note) == ("frozen", "incident 7")
        assert budget_store.settings() == [BudgetSetting("usd/day", None, "incident 7")]
        _change(budget_store, "unfreeze")
        assert ask(budget_store, make_claim(100)).is_admitted

    def test_a_freeze_without_a_note_freezes_too(self, budget_store: BudgetStore) -> None:
        """Nobody types a reason at three in the morning, and an empty one is still a freeze."""
        _change(budget_store, "freeze")
        assert ask(budget_store, make_claim(1)).refusals[0].reason == "frozen"
        assert budget_store.settings()[0].frozen is not None

    def test_open_calls_end_under_a_frozen_budget(self, budget_store: BudgetStore) -> None:
        """Freezing must not lose the cost of what is under way."""
        reservation = admit(budget_store, make_claim(30))
        _change(budget_store, "freeze")
        assert budget_store.settle(settlement(reservation, 20)).is_applied
        budget_store.charge([Charge(make_claim(0), 5)])
        assert held(budget_store) == (25, 0)

    def test_an_open_reservation_is_not_extended_under_a_frozen_budget(self, budget_store: BudgetStore) -> None:
        """Extending is reserving."""
        reservation = admit(budget_store, make_claim(30))
        _change(budget_store, "freeze")
        assert budget_store.extend(reservation.id, [make_claim(1)]).refusals[0].reason == "frozen"
        assert held(budget_store) == (0, 30)

    def test_a_soft_budget_that_is_frozen_admits_and_counts(self, budget_store: BudgetStore) -> None:
        """Soft means that it never refuses."""
        _change(budget_store, "freeze", note="why")
        answer = ask(budget_store, make_claim(1, refuses=False))
        assert answer.is_admitted
        assert [(found.reason, found.note) for found in answer.exceeded] == [("frozen", "why")]

    def test_a_limit_does_not_lift_an_operators_freeze_and_unfreezing_keeps_the_limit(
        self, budget_store: BudgetStore
    ) -> None:
        """Two decisions, each taken back by its own opposite."""
        _change(budget_store, "freeze", note="stop")
        _change(budget_store, "set", limit=500)
        assert budget_store.settings() == [BudgetSetting("usd/day", 500, "stop")]
        assert ask(budget_store, make_claim(1)).refusals[0].reason == "frozen"
        _change(budget_store, "unfreeze")
        assert budget_store.settings() == [BudgetSetting("usd/day", 500, None)]
        assert ask(budget_store, make_claim(500)).is_admitted

    @pytest.mark.parametrize("action", ["set", "unfreeze"])
    def test_an_operator_lifts_what_an_overrun_froze(
        self, budget_store: BudgetStore, action: Literal["set", "unfreeze"]
    ) -> None:
        """And the next overrun freezes, and is told, again."""
        for _ in range(2):
            reservation = admit(budget_store, make_claim(10))
            assert len(budget_store.settle(settlement(reservation, 11, freezes=True)).crossings) == 1
            assert not ask(budget_store, make_claim(1)).is_admitted
            _change(budget_store, action, limit=100 if action == "set" else None)
            assert state(budget_store).frozen is None

    def test_changes_are_kept_with_when_and_by_whom(self, budget_store: BudgetStore) -> None:
        """Who raised the limit, and when, is the first question afterwards."""
        before = budget_store.now_us()
        budget_store.change(BudgetChange("b", "set", 0, "ann", limit=5, note="more"))
        budget_store.change(BudgetChange("a", "freeze", 0, "bo"))
        budget_store.change(BudgetChange("b", "unfreeze", before + 3_600_000_000, "cy"))
        found = budget_store.changes()
        assert [(row.budget, row.action, row.by, row.limit, row.note) for row in found] == [
            ("b", "set", "ann", 5, "more"),
            ("a", "freeze", "bo", None, ""),
            ("b", "unfreeze", "cy", None, ""),
        ]
        assert before <= found[0].at_us <= found[1].at_us <= budget_store.now_us() + 1_000_000
        assert found[2].at_us == before + 3_600_000_000
        assert [row.by for row in budget_store.changes("b")] == ["ann", "cy"]
        assert budget_store.changes("c") == []

    def test_settings_stand_in_order_of_their_budgets(self, budget_store: BudgetStore) -> None:
        """One row per budget, however often it was changed."""
        assert budget_store.settings() == []
        for budget in ("b", "a", "b"):
            budget_store.change(BudgetChange(budget, "set", 0, "ann", limit=7))
        assert [row.budget for row in budget_store.settings()] == ["a", "b"]


def _change(
    store: BudgetStore, action: Literal["set", "freeze", "unfreeze"], *, limit: int | None = None, note: str = ""
) -> None:
    store.change(BudgetChange("usd/day", action, 0, "ann", limit=limit, note=note))
