"""The tests that every budget store must pass, yours as well."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its figures are its content

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.exceptions import StoreError
from langchain_costguard.testing.budget_crossings import CrossingSuite
from langchain_costguard.testing.budget_operators import OperatorSuite
from langchain_costguard.testing.budget_owners import OwnerSuite
from langchain_costguard.testing.budget_reservations import ReservationSuite
from langchain_costguard.testing.budget_threads import ThreadSuite
from langchain_costguard.testing.budget_windows import WindowSuite
from langchain_costguard.testing.claims import (
    TODAY,
    TOMORROW,
    admit,
    ask,
    held,
    make_claim,
    make_reservation,
    settlement,
    spend,
    state,
)
from langchain_costguard.testing.lines import make_entry

if TYPE_CHECKING:
    from langchain_costguard.stores.base import LedgerStore
    from langchain_costguard.stores.budget_base import BudgetStore, JointStore

__all__ = ["BudgetStoreSuite", "JointStoreSuite", "SharedBudgetStoreSuite", "make_claim", "make_reservation"]

_US_PER_S = 1_000_000
_HOSTILE = ("Robert'); DROP TABLE counters;--", "{tag}:*?[a]", "a\x00b", "half \ud83d", "Zürich 東京 🙂", "%_\\'\"\n")


class BudgetStoreSuite(ReservationSuite, WindowSuite, CrossingSuite, OperatorSuite, ThreadSuite):
    """Subclass it, return your store from a fixture, and pytest runs every rule a budget store must keep.

    Stores that several processes share subclass `SharedBudgetStoreSuite`, those that keep the ledger too
    `JointStoreSuite` as well.

    Example:
        ```python
        import pytest
        from langchain_costguard.testing.budget_stores import BudgetStoreSuite


        class TestMyStore(BudgetStoreSuite):
            @pytest.fixture
            def budget_store(self):
                return MyStore()
        ```
    """

    @pytest.fixture
    def budget_store(self) -> BudgetStore:
        """A store without counters, fresh for each test."""
        msg = f"{type(self).__name__} needs a fixture `budget_store` that returns an empty budget store"
        raise NotImplementedError(msg)

    # -- owners ------------------------------------------------------------------------------------------------------

    def test_renewing_says_how_many_are_open(self, budget_store: BudgetStore) -> None:
        """One heartbeat per process holds all of its reservations."""
        first, second = admit(budget_store, make_claim(1)), admit(budget_store, make_claim(1))
        assert budget_store.renew(60 * _US_PER_S) == 2
        for reservation in (first, second):
            budget_store.settle(settlement(reservation, 1))
        assert budget_store.renew(60 * _US_PER_S) == 0

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell whether a process lives")
    def test_an_owner_that_lives_keeps_its_reservation_however_long_it_takes(self, budget_store: BudgetStore) -> None:
        """A process that was suspended for an hour did not die."""
        reservation = make_reservation(make_claim(100), lease_us=0)
        assert budget_store.reserve(reservation).is_admitted
        assert budget_store.expire() == []
        assert not ask(budget_store, make_claim(1)).is_admitted
        assert held(budget_store) == (0, 100)
        assert budget_store.settle(settlement(reservation, 30)).is_applied
        assert (held(budget_store), state(budget_store).unsettled) == ((30, 0), 0)

    # -- units -------------------------------------------------------------------------------------------------------

    def test_a_counter_of_another_unit_is_refused_with_what_mends_it(self, budget_store: BudgetStore) -> None:
        """Two budgets of one name that count dollars and tokens would add them up."""
        reservation = admit(budget_store, make_claim(10))
        tokens = make_claim(1, unit="tokens", refuses=False)
        with pytest.raises(StoreError, match=r"counts usd.*counts tokens.*another name="):
            ask(budget_store, tokens)
        with pytest.raises(StoreError, match="another name="):
            ask(budget_store, make_claim(1, "new"), make_claim(1, "new", unit="calls"))
        with pytest.raises(StoreError, match="another name="):
            budget_store.extend(reservation.id, [tokens])
        assert budget_store.settle(settlement(reservation, 10)).is_applied
        assert held(budget_store) == (10, 0)
        assert held(budget_store, "new") == (0, 0)

    # -- awkward values ----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", _HOSTILE)
    def test_a_counter_may_have_any_name(self, budget_store: BudgetStore, name: str) -> None:
        """Users choose their names."""
        claim = make_claim(60, f"usd/day|user={name}", budget=f"b {name}")
        spend(budget_store, claim)
        assert not ask(budget_store, claim).is_admitted
        assert ask(budget_store, make_claim(60, "usd/day|user=")).is_admitted
        (found,) = budget_store.counters([claim.budget])
        assert (found.budget, found.counter, found.spent) == (claim.budget, claim.counter, 60)

    def test_amounts_are_exact_beyond_what_a_float_holds(self, budget_store: BudgetStore) -> None:
        """2**53 nano-USD are nine million dollars; the next one must still count."""
        limit = 2**53 + 1
        spend(budget_store, make_claim(2**53, limit=limit))
        spend(budget_store, make_claim(1, limit=limit))
        assert not ask(budget_store, make_claim(1, limit=limit)).is_admitted
        assert held(budget_store) == (2**53 + 1, 0)

    def test_an_absurd_amount_is_refused_and_not_wrapped_around(self, budget_store: BudgetStore) -> None:
        """A number that overflows must not become a small one."""
        spend(budget_store, make_claim(60))
        assert not ask(budget_store, make_claim(9 * 10**18)).is_admitted
        assert held(budget_store) == (60, 0)
        assert ask(budget_store, make_claim(40)).is_admitted

    # -- reading -----------------------------------------------------------------------------------------------------

    def test_counters_can_be_asked_for_by_budget_and_time(self, budget_store: BudgetStore) -> None:
        """A status reads the window it shows, oldest first."""
        for slot_us in (TOMORROW, TODAY):
            spend(budget_store, make_claim(1, "a", slot_us=slot_us))
            spend(budget_store, make_claim(2, "b|user=x", budget="b", slot_us=slot_us))
        assert [found.slot_us for found in budget_store.counters()] == [TODAY, TODAY, TOMORROW, TOMORROW]
        assert [(found.counter, found.slot_us) for found in budget_store.counters(["b"], since_us=TOMORROW)] == [
            ("b|user=x", TOMORROW)
        ]
        assert budget_store.counters(["c"]) == budget_store.counters([]) == []

    def test_a_store_says_what_it_is_and_no_password(self, budget_store: BudgetStore) -> None:
        """Reports and errors name the store."""
        assert budget_store.location
        assert "@" not in budget_store.location
        assert {type(budget_store.is_durable), type(budget_store.is_remote)} == {bool}

    def test_a_closed_store_can_be_used_again(self, budget_store: BudgetStore) -> None:
        """A call may end after somebody closed the store; its cost must not be lost."""
        reservation = admit(budget_store, make_claim(10))
        budget_store.close()
        assert budget_store.settle(settlement(reservation, 10)).is_applied
        budget_store.close()
        assert held(budget_store) == (10, 0)


class SharedBudgetStoreSuite(OwnerSuite, BudgetStoreSuite):
    """`BudgetStoreSuite` for stores that several processes share: what happens when one of them is killed.

    Besides `budget_store` it needs the fixture `another_process_store`, by which another process opens the same store.

    Example:
        ```python
        class TestMyStore(SharedBudgetStoreSuite):
            @pytest.fixture
            def budget_store(self, tmp_path):
                with MyStore(tmp_path / "budgets") as store:
                    yield store

            @pytest.fixture
            def another_process_store(self, tmp_path):
                return "my_package.stores:MyStore", str(tmp_path / "budgets")
        ```
    """


class JointStoreSuite:
    """What a store keeps that writes ledger and budgets in one step; mix it into the suite of your budget store."""

    def test_a_call_is_opened_only_if_it_is_admitted(self, budget_store: JointStore) -> None:
        """A refused call never began, so no line may say that it did."""
        refused, admitted = make_entry(status="open", usage=None), make_entry(status="open", usage=None)
        assert not budget_store.reserve_opening(make_reservation(make_claim(101)), refused).is_admitted
        assert budget_store.reserve_opening(make_reservation(make_claim(60)), admitted).is_admitted
        assert held(budget_store) == (0, 60)
        assert refused.run_id not in _run_ids(budget_store)

    def test_a_line_and_its_settlement_are_written_together_and_once(self, budget_store: JointStore) -> None:
        """What the ledger says and what the budget says are the same money."""
        opening = make_entry(status="open", usage=None, billed_nano=None)
        reservation = make_reservation(make_claim(300_000, limit=10**6))
        budget_store.reserve_opening(reservation, opening, wait_seconds=5)
        line, end = make_entry(run_id=opening.run_id), settlement(reservation, 210_000)
        assert budget_store.append_settled(line, end).is_applied
        assert not budget_store.append_settled(line, end).is_applied
        assert list(budget_store.entries()) == [line]
        assert budget_store.totals()[0].billed_nano == held(budget_store)[0] == 210_000

    def test_a_line_that_was_booked_before_still_ends_its_reservation(self, budget_store: JointStore) -> None:
        """Two handlers on one call: the line is there once, and nothing stays held."""
        line, reservation = make_entry(), admit(budget_store, make_claim(100))
        budget_store.append(line)
        assert budget_store.append_settled(line, settlement(reservation, 21)).is_applied
        assert (len(_run_ids(budget_store)), held(budget_store)) == (1, (21, 0))


def _run_ids(store: LedgerStore) -> set[object]:
    return {line.run_id for line in store.entries()}
