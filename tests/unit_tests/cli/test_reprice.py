"""`reprice`: a ledger priced anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def prices(tmp_path: Path) -> str:
    """A price list that doubles gpt-4o and knows the house model."""
    entry = {"source": "our contract", "checked": "2026-11-05"}
    path = tmp_path / "prices.json"
    models = [
        {"provider": "openai", "id": "gpt-4o", "prices": [{"usd_per_mtok": {"input": "5", "output": "20"}}], **entry},
        {
            "provider": "house",
            "id": "house-model",
            "prices": [{"usd_per_mtok": {"input": "1", "output": "1"}}],
            **entry,
        },
    ]
    path.write_text(
        json.dumps({"schema": "costguard-prices/1", "name": "contract", "dated": "2026-11-05", "models": models})
    )
    return str(path)


def cost_of(ledger: Path, run: Callable[..., Any]) -> str:
    """What the ledger says."""
    return str(run("report", "--store", str(ledger), "--json").json["total_cost"])


def test_a_new_price_list_changes_what_it_prices(ledger: Path, prices: str, run: Callable[..., Any]) -> None:
    """Twice 0.25 for gpt-4o, and 70,000 tokens at a dollar per million for the model that had no price."""
    ended = run("reprice", "--store", str(ledger), "--prices", prices)
    assert ended.code == 0
    assert "2 of 2 lines changed: $0.25 before, $0.57 now." in ended.out
    assert cost_of(ledger, run) == "0.57"


def test_a_dry_run_says_it_and_writes_nothing(ledger: Path, prices: str, run: Callable[..., Any]) -> None:
    """Whoever changes a year of costs wants to look first."""
    found = run("reprice", "--store", str(ledger), "--prices", prices, "--dry-run", "--json").json
    assert (found["old_cost"], found["new_cost"], found["is_dry_run"]) == ("0.25", "0.57", True)
    assert found["by_reason"] == {
        "repriced": {"lines": 1, "old_cost": "0.25", "new_cost": "0.5"},
        "newly priced": {"lines": 1, "old_cost": None, "new_cost": "0.07"},
    }
    assert "Nothing was written." in run("reprice", "--store", str(ledger), "--prices", prices, "--dry-run").out
    assert cost_of(ledger, run) == "0.25"


def test_the_same_prices_change_nothing(ledger: Path, run: Callable[..., Any]) -> None:
    """Doing it twice must be harmless."""
    found = run("reprice", "--store", str(ledger), "--json").json
    assert (found["lines"], found["changed_lines"], found["new_cost"]) == (2, 0, "0.25")
    assert found["by_reason"] == {
        "unchanged": {"lines": 1, "old_cost": "0.25", "new_cost": "0.25"},
        "still unpriced": {"lines": 1, "old_cost": None, "new_cost": None},
    }


def test_a_discount_is_taken_off(ledger: Path, run: Callable[..., Any]) -> None:
    """Without it, the discount of a program would be taken back."""
    run("reprice", "--store", str(ledger), "--discount", "0.2")
    assert cost_of(ledger, run) == "0.2"


@pytest.mark.parametrize(
    "condition", [["--since", "2026-11-02"], ["--until", "2026-11-01"], ["--model", "house-model"]]
)
def test_only_the_calls_that_are_meant_change(
    condition: list[str], ledger: Path, prices: str, run: Callable[..., Any]
) -> None:
    """A price that was wrong in November was right in October."""
    run("reprice", "--store", str(ledger), "--prices", prices, *condition)
    by_model = run("report", "--store", str(ledger), "--by", "model", "--json").json
    assert {row["model"]: row["billed_cost"] for row in by_model}["gpt-4o"] == "0.25"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--discount", "15%"], 2), (["--discount", "15"], 2), (["--since", "May"], 2), (["--prices", "nowhere.json"], 1)],
)
def test_bad_input_is_said_and_nothing_changes(
    arguments: list[str], code: int, ledger: Path, run: Callable[..., Any]
) -> None:
    """15 for 15 % would make every call cost less than nothing."""
    ended = run("reprice", "--store", str(ledger), *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert cost_of(ledger, run) == "0.25"
