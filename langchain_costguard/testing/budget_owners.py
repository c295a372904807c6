"""The tests that say what becomes of the reservations of a process that was killed, with real processes."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its figures are its content

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.budgets.claims import Claim, Reservation
from langchain_costguard.testing.claims import admit, ask, held, make_claim, make_reservation, settlement, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.stores.budget_base import BudgetStore

_READY = "reserved"


class OwnerSuite:
    """Killed owners and their leases; a part of `SharedBudgetStoreSuite`."""

    @pytest.fixture
    def another_process_store(self) -> tuple[str, str]:
        """How another process opens the store: a callable as `"package.module:name"`, and its one argument."""
        msg = (
            f"{type(self).__name__} needs a fixture `another_process_store` that returns a callable as "
            f"'package.module:name' and its argument"
        )
        raise NotImplementedError(msg)

    def test_processes_share_what_they_hold(
        self, budget_store: BudgetStore, another_process_store: tuple[str, str]
    ) -> None:
        """A limit that every process has for itself is no limit."""
        with _held_elsewhere(another_process_store, make_reservation(make_claim(60))):
            assert ask(budget_store, make_claim(41)).refusals[0].reserved == 60
            assert budget_store.expire() == []
            assert held(budget_store) == (0, 60)

    def test_what_a_killed_process_held_is_charged_where_the_budget_is_hard_and_else_released(
        self, budget_store: BudgetStore, another_process_store: tuple[str, str]
    ) -> None:
        """The provider may have billed; whoever may not overspend must assume that it did."""
        soft = make_claim(40, "soft", refuses=False, charges_lost=False)
        _kill_one_that_held(another_process_store, make_reservation(make_claim(60, alerts_ppm=(500_000,)), soft))
        (crossing,) = budget_store.expire()
        assert (crossing.kind, crossing.share_ppm, crossing.spent) == ("threshold", 500_000, 60)
        assert (held(budget_store), held(budget_store, "soft")) == ((60, 0), (0, 0))
        assert (state(budget_store).unsettled, state(budget_store).overrun) == (60, 0)
        assert budget_store.expire() == []
        assert not ask(budget_store, make_claim(41)).is_admitted
        assert ask(budget_store, make_claim(40)).is_admitted

    def test_a_late_settlement_replaces_what_was_charged(
        self, budget_store: BudgetStore, another_process_store: tuple[str, str]
    ) -> None:
        """The truth, when it comes, counts once and instead of the guess."""
        reservation = make_reservation(make_claim(60), make_claim(40, "soft", refuses=False, charges_lost=False))
        _kill_one_that_held(another_process_store, reservation)
        budget_store.expire()
        assert budget_store.settle(settlement(reservation, 20, 10)).is_applied
        assert (held(budget_store), held(budget_store, "soft")) == ((20, 0), (10, 0))
        assert (state(budget_store).unsettled, state(budget_store).overrun) == (0, 0)
        assert not budget_store.settle(settlement(reservation, 20, 10)).is_applied
        assert held(budget_store) == (20, 0)

    def test_a_late_settlement_charges_what_was_released(
        self, budget_store: BudgetStore, another_process_store: tuple[str, str]
    ) -> None:
        """A soft budget forgives a lost call; what the provider billed for it is spent all the same."""
        reservation = make_reservation(make_claim(60, refuses=False, charges_lost=False))
        _kill_one_that_held(another_process_store, reservation)
        budget_store.expire()
        assert held(budget_store) == (0, 0)
        assert budget_store.settle(settlement(reservation, 20)).is_applied
        assert not budget_store.settle(settlement(reservation, 20)).is_applied
        assert (held(budget_store), state(budget_store).unsettled) == ((20, 0), 0)

    def test_what_was_expired_is_not_extended(
        self, budget_store: BudgetStore, another_process_store: tuple[str, str]
    ) -> None:
        """It is no longer open."""
        reservation = make_reservation(make_claim(60))
        _kill_one_that_held(another_process_store, reservation)
        budget_store.expire()
        with pytest.raises(LookupError):
            budget_store.extend(reservation.id, [make_claim(1)])

    def test_a_release_of_a_killed_process_makes_room_before_a_call_is_refused(
        self, budget_store: BudgetStore, another_process_store: tuple[str, str]
    ) -> None:
        """Nothing a dead process left behind may refuse a call for ever."""
        _kill_one_that_held(another_process_store, make_reservation(make_claim(100, charges_lost=False)))
        assert ask(budget_store, make_claim(100)).is_admitted
        assert held(budget_store) == (0, 100)

    def test_renewing_counts_only_what_this_process_holds(
        self, budget_store: BudgetStore, another_process_store: tuple[str, str]
    ) -> None:
        """No process may keep another one's reservations alive."""
        admit(budget_store, make_claim(1))
        with _held_elsewhere(another_process_store, make_reservation(make_claim(1))):
            assert budget_store.renew(60_000_000) == 1


def hold(factory: str, argument: str, reservation: str) -> None:
    """Reserve in this process, say so, and wait to be killed; what the suite runs in processes of its own.

    Args:
        factory: a callable as `"package.module:name"` that opens a store.
        argument: what it is called with.
        reservation: a `Reservation` as JSON.
    """
    module, _, name = factory.partition(":")
    reservation_id, claims, *rest = json.loads(reservation)
    store: BudgetStore = getattr(import_module(module), name)(argument)
    answer = store.reserve(
        Reservation(reservation_id, tuple(Claim._make((*fields[:-1], tuple(fields[-1]))) for fields in claims), *rest)
    )
    print(_READY if answer.is_admitted else answer, flush=True)  # noqa: T201 - read by the process that started us
    time.sleep(60)  # whoever started it kills it


@contextmanager
def _held_elsewhere(store: tuple[str, str], reservation: Reservation) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a reservation inside the block, and is killed at its end."""
    program = f"import sys; from {__name__} import hold; hold(*sys.argv[1:])"
    command = [sys.executable, "-c", program, *store, json.dumps(reservation)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == _READY
            yield process
        finally:
            process.kill()


def _kill_one_that_held(store: tuple[str, str], reservation: Reservation) -> None:
    with _held_elsewhere(store, reservation):
        pass
