"""`prices`: the rates of a model, and where they come from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.reports import notes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def price_list(*prices: tuple[str, str], dated: str = "2026-11-05") -> str:
    """A price list of one's own: what gpt-4o costs from which day on, input and output alike."""
    since = [{"from": day, "usd_per_mtok": {"input": usd, "output": usd}} for day, usd in prices]
    model = {"provider": "openai", "id": "gpt-4o", "match": ["gpt-4o"], "prices": since}
    model |= {"source": "our contract", "checked": dated}
    return json.dumps({"schema": "costguard-prices/1", "name": "contract", "dated": dated, "models": [model]})


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """A file with the price of a contract."""
    path = tmp_path / "prices.json"
    path.write_text(price_list(("2026-01-01", "1.25")))
    return path


def test_the_rates_of_a_model_stand_with_their_source_and_date(run: Callable[..., Any]) -> None:
    """A price without its date is a rumour."""
    ended = run("prices", "gpt-4o")
    assert ended.code == 0
    assert "openai/gpt-4o, US dollars per million tokens" in ended.out
    lines = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines() if line.strip()}
    assert lines["uncached_input"] == ["$2.50", "$1.25", "$4.25"]
    assert lines["output_text"] == ["$10.00", "$5.00", "$17.00"]
    assert "The price list is genai-prices " in ended.out


def test_long_inputs_and_tiers_stand_beside_the_standard_rates(run: Callable[..., Any]) -> None:
    """Above a length a model may cost twice as much, and nobody looks for that."""
    found = run("prices", "gemini-1.5-pro", "--json").json["prices"]
    assert [(each["tier"], each["above_input_tokens"]) for each in found] == [("standard", None), ("standard", 128_000)]
    assert [each["usd_per_mtok"]["uncached_input"] for each in found] == ["1.25", "2.5"]


def test_json_has_money_as_strings_and_null_where_there_is_no_price(run: Callable[..., Any]) -> None:
    """An embedding model has no output; zero would call it free."""
    standard = run("prices", "text-embedding-3-small", "--json").json["prices"][0]
    assert standard["usd_per_mtok"]["uncached_input"] == "0.02"
    assert standard["usd_per_mtok"]["output_text"] is None
    assert standard["source"]["source"] == "genai-prices"


def test_an_unknown_model_ends_with_1_and_near_names(run: Callable[..., Any]) -> None:
    """A typo is the likeliest reason why a model is not known."""
    ended = run("prices", "gpt-4oo")
    assert (ended.code, ended.out) == (1, "")
    assert "similar names in the list: gpt-4o" in ended.err
    assert ended.err.count("\n") == 1


def test_a_model_of_your_own_names_free_and_gpu_hour(run: Callable[..., Any]) -> None:
    """Ollama has no list price, and zero would be a guess."""
    ended = run("prices", "llama3:8b", "--provider", "ollama")
    assert ended.code == 1
    assert "gpu_hour(" in ended.err
    assert "free()" in ended.err


def test_a_price_list_from_a_file_is_checked_and_used(contract: Path, run: Callable[..., Any]) -> None:
    """A new price is known before a new release of anything."""
    found = run("prices", "gpt-4o", "--update", str(contract), "--json").json
    assert found["price_list"]["dated"] == "2026-11-05"
    assert found["prices"][0]["usd_per_mtok"]["output_text"] == "1.25"
    assert found["prices"][0]["source"]["source"] == "contract"


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"schema": "litellm/3"}', '[{"id": "x"}]'])
def test_a_price_list_of_another_schema_is_refused(text: str, tmp_path: Path, run: Callable[..., Any]) -> None:
    """Prices read from a misunderstood list are worse than none."""
    path = tmp_path / "list.json"
    path.write_text(text)
    ended = run("prices", "gpt-4o", "--update", str(path))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1


def test_the_prices_of_another_day_are_those_of_that_day(tmp_path: Path, run: Callable[..., Any]) -> None:
    """An old bill is checked with old prices."""
    path = tmp_path / "dated.json"
    path.write_text(price_list(("2026-01-01", "3"), ("2026-06-01", "1")))

    def price(day: str) -> str:
        found = run("prices", "gpt-4o", "--update", str(path), "--at", day, "--json").json["prices"][0]
        return str(found["usd_per_mtok"]["uncached_input"])

    assert (price("2026-05-31"), price("2026-06-01")) == ("3", "1")


def test_a_day_that_is_none_ends_with_2(run: Callable[..., Any]) -> None:
    """A mistyped day must not silently mean today."""
    ended = run("prices", "gpt-4o", "--at", "yesterday")
    assert ended.code == 2
    assert "'yesterday' is no day: write 2026-11-01" in ended.err


def test_an_old_price_list_is_warned_of_after_60_days(
    run: Callable[..., Any], contract: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prices change; a list that says nothing of its age would be believed for years."""
    old = contract.with_name("old.json")
    old.write_text(price_list(("2026-01-01", "1.25"), dated="2026-01-05"))
    ended = run("prices", "gpt-4o", "--update", str(old), "--json")
    assert ended.code == 0
    assert ended.err.startswith("warning: The price list is more than 60 days old (2026-01-05)")
    monkeypatch.setattr(notes, "_STALE_DAYS", 36_500)
    assert run("prices", "gpt-4o", "--update", str(old)).err == ""


def test_a_provider_nobody_knows_is_an_error_that_names_near_ones(run: Callable[..., Any]) -> None:
    """The prices of OpenAI under a mistyped name would be taken for somebody else's."""
    for name, near in (("opnai", "openai"), ("zork", "anthropic")):
        ended = run("prices", "gpt-4o", "--provider", name)
        assert (ended.code, ended.out) == (1, "")
        assert f"{name} is no provider of the price list" in ended.err
        assert near in ended.err
    assert run("prices", "gpt-4o", "--provider", "azure_openai").code == 0
