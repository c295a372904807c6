"""Model calls of many threads and processes race for one dollar, and calls of parts of a cent add up exactly."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from langchain_costguard.stores import InMemoryStore, SQLStore
from langchain_costguard.stores.headroom import HeadroomStore
from langchain_costguard.stores.opening_budgets import open_budget_store
from langchain_costguard.testing.claims import admit, ask, make_claim, make_reservation, settlement
from tests.concurrency.workers import finish, start
from tests.servers import valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.stores.budget_base import BudgetStore

WORKER = Path(__file__).with_name("budget_race_worker.py")
DOLLAR, PART_OF_A_CENT = 1_000_000_000, 40_000


class Place(NamedTuple):
    """Where lines and counters are kept."""

    ledger: str
    budgets: str
    options: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def valkey() -> Iterator[str]:
    """A Valkey server for this file."""
    with valkey_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "headroom", "postgresql", "valkey"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """New places: one for both in SQLite, else one for each."""
    ledger = str(tmp_path / "ledger.db")
    if request.param == "sqlite":
        return Place(ledger, ledger)
    if request.param == "headroom":
        return Place(ledger, str(tmp_path / "budgets.db"), ("headroom",))
    server = "postgresql_url" if request.param == "postgresql" else "valkey"
    return Place(ledger, str(request.getfixturevalue(server)))


@pytest.mark.required
def test_thirty_two_threads_make_a_dollars_worth_of_calls(place: Place) -> None:
    """640 attempts at a call of a cent through the callback: the provider bills 100, and each has its line."""
    assert sum(_race(place)) == 100
    store = open_budget_store(place.budgets)
    with closing(store):
        (counter,) = store.counters()
        assert (counter.spent, counter.reserved, counter.unsettled) == (DOLLAR, 0, 0)
    with SQLStore(place.ledger) as ledger:
        (sums,) = ledger.totals()
        assert (sums.calls, sums.billed_nano) == (100, DOLLAR)


@pytest.mark.parametrize("kind", ["memory", "headroom"])
def test_thirty_thousand_calls_of_parts_of_a_cent_stop_at_the_dollar(kind: str, tmp_path: Path) -> None:
    """A counter that rounds to a hundredth of a cent would let all of them through and show nothing spent."""
    store: Any = InMemoryStore() if kind == "memory" else HeadroomStore(SQLStore(tmp_path / "costs.db"))
    with closing(store):
        assert _spend(store, calls=30_000) == 25_000
        (counter,) = store.counters()
        assert (counter.spent, counter.reserved) == (DOLLAR, 0)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "valkey"])
def test_the_last_part_of_a_cent_is_the_last(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The last hundred calls of 25,000 run in every database, and nothing after them."""
    if kind == "sqlite":
        where = str(tmp_path / "costs.db")
    elif kind == "postgresql":
        where = str(request.getfixturevalue("postgresql_url"))
    else:
        where = str(request.getfixturevalue("valkey")).rpartition("/")[0] + "/2"
    with closing(open_budget_store(where)) as store:
        first = make_claim(24_900 * PART_OF_A_CENT, limit=DOLLAR)
        store.settle(settlement(admit(store, first), first.amount))
        assert _spend(store, calls=200) == 100
        assert not ask(store, make_claim(1, limit=DOLLAR)).is_admitted


def _spend(store: BudgetStore, *, calls: int) -> int:
    """Try to make calls of $0.00004; how many ran."""
    claim, ran = make_claim(PART_OF_A_CENT, limit=DOLLAR), 0
    for _ in range(calls):
        reservation = make_reservation(claim)
        if store.reserve(reservation).is_admitted:
            store.settle(settlement(reservation, claim.amount))
            ran += 1
    return ran


def _race(place: Place) -> list[int]:
    """Four processes begin together; how many calls the model of each got."""
    workers = [start(WORKER, place.ledger, place.budgets, *place.options) for _ in range(4)]
    return [int(said) for said in finish(workers)]
