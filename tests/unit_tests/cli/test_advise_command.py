"""`advise`: what a ledger's calls could have saved, in each form, and what cannot be asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.stores import SQLStore
from langchain_costguard.testing.lines import make_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MORNING = datetime(2026, 10, 20, 8, tzinfo=UTC)


@pytest.fixture
def month(tmp_path: Path) -> str:
    """A ledger of 60 calls of one chain over five days, half of which repeat a prompt."""
    path = tmp_path / "month.db"
    with SQLStore(path) as store:
        for number in range(60):
            line = make_entry(at=MORNING + number * timedelta(hours=2), chain="Reports", first_token_us=1)
            store.append(replace(line, prompt_digest=(number % 30 + 1).to_bytes(16, "little")))
    return str(path)


def test_advice_is_ranked_and_ends_in_the_line_that_does_it(month: str, run: Callable[..., Any]) -> None:
    """One command, and a reader knows what to do first."""
    shown = run("advise", "--store", month, "--can-wait", "Reports").out
    assert shown.index("1. Send in a batch what can wait: Reports") < shown.index("2. Answer repeated prompts")
    assert "Do: set_llm_cache(SemanticCache(" in shown
    assert "All together" in shown


def test_json_keeps_money_exact(month: str, run: Callable[..., Any]) -> None:
    """Another program reads it."""
    told = run("advise", "--store", month, "--can-wait", "Reports", "--json").json
    savings = {each["technique"]: each["saving"]["expected"] for each in told["findings"]}
    assert savings == {"exact_cache": "0.0063", "batch": "0.0063"}
    assert told["combined"]["expected"] == "0.00945"


def test_a_page_is_written_and_never_over_the_ledger(month: str, tmp_path: Path, run: Callable[..., Any]) -> None:
    """A typing slip must not cost the ledger."""
    page = tmp_path / "advice.html"
    assert run("advise", "--store", month, "--html", str(page)).out.startswith("The advice is in ")
    assert "What to do first" in page.read_text(encoding="utf-8")
    assert run("advise", "--store", month, "--html", month).code == 2
    assert run("advise", "--store", month, "--html", str(tmp_path / "none" / "a.html")).code == 1


def test_a_period_without_calls_says_what_is_missing(month: str, run: Callable[..., Any]) -> None:
    """An empty answer would look like advice to do nothing."""
    assert "there are no calls" in run("advise", "--store", month, "--month", "2026-01").out


@pytest.mark.parametrize(
    "typed",
    [("--json", "--html", "x.html"), ("--capacity", "5"), ("--ttl", "0"), ("--gpu-hour", "two"), ("--since", "soon")],
)
def test_what_is_not_understood_ends_with_two(month: str, typed: tuple[str, ...], run: Callable[..., Any]) -> None:
    """A script tells a mistake in typing from a ledger that cannot be read."""
    ended = run("advise", "--store", month, *typed)
    assert ended.code == 2
    assert ended.out == ""


def test_where_there_is_no_ledger_nothing_is_begun(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Advice on a ledger that did not exist would be about nobody's calls."""
    missing = tmp_path / "none.db"
    assert run("advise", "--store", str(missing)).code == 1
    assert not missing.exists()
