"""The suite for budget stores finds the faults it is there for, and says what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.testing import BudgetStoreSuite, JointStoreSuite, SharedBudgetStoreSuite

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = """
import time

import pytest

from langchain_costguard.budgets.claims import Admission, Settled
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing.budget_stores import BudgetStoreSuite, JointStoreSuite


class Store(InMemoryStore):
{fault}


class TestStore(JointStoreSuite, BudgetStoreSuite):
    @pytest.fixture
    def budget_store(self):
        return Store()
"""
FAULTS = {
    "checks in one step and holds in another": (
        """
    def reserve(self, reservation, *, wait_seconds=None):
        answer = super().reserve(reservation)
        if not answer.is_admitted:
            return answer
        with self._lock:
            for claim, slot in self._counters._open.pop(reservation.id):
                slot.reserved -= claim.amount
        time.sleep(0.0005)  # a gap into which another thread steps
        with self._lock:
            soft = [claim._replace(refuses=False) for claim in reservation.claims]
            self._counters.reserve(reservation._replace(claims=tuple(soft)))
        return answer
""",
        "test_threads_that_race_spend_the_limit_exactly",
    ),
    "charges a repeated settlement again": (
        """
    def settle(self, settlement):
        settled = super().settle(settlement)
        if not settled.is_applied:
            self.charge(settlement.charges)
        return settled
""",
        "test_a_repeated_settlement_changes_nothing",
    ),
    "holds some claims of a refused reservation": (
        """
    def reserve(self, reservation, *, wait_seconds=None):
        answer = super().reserve(reservation)
        refused = [refusal.claim for refusal in answer.refusals]
        if refused:
            rest = tuple(claim for claim in reservation.claims if claim not in refused)
            super().reserve(reservation._replace(claims=rest))
        return answer
""",
        "test_several_claims_are_admitted_together_or_not_at_all",
    ),
    "charges the newest slot": (
        """
    def settle(self, settlement):
        newest = max((row.slot_us for row in self.counters()), default=0)
        settled = super().settle(settlement._replace(charges=()))
        if settled.is_applied:
            charges = [row._replace(claim=row.claim._replace(slot_us=newest)) for row in settlement.charges]
            self.charge(charges)
        return settled
""",
        "test_a_call_is_charged_to_the_window_that_admitted_it",
    ),
    "admits one too many": (
        """
    def reserve(self, reservation, *, wait_seconds=None):
        claims = tuple(claim._replace(limit=claim.limit + 1) for claim in reservation.claims)
        return super().reserve(reservation._replace(claims=claims))
""",
        "test_the_limit_itself_fits_and_nothing_above",
    ),
    "never tells a refusal": (
        """
    def reserve(self, reservation, *, wait_seconds=None):
        return super().reserve(reservation)._replace(crossings=())
""",
        "test_the_first_refusal_of_a_window_is_told_and_every_one_is_counted",
    ),
    "writes a line and settles nothing": (
        """
    def append_settled(self, entry, settlement):
        self.append(entry)
        return Settled(is_applied=True)
""",
        "test_a_line_and_its_settlement_are_written_together_and_once",
    ),
}


@pytest.fixture
def suites(pytester: pytest.Pytester) -> Iterator[pytest.Pytester]:
    """A folder in which a suite can be run."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_with_a_fault_fails_the_test_that_names_it(suites: pytest.Pytester, fault: str) -> None:
    """A suite that every store passes would promise nothing."""
    body, name = FAULTS[fault]
    suites.makepyfile(SUITE.format(fault=body))
    result = suites.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-k", name)
    result.assert_outcomes(failed=1, deselected=result.parseoutcomes()["deselected"])


def test_a_store_without_a_fault_passes_all_of_it(suites: pytest.Pytester) -> None:
    """The same frame around a store that is right."""
    suites.makepyfile(SUITE.format(fault="    pass"))
    outcomes = suites.runpytest_inprocess("-q", "-p", "no:cacheprovider").parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] > 60


@pytest.mark.parametrize(
    ("suite", "fixture"),
    [("BudgetStoreSuite", "budget_store"), ("SharedBudgetStoreSuite", "another_process_store")],
)
def test_a_suite_without_its_fixture_says_which_one_it_needs(suites: pytest.Pytester, suite: str, fixture: str) -> None:
    """The first thing that anyone forgets."""
    suites.makepyfile(
        f"from langchain_costguard.testing.budget_stores import {suite}\n"
        f"class TestMine({suite}):\n    def test_mine(self, {fixture}): pass\n"
    )
    result = suites.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-k", "test_mine")
    result.stdout.fnmatch_lines([f"*NotImplementedError: TestMine needs a fixture *{fixture}*"])


def test_the_suites_stand_behind_the_door() -> None:
    """They are asked for by name from `langchain_costguard.testing`."""
    assert issubclass(SharedBudgetStoreSuite, BudgetStoreSuite)
    assert not issubclass(JointStoreSuite, BudgetStoreSuite)
