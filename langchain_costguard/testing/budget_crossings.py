"""The tests that say what every budget store reports, and that it reports it once."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its figures are its content

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from langchain_costguard.budgets.claims import Charge
from langchain_costguard.testing.claims import (
    DAY_US,
    TODAY,
    TOMORROW,
    admit,
    ask,
    make_claim,
    make_reservation,
    settlement,
    spend,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.budgets.claims import Claim, Crossing
    from langchain_costguard.stores.budget_base import BudgetStore

_HALF, _MOST, _ALL = 500_000, 800_000, 1_000_000


class CrossingSuite:
    """Thresholds, refusals and overruns; a part of `BudgetStoreSuite`."""

    def test_a_threshold_is_told_when_spending_reaches_it(self, budget_store: BudgetStore) -> None:
        """Spending of exactly half the limit is half the limit."""
        assert _settle(budget_store, _alerting(49)) == []
        assert _settle(budget_store, _alerting(1)) == [("threshold", _HALF, 50)]
        assert state(budget_store).crossed_ppm == (_HALF,)

    def test_what_is_only_reserved_crosses_no_threshold(self, budget_store: BudgetStore) -> None:
        """A reservation is an upper bound; an alert about money nobody spent would be a false one."""
        reservation = admit(budget_store, _alerting(100))
        assert budget_store.settle(settlement(reservation, 10)).crossings == ()

    def test_each_threshold_is_told_once_in_a_window_and_again_in_the_next(self, budget_store: BudgetStore) -> None:
        """Nobody reads the hundredth mail about one budget."""
        assert _settle(budget_store, _alerting(85)) == [("threshold", _HALF, 85), ("threshold", _MOST, 85)]
        assert _settle(budget_store, _alerting(5)) == []
        assert _settle(budget_store, _alerting(10)) == [("threshold", _ALL, 100)]
        assert _settle(budget_store, _alerting(60, slot_us=TOMORROW)) == [("threshold", _HALF, 60)]

    def test_a_threshold_of_a_rolling_window_is_told_again_when_its_slot_has_left(
        self, budget_store: BudgetStore
    ) -> None:
        """A rolling window never begins anew, so what was told counts for as long as its slot does."""
        assert _settle(budget_store, _rolling(60, 0)) == [("threshold", _HALF, 60)]
        assert _settle(budget_store, _rolling(5, 1)) == []
        assert _settle(budget_store, _rolling(55, 5)) == [("threshold", _HALF, 60)]

    def test_thresholds_are_shares_of_the_limit_exactly(self, budget_store: BudgetStore) -> None:
        """A third of 100 lies between 33 and 34."""
        assert _settle(budget_store, make_claim(33, alerts_ppm=(333_334,))) == []
        assert _settle(budget_store, make_claim(1, alerts_ppm=(333_334,))) == [("threshold", 333_334, 34)]

    def test_a_charge_that_nobody_reserved_crosses_thresholds_too(self, budget_store: BudgetStore) -> None:
        """Money is spent whoever recorded it."""
        (crossing,) = budget_store.charge([Charge(_alerting(0), 50)])
        assert (crossing.kind, crossing.share_ppm, crossing.spent) == ("threshold", _HALF, 50)

    def test_the_first_refusal_of_a_window_is_told_and_every_one_is_counted(self, budget_store: BudgetStore) -> None:
        """A budget that refuses a thousand calls an hour is told of once."""
        spend(budget_store, make_claim(80))
        assert _told(ask(budget_store, make_claim(21)).crossings) == [("refused", _MOST, 80)]
        assert ask(budget_store, make_claim(21)).crossings == ()
        assert state(budget_store).refused == 2

    def test_a_tentative_refusal_is_neither_counted_nor_told(self, budget_store: BudgetStore) -> None:
        """Whoever asks will ask for less next: a call that is then admitted was never refused."""
        spend(budget_store, make_claim(80))
        answer = budget_store.reserve(make_reservation(make_claim(21))._replace(is_tentative=True))
        assert (answer.is_admitted, answer.crossings) == (False, ())
        assert state(budget_store).refused == 0
        assert budget_store.reserve(make_reservation(make_claim(20))._replace(is_tentative=True)).is_admitted

    def test_an_overrun_is_booked_in_full_and_told(self, budget_store: BudgetStore) -> None:
        """What the provider billed is owed, whatever had been reserved."""
        told = budget_store.settle(settlement(admit(budget_store, make_claim(10)), 130)).crossings
        assert _told(told) == [("overrun", 1_300_000, 130)]
        found = state(budget_store)
        assert (found.spent, found.overrun, found.frozen) == (130, 120, None)

    def test_an_overrun_freezes_its_counter_if_it_shall(self, budget_store: BudgetStore) -> None:
        """If one bound was wrong, the next may be too: nothing is admitted until somebody has looked."""
        first, second = admit(budget_store, make_claim(10)), admit(budget_store, make_claim(10))
        assert len(budget_store.settle(settlement(first, 11, freezes=True)).crossings) == 1
        assert budget_store.settle(settlement(second, 11, freezes=True)).crossings == ()
        (refusal,) = ask(budget_store, make_claim(1)).refusals
        assert (refusal.reason, refusal.spent, bool(refusal.note)) == ("frozen", 22, True)
        assert state(budget_store).frozen == refusal.note
        assert ask(budget_store, make_claim(1, slot_us=TOMORROW)).is_admitted

    def test_an_overrun_of_a_slot_freezes_the_rolling_window_it_is_in(self, budget_store: BudgetStore) -> None:
        """The slots of a rolling window are one window."""
        reservation = admit(budget_store, _rolling(10, 0))
        budget_store.settle(settlement(reservation, 11, freezes=True))
        assert ask(budget_store, _rolling(1, 1)).refusals[0].reason == "frozen"
        assert ask(budget_store, _rolling(1, 5)).is_admitted

    def test_what_was_used_within_its_reservation_never_freezes(self, budget_store: BudgetStore) -> None:
        """`freezes` says what an overrun does, not that there is one."""
        budget_store.settle(settlement(admit(budget_store, make_claim(10)), 10, freezes=True))
        found = state(budget_store)
        assert (found.frozen, found.overrun) == (None, 0)

    def test_a_charge_that_nobody_reserved_is_above_what_was_reserved(self, budget_store: BudgetStore) -> None:
        """It may lift spending over the limit, and the figure says by how much; it is no alarm by itself."""
        assert budget_store.charge([Charge(make_claim(0), 130)]) == ()
        found = state(budget_store)
        assert (found.spent, found.overrun, found.frozen) == (130, 130, None)

    def test_a_correction_downward_is_charged_and_told_to_nobody(self, budget_store: BudgetStore) -> None:
        """The provider's invoice was lower; the room is there again."""
        _settle(budget_store, _alerting(90))
        assert budget_store.charge([Charge(_alerting(0), -60)]) == ()
        assert (state(budget_store).spent, state(budget_store).overrun) == (30, 0)
        assert _settle(budget_store, _alerting(55)) == []
        assert _settle(budget_store, _alerting(15)) == [("threshold", _ALL, 100)]

    def test_threads_that_cross_together_tell_it_once(self, budget_store: BudgetStore) -> None:
        """Eight threads see half the limit spent; one mail is sent."""

        def run(_: int) -> list[Crossing]:
            return [
                crossing
                for _ in range(10)
                for crossing in budget_store.settle(settlement(admit(budget_store, _alerting(1)), 1)).crossings
            ]

        with ThreadPoolExecutor(8) as threads:
            told = [crossing for found in threads.map(run, range(8)) for crossing in found]
        assert sorted(crossing.share_ppm for crossing in told) == [_HALF, _MOST]
        assert state(budget_store).spent == 80


def _alerting(amount: int, *, slot_us: int = TODAY) -> Claim:
    return make_claim(amount, slot_us=slot_us, alerts_ppm=(_HALF, _MOST, _ALL))


def _rolling(amount: int, day: int) -> Claim:
    """A claim on a window of five slots, of which this day's is the newest."""
    slot_us = TODAY + day * DAY_US
    return make_claim(amount, slot_us=slot_us, since_us=slot_us - 4 * DAY_US, alerts_ppm=(_HALF,))


def _settle(store: BudgetStore, claim: Claim) -> list[tuple[str, int, int]]:
    return _told(store.settle(settlement(admit(store, claim), claim.amount)).crossings)


def _told(crossings: Sequence[Crossing]) -> list[tuple[str, int, int]]:
    return [(crossing.kind, crossing.share_ppm, crossing.spent) for crossing in crossings]
