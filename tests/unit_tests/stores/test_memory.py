"""A ledger in memory stays small and its sums stay exact."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores import InMemoryStore, folding
from langchain_costguard.testing.stores import MORNING, make_entry

if TYPE_CHECKING:
    from langchain_costguard.ledger import CallStatus


def test_only_the_newest_lines_are_held_and_the_sums_stay_exact() -> None:
    """A service that runs for a month must neither grow nor forget what it spent."""
    store, everything = InMemoryStore(max_entries=1000), InMemoryStore(max_entries=100_000)
    for number in range(20_000):
        line = make_entry(
            at=MORNING + timedelta(seconds=number * 20),
            request_model=("gpt-4o", "gpt-4o-mini")[number % 2],
            provider=("openai", "azure", None)[number % 3],
            status=("ok", "error", "cached", "ok")[number % 4],
            billed_nano=None if number % 7 == 0 else number,
        )
        store.append(line)
        everything.append(line)
    assert len(list(store.entries())) == 1000
    assert store.folded.calls == 19_000
    assert store.totals()[0].billed_cost == Decimal("0.171411429")
    for by in ([], ["day"], ["hour"], ["model"], ["provider"], ["status"], ["kind"], ["day", "model", "provider"]):
        assert store.totals(by=by, tz="Asia/Kolkata") == everything.totals(by=by, tz="Asia/Kolkata")
    for query in (
        LedgerQuery(model="gpt-4o"),
        LedgerQuery(since=MORNING + timedelta(days=1)),
        LedgerQuery(status="ok"),
    ):
        assert store.totals(query) == everything.totals(query)


def test_what_was_folded_can_no_longer_be_asked_for_by_tag_or_user() -> None:
    """The store says so instead of giving a part for the whole: the rest stands under `None`."""
    store = InMemoryStore(max_entries=1)
    for _ in range(3):
        store.append(make_entry(tags=("checkout",), user="u1"))
    assert {row.group[0]: row.calls for row in store.totals(by=["tag"])} == {"checkout": 1, None: 2}
    assert store.totals(LedgerQuery(user="u1"))[0].calls == 1
    assert {"tag", "user"} < set(store.forgotten_keys)


def test_the_number_of_sums_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain named after every request would otherwise make one sum per call."""
    monkeypatch.setattr(folding, "MAX_DETAILED_GROUPS", 50)
    monkeypatch.setattr(folding, "MAX_GROUPS", 80)
    store = InMemoryStore(max_entries=10)
    for number in range(2000):
        store.append(make_entry(chain=f"job {number}", request_model=f"model {number % 40}", billed_nano=1))
    assert len(store._folded.groups()) <= 81
    assert store._folded.coarse_calls == 2000 - 10 - 50
    assert store.totals()[0].billed_cost == Decimal("0.000002")
    assert store.totals(by=["status"])[0].calls == 2000


@pytest.mark.parametrize("status", ["cancelled", "lost"])
def test_given_up_calls_stay_correctable_while_finished_ones_fold(status: CallStatus) -> None:
    """A late answer corrects a cancelled call even after thousands of others."""
    store = InMemoryStore(max_entries=5)
    given_up = make_entry(status=status, billed_nano=None)
    store.append(given_up)
    for _ in range(50):
        store.append(make_entry(billed_nano=0))
    ended = make_entry(run_id=given_up.run_id, billed_nano=7)
    assert store.append(ended) is True
    assert store.totals()[0].billed_cost == Decimal("0.000000007")
    assert store.totals()[0].failed_calls == 0


def test_a_run_that_was_folded_is_still_booked_once() -> None:
    """A second handler may report late, when the first report is no longer held."""
    store = InMemoryStore(max_entries=2)
    lines = [make_entry() for _ in range(4)]
    for line in lines:
        store.append(line)
    assert [store.append(line) for line in lines] == [False] * 4
    assert store.totals()[0].calls == 4


def test_threads_that_write_while_lines_are_folded_lose_nothing() -> None:
    """Folding moves a line from one place to the other; nobody may look in between."""
    store = InMemoryStore(max_entries=50)
    counts: list[int] = []

    def write() -> None:
        for _ in range(200):
            store.append(make_entry(billed_nano=1))

    writers = [threading.Thread(target=write) for _ in range(10)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        counts.append(store.totals()[0].calls)
    for writer in writers:
        writer.join()
    assert counts == sorted(counts)
    assert store.totals()[0].billed_cost == Decimal("0.000002")


def test_a_ledger_of_no_lines_is_refused() -> None:
    """It would fold every line at once, which nobody asks for on purpose."""
    with pytest.raises(ValueError, match="give 1 or more"):
        InMemoryStore(max_entries=0)


def test_a_ledger_in_memory_says_what_it_is() -> None:
    """The recorder asks before it lets a write happen on an event loop."""
    store = InMemoryStore(max_entries=3)
    assert (store.location, store.is_durable, store.may_block, store.max_entries) == ("memory", False, False, 3)
    assert store.digest_key != InMemoryStore().digest_key
    assert repr(store) == "InMemoryStore(max_entries=3, held=0)"
