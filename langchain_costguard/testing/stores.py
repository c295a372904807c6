"""The tests that every ledger store must pass, yours as well."""

# ruff: noqa: S101, PLR2004, ANN401 - a suite asserts, its figures are its content, and fields are of any type

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from langchain_costguard.ledger import GROUP_KEYS, LedgerEntry, LedgerQuery
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.testing.lines import MORNING, full_entry, make_entry, queries, random_lines
from langchain_costguard.testing.retention import RetentionSuite
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.ledger import CallStatus
    from langchain_costguard.stores.base import LedgerStore

__all__ = ["MORNING", "LedgerStoreSuite", "make_entry"]


class LedgerStoreSuite(RetentionSuite):
    """Subclass it, return your store from a fixture, and pytest runs every rule a ledger store must keep.

    Example:
        ```python
        import pytest
        from langchain_costguard.testing.stores import LedgerStoreSuite


        class TestMyStore(LedgerStoreSuite):
            @pytest.fixture
            def store(self, tmp_path):
                with MyStore(tmp_path / "lines") as store:
                    yield store
        ```
    """

    @pytest.fixture
    def store(self) -> Iterator[LedgerStore]:
        """An empty store, fresh for each test."""
        msg = f"{type(self).__name__} needs a fixture `store` that returns an empty store"
        raise NotImplementedError(msg)

    # -- lines -------------------------------------------------------------------------------------------------------

    def test_a_line_comes_back_as_it_was_written(self, store: LedgerStore) -> None:
        """A report is only as true as the line it reads."""
        line = full_entry()
        assert store.append(line) is True
        assert list(store.entries()) == [line]

    def test_what_is_unknown_comes_back_unknown(self, store: LedgerStore) -> None:
        """`None` means unknown and zero means free; a store must not turn one into the other."""
        unknown = LedgerEntry(run_id=uuid4(), started_at_us=1, unpriced_reason="no usage was reported")
        free = make_entry(usage=TokenUsage(), billed_nano=0, list_nano=0, latency_us=0)
        store.append(unknown)
        store.append(free)
        assert list(store.entries()) == [unknown, free]

    def test_lines_come_oldest_first_whatever_order_they_were_written_in(self, store: LedgerStore) -> None:
        """Calls end in another order than they begin."""
        lines = [make_entry(at=MORNING + timedelta(minutes=minute)) for minute in range(5)]
        for index in (3, 0, 4, 2, 1):
            store.append(lines[index])
        assert list(store.entries()) == lines

    def test_a_limit_gives_the_newest_lines_newest_first(self, store: LedgerStore) -> None:
        """The last few calls are what a person asks for."""
        lines = [make_entry(at=MORNING + timedelta(minutes=minute)) for minute in range(5)]
        for line in lines:
            store.append(line)
        assert list(store.entries(LedgerQuery(limit=2))) == [lines[4], lines[3]]

    def test_more_lines_than_one_page_all_come_once(self, store: LedgerStore) -> None:
        """Many calls begin in the same microsecond; paging must neither skip nor repeat them."""
        lines = [make_entry(at=MORNING + timedelta(microseconds=number // 700)) for number in range(2100)]
        for line in lines:
            store.append(line)
        found = [line.run_id for line in store.entries()]
        assert len(found) == 2100
        assert set(found) == {line.run_id for line in lines}
        assert len(list(store.entries(LedgerQuery(limit=1500)))) == 1500

    # -- booked once -------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("status", ["ok", "cached", "error"])
    def test_a_run_with_a_final_line_is_booked_once(self, store: LedgerStore, status: CallStatus) -> None:
        """Two handlers on one call must not double its cost."""
        line = make_entry(status=status)
        assert store.append(line) is True
        assert store.append(replace(line, billed_nano=999)) is False
        assert list(store.entries()) == [line]

    @pytest.mark.parametrize("status", ["cancelled", "lost"])
    def test_a_late_end_corrects_a_call_that_was_given_up(self, store: LedgerStore, status: CallStatus) -> None:
        """A stream that was closed early, or a process thought dead, may still report what it used."""
        given_up = make_entry(status=status, usage=None, billed_nano=None, tags=("early",))
        ended = replace(given_up, status="ok", usage=TokenUsage(5), billed_nano=750, tags=())
        assert store.append(given_up) is True
        assert store.append(ended) is True
        assert store.append(given_up) is False
        assert list(store.entries()) == [ended]

    def test_an_open_call_is_replaced_by_its_end(self, store: LedgerStore) -> None:
        """A call is noted at its beginning so that a killed process loses none; it is still one line."""
        opened = make_entry(status="open", usage=None, billed_nano=None)
        ended = replace(opened, status="ok", usage=TokenUsage(5), billed_nano=750)
        store.open_call(opened)
        assert store.totals()[0].open_calls == (1 if store.is_durable else 0)
        assert store.append(ended) is True
        assert list(store.entries()) == [ended]

    def test_a_beginning_noted_late_changes_nothing(self, store: LedgerStore) -> None:
        """Notes of beginning and end can reach a store in the wrong order."""
        line = make_entry()
        store.append(line)
        store.open_call(replace(line, status="open", billed_nano=None))
        assert list(store.entries()) == [line]

    def test_the_open_calls_of_a_living_process_are_not_orphans(self, store: LedgerStore) -> None:
        """A slow call is not a lost one, however long it takes."""
        store.open_call(make_entry(at=MORNING - timedelta(days=400), status="open"))
        assert store.orphans() == []

    def test_many_threads_book_one_run_once(self, store: LedgerStore) -> None:
        """The rule must hold under a race, where it matters."""
        line = make_entry()
        with ThreadPoolExecutor(20) as pool:
            changed = list(pool.map(lambda _: store.append(line), range(100)))
        assert changed.count(True) == 1
        assert store.totals()[0].calls == 1

    def test_a_hundred_threads_lose_no_line(self, store: LedgerStore) -> None:
        """A handler is shared by all threads of a program."""
        with ThreadPoolExecutor(100) as pool:
            list(pool.map(lambda _: [store.append(make_entry()) for _ in range(5)], range(100)))
        total = store.totals()[0]
        assert (total.calls, total.billed_cost) == (500, Decimal("0.105"))

    # -- sums --------------------------------------------------------------------------------------------------------

    def test_an_empty_ledger_sums_to_nothing(self, store: LedgerStore) -> None:
        """Nothing was called, so nothing is owed, and that is known."""
        (total,) = store.totals()
        assert (total.calls, total.billed_cost) == (0, Decimal(0))
        assert store.totals(by=["model"]) == []

    def test_sums_keep_the_unpriced_apart_from_the_free(self, store: LedgerStore) -> None:
        """A silent zero is the worst answer a cost report can give."""
        store.append(make_entry())
        store.append(make_entry(billed_nano=None, list_nano=None))
        store.append(make_entry(billed_nano=0, list_nano=0))
        (total,) = store.totals()
        assert (total.calls, total.unpriced_calls, total.billed_cost) == (3, 1, Decimal("0.00021"))

    def test_sums_never_lose_a_nano_dollar(self, store: LedgerStore) -> None:
        """Floats would: a thousand times $1.000000001 beside $9,000,000."""
        store.append(make_entry(billed_nano=9_000_000 * 10**9))
        for _ in range(1000):
            store.append(make_entry(billed_nano=1_000_000_001))
        assert store.totals()[0].billed_cost == Decimal("9001000.000001")

    def test_a_cached_answer_bills_no_tokens_and_says_what_it_avoided(self, store: LedgerStore) -> None:
        """LangChain replays the usage of a cached answer; nobody bills it again."""
        store.append(make_entry(status="cached", billed_nano=0, list_nano=0, avoided_nano=210_000))
        (total,) = store.totals()
        assert (total.cached_calls, total.total_tokens, total.avoided_cost) == (1, 0, Decimal("0.00021"))

    def test_each_end_is_counted_under_its_name(self, store: LedgerStore) -> None:
        """Failed calls cost money too, and a report must say how many there were."""
        for status in ("ok", "error", "cancelled", "lost", "cached"):
            store.append(make_entry(status=status, estimate_method="bytes" if status == "lost" else None))
        (total,) = store.totals()
        assert (total.calls, total.failed_calls, total.cached_calls, total.estimated_calls) == (5, 3, 1, 1)
        assert [row.group for row in store.totals(by=["status"])] == [
            ("cached",),
            ("cancelled",),
            ("error",),
            ("lost",),
            ("ok",),
        ]

    def test_savings_compare_only_calls_that_know_both_prices(self, store: LedgerStore) -> None:
        """A baseline without its bill, or a bill without its baseline, would invent a saving."""
        store.append(make_entry(baseline_model="gpt-4o", baseline_nano=3_500_000))
        store.append(make_entry(baseline_model="gpt-4o", baseline_nano=3_500_000, billed_nano=None))
        store.append(make_entry())
        (total,) = store.totals()
        assert (total.baseline_nano, total.baseline_billed_nano) == (3_500_000, 210_000)

    def test_a_call_with_two_tags_counts_under_both_and_one_without_under_none(self, store: LedgerStore) -> None:
        """Sums by tag answer what a tag cost, not how a whole divides."""
        store.append(make_entry(tags=("blue", "red")))
        store.append(make_entry(tags=("red",)))
        store.append(make_entry())
        found = {row.group: row.calls for row in store.totals(by=["tag"])}
        assert found == {("blue",): 1, ("red",): 2, (None,): 1}

    def test_a_line_of_many_calls_counts_as_many(self, store: LedgerStore) -> None:
        """A thousand calls told in one `record()` are a thousand calls, however they ended."""
        hour_ns = 3_600_000_000_000
        store.append(make_entry(calls=1000, busy_ns=hour_ns, estimate_method="bytes"))
        store.append(make_entry(calls=20, busy_ns=1, status="error", billed_nano=None, latency_us=None))
        store.append(make_entry(calls=3, status="cached", usage=None, billed_nano=0))
        (total,) = store.totals()
        assert (total.calls, total.unpriced_calls, total.estimated_calls) == (1023, 20, 1000)
        assert (total.failed_calls, total.cached_calls, total.timed_calls) == (20, 3, 1003)
        assert (total.input_tokens, total.busy_ns) == (2000, hour_ns + 1)

    def test_an_adjustment_moves_the_bill_and_is_no_call(self, store: LedgerStore) -> None:
        """The provider's invoice was lower than our sum: the difference is booked, the number of calls stays."""
        store.append(make_entry())
        store.append(
            make_entry(kind="adjustment", calls=0, usage=None, billed_nano=-10_000, list_nano=0, latency_us=None)
        )
        (total,) = store.totals()
        assert (total.calls, total.unpriced_calls, total.billed_cost) == (1, 0, Decimal("0.0002"))
        assert (total.input_tokens, total.timed_calls) == (1000, 1)

    def test_days_are_those_of_the_time_zone_asked_for(self, store: LedgerStore) -> None:
        """A bill by day is wrong by a day for most of the world unless it asks whose day."""
        store.append(make_entry(at=datetime(2026, 3, 28, 22, 59, tzinfo=UTC)))
        store.append(make_entry(at=datetime(2026, 3, 28, 23, 0, tzinfo=UTC)))
        store.append(make_entry(at=datetime(2026, 3, 29, 21, 59, tzinfo=UTC)))
        store.append(make_entry(at=datetime(2026, 3, 29, 22, 0, tzinfo=UTC)))
        found = {row.group[0]: row.calls for row in store.totals(by=["day"], tz="Europe/Zurich")}
        assert found == {"2026-03-28": 1, "2026-03-29": 2, "2026-03-30": 1}

    def test_hours_follow_a_clock_change_and_odd_offsets(self, store: LedgerStore) -> None:
        """At 01:00 UTC Zurich's clocks jump from 02:00 to 03:00; Kathmandu is 5:45 ahead."""
        store.append(make_entry(at=datetime(2026, 3, 29, 0, 59, tzinfo=UTC)))
        store.append(make_entry(at=datetime(2026, 3, 29, 1, 0, tzinfo=UTC)))
        zurich = [row.group for row in store.totals(by=["hour"], tz="Europe/Zurich")]
        kathmandu = [row.group for row in store.totals(by=["hour"], tz="Asia/Kathmandu")]
        assert zurich == [("2026-03-29 01:00",), ("2026-03-29 03:00",)]
        assert kathmandu == [("2026-03-29 06:00",)]

    def test_metadata_can_be_summed_by_value(self, store: LedgerStore) -> None:
        """What did this customer cost: the question metadata exists for."""
        for value in ("acme", 7, 7.5, True, "true"):
            store.append(make_entry(metadata={"customer": value, 'odd "key" [0].x': 1}))
        store.append(make_entry())
        found = {row.group[0]: row.calls for row in store.totals(by=["metadata:customer"])}
        assert found == {"acme": 1, "7": 1, "7.5": 1, "true": 2, None: 1}
        assert [row.calls for row in store.totals(by=['metadata:odd "key" [0].x'])] == [5, 1]

    def test_sums_can_be_asked_for_a_part_of_the_ledger(self, store: LedgerStore) -> None:
        """Cost of one model today: a condition and a group together."""
        store.append(make_entry())
        store.append(make_entry(request_model="gpt-4o", response_model="gpt-4o-2024-08-06", billed_nano=3_500_000))
        query = LedgerQuery(since=MORNING, until=MORNING + timedelta(hours=1), model="gpt-4o-2024-08-06")
        (row,) = store.totals(query, by=["model", "provider"])
        assert (row.group, row.billed_cost) == (("gpt-4o", "openai"), Decimal("0.0035"))

    @pytest.mark.parametrize("question", [{"by": ["colour"]}, {"by": ["day"], "tz": "Mars/Olympus"}])
    def test_a_question_nobody_understands_is_refused(self, store: LedgerStore, question: dict[str, Any]) -> None:
        """An unknown group must not read as an empty ledger."""
        with pytest.raises(ValueError, match="give"):
            store.totals(**question)

    # -- conditions --------------------------------------------------------------------------------------------------

    def test_a_chain_is_found_by_whole_names_on_its_path(self, store: LedgerStore) -> None:
        """`Router` is neither `router` nor `Router v2`, and no name is a pattern."""
        store.append(make_entry(chain="RunnableSequence > Router v2 > 100%_agent"))
        assert _count(store, chain="Router v2") == 1
        assert _count(store, chain="100%_agent") == 1
        assert _count(store, chain="Router") == 0
        assert _count(store, chain="router v2") == 0
        assert _count(store, chain="%") == 0

    def test_metadata_conditions_know_numbers_from_booleans_and_text(self, store: LedgerStore) -> None:
        """SQLite keeps `true` as 1; a filter for the first customer must not find it."""
        store.append(make_entry(metadata={"customer": 1}))
        store.append(make_entry(metadata={"customer": True}))
        store.append(make_entry(metadata={"customer": "1"}))
        for value in (1, 1.0, True, "1"):
            assert _count(store, metadata={"customer": value}) == 1
        assert _count(store, metadata={"customer": False}) == 0
        assert _count(store, metadata={"customer": 1, "other": 1}) == 0

    def test_conditions_are_values_and_never_sql(self, store: LedgerStore) -> None:
        """A user's name may be anything."""
        name = "Robert'); DROP TABLE ledger;--"
        store.append(make_entry(user=name, tags=(name,), metadata={name: name}, chain=name))
        assert _count(store, user=name, tag=name, metadata={name: name}, chain=name) == 1
        assert store.totals(by=["user", "tag", f"metadata:{name}"])[0].group == (name, name, name)

    def test_every_question_is_answered_as_the_reference_store_answers_it(self, store: LedgerStore) -> None:
        """Two stores that disagree cannot both be right; the one in memory is the reference."""
        reference = InMemoryStore()
        for line in random_lines(200):
            assert store.append(line) == reference.append(line)
        for query in queries():
            assert list(store.entries(query)) == list(reference.entries(query)), query
            assert store.totals(query) == reference.totals(query), query
        keys = (*GROUP_KEYS, "metadata:customer")
        for by in [*((key,) for key in keys), *combinations(keys, 2)]:
            assert store.totals(by=by, tz="America/St_Johns") == reference.totals(by=by, tz="America/St_Johns"), by

    # -- awkward lines -----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("text", ["a\x00b", "half \ud83d", "\N{SNOWMAN} Zürich 東京 🙂", "'\"\\%_", '\\u0000 "\\'])
    def test_no_text_costs_a_line(self, store: LedgerStore, text: str) -> None:
        """A line that a store refuses is a cost nobody sees."""
        line = make_entry(user=text, tags=(text,), metadata={"note": text}, chain=text, unpriced_reason=text)
        assert store.append(line) is True
        assert [found.run_id for found in store.entries(LedgerQuery(user=text))] == [line.run_id]
        assert [found.run_id for found in store.entries(LedgerQuery(tag=text))] == [line.run_id]
        assert store.totals(by=["tag", "user", "metadata:note"])[0].billed_cost == Decimal("0.00021")

    def test_no_figure_costs_a_line(self, store: LedgerStore) -> None:
        """Providers have reported absurd usage; the line stays, and the sums of the others too."""
        assert store.append(make_entry(usage=TokenUsage(10**30), billed_nano=10**30, input_bytes=10**30)) is True
        assert store.append(make_entry(metadata={"score": float("nan"), "size": 10**30})) is True
        assert len(list(store.entries())) == 2
        assert store.totals()[0].calls == 2
        assert len(store.totals(by=["metadata:size"])) == 2

    # -- the store itself --------------------------------------------------------------------------------------------

    def test_the_digest_key_is_secret_enough_and_stays(self, store: LedgerStore) -> None:
        """Digests are comparable within one store only if its key never changes."""
        key = store.digest_key
        assert len(key) == 32
        store.append(make_entry())
        store.close()
        assert store.digest_key == key

    def test_a_closed_store_can_be_used_again(self, store: LedgerStore) -> None:
        """A call may end after somebody closed the store; its line must not be lost."""
        store.append(make_entry())
        store.close()
        assert store.append(make_entry()) is True
        store.close()
        assert store.totals()[0].calls == 2

    def test_the_location_can_be_shown(self, store: LedgerStore) -> None:
        """Reports and logs name the store; they must never name a password."""
        assert store.location
        assert "@" not in store.location
        assert "@" not in repr(store)


def _count(store: LedgerStore, **conditions: Any) -> int:
    query = LedgerQuery(**conditions)
    lines = len(list(store.entries(query)))
    assert store.totals(query)[0].calls == lines
    return lines
