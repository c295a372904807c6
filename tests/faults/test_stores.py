"""Every fault of every store, before a call and while its answer is under way: refused or answered, never in between.

What must hold is the same for all of them, so it is written once, in `check_refusal` and `check_recovery`; a place says
how its store is made and how it is broken and mended.
"""

from __future__ import annotations

import os
import sqlite3
import warnings
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from langchain_costguard import Budget, BudgetStoreError, CostCallbackHandler
from langchain_costguard.stores import SQLStore
from langchain_costguard.stores.headroom import HeadroomStore
from langchain_costguard.stores.redis import RedisBudgetStore
from tests.faults.asking import ask, check_books
from tests.faults.wire import Wire, refused_by_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from langchain_costguard.testing import LoopbackProvider

IS_LONG = os.environ.get("LONG") == "1"
LIMIT = Decimal("1.00")
PATIENCE = 1.0
"""How long a store waits: the faults outlast it, and a healthy step on a loaded machine does not."""
_PADDED = {"tags": [f"{number} {'x' * 200}" for number in range(40)]}
"""Tags that need pages of their own, so that a full disk is full."""
pytestmark = [
    pytest.mark.timeout(40),
    pytest.mark.filterwarnings("ignore::langchain_costguard.exceptions.UntrackedStoreWarning"),
]


@dataclass
class Place:
    """Where lines and counters are kept, and how that is broken."""

    stores: dict[str, Any]
    """Arguments of a handler."""
    fault: Callable[[], Any]
    """A context in which the store does not work."""
    may_admit: bool = False
    """Whether a step that is small enough goes through all the same."""


# -- SQLite -----------------------------------------------------------------------------------------------------------


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else writes, for longer than anybody waits."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def with_pragma(store: SQLStore, broken: str, mended: str) -> Iterator[None]:
    """The writing connection is told something; one that is opened meanwhile, too."""
    backend: Any = store._connections._backend
    connect = backend.connect

    def broken_connect() -> Any:
        connection = connect()
        connection.execute(broken)
        return connection

    backend.connect = broken_connect
    if store._connections._writer is not None:
        store._connections._writer.execute(broken)
    try:
        yield
    finally:
        backend.connect = connect
        if store._connections._writer is not None:
            store._connections._writer.execute(mended)


def read_only(store: SQLStore, path: Path) -> Any:
    """The file can be read and not written."""
    return with_pragma(store, "PRAGMA query_only=ON", "PRAGMA query_only=OFF")


def full(store: SQLStore, path: Path) -> Any:
    """There is no page left on the disk."""
    return with_pragma(store, "PRAGMA max_page_count=1", "PRAGMA max_page_count=1000000000")


@contextmanager
def out_of_files(store: SQLStore, path: Path) -> Iterator[None]:
    """The process cannot open anything; the connections that it had are gone."""
    backend: Any = store._connections._backend
    connect = backend.connect

    def refused() -> Any:
        return sqlite3.connect(path / "no file", timeout=0)  # what SQLite says then: unable to open database file

    store.close()
    backend.connect = refused
    yield
    backend.connect = connect


_OF_FILES: dict[str, Callable[[SQLStore, Path], Any]] = {
    "locked": lambda _, path: locked(path),
    "read-only": read_only,
    "disk full": full,
    "out of file descriptors": out_of_files,
}


def sqlite_place(name: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Ledger and budgets in one SQLite file."""
    path = request.getfixturevalue("tmp_path") / "costs.db"
    with SQLStore(path, timeout_seconds=PATIENCE) as store:
        yield Place({"store": store}, lambda: _OF_FILES[name](store, path), may_admit=name == "disk full")


def headroom_place(name: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Headroom in front of budgets in a SQLite file; its chunk is used up, so that each call asks the file."""
    path = request.getfixturevalue("tmp_path") / "costs.db"
    with SQLStore(path, timeout_seconds=PATIENCE) as store:
        fast = HeadroomStore(store, chunk_ppm=0)
        yield Place({"store": store, "budget_store": fast}, lambda: _OF_FILES[name](store, path), may_admit=True)
        fast.close()


# -- servers ----------------------------------------------------------------------------------------------------------


@contextmanager
def while_set(event: Any) -> Iterator[None]:
    """As long as something is so."""
    event.set()
    try:
        yield
    finally:
        event.clear()


@contextmanager
def cut(wire: Wire) -> Iterator[None]:
    """Nobody gets through, and connections that were open are lost."""
    wire.is_cut.set()
    wire.hang_up()
    try:
        yield
    finally:
        wire.is_cut.clear()


@contextmanager
def cut_at_commit(wire: Wire) -> Iterator[None]:
    """The next commit is done and its answer lost; after that nobody gets through."""
    wire.cuts_at_commit.set()
    try:
        yield
    finally:
        wire.cuts_at_commit.clear()
        wire.is_cut.clear()


_OF_WIRES: dict[str, Callable[[Wire], Any]] = {
    "cut": cut,
    "stalled": lambda wire: while_set(wire.is_mute),
    "cut between statement and commit": cut_at_commit,
}


def postgresql_place(name: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Ledger and budgets in PostgreSQL, across a wire."""
    wire = Wire(request.getfixturevalue("postgresql_url"))
    with SQLStore(wire.url, timeout_seconds=PATIENCE) as store:
        yield Place({"store": store}, lambda: _OF_WIRES[name](wire))
    wire.close()


@contextmanager
def locked_rows(url: str) -> Iterator[None]:
    """Somebody's transaction is left open."""
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE costguard.counters, costguard.ledger")
        yield


def deadlock_place(name: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Ledger and budgets in a PostgreSQL server that cannot serialise."""
    url = request.getfixturevalue("postgresql_url")
    with SQLStore(url, timeout_seconds=PATIENCE) as store:
        yield Place({"store": store}, lambda: {"deadlocks": refused_by_rows, "locked": locked_rows}[name](url))


def valkey_place(name: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Budgets in Valkey, across a wire; the ledger in a file that works."""
    wire = Wire(request.getfixturevalue("valkey_url"))
    budgets = RedisBudgetStore(wire.url, timeout_seconds=PATIENCE)
    with SQLStore(request.getfixturevalue("tmp_path") / "costs.db") as ledger:
        yield Place({"store": ledger, "budget_store": budgets}, lambda: _OF_WIRES[name](wire))
    budgets.close()
    wire.close()


_PLACES: dict[str, tuple[Callable[[str, pytest.FixtureRequest], Iterator[Place]], tuple[str, ...]]] = {
    "sqlite": (sqlite_place, tuple(_OF_FILES)),
    "headroom": (headroom_place, tuple(_OF_FILES)),
    "postgresql": (postgresql_place, tuple(_OF_WIRES)),
    "postgresql rows": (deadlock_place, ("deadlocks", "locked")),
    "valkey": (valkey_place, ("cut", "stalled")),
}
_CELLS = [
    pytest.param((kind, name), id=f"{kind}, {name}")
    for kind, (_, names) in _PLACES.items()
    for name in names
    if IS_LONG or kind != "headroom"
]
_MODES = ("invoke", "ainvoke", "stream", "astream")


@pytest.fixture(params=_CELLS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Each store with each of its faults."""
    kind, name = request.param
    yield from _PLACES[kind][0](name, request)


def chat(provider: LoopbackProvider) -> Any:
    """A chat model whose calls are bounded and sent once."""
    return provider.chat_model(max_tokens=60, max_retries=0, stream_usage=True)


@pytest.mark.required
@pytest.mark.parametrize("mode", _MODES if IS_LONG else ("invoke",))
def test_before_a_call_a_broken_store_refuses_and_nothing_is_sent(
    provider: LoopbackProvider, place: Place, mode: str
) -> None:
    """A hard budget that cannot be checked is shut; once the store works again, so does the call."""
    handler = CostCallbackHandler(budgets=[Budget(LIMIT)], **place.stores)
    config = {"callbacks": [handler], **_PADDED}
    assert ask(chat(provider), mode, **config).error is None
    handler.flush()
    with place.fault():
        asked = ask(chat(provider), mode, **config)
        if asked.error is None:
            assert place.may_admit
        else:
            assert isinstance(asked.error, BudgetStoreError)
            assert "on_store_error='allow'" in str(asked.error)
    answered = 1 + (asked.error is None)
    assert len(provider.requests) == answered
    assert ask(chat(provider), mode, **config).error is None
    check_books(handler, provider.billed, calls=answered + 1)
    assert handler.total_cost == provider.billed


@pytest.mark.required
@pytest.mark.parametrize("mode", _MODES if IS_LONG else ("ainvoke",))
def test_a_store_that_breaks_during_a_call_costs_nobody_the_answer(
    provider: LoopbackProvider, place: Place, mode: str
) -> None:
    """The answer is returned; line and settlement wait, the budget stands too high meanwhile, and both arrive once."""
    handler = CostCallbackHandler(budgets=[Budget(LIMIT)], **place.stores)
    assert handler.flush()  # as below
    broken: list[Any] = []

    def reply(_: Any) -> str:
        if not broken:
            broken.append(place.fault())
            broken[0].__enter__()
        return "an answer"

    provider._service._usual_reply = reply
    asked = ask(chat(provider), mode, callbacks=[handler], **_PADDED)
    assert (asked.text, asked.error) == ("an answer", None)
    broken[0].__exit__(None, None, None)
    for _ in range(2):  # a second delivery changes nothing
        (line,) = check_books(handler, provider.billed, calls=1)
        assert line.status == "ok"
        assert handler.budgets()[0].spent == provider.billed


@pytest.mark.required
@pytest.mark.parametrize("mode", _MODES if IS_LONG else ("stream",))
def test_with_allow_a_broken_store_lets_calls_through_and_counts_them(
    provider: LoopbackProvider, place: Place, mode: str
) -> None:
    """Where availability counts more; what they cost is booked and charged once the store works again."""
    handler = CostCallbackHandler(budgets=[Budget(LIMIT)], on_store_error="allow", **place.stores)
    assert handler.flush()  # what it reads in the background when it is made is not what breaks here
    with place.fault():
        assert ask(chat(provider), mode, callbacks=[handler], **_PADDED).error is None
    assert handler.guard is not None
    assert handler.guard.unchecked == 1 or place.may_admit
    (line,) = check_books(handler, provider.billed, calls=1)
    assert line.billed_cost == handler.budgets()[0].spent == provider.billed


@pytest.mark.required
def test_a_ledger_without_budgets_never_costs_a_call(provider: LoopbackProvider, place: Place) -> None:
    """There is nothing to check, so nothing is refused; the line waits in memory, with one warning."""
    handler = CostCallbackHandler(place.stores["store"])
    assert handler.flush()  # as above
    with warnings.catch_warnings(), place.fault():
        warnings.simplefilter("ignore")
        assert ask(chat(provider), "invoke", callbacks=[handler], **_PADDED).error is None
    assert handler.flush()
    (line,) = handler.store.entries()
    assert line.billed_cost == handler.total_cost == provider.billed
