"""The tests that say which window a claim counts in, in every budget store."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its figures are its content

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from langchain_costguard.testing.claims import DAY_US, TODAY, TOMORROW, admit, ask, held, make_claim, settlement, spend

if TYPE_CHECKING:
    from langchain_costguard.budgets.claims import Claim
    from langchain_costguard.stores.budget_base import BudgetStore

_US_PER_S = 1_000_000


class WindowSuite:
    """Days, rolling windows and the time they go by; a part of `BudgetStoreSuite`."""

    def test_a_call_is_charged_to_the_window_that_admitted_it(self, budget_store: BudgetStore) -> None:
        """A call over midnight belongs to the day it began in, and tomorrow begins empty."""
        reservation = admit(budget_store, make_claim(80, alerts_ppm=(900_000,)))
        assert ask(budget_store, make_claim(100, slot_us=TOMORROW)).is_admitted
        assert budget_store.settle(settlement(reservation, 70)).crossings == ()
        assert held(budget_store) == (70, 0)
        assert held(budget_store, slot_us=TOMORROW) == (0, 100)

    def test_a_late_claim_on_yesterday_does_not_count_today(self, budget_store: BudgetStore) -> None:
        """A thread that looked at the clock just before midnight."""
        spend(budget_store, make_claim(100, slot_us=TOMORROW, alerts_ppm=(500_000,)))
        reservation = admit(budget_store, make_claim(100, alerts_ppm=(500_000,)))
        assert budget_store.settle(settlement(reservation, 49)).crossings == ()

    def test_a_rolling_window_counts_the_slots_that_can_overlap_it(self, budget_store: BudgetStore) -> None:
        """Spending leaves the window slot by slot, and never early."""
        spend(budget_store, _rolling(60, 0))
        admit(budget_store, _rolling(30, 1))
        (refusal,) = ask(budget_store, _rolling(11, 4)).refusals
        assert (refusal.spent, refusal.reserved) == (60, 30)
        admit(budget_store, _rolling(10, 4))
        assert ask(budget_store, _rolling(61, 5)).refusals[0].reserved == 40
        admit(budget_store, _rolling(60, 5))

    def test_a_late_claim_on_a_rolling_window_counts_the_newer_slots_too(self, budget_store: BudgetStore) -> None:
        """Otherwise two threads at the edge of a slot would fit into one window what fits only once."""
        admit(budget_store, _rolling(100, 1))
        assert not ask(budget_store, _rolling(1, 0)).is_admitted

    def test_the_stores_time_is_the_time_and_never_goes_back(self, budget_store: BudgetStore) -> None:
        """Windows begin and end by it."""
        moments = [budget_store.now_us() for _ in range(100)]
        assert moments == sorted(moments)
        assert abs(moments[0] - time.time_ns() // 1000) < 60 * _US_PER_S


def _rolling(amount: int, day: int) -> Claim:
    """A claim on a window of five slots, of which this day's is the newest."""
    slot_us = TODAY + day * DAY_US
    return make_claim(amount, slot_us=slot_us, since_us=slot_us - 4 * DAY_US)
