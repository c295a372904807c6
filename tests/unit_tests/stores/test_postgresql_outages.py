"""A server that does not answer is given up in time, and what it may have reserved meanwhile does not stay reserved."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import SQLStore
from langchain_costguard.testing.claims import admit, ask, held, make_claim, make_reservation, settlement
from langchain_costguard.testing.stores import make_entry
from tests.faults.wire import Wire, refused_by_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.required


@pytest.fixture
def wire(postgresql_url: str) -> Iterator[Wire]:
    """The way to a new database."""
    wire = Wire(postgresql_url)
    yield wire
    wire.close()


@contextmanager
def lost_answer(wire: Wire) -> Iterator[None]:
    """The next commit is done and its answer lost, and the server cannot be reached until the end of the block."""
    wire.cuts_at_commit.set()
    with pytest.raises(StoreError, match="check host and port"):
        yield
    wire.cuts_at_commit.clear()
    wire.is_cut.clear()


def test_a_server_that_accepts_and_never_answers_is_given_up_in_time(wire: Wire) -> None:
    """A call must not hang for as long as a broken server keeps its connections."""
    with SQLStore(wire.url, timeout_seconds=0.3) as store:
        reservation = admit(store, make_claim(60))
        for step in (
            lambda: store.reserve(make_reservation(make_claim(1)), wait_seconds=0.05),
            lambda: store.settle(settlement(reservation, 20)),
            lambda: store.append(make_entry()),
        ):
            wire.is_mute.set()
            with pytest.raises(StoreError, match=r"did not answer within 0\.\d+ seconds.*timeout_seconds="):
                step()
            wire.is_mute.clear()
            assert store.renew(60_000_000) == 1
        assert store.settle(settlement(reservation, 20)).is_applied
        assert held(store) == (20, 0)


def test_a_reservation_whose_answer_was_lost_is_released_with_the_next_step(wire: Wire, postgresql_url: str) -> None:
    """Its process lives on and renews it, so nobody else would ever release it."""
    with SQLStore(wire.url, timeout_seconds=1) as store, SQLStore(postgresql_url) as witness:
        admit(store, make_claim(10))
        with lost_answer(wire):
            store.reserve(make_reservation(make_claim(60)))
        assert held(witness) == (0, 70)
        assert ask(store, make_claim(90)).is_admitted
        assert held(witness) == (0, 100)


def test_the_heartbeat_releases_what_was_reserved_with_a_line_and_takes_back_the_line(
    wire: Wire, postgresql_url: str
) -> None:
    """The call was refused, so no line may say that it is under way."""
    with SQLStore(wire.url, timeout_seconds=1) as store, SQLStore(postgresql_url) as witness:
        with lost_answer(wire):
            opening = make_entry(status="open", usage=None)
            store.reserve_opening(make_reservation(make_claim(60)), opening)
        assert (held(witness), len(list(witness.entries()))) == ((0, 60), 1)
        assert store.renew(60_000_000) == 0
        assert (held(witness), list(witness.entries())) == ((0, 0), [])


def test_a_release_that_failed_is_made_up_for(wire: Wire, postgresql_url: str) -> None:
    """A call that was never made must not hold its budget because the server was away for a moment."""
    with SQLStore(wire.url, timeout_seconds=1) as store, SQLStore(postgresql_url) as witness:
        reservation = admit(store, make_claim(60))
        store.close()
        wire.is_cut.set()
        with pytest.raises(StoreError, match="check host and port"):
            store.settle(settlement(reservation, 0))
        wire.is_cut.clear()
        store.expire()
        assert held(witness) == (0, 0)


def test_an_outage_before_the_end_of_a_step_leaves_nothing_to_release(wire: Wire) -> None:
    """What was certainly not reserved needs no step of its own afterwards."""
    with SQLStore(wire.url, timeout_seconds=1) as store:
        store.close()
        wire.is_cut.set()
        with pytest.raises(StoreError, match="check host and port"):
            store.reserve(make_reservation(make_claim(60)))
        assert store._doubts == {}


def test_a_step_that_broke_off_leaves_a_connection_that_goes_on(postgresql_url: str) -> None:
    """What stood behind the failure was never prepared; a driver that thinks it was would ask for it for ever."""
    with SQLStore(postgresql_url, timeout_seconds=1) as store:
        admit(store, make_claim(1))
        for calls in range(2, 12):
            refused = pytest.raises(
                StoreError, match=r"others changed the same counters.*40P01.*make fewer calls at once"
            )
            with refused_by_rows(postgresql_url), refused:
                ask(store, make_claim(1))
            admit(store, make_claim(1))
            assert held(store) == (0, calls)
