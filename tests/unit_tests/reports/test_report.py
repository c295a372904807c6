"""What a report answers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.reports import CostReport
from langchain_costguard.stores import open_store
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit_tests.reports.conftest import Book


def test_the_required_tracker_is_there(store: InMemoryStore, book: Book) -> None:
    """Total tokens in and out, total cost, requests, and tokens and cost per day were asked for by name."""
    book(cost="0.0075", tokens=(2000, 250), at="2026-03-02T10:00")
    book(cost="0.0025", tokens=(1000, 0), at="2026-03-03T10:00")
    report = CostReport(store)
    assert (report.input_tokens, report.output_tokens, report.calls) == (3000, 250, 2)
    assert report.total_cost == Decimal("0.01")
    assert report.daily == {
        date(2026, 3, 2): (2250, Decimal("0.0075")),
        date(2026, 3, 3): (1000, Decimal("0.0025")),
    }


def test_the_kinds_of_tokens_are_told_apart(store: InMemoryStore, book: Book) -> None:
    """Cached and reasoning tokens explain a bill that the totals do not."""
    book(usage=TokenUsage(uncached_input=10, cache_read=20, cache_write_5m=30, output_text=5, reasoning=7))
    report = CostReport(store)
    assert (report.cache_read, report.cache_creation, report.reasoning) == (20, 30, 7)
    assert (report.input_tokens, report.output_tokens, report.total_tokens) == (60, 12, 72)


def test_list_price_and_bill_are_both_told(store: InMemoryStore, book: Book) -> None:
    """Who negotiated a discount wants to see both."""
    book(cost="0.02", billed_nano=15_000_000)
    report = CostReport(store)
    assert (report.total_cost, report.list_cost) == (Decimal("0.015"), Decimal("0.02"))
    assert "List price" in report.text(100)


def test_rows_answer_by_any_key(store: InMemoryStore, book: Book) -> None:
    """Whose calls, and for what, is what a team asks."""
    book(cost="0.01", user="ann", tags=("checkout",), metadata={"team": "shop"})
    book(cost="0.03", user="bob", tags=("checkout", "search"))
    report = CostReport(store)
    assert [(row.group, row.billed_cost) for row in report.by("user")] == [
        (("bob",), Decimal("0.03")),
        (("ann",), Decimal("0.01")),
    ]
    assert {row.group[0]: row.calls for row in report.by("tag")} == {"checkout": 2, "search": 1}
    assert {row.group[0]: row.calls for row in report.by("metadata:team")} == {"shop": 1, None: 1}


def test_tables_by_day_and_model_agree_with_the_store(store: InMemoryStore, book: Book) -> None:
    """What is added up here must be what the store itself would say."""
    for day in range(1, 6):
        book("gpt-4o", cost="0.01", at=f"2026-03-0{day}T23:30")
        book("o3", cost="0.002", provider="azure", at=f"2026-03-0{day}T00:10")
    report = CostReport(store, tz="Asia/Tokyo")
    for keys in ((), ("day",), ("model",), ("provider", "day"), ("day", "model", "provider")):
        own = {row.group: (row.calls, row.billed_cost, row.input_tokens) for row in report.by(*keys)}
        told = store.totals(by=keys, tz="Asia/Tokyo")
        assert own == {row.group: (row.calls, row.billed_cost, row.input_tokens) for row in told}


def test_every_store_gives_the_same_report(store: InMemoryStore, book: Book, tmp_path: Path) -> None:
    """Moving a ledger from memory to a file must not change what it says."""
    book(cost="0.0123", user="ann", at="2026-03-01T23:30")
    book("mystery-1", cost=None, tags=("a", "b"))
    book(cost="0", status="cached", avoided_nano=435_000)
    book(cost="0", status="error", error="TimeoutError", tokens=(0, 0))
    with open_store(tmp_path / "costs.db") as kept:
        for line in store.entries():
            kept.append(line)
        reports = [CostReport(one, tz="Asia/Tokyo").to_dict() for one in (store, kept)]
        told = [repr(CostReport(one).by("tag", "user", "hour")) for one in (store, kept)]
    in_memory, in_file = (report.pop("kept_in") for report in reports)
    assert "memory only" in in_memory
    assert "costs.db" in in_file
    assert reports[0] == reports[1]
    assert told[0] == told[1]


def test_an_unknown_key_is_refused(store: InMemoryStore) -> None:
    """A typing error must not come back as an empty table."""
    with pytest.raises(ValueError, match="colour"):
        CostReport(store).by("colour")


def test_an_unknown_time_zone_is_refused(store: InMemoryStore) -> None:
    """Days of a zone nobody knows are wrong days."""
    with pytest.raises(ValueError, match="Mars"):
        CostReport(store, tz="Mars/Olympus")


def test_the_query_narrows_every_answer(store: InMemoryStore, book: Book) -> None:
    """A report on one user must not leak another's calls into any table."""
    book(cost="0.01", user="ann")
    book("o3", cost="5", user="bob")
    report = CostReport(store, query=LedgerQuery(user="ann", limit=1))
    assert report.total_cost == Decimal("0.01")
    assert [row.group for row in report.by_model()] == [("gpt-4o",)]
    assert list(report.to_pandas()["user"]) == ["ann"]
    assert "user ann" in report.text(100)
    assert "bob" not in report.text(100) + report._repr_html_()


def test_the_sums_stay_as_they_were_read(store: InMemoryStore, book: Book) -> None:
    """A report that is passed on must not change under its reader."""
    book(cost="0.01")
    report = CostReport(store)
    book(cost="0.02")
    assert (report.calls, report.total_cost) == (1, Decimal("0.01"))
    assert [row.calls for row in report.by_day()] == [1]


def test_a_partial_sum_is_a_sum_and_says_so(store: InMemoryStore, book: Book) -> None:
    """The priced part is worth knowing, as long as nobody takes it for the whole."""
    book(cost="0.0123")
    book("mystery-1", cost=None)
    report = CostReport(store)
    assert (report.total_cost, report.unpriced_calls, report.is_complete) == (Decimal("0.0123"), 1, False)
    assert "$0.0123 + 1 unpriced call" in str(report)
    assert repr(report) == "CostReport($0.0123 + 1 unpriced call, 2 calls, 2,200 tokens)"


def test_only_unpriced_calls_have_no_cost_anywhere(store: InMemoryStore, book: Book) -> None:
    """Nothing in the report may read like free."""
    book("mystery-1", cost=None)
    report = CostReport(store)
    assert (report.total_cost, report.list_cost, report.daily[date(2026, 3, 2)].cost) == (None, None, None)
    assert "$0" not in report.text(100)
    assert report.to_dict()["total_cost"] is None


def test_only_cached_calls_are_free_and_say_what_they_avoided(store: InMemoryStore, book: Book) -> None:
    """A cache hit costs nothing and uses no tokens of a provider."""
    book(cost="0", status="cached", avoided_nano=435_000)
    report = CostReport(store)
    assert (report.total_cost, report.avoided_cost, report.cached_calls) == (Decimal(0), Decimal("0.000435"), 1)
    assert (report.input_tokens, report.output_tokens) == (0, 0)
    assert "1 of 1 call came from the cache: free, $0.000435 avoided." in report.text(100)


def test_failed_and_open_calls_are_counted(store: InMemoryStore, book: Book) -> None:
    """A call that raised or never ended is a call."""
    book(cost="0", status="error", error="TimeoutError")
    book(cost=None, tokens=None, status="open", unpriced_reason=None)
    report = CostReport(store)
    assert (report.calls, report.failed_calls, report.open_calls, report.unpriced_calls) == (2, 1, 1, 0)
    assert report.is_complete is False


def test_an_empty_ledger_makes_a_report(store: InMemoryStore) -> None:
    """The first thing a newcomer prints is an empty report."""
    report = CostReport(store)
    assert (report.calls, report.total_cost, report.by_day(), report.unpriced()) == (0, Decimal(0), (), ())
    assert "$0.00" in report.text(100)
    assert "<table>" not in report._repr_html_()
    assert report.to_pandas().empty


def test_the_day_the_clocks_change_is_one_day(store: InMemoryStore, book: Book) -> None:
    """23 hours in Zurich on 29 March 2026: its last hour must not slip into the next day, nor its first be lost."""
    book(cost="0.01", at="2026-03-28T23:00+00:00")  # 00:00 in Zurich, still winter
    book(cost="0.02", at="2026-03-29T21:59+00:00")  # 23:59 in Zurich, summer by now
    book(cost="0.04", at="2026-03-29T22:00+00:00")  # midnight
    report = CostReport(store, tz="Europe/Zurich")
    assert {day: cost for day, (_, cost) in report.daily.items()} == {
        date(2026, 3, 29): Decimal("0.03"),
        date(2026, 3, 30): Decimal("0.04"),
    }


def test_folded_lines_stay_in_every_sum(book: Book) -> None:
    """A long-running process holds few lines and must still know what it spent."""
    store = InMemoryStore(max_entries=2)
    for line in [book(cost="0.01"), book(cost="0.02"), book("o3", cost="0.04"), book("mystery-1", cost=None)]:
        store.append(line)
    report = CostReport(store)
    assert (report.calls, report.total_cost, report.unpriced_calls) == (4, Decimal("0.07"), 1)
    assert {row.group[0]: row.billed_cost for row in report.by_model()} == {
        "gpt-4o": Decimal("0.03"),
        "o3": Decimal("0.04"),
        "mystery-1": None,
    }


def test_a_question_that_folded_lines_cannot_answer_is_not_complete(book: Book) -> None:
    """Ten of a user's fifty calls must not be taken for all of them."""
    store = InMemoryStore(max_entries=10)
    for _ in range(50):
        store.append(book(user="u"))
    report = CostReport(store, query=LedgerQuery(user="u", model="gpt-4o"))
    assert (report.calls, report.is_complete, report.unreachable_calls) == (10, False, 40)
    assert report.notes()[0].is_warning
    assert report.notes()[0].text == (
        "40 more calls are kept only in sums and cannot be asked for by user: the sums here may leave them out. "
        "A durable store=, whose old lines are not pruned, or a larger max_entries=, keeps such lines."
    )
    assert (report.to_dict()["is_complete"], report.to_dict()["unreachable_calls"]) == (False, 40)
    assert "40 more calls" in str(report)


def test_a_question_that_folded_lines_can_answer_is_complete(book: Book) -> None:
    """A warning about nothing would be read by nobody."""
    store = InMemoryStore(max_entries=1)
    for model in ("gpt-4o", "gpt-4o", "o3"):
        store.append(book(model, user="u", chain="agent"))
    for query in (None, LedgerQuery(model="gpt-4o", chain="agent"), LedgerQuery(user="u", model="o3", metadata={})):
        report = CostReport(store, query=query)
        assert report.is_complete
        assert report.notes() == ()


def test_a_report_of_a_handler_with_a_durable_store_says_where_the_lines_are(book: Book, tmp_path: Path) -> None:
    """They are not lost, only not in this memory."""
    memory = InMemoryStore(max_entries=1)
    for _ in range(3):
        memory.append(book(user="u"))
    with open_store(tmp_path / "costs.db") as kept:
        text = CostReport(memory, query=LedgerQuery(user="u"), kept_in=kept).notes()[0].text
    assert "CostReport(handler.store, query=...) reads the store" in text


def test_folded_calls_are_not_shown_as_calls_without_a_user(book: Book) -> None:
    """Nobody may conclude that forty calls were anonymous."""
    store = InMemoryStore(max_entries=10)
    for _ in range(50):
        store.append(book(user="u", metadata={"team": "a"}))
    report = CostReport(store)
    assert {row.name: row.calls for row in report.by("user")} == {"u": 10, "(user none or not kept)": 40}
    assert {row.name for row in report.by("metadata:team", "model")} == {
        "a / gpt-4o",
        "(metadata:team none or not kept) / gpt-4o",
    }
    assert "(user none or not kept)" in str(report.by("user"))


def test_calls_without_a_user_are_called_so_where_every_line_is_held(store: InMemoryStore, book: Book) -> None:
    """Also where the question leaves the folded ones out, which are then in the notes."""
    book()
    assert [row.name for row in CostReport(store).by("user")] == ["(no user)"]
    small = InMemoryStore(max_entries=1)
    for _ in range(3):
        small.append(book(thread="t"))
    assert [row.name for row in CostReport(small, query=LedgerQuery(thread="t")).by("user")] == ["(no user)"]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_pruned_calls_count_as_out_of_reach_and_have_no_group_of_their_own(
    book: Book, tmp_path: Path, kind: str
) -> None:
    """A durable ledger that was pruned has forgotten its users too, and its chains and hours."""
    with open_store("memory" if kind == "memory" else tmp_path / "costs.db") as store:
        for line in (
            book(user="u", at="2026-03-02T10:00"),
            book("o3", user="u"),
            book(user="u", at="2026-03-09T10:00"),
        ):
            store.append(line)
        store.prune(datetime(2026, 3, 5, tzinfo=UTC))
        asked = CostReport(store, query=LedgerQuery(user="u"))
        assert (asked.calls, asked.unreachable_calls, asked.is_complete) == (1, 2, False)
        assert CostReport(store, query=LedgerQuery(user="u", model="o3")).unreachable_calls == 1
        assert CostReport(store, query=LedgerQuery(chain="agent")).unreachable_calls == 2
        assert CostReport(store, query=LedgerQuery(user="u", since=datetime(2026, 3, 5, tzinfo=UTC))).is_complete
        assert CostReport(store).is_complete
        assert {row.name for row in CostReport(store).by("user")} == {"u", "(user none or not kept)"}
        assert "(hour none or not kept)" in {row.name for row in CostReport(store).by("hour")}


def test_json_is_exact_and_complete(store: InMemoryStore, book: Book) -> None:
    """What another program reads must be what a person reads."""
    book(cost="0.000000001")
    book("mystery-1", cost=None)
    told = json.loads(CostReport(store, title="March").to_json())
    assert (told["title"], told["total_cost"], told["is_complete"]) == ("March", "0.000000001", False)
    assert told["totals"]["unpriced_calls"] == 1
    assert [row["model"] for row in told["by_model"]] == ["gpt-4o", "mystery-1"]
    assert told["by_day"][0]["day"] == "2026-03-02"
    assert told["unpriced"][0]["model"] == "mystery-1"
    assert told["price_lists"] == [{"source": "genai-prices", "version": "0.2.3", "calls": 1}]
