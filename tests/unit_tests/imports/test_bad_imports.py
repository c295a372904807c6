"""Damaged exports are refused whole, unreadable rows are counted and named, and nothing is guessed."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.imports import ForeignFormatError, import_from, records
from langchain_costguard.stores import InMemoryStore
from tests.unit_tests.imports.excerpts import (
    ANTHROPIC,
    ANTHROPIC_CSV,
    LANGFUSE,
    LANGSMITH,
    LITELLM,
    OPENAI,
    OPENAI_CSV,
    imported,
)

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.imports import ImportSource


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"startTime": "yesterday"}, "startTime is 'yesterday', not a date and time"),
        ({"startTime": None}, "it has no startTime or start_time"),
        ({"startTime": "0001-01-01"}, "startTime is '0001-01-01', not a date and time"),
        ({"startTime": 1759622400000}, "startTime is 1759622400000, not a date and time"),
        ({"prompt_tokens": -5}, "prompt_tokens is negative (-5)"),
        ({"prompt_tokens": 10**30}, "prompt_tokens is 1000000000000000000000000000000, more than any row can hold"),
        ({"prompt_tokens": "9" * 5000}, f"prompt_tokens is '{'9' * 39}..., not a whole number"),
        ({"prompt_tokens": 1.5}, "prompt_tokens is 1.5, not a whole number"),
        ({"prompt_tokens": "many"}, "prompt_tokens is 'many', not a whole number"),
        ({"prompt_tokens": True}, "prompt_tokens is True, not a whole number"),
        ({"prompt_tokens": None}, "it has no prompt_tokens"),
        ({"request_id": ""}, "it has no request_id"),
        ({"metadata": "{'a': 1}"}, "metadata is not JSON (\"{'a': 1}\")"),
        ({"metadata": []}, "metadata is no JSON object"),
        ({"request_tags": "{}"}, "request_tags is no JSON list"),
        ({"model": {}}, "model is no text"),
    ],
)
def test_a_row_that_cannot_be_read_is_left_out_and_named(change: dict[str, Any], reason: str) -> None:
    """One bad row must not cost the month, nor go into the sums."""
    done, lines = imported("litellm", LITELLM, dict(LITELLM, request_id="r2") | change)
    assert (done.new, done.unreadable, len(lines)) == (1, 1, 1)
    assert done.faults == ((2, reason),)


def test_strict_refuses_the_whole_file_for_one_row() -> None:
    """Whoever reconciles a bill wants all of it or nothing."""
    store = InMemoryStore()
    with pytest.raises(ForeignFormatError, match="Row 2 of this export of LiteLLM_SpendLogs cannot be read") as raised:
        imported("litellm", LITELLM, dict(LITELLM, request_id="r2", prompt_tokens=-5), store=store, strict=True)
    assert (raised.value.row, raised.value.source, list(store.entries())) == (2, "litellm", [])


def test_only_the_first_faults_are_listed_and_all_are_counted() -> None:
    """A million bad rows must not fill the memory."""
    done, _ = imported("litellm", LITELLM, *[dict(LITELLM, prompt_tokens=-5)] * 30)
    assert (done.unreadable, len(done.faults)) == (30, 10)


@pytest.mark.parametrize(
    ("source", "lines", "message"),
    [
        ("langfuse", [], "The file is empty: export the observations"),
        ("langfuse", ["  ", ""], "The file is empty"),
        (
            "litellm",
            ["request_id,model,startTime", "r1,mini,2026-10-05"],
            r"has a column prompt_tokens, .*its columns: req",
        ),
        ("openai", ["start_time,amount_value,amount_currency", "1759622400,1,usd"], r"column input_tokens.*not costs"),
        ("anthropic", ["usage_date_utc,model,cost_usd", "2026-08-05,mini,1"], r"usage_input_tokens_no_cache.*not cost"),
        ("langsmith", [json.dumps(LITELLM)], r"Row 1 .*it has no run_type\); none of its 1 rows"),
        ("langfuse", [json.dumps([LANGFUSE, LANGFUSE])[:-200]], "Row 2 is damaged, or the file ends in the middle"),
        ("langfuse", [json.dumps({"data": [LANGFUSE]}, indent=1)[:-200]], "The file is damaged, or the file ends"),
        ("anthropic", [ANTHROPIC_CSV.splitlines()[0], '2026-08-05,"mini'], "Row 2 is damaged, or the file ends"),
        ("openai", [OPENAI_CSV.splitlines()[0], "1759622400,17"], "it has 2 cells where the header has 16"),
        ("openai", ['{"object": "organization.costs.result", "amount": {"value": 1}}'], "it is a cost, not usage"),
        ("litellm", ["[NaN]"], "Row 1 is damaged"),
        ("litellm", ["[1]"], "it is no JSON object"),
    ],
)
def test_a_file_that_is_no_such_export_is_refused_with_what_to_export(
    source: ImportSource, lines: list[str], message: str
) -> None:
    """Half a file, or another system's, must not look like a small month."""
    store = InMemoryStore()
    with pytest.raises(ForeignFormatError, match=message):
        import_from(source, lines, store)
    assert list(store.entries()) == []


def test_half_a_line_of_json_lines_is_a_row_that_cannot_be_read() -> None:
    """The lines before it are whole; the last one is counted as missing."""
    done, _ = imported("litellm", LITELLM, json.dumps(LITELLM)[:50])
    assert (done.new, done.faults) == (1, ((2, "it is not JSON"),))


def test_a_binary_file_is_refused() -> None:
    """LangSmith's bulk export is Parquet, which has to be converted first."""
    with pytest.raises(ForeignFormatError, match="no text in UTF-8"):
        import_from("langsmith", [b"PAR1\xff\xfe\x00"], InMemoryStore())


def test_an_export_without_rows_is_no_error() -> None:
    """A quiet day is a day."""
    assert imported("langfuse", "[]")[0].new == 0
    assert imported("openai", dict(OPENAI, data=[]))[0].new == 0


def test_a_source_nobody_knows_is_refused() -> None:
    """A slip of the pen is not a format."""
    with pytest.raises(ValueError, match="choose one of 'langfuse'"):
        import_from("langfuze", [], InMemoryStore())


def test_usage_in_other_units_than_tokens_is_not_read_as_tokens() -> None:
    """A thousand characters are no thousand tokens."""
    done, _ = imported("langfuse", LANGFUSE, dict(LANGFUSE, usage_details={"input": 9, "unit": "CHARACTERS"}))
    assert done.faults == ((2, "its usage is counted in CHARACTERS, not in tokens"),)


def test_what_a_report_does_not_say_is_named() -> None:
    """Without these groups half-price calls are billed in full, and long contexts too low."""
    result = dict(OPENAI["data"][0]["results"][0], batch=None, start_time=1759622400)
    assert "grouped by batch" in next(iter(imported("openai", result)[0].doubts))
    row = {**ANTHROPIC["data"][0], **ANTHROPIC["data"][0]["results"][0], "service_tier": None, "context_window": None}
    del row["results"]
    row["server_tool_use"] = {"web_search_requests": 3}
    done, [line] = imported("anthropic", row)
    assert sorted(done.doubts.values()) == [1, 1, 1, 1]
    assert line.is_priced


def test_more_cached_tokens_than_tokens_are_refused() -> None:
    """Such a row contradicts itself; any cost for it would be made up."""
    bad = dict(OPENAI["data"][0]["results"][0], input_cached_tokens=2000, start_time=1759622400)
    done, _ = imported("openai", OPENAI, bad)
    assert done.faults == ((2, "its cached and audio tokens are more than all of its tokens"),)


def test_a_cost_in_another_currency_is_not_kept_as_dollars() -> None:
    """One euro is no dollar; the price book's own figure is what is booked either way."""
    _, [line] = imported("litellm", dict(LITELLM, currency="EUR"))
    assert "imported_cost_usd" not in line.metadata


def test_a_packed_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """An upload that broke off is half a month."""
    packed = gzip.compress("\n".join(json.dumps(dict(LITELLM, request_id=f"r{n}")) for n in range(99)).encode())
    path = tmp_path / "spend.jsonl.gz"
    path.write_bytes(packed[:-40])
    with pytest.raises(ForeignFormatError, match="The file is damaged"):
        import_from("litellm", path, InMemoryStore())


def test_a_damaged_array_is_not_read_into_memory_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that is never closed would otherwise make one record of all the rest."""
    monkeypatch.setattr(records, "LONGEST_RECORD", 1000)
    with pytest.raises(ForeignFormatError, match="Row 1 is damaged"):
        import_from("litellm", ['[{"request_id": "' + "x" * 600_000], InMemoryStore())


def test_half_a_character_in_an_id_is_no_reason_to_stop() -> None:
    """JSON can hold one; it used to break the import off in the middle of the file."""
    done, _ = imported("litellm", LITELLM, dict(LITELLM, request_id="r\ud800"))
    assert (done.new, done.unreadable) == (2, 0)


def test_strict_refuses_an_impossible_cost_before_it_writes() -> None:
    """That a row cannot be paid for is only seen when it is priced."""
    dear = dict(LITELLM, request_id="r2", prompt_tokens=10**12, completion_tokens=10**12)
    store = InMemoryStore()
    with pytest.raises(ForeignFormatError, match=r"Row 2 .*would cost more than any call can"):
        imported("litellm", LITELLM, dear, store=store, strict=True)
    assert list(store.entries()) == []
    assert imported("litellm", LITELLM, dear)[0].unreadable == 1


def test_blank_lines_before_json_lines_are_passed_over() -> None:
    """Blank lines between and behind them are, too."""
    assert imported("litellm", "", LITELLM, "", dict(LITELLM, request_id="r2"), "")[0].new == 2


def test_counts_that_are_texts_are_counted() -> None:
    """A hundred answered tokens, written as "100.0", were booked as none."""
    usage = {"input_tokens": "1000", "output_tokens": "100.0", "input_token_details": {"cache_read": "400"}}
    extra = {"metadata": {"ls_model_name": "mini", "usage_metadata": usage}}
    _, [line] = imported("langsmith", dict(LANGSMITH, extra=extra))
    assert line.billed_cost == Decimal("0.00164")


@pytest.mark.parametrize("hit", ["True", "true", True, "t"])
def test_a_cache_hit_owes_nothing_however_it_is_spelt(hit: object) -> None:
    """JSON and PostgreSQL spell it otherwise than Python does."""
    _, [line] = imported("litellm", dict(LITELLM, cache_hit=hit))
    assert line.status == "cached"


def test_arrays_one_behind_the_other_are_all_read() -> None:
    """Pages that were fetched one by one into a file are each an array; the second must not be lost."""
    done, lines = imported("litellm", json.dumps([LITELLM]), json.dumps([dict(LITELLM, request_id="r2")]))
    assert (done.new, len(lines)) == (2, 2)


def test_what_comes_behind_an_array_and_is_none_refuses_the_file() -> None:
    """Whatever it is, it may have been calls."""
    with pytest.raises(ForeignFormatError, match="Row 2 is damaged"):
        imported("litellm", json.dumps([LITELLM]) + "\n" + json.dumps(dict(LITELLM, request_id="r2")))


def test_a_cost_with_millions_of_zeros_is_no_cost() -> None:
    """Written out, ten characters would fill the memory."""
    _, (line,) = imported("litellm", dict(LITELLM, spend="1e-99999999"))
    assert "imported_cost_usd" not in line.metadata
