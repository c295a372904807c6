"""The tests of what a ledger store corrects, prunes and erases; part of `LedgerStoreSuite`."""

# ruff: noqa: S101, PLR2004 - a suite asserts, and its figures are its content

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.testing.lines import MORNING, make_entry, random_lines
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from langchain_costguard.ledger import CallStatus, LedgerEntry
    from langchain_costguard.stores.base import LedgerStore

_TOMORROW = datetime(2026, 3, 30, tzinfo=UTC)
"""The midnight after `MORNING`."""
_KEPT = ("day", "model", "response_model", "provider", "service_tier", "status", "kind", "technique")
_FORGOTTEN = ("hour", "tag", "user", "session", "thread", "chain", "metadata:customer")


class RetentionSuite:
    """What `LedgerStoreSuite` says of `correct`, `prune` and `erase`."""

    # -- correct -----------------------------------------------------------------------------------------------------

    def test_a_finished_line_can_be_corrected(self, store: LedgerStore) -> None:
        """A price that was wrong is mended on the lines it priced."""
        line, other = make_entry(), make_entry()
        store.append(line)
        store.append(other)
        mended = replace(line, billed_nano=420_000, metadata={"note": "mended"})
        assert store.correct(mended) is True
        assert {found.run_id: found for found in store.entries()} == {line.run_id: mended, other.run_id: other}
        assert store.totals()[0].billed_cost == Decimal("0.00063")

    def test_what_is_not_there_cannot_be_corrected(self, store: LedgerStore) -> None:
        """A correction is not a booking; a line that was erased meanwhile must not come back by it."""
        assert store.correct(make_entry()) is False
        assert list(store.entries()) == []

    @pytest.mark.parametrize("given_up", ["cancelled", "lost"])
    def test_a_correction_does_not_undo_a_late_end(self, store: LedgerStore, given_up: CallStatus) -> None:
        """Whoever corrects has read the line earlier; its real end may have come since."""
        read = make_entry(status=given_up, usage=None, billed_nano=None)
        ended = replace(read, status="ok", usage=TokenUsage(5), billed_nano=750)
        store.append(read)
        assert store.correct(replace(read, billed_nano=1)) is True
        assert store.totals()[0].billed_cost == Decimal("0.000000001")
        assert store.append(ended) is True
        assert store.correct(replace(read, billed_nano=1)) is False
        assert list(store.entries()) == [ended]

    def test_a_corrected_line_is_final_if_it_says_so(self, store: LedgerStore) -> None:
        """A call that was given up and is corrected to its end is booked once, as every other."""
        given_up = make_entry(status="cancelled")
        ended = replace(given_up, status="ok", billed_nano=5)
        store.append(given_up)
        assert store.correct(ended) is True
        assert store.append(given_up) is False
        assert list(store.entries()) == [ended]

    # -- prune -------------------------------------------------------------------------------------------------------

    def test_pruning_keeps_the_sums_and_forgets_the_lines(self, store: LedgerStore) -> None:
        """Last year's bill is needed for ever; who asked what last year is not."""
        old = make_entry(user="u1", session="s", thread="t", tags=("a",), metadata={"customer": "acme"}, chain="Agent")
        new = make_entry(at=_TOMORROW)
        store.append(old)
        store.append(new)
        assert store.prune(_TOMORROW) == 1
        assert list(store.entries()) == [new]
        assert store.totals()[0].billed_cost == Decimal("0.00042")
        for query in (
            LedgerQuery(user="u1"),
            LedgerQuery(session="s"),
            LedgerQuery(thread="t"),
            LedgerQuery(tag="a"),
            LedgerQuery(chain="Agent"),
            LedgerQuery(metadata={"customer": "acme"}),
            LedgerQuery(run_id=old.run_id),
        ):
            assert store.totals(query)[0].calls == 0, query
        for key in _FORGOTTEN:
            assert [row.calls for row in store.totals(LedgerQuery(until=_TOMORROW), by=[key])] == [1], key
            assert store.totals(LedgerQuery(until=_TOMORROW), by=[key])[0].group == (None,), key

    def test_a_pruned_call_of_a_bare_model_is_not_found_by_its_missing_chain(self, store: LedgerStore) -> None:
        """A day forgets who called; "nobody did" would be an answer it does not have."""
        store.append(make_entry(chain=""))
        store.append(make_entry(chain="Agent"))
        store.prune(_TOMORROW)
        assert store.totals(LedgerQuery(chain=""))[0].calls == 0
        assert store.totals(LedgerQuery(chain=""), by=["model"]) == []

    def test_sums_are_the_same_before_and_after_pruning(self, store: LedgerStore) -> None:
        """Not a nano-dollar, not a token may move, whatever is asked of what is kept."""
        for line in random_lines(300):
            store.append(line)
        questions = [
            (query, by)
            for query in (
                LedgerQuery(),
                LedgerQuery(model="a"),
                LedgerQuery(provider="B"),
                LedgerQuery(technique="y"),
                LedgerQuery(status="error"),
                LedgerQuery(since=_TOMORROW - timedelta(days=2), until=_TOMORROW),
                LedgerQuery(model="b", technique="x", metadata={}),
            )
            for by in [(), *((key,) for key in _KEPT), *combinations(_KEPT, 2)]
        ]
        before = [store.totals(query, by=by) for query, by in questions]
        assert store.prune(_TOMORROW + timedelta(days=30)) == 300
        assert list(store.entries()) == []
        for (query, by), totals in zip(questions, before, strict=True):
            assert store.totals(query, by=by) == totals, (query, by)

    def test_lines_and_daily_sums_of_one_group_make_one_row(self, store: LedgerStore) -> None:
        """A reader of a report must not see where the ledger was cut."""
        for at in (MORNING, MORNING + timedelta(days=1)):
            store.append(make_entry(at=at, user="u1", techniques=("cascade", "cache")))
        before = store.totals(by=["model"]), store.totals(by=["technique"])
        assert store.prune(_TOMORROW) == 1
        assert (store.totals(by=["model"]), store.totals(by=["technique"])) == before
        assert {row.group[0]: row.calls for row in store.totals(by=["user"])} == {"u1": 1, None: 1}
        assert {row.group[0]: row.calls for row in store.totals(by=["hour"])} == {"2026-03-30 08:00": 1, None: 1}

    def test_only_whole_days_that_have_ended_are_pruned(self, store: LedgerStore) -> None:
        """A daily sum of half a day could not be told from one of a whole day."""
        early = make_entry(at=_TOMORROW - timedelta(microseconds=1))
        late = make_entry(at=_TOMORROW)
        store.append(early)
        store.append(late)
        assert store.prune(_TOMORROW - timedelta(microseconds=1)) == 0
        assert store.prune(_TOMORROW + timedelta(hours=23)) == 1
        assert list(store.entries()) == [late]

    def test_a_store_knows_until_when_it_has_pruned(self, store: LedgerStore) -> None:
        """An import must not add lines to days whose sums may count them already."""
        for at in (MORNING, MORNING - timedelta(days=3), _TOMORROW):
            store.append(make_entry(at=at))
        assert store.pruned_until_us() is None
        assert store.prune(_TOMORROW + timedelta(hours=1)) == 2
        assert store.pruned_until_us() == int(_TOMORROW.timestamp()) * 1_000_000

    def test_a_pruned_day_is_one_day_in_other_time_zones_too(self, store: LedgerStore) -> None:
        """The sum stands at noon UTC, so that Zurich and New York see it under its own date, and by month."""
        store.append(make_entry(at=datetime(2026, 3, 1, 0, 30, tzinfo=UTC)))
        store.prune(_TOMORROW)
        for tz in ("UTC", "Europe/Zurich", "America/New_York", "Asia/Tokyo"):
            assert [row.group for row in store.totals(by=["day"], tz=tz)] == [("2026-03-01",)]
        noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
        instant = timedelta(microseconds=1)
        for query, calls in (
            (LedgerQuery(since=noon), 1),
            (LedgerQuery(since=noon + instant), 0),
            (LedgerQuery(until=noon), 0),
            (LedgerQuery(until=noon + instant), 1),
        ):
            assert store.totals(query)[0].calls == calls, query

    def test_calls_that_have_not_ended_are_not_pruned(self, store: LedgerStore) -> None:
        """Their end is still to come, and finds its line."""
        opened = make_entry(status="open", usage=None, billed_nano=None)
        store.open_call(opened)
        assert store.prune(_TOMORROW + timedelta(days=400)) == 0
        assert store.append(replace(opened, status="ok", billed_nano=5)) is True
        assert store.totals()[0].billed_cost == Decimal("0.000000005")
        assert store.totals()[0].calls == 1

    @pytest.mark.parametrize("status", ["cancelled", "lost"])
    def test_calls_that_were_given_up_stay_a_week_longer(self, store: LedgerStore, status: CallStatus) -> None:
        """A late end corrects them, and would be counted twice if the sums had them already; but not for ever."""
        given_up = make_entry(status=status, billed_nano=7)
        store.append(given_up)
        assert store.prune(_TOMORROW + timedelta(days=6)) == 0
        assert store.append(replace(given_up, billed_nano=9)) is True
        assert store.prune(_TOMORROW + timedelta(days=7)) == 1
        assert list(store.entries()) == []
        assert store.totals(by=["status"])[0].group == (status,)
        assert store.totals()[0].billed_cost == Decimal("0.000000009")

    def test_a_day_may_be_pruned_again(self, store: LedgerStore) -> None:
        """Lines that came late, or were imported, join the sums of their day."""
        store.append(make_entry())
        assert store.prune(_TOMORROW) == 1
        assert store.prune(_TOMORROW) == 0
        store.append(make_entry())
        assert store.prune(_TOMORROW) == 1
        assert [(row.group, row.calls) for row in store.totals(by=["day"])] == [(("2026-03-29",), 2)]
        assert store.totals()[0].billed_cost == Decimal("0.00042")

    def test_adjustments_and_lines_of_many_calls_are_pruned_like_others(self, store: LedgerStore) -> None:
        """The provider's bill was reconciled to the cent; it must stay so."""
        store.append(make_entry(calls=1000, busy_ns=5, billed_nano=None))
        store.append(make_entry(kind="adjustment", calls=0, usage=None, billed_nano=-3, latency_us=None))
        before = store.totals(), store.totals(by=["kind"])
        assert store.prune(_TOMORROW) == 2
        assert (store.totals(), store.totals(by=["kind"])) == before

    def test_a_moment_without_a_time_zone_prunes_nothing(self, store: LedgerStore) -> None:
        """Whose midnight is meant decides which day is gone."""
        store.append(make_entry())
        with pytest.raises(ValueError, match=r"before=.*no time zone: give one"):
            store.prune(datetime(2027, 1, 1))  # noqa: DTZ001 - it is what must be refused
        assert len(list(store.entries())) == 1

    # -- erase -------------------------------------------------------------------------------------------------------

    def test_erasing_a_user_deletes_their_lines_and_nobody_elses(self, store: LedgerStore) -> None:
        """A user who asks to be forgotten is forgotten."""
        others = [make_entry(user=user) for user in ("u10", "U1", None)]
        for line in [*others, make_entry(user="u1"), make_entry(user="u1", status="cancelled")]:
            store.append(line)
        assert store.erase("u1") == 2
        assert sorted(store.entries(), key=_by_id) == sorted(others, key=_by_id)
        assert store.totals(LedgerQuery(user="u1"))[0].calls == 0
        assert store.totals()[0].billed_cost == Decimal("0.00063")
        assert store.erase("u1") == 0

    @pytest.mark.parametrize("status", ["cancelled", "lost"])
    def test_an_erased_call_does_not_come_back_by_a_late_end(self, store: LedgerStore, status: CallStatus) -> None:
        """The end would bring the user's name back after they were told that it is gone."""
        line = make_entry(user="u1", status=status)
        store.append(line)
        assert store.erase("u1") == 1
        assert store.append(replace(line, status="ok")) is False
        assert store.correct(replace(line, status="ok")) is False
        assert (list(store.entries()), store.orphans(), store.totals(by=["user"])) == ([], [], [])

    def test_a_running_call_of_an_erased_user_does_not_come_back_by_its_end(self, store: LedgerStore) -> None:
        """Stores that note beginnings keep the end out; of others, nothing was there to erase."""
        line = make_entry(user="u1", status="open", usage=None, billed_nano=None)
        store.open_call(line)
        assert store.erase("u1") == (1 if store.is_durable else 0)
        assert (list(store.entries()), store.orphans(), store.totals(by=["user"])) == ([], [], [])
        store.open_call(line)
        assert store.append(replace(line, status="ok")) is not store.is_durable
        assert len(list(store.entries())) == (0 if store.is_durable else 1)

    def test_sums_of_pruned_lines_stay_when_a_user_is_erased(self, store: LedgerStore) -> None:
        """They say nothing of the user, and the bill they make up was paid."""
        store.append(make_entry(user="u1"))
        store.prune(_TOMORROW)
        assert store.erase("u1") == 0
        assert store.totals()[0].billed_cost == Decimal("0.00021")

    @pytest.mark.parametrize("user", ["", "a\x00b", "half \ud83d", "Robert'); DROP TABLE ledger;--", "%", "Zürich 🙂"])
    def test_whatever_a_user_is_called_they_can_be_erased(self, store: LedgerStore, user: str) -> None:
        """Names are stored as a database can hold them, and must be found again as they were given."""
        store.append(make_entry(user=user))
        store.append(make_entry(user="somebody else"))
        assert store.erase(user) == 1
        assert [line.user for line in store.entries()] == ["somebody else"]


def _by_id(line: LedgerEntry) -> str:
    return str(line.run_id)
