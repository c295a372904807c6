"""The tests that every budget store must pass, yours as well."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its figures are its content

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.budgets.claims import Charge, Settlement
from langchain_costguard.exceptions import StoreError
from langchain_costguard.testing.budget_crossings import CrossingSuite
from langchain_costguard.testing.budget_operators import OperatorSuite
from langchain_costguard.testing.budget_owners import OwnerSuite
from langchain_costguard.testing.claims import (
    DAY_US,
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
    from langchain_costguard.budgets.claims import Claim
    from langchain_costguard.stores.base import LedgerStore
    from langchain_costguard.stores.budget_base import BudgetStore, JointStore

__all__ = ["BudgetStoreSuite", "JointStoreSuite", "SharedBudgetStoreSuite", "make_claim", "make_reservation"]

_US_PER_S = 1_000_000
_HOSTILE = ("Robert'); DROP TABLE counters;--", "{tag}:*?[a]", "a\x00b", "half \ud83d", "Zürich 東京 🙂", "%_\\'\"\n")


class BudgetStoreSuite(CrossingSuite, OperatorSuite):
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

    # -- reserve and settle ------------------------------------------------------------------------------------------

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

    # -- repeated ----------------------------------------------------------------------------------------------------

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

    # -- windows -----------------------------------------------------------------------------------------------------

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

    # -- extend ------------------------------------------------------------------------------------------------------

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

    # -- time and owners ---------------------------------------------------------------------------------------------

    def test_the_stores_time_is_the_time_and_never_goes_back(self, budget_store: BudgetStore) -> None:
        """Windows begin and end by it."""
        moments = [budget_store.now_us() for _ in range(100)]
        assert moments == sorted(moments)
        assert abs(moments[0] - time.time_ns() // 1000) < 60 * _US_PER_S

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

    # -- threads -----------------------------------------------------------------------------------------------------

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


def _rolling(amount: int, day: int) -> Claim:
    """A claim on a window of five slots, of which this day's is the newest."""
    slot_us = TODAY + day * DAY_US
    return make_claim(amount, slot_us=slot_us, since_us=slot_us - 4 * DAY_US)


def _run_ids(store: LedgerStore) -> set[object]:
    return {line.run_id for line in store.entries()}
