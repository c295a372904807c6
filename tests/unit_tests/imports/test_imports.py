"""Exports of other systems become lines that are priced at their own dates and booked once."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from langchain_costguard.exports import write_jsonl
from langchain_costguard.imports import import_from
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing.lines import make_entry
from tests.unit_tests.imports.excerpts import (
    ANTHROPIC,
    ANTHROPIC_CSV,
    EXPORTS,
    LANGFUSE,
    LANGSMITH,
    LITELLM,
    OPENAI,
    OPENAI_CSV,
    PRICES,
    imported,
)

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.imports import ImportSource


@pytest.mark.parametrize("source", ["langfuse", "langsmith", "litellm"])
def test_a_call_keeps_who_made_it_when_and_for_how_much(source: ImportSource) -> None:
    """All three say the same of the same call: 600 tokens at full price, 400 from the cache, 100 out."""
    done, [line] = imported(source, EXPORTS[source])
    assert (done.new, done.known, done.unreadable, done.unpriced) == (1, 0, 0, 0)
    assert line.usage is not None
    assert (line.usage.uncached_input, line.usage.cache_read, line.usage.output_text) == (600, 400, 100)
    assert line.billed_cost == Decimal("0.00164")
    assert line.started_at_utc == datetime(2026, 10, 5, 13, 46, 19, 963000, tzinfo=UTC)
    assert (line.latency_us, line.kind, line.status) == (2_000_000, "chat", "ok")
    assert (line.user, line.session, line.tags, line.provider) == ("u1", "s1", ("checkout",), "openai")
    assert line.metadata["imported_from"] == source
    assert line.metadata["imported_cost_usd"] == "0.5"
    assert line.reported_nano is None


def test_what_a_provider_added_up_stays_one_line_for_all_its_calls() -> None:
    """A bucket of OpenAI's usage is five calls; an empty one is none."""
    done, [line] = imported("openai", OPENAI)
    assert (done.new, done.skipped, line.calls, line.kind) == (1, 0, 5, "manual")
    assert line.usage is not None
    assert (line.usage.uncached_input, line.usage.cache_read) == (600, 400)
    assert line.billed_cost == Decimal("0.00164")
    assert line.started_at_utc == datetime(2025, 10, 5, tzinfo=UTC)
    assert (line.user, line.metadata["project_id"], line.latency_us) == ("u1", "proj_1", None)


def test_the_csv_of_openais_dashboard_is_read_as_it_is_written() -> None:
    """It writes counts with a decimal point, TRUE for the Batch API, and days without any use as empty rows."""
    store = InMemoryStore()
    done = import_from("openai", OPENAI_CSV.splitlines(), store, prices=PRICES)
    [line] = store.entries()
    assert (done.new, done.skipped, done.doubts) == (1, 1, {})
    assert (line.batch, line.calls, line.usage and line.usage.input_tokens) == (True, 8, 1000)


def test_anthropics_cached_tokens_stand_beside_its_input() -> None:
    """1500 new, 500 and 1000 written, 200 read: none of them is in another."""
    done, [line] = imported("anthropic", ANTHROPIC)
    assert line.usage is not None
    assert line.usage.counts == (1500, 200, 500, 1000, 0, 500, 0, 0)
    assert line.billed_cost == Decimal("0.009145")
    assert (line.provider, line.batch, line.metadata["api_key"]) == ("anthropic", False, "apikey_1")
    assert list(done.doubts.values()) == [1]


def test_the_csv_of_anthropics_console_names_batch_as_a_kind_of_usage() -> None:
    """A batch costs half; a line that is not marked as one is billed twice."""
    store = InMemoryStore()
    import_from("anthropic", ANTHROPIC_CSV.replace("mini", "claude-haiku-4-5").splitlines(), store)
    [line] = store.entries()
    assert (line.batch, line.service_tier, line.started_at_utc) == (True, None, datetime(2026, 11, 5, tzinfo=UTC))
    assert line.usage is not None
    assert line.usage.counts == (1500, 200, 500, 1000, 0, 500, 0, 0)
    assert line.billed_cost == Decimal("0.0033225")


def test_so_many_tokens_within_200k_were_several_requests() -> None:
    """Anthropic counts no requests; as one call, a day would be priced as long context."""
    row = dict(ANTHROPIC["data"][0]["results"][0], uncached_input_tokens=999_000, starting_at="2025-10-05T00:00:00Z")
    _, [line] = imported("anthropic", row)
    assert line.calls == 6


@pytest.mark.parametrize("source", EXPORTS)
def test_importing_twice_books_once(source: ImportSource) -> None:
    """A job that is run again, or a row that is in the file twice, must not double a bill."""
    store = InMemoryStore()
    first, _ = imported(source, EXPORTS[source], EXPORTS[source], store=store)
    again, lines = imported(source, EXPORTS[source], store=store)
    assert (first.new, first.known, again.new, again.known, len(lines)) == (1, 1, 0, 1, 1)


def test_rows_of_one_group_with_other_figures_are_other_rows() -> None:
    """OpenAI groups by more than its CSV shows; the second row is no duplicate of the first."""
    rows = OPENAI_CSV.splitlines()
    store = InMemoryStore()
    other = rows[1].replace("8.0,u1", "1.0,u1").replace("1000.0,100.0,400.0,600.0", "50.0,10.0,0.0,50.0")
    assert import_from("openai", [*rows, other, rows[1]], store, prices=PRICES)[1:3] == (2, 1)
    assert import_from("openai", [*rows, other], store, prices=PRICES)[1:3] == (0, 2)


def test_a_run_that_was_recorded_here_is_not_booked_again_from_langsmith() -> None:
    """LangSmith keeps LangChain's run ids: the handler's line and LangSmith's are one call."""
    store = InMemoryStore()
    store.append(make_entry(run_id=UUID(LANGSMITH["id"]), billed_nano=7))
    done, [line] = imported("langsmith", LANGSMITH, store=store)
    assert (done.new, done.known, line.billed_nano) == (0, 1, 7)


def test_langsmiths_own_usage_metadata_wins_over_its_sums() -> None:
    """The sums know nothing of the cache in older projects; LangChain's usage does."""
    usage = {"input_tokens": 1000, "output_tokens": 100, "input_token_details": {"cache_read": 900}}
    message = {"message": {"kwargs": {"usage_metadata": usage}}}
    for outputs in ({"usage_metadata": usage}, {"generations": [[message]]}):
        _, [line] = imported("langsmith", dict(LANGSMITH, prompt_token_details=None, outputs=outputs))
        assert line.usage is not None
        assert line.usage.cache_read == 900


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input": 600, "input_cache_read": 400, "output": 90, "output_reasoning": 10, "total": 1100}, (600, 400, 90)),
        (
            {"input": 1000, "input_cache_read": 400, "output": 100, "output_reasoning": 10, "total": 1100},
            (600, 400, 90),
        ),
        ({"input": 600, "cache_read_input_tokens": 400, "output": 90}, (600, 400, 90)),
    ],
)
def test_langfuses_total_tells_whether_cached_tokens_are_in_the_input(
    usage: dict[str, int], expected: tuple[int, int, int]
) -> None:
    """Its own SDKs count them beside it; whoever sends a provider's figures counts them within."""
    _, [line] = imported("langfuse", dict(LANGFUSE, usage_details=usage))
    assert line.usage is not None
    assert (line.usage.uncached_input, line.usage.cache_read, line.usage.output_text) == expected


def test_what_is_no_model_call_is_passed_over_and_counted() -> None:
    """A trace has spans, chains and tools, which cost nothing of their own."""
    assert imported("langfuse", LANGFUSE, dict(LANGFUSE, id="obs-2", type="SPAN"))[0].skipped == 1
    assert imported("langsmith", LANGSMITH, dict(LANGSMITH, run_type="chain"))[0].skipped == 1


def test_litellms_cache_hits_and_failures_owe_nothing() -> None:
    """Both are rows of the spend logs beside the paid ones."""
    hit = dict(LITELLM, request_id="r2", cache_hit="True", spend=0)
    failure = {"status": "failure", "metadata": {"error_information": {"error_class": "RateLimitError"}}}
    failed = dict(LITELLM, request_id="r3", prompt_tokens=0, completion_tokens=0, total_tokens=0, **failure)
    _, lines = imported("litellm", hit, failed)
    by_status = {line.status: line for line in lines}
    assert by_status["cached"].billed_cost == by_status["error"].billed_cost == Decimal(0)
    assert by_status["cached"].avoided_cost == Decimal("0.00164")
    assert by_status["error"].error == "RateLimitError"


def test_prompts_leave_only_digests_by_which_repeats_are_found() -> None:
    """The advisor finds repeated prompts in last month's export; the text is in no ledger."""
    _, lines = imported("langfuse", LANGFUSE, dict(LANGFUSE, id="obs-2"), dict(LANGFUSE, id="obs-3", input="Other"))
    digests = [line.prompt_digest for line in lines]
    assert None not in digests
    assert len(set(digests)) == 2
    assert "Hello" not in repr(lines)


def test_each_call_is_priced_at_its_own_date() -> None:
    """A price cut of this month is no discount on last month's calls."""
    store = InMemoryStore()
    rows = [dict(LITELLM, request_id=day, startTime=day, model="o3") for day in ("2025-06-01", "2025-07-01")]
    import_from("litellm", [json.dumps(row) for row in rows], store)
    later, earlier = sorted(store.entries(), key=lambda line: -line.started_at_us)
    assert earlier.billed_cost is not None
    assert later.billed_cost is not None
    assert earlier.billed_cost > later.billed_cost


def test_unknown_models_are_booked_without_a_cost_and_counted() -> None:
    """A silent zero would make the dearest model look free."""
    done, lines = imported("litellm", dict(LITELLM, model="nobody-knows-this"), dict(LITELLM, request_id="r2"))
    assert (done.new, done.unpriced, done.unpriced_models) == (2, 1, {"nobody-knows-this": 1})
    assert {line.billed_cost for line in lines} == {None, Decimal("0.00164")}


@pytest.mark.parametrize("form", ["csv", "tsv", "array", "pretty", "gzip"])
def test_a_file_is_read_in_each_form_it_comes_in(form: str, tmp_path: Path) -> None:
    """Tables are downloaded as CSV or JSON, and storage exports may be packed."""
    rows = [LANGFUSE, dict(LANGFUSE, id="obs-2", input='a "quoted", long text\n' * 20_000)]
    path = tmp_path / "export"
    if form in {"csv", "tsv"}:
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.writer(file, delimiter="," if form == "csv" else "\t")
            writer.writerow(LANGFUSE)
            writer.writerows(
                [json.dumps(cell) if isinstance(cell, dict | list) else cell for cell in row.values()] for row in rows
            )
    elif form == "gzip":
        path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))
    else:
        path.write_text(json.dumps(rows if form == "array" else {"data": rows}, indent=2), encoding="utf-8")
    store = InMemoryStore()
    assert import_from("langfuse", path, store, prices=PRICES)[1:6] == (2, 0, 0, 0, 0)
    assert {line.billed_cost for line in store.entries()} == {Decimal("0.00164")}


def test_our_own_lines_come_back_as_they_were(tmp_path: Path) -> None:
    """One name for every way into the ledger."""
    entry = make_entry(billed_nano=7)
    write_jsonl([entry], tmp_path / "costs.jsonl")
    store = InMemoryStore()
    assert import_from("jsonl", tmp_path / "costs.jsonl", store)[:3] == ("jsonl", 1, 0)
    assert list(store.entries()) == [entry]
