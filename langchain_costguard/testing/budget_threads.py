"""The tests that say what every budget store keeps while threads race."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its figures are its content

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from langchain_costguard.testing.claims import admit, held, make_claim, make_reservation, settlement

if TYPE_CHECKING:
    from langchain_costguard.stores.budget_base import BudgetStore


class ThreadSuite:
    """Races of threads for a limit, for locks and for one reservation; a part of `BudgetStoreSuite`."""

    def test_threads_that_race_spend_the_limit_exactly(self, budget_store: BudgetStore) -> None:
        """160 attempts of a cent on a dollar by two pools of threads: 100 run."""
        cent = make_claim(10_000_000, limit=1_000_000_000)

        def attempt(_: int) -> int:
            admitted = 0
            for _ in range(20):
                reservation = make_reservation(cent)
                if budget_store.reserve(reservation).is_admitted:
                    admitted += budget_store.settle(settlement(reservation, cent.amount)).is_applied
            return admitted

        with ThreadPoolExecutor(4) as some, ThreadPoolExecutor(4) as others:
            counts = [some.map(attempt, range(4)), others.map(attempt, range(4))]
            assert sum(sum(count) for count in counts) == 100
        assert held(budget_store) == (1_000_000_000, 0)

    def test_threads_that_claim_counters_in_opposite_order_all_get_through(self, budget_store: BudgetStore) -> None:
        """Two budgets that are locked in two orders are how a deadlock begins."""
        pair = (make_claim(1, "a", limit=10**6), make_claim(1, "b", limit=10**6))

        def run(number: int) -> None:
            for _ in range(20):
                reservation = admit(budget_store, *pair[:: 1 if number % 2 else -1])
                budget_store.settle(settlement(reservation, 1, 1))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(run, range(8)))
        assert (held(budget_store, "a"), held(budget_store, "b")) == ((160, 0), (160, 0))

    def test_threads_that_settle_one_reservation_charge_it_once(self, budget_store: BudgetStore) -> None:
        """The end of a call, and the watcher that gave it up, come at the same moment."""
        end = settlement(admit(budget_store, make_claim(50)), 30)
        with ThreadPoolExecutor(8) as threads:
            applied = [settled.is_applied for settled in threads.map(lambda _: budget_store.settle(end), range(16))]
        assert sorted(applied) == [False] * 15 + [True]
        assert held(budget_store) == (30, 0)
