"""Pricing a ledger anew mends what was priced wrongly or not at all, and touches nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from langchain_costguard import PriceBook, TokenUsage, free, gpu_hour, per_token
from langchain_costguard.cost import PriceSource
from langchain_costguard.ledger import LedgerEntry, LedgerQuery
from langchain_costguard.recorder import Outcome, Recorder, StartedCall
from langchain_costguard.recorder.repricing import RepricedLines, reprice
from langchain_costguard.stores import InMemoryStore, SQLStore
from langchain_costguard.testing.stores import MORNING, make_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_costguard.recorder.repricing import Repricing
    from langchain_costguard.stores import LedgerStore

USAGE = TokenUsage(uncached_input=1000, output_text=500)
UNPRICED = {"billed_nano": None, "list_nano": None, "price": None, "unpriced_reason": "no price"}
DOUBLE = PriceBook({"openai/gpt-4o-mini": per_token("0.30", "1.20")})
"""Twice the list price of `make_entry`'s model."""


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LedgerStore]:
    """An empty ledger."""
    with InMemoryStore() if request.param == "memory" else SQLStore(tmp_path / "costs.db") as store:
        yield store


def listed(**fields: Any) -> LedgerEntry:
    """A line of gpt-4o-mini as the price list prices it: $0.00021."""
    price = PriceSource("genai-prices", "old", "openai", "gpt-4o-mini")
    return make_entry(**{"price": price, **fields})


def reasons(repricing: Repricing) -> dict[str, int]:
    """How many lines have which reason."""
    return {reason: each.lines for reason, each in repricing.by_reason.items()}


def test_a_wrong_price_is_mended_on_every_line_it_priced(store: LedgerStore) -> None:
    """The list was wrong for a month; the report of that month must not stay wrong."""
    line = listed()
    store.append(line)
    store.append(listed(at=MORNING + timedelta(hours=1)))
    done = reprice(store, DOUBLE)
    assert (done.lines, done.changed) == (2, 2)
    assert (done.old_cost, done.new_cost) == (Decimal("0.00042"), Decimal("0.00084"))
    assert done.by_reason == {"repriced": RepricedLines(2, 420_000, 840_000)}
    mended = next(store.entries())
    assert (mended.billed_cost, mended.list_cost) == (Decimal("0.00042"), Decimal("0.00042"))
    assert mended.price is not None
    assert mended.price.source == "override"
    assert replace(mended, billed_nano=210_000, list_nano=210_000, price=line.price) == line
    assert store.totals()[0].billed_cost == Decimal("0.00084")


def test_a_model_that_has_a_price_now_gets_one_for_its_past(store: LedgerStore) -> None:
    """New models reach the ledger before they reach the price list."""
    store.append(make_entry(request_model="brand-new", response_model="brand-new", **UNPRICED))
    assert store.totals()[0].billed_cost is None
    assert reasons(reprice(store)) == {"still unpriced": 1}
    done = reprice(store, PriceBook({"brand-new": per_token(1, 2)}))
    assert reasons(done) == {"newly priced": 1}
    assert (done.old_cost, done.new_cost) == (Decimal(0), Decimal("0.0012"))
    (line,) = store.entries()
    assert (line.billed_cost, line.unpriced_reason) == (Decimal("0.0012"), None)
    assert store.totals()[0].unpriced_calls == 0


def test_a_dry_run_says_what_would_change_and_changes_nothing(store: LedgerStore) -> None:
    """Whoever rewrites a year of figures looks first."""
    line = listed()
    store.append(line)
    done = reprice(store, DOUBLE, dry_run=True)
    assert (done.changed, done.new_cost, done.is_dry_run) == (1, Decimal("0.00042"), True)
    assert repr(done) == "Repricing(1 line, 1 changed: $0.00021 -> $0.00042, dry run)"
    assert list(store.entries()) == [line]


def test_doing_it_again_changes_nothing_more(store: LedgerStore) -> None:
    """It may be stopped in the middle and started anew."""
    store.append(listed())
    reprice(store, DOUBLE)
    after = list(store.entries())
    assert reasons(reprice(store, DOUBLE)) == {"unchanged": 1}
    assert list(store.entries()) == after


def test_a_line_whose_amounts_stay_keeps_the_list_it_was_priced_from(store: LedgerStore) -> None:
    """A newer list with the same price proves the old one right; rewriting the ledger would say nothing new."""
    line = listed()
    store.append(line)
    assert reasons(reprice(store)) == {"unchanged": 1}
    assert list(store.entries()) == [line]


def test_what_was_not_computed_stays_as_it_is(store: LedgerStore) -> None:
    """A bill, an agreement and a call that was never sent have no list price."""
    given = PriceSource("given", "", "", "")
    lines = [
        make_entry(price=given, billed_nano=5, list_nano=5),
        make_entry(billed_nano=0, list_nano=0, price=None, status="error"),
        make_entry(kind="adjustment", calls=0, usage=None, billed_nano=-7, list_nano=0, price=given),
    ]
    for line in lines:
        store.append(line)
    done = reprice(store, DOUBLE)
    assert reasons(done) == {"given": 2, "adjustment": 1}
    assert done.old_cost == done.new_cost == Decimal("-0.000000002")
    assert {line.run_id: line for line in store.entries()} == {line.run_id: line for line in lines}


def test_a_cost_the_provider_reported_wins_again_and_ours_beside_it_is_mended(store: LedgerStore) -> None:
    """OpenRouter charged what it charged, whatever our list says later."""
    store.append(listed(reported_nano=200_000, billed_nano=200_000, list_nano=210_000))
    done = reprice(store, DOUBLE)
    assert done.old_cost == done.new_cost == Decimal("0.0002")
    (line,) = store.entries()
    assert (line.billed_nano, line.reported_nano, line.list_nano) == (200_000, 200_000, 420_000)


def test_a_known_cost_never_becomes_unknown(store: LedgerStore) -> None:
    """A price list that drops an old model must not drop what it cost."""
    retired = PriceSource("genai-prices", "old", "openai", "retired")
    line = make_entry(request_model="retired-1", response_model="retired-1", price=retired)
    reported = replace(line, run_id=uuid4(), reported_nano=210_000)
    store.append(line)
    store.append(reported)
    assert reasons(reprice(store)) == {"no price now": 2}
    assert {found.run_id: found for found in store.entries()} == {line.run_id: line, reported.run_id: reported}


def test_a_users_own_price_is_replaced_by_another_own_price_only(store: LedgerStore) -> None:
    """`reprice(store)` without the program's overrides must not bill the list price for a negotiated one."""
    line = make_entry(price=PriceSource("override", "", "", "", "per token"), billed_nano=99, list_nano=99)
    store.append(line)
    assert reasons(reprice(store)) == {"own price": 1}
    assert list(store.entries()) == [line]
    assert reasons(reprice(store, DOUBLE)) == {"repriced": 1}
    assert store.totals()[0].billed_cost == Decimal("0.00042")


def test_what_a_cached_answer_avoided_is_priced_anew_and_stays_free(store: LedgerStore) -> None:
    """The saving of a cache is a price, too; the answer itself is never billed."""
    cached = {"status": "cached", "billed_nano": 0, "list_nano": 0}
    store.append(make_entry(**cached, avoided_nano=210_000))
    store.append(make_entry(**cached, avoided_nano=None, usage=None))
    done = reprice(store, DOUBLE)
    assert reasons(done) == {"repriced": 1, "still unpriced": 1}
    assert (done.old_cost, done.new_cost) == (Decimal(0), Decimal(0))
    assert store.totals()[0].avoided_cost == Decimal("0.00042")


def test_baselines_are_priced_anew_and_kept_where_they_have_no_price(store: LedgerStore) -> None:
    """A saving compares two prices; mending one of them alone would invent a saving."""
    mini = listed(baseline_model="gpt-4o", baseline_nano=1)
    gone = listed(baseline_model="retired-1", baseline_nano=3)
    for line in (mini, gone):
        store.append(line)
    for prices in (PriceBook(), PriceBook(unknown="raise")):
        reprice(store, prices)
        found = {line.run_id: line.baseline_nano for line in store.entries()}
        assert found == {mini.run_id: 3_500_000, gone.run_id: 3}
    reprice(store, DOUBLE)
    assert {line.run_id: (line.billed_nano, line.baseline_nano) for line in store.entries()} == {
        mini.run_id: (420_000, 3_500_000),
        gone.run_id: (420_000, 3),
    }


def test_each_line_is_priced_at_its_own_moment(store: LedgerStore) -> None:
    """o3 cost five times as much before 10 June 2025; the spring does not become cheaper by pricing it today."""
    for moment in (datetime(2025, 6, 9, tzinfo=UTC), datetime(2025, 6, 11, tzinfo=UTC)):
        store.append(make_entry(at=moment, request_model="o3", response_model="o3", usage=USAGE, **UNPRICED))
    assert reasons(reprice(store)) == {"newly priced": 2}
    assert [line.billed_cost for line in store.entries()] == [Decimal("0.03"), Decimal("0.006")]


def test_only_the_lines_that_are_meant_are_priced_anew(store: LedgerStore) -> None:
    """A price was wrong since a day, for one provider."""
    store.append(listed())
    store.append(listed(at=MORNING + timedelta(days=1)))
    done = reprice(store, DOUBLE, query=LedgerQuery(since=MORNING + timedelta(hours=1)))
    assert (done.lines, done.changed) == (1, 1)
    assert [line.billed_nano for line in store.entries()] == [210_000, 420_000]


def test_a_call_that_has_not_ended_is_left_alone(tmp_path: Path) -> None:
    """Its end prices it."""
    with SQLStore(tmp_path / "costs.db") as store:
        opened = make_entry(status="open", usage=None, **UNPRICED)
        store.open_call(opened)
        assert reprice(store, DOUBLE).lines == 0
        assert list(store.entries()) == [opened]


def test_a_late_end_that_comes_in_between_is_not_undone(tmp_path: Path) -> None:
    """Between reading a line and writing it, its real end may arrive."""

    class Meddled(SQLStore):
        def correct(self, entry: LedgerEntry) -> bool:
            assert self.append(replace(entry, status="ok", billed_nano=5)) is True
            return super().correct(entry)

    with Meddled(tmp_path / "costs.db") as store:
        store.append(listed(status="cancelled"))
        assert reasons(reprice(store, DOUBLE)) == {"superseded": 1}
        assert store.totals()[0].billed_cost == Decimal("0.000000005")


def test_the_lines_a_recorder_writes_are_priced_the_same_again(store: LedgerStore) -> None:
    """Every fact that a price depended on must be on the line, or a second look would bill something else."""
    prices = PriceBook(
        {"ollama/*": gpu_hour("0.10", usd_per_call="0.001"), "free-model": free()}, discount={"openai": "0.15"}
    )
    recorder = Recorder(store, prices, baseline_model="gpt-4o")
    ok = Outcome("ok", USAGE)
    for model, provider, outcome, facts in (
        ("gpt-4o-mini", "openai", ok, {}),
        ("gpt-4o-mini", "openai", ok._replace(calls=12), {"requested_tier": "flex"}),
        ("o3", "openai", ok, {"requested_tier": "priority"}),
        ("gpt-4o-mini", "openai", ok, {"metadata": {"costguard_batch": True}}),
        ("gemini-2.5-pro", "google_genai", Outcome("ok", TokenUsage(300_000, output_text=7)), {}),
        ("claude-sonnet-4-5", "anthropic", ok, {"region": "us"}),
        ("claude-sonnet-4-6", "anthropic", ok, {"region": "us"}),
        ("gpt-4o-mini", "openai", Outcome("cached", USAGE), {}),
        ("gpt-4o-mini", "openai", Outcome("error", error="ValueError"), {}),
        ("gpt-4o-mini", "openai", Outcome("error", is_unbilled=True), {}),
        ("gpt-4o", "openrouter", ok._replace(reported_usd=Decimal("0.01")), {}),
        ("llama3", "ollama", ok, {}),
        ("free-model", None, ok, {}),
        ("nobody-knows", "nobody", ok, {}),
    ):
        call = StartedCall(uuid4(), "chat", "a prompt", str)
        call.request_model, call.provider = model, provider
        for name, value in facts.items():
            setattr(call, name, value)
        recorder.book(call, outcome, call.started_ns + 1_500_000, 3_600_000_000 if provider == "ollama" else None)
    assert [line.price.region for line in store.entries() if line.price and line.price.region] == ["us"]
    before = list(store.entries())
    done = reprice(store, prices)
    assert set(reasons(done)) == {"unchanged", "given", "still unpriced"}
    assert list(store.entries()) == before
