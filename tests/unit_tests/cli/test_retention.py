"""`prune` and `erase`: what a ledger forgets on command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.stores import SQLStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def users(ledger: Path) -> list[str | None]:
    """Whose lines there are."""
    with SQLStore(ledger) as store:
        return [line.user for line in store.entries()]


def test_pruning_forgets_lines_and_keeps_their_sums(ledger: Path, run: Callable[..., Any]) -> None:
    """Last year's costs are wanted for longer than last year's lines."""
    ended = run("prune", "--before", "2026-11-02", "--store", str(ledger))
    assert (ended.code, ended.out) == (0, f"Forgot 1 line of {ledger}; their daily sums are kept.\n")
    assert users(ledger) == ["u2"]
    assert run("report", "--store", str(ledger), "--json").json["total_cost"] == "0.25"


def test_pruning_says_in_json_how_much_it_forgot(ledger: Path, run: Callable[..., Any]) -> None:
    """A nightly job writes it into its log."""
    found = run("prune", "--before", "2026-11-03", "--store", str(ledger), "--json").json
    assert found == {"location": str(ledger), "pruned_lines": 2}


@pytest.mark.parametrize("arguments", [[], ["--before", "last year"]])
def test_pruning_without_a_day_is_refused(arguments: list[str], ledger: Path, run: Callable[..., Any]) -> None:
    """What cannot be undone is not guessed."""
    assert run("prune", *arguments, "--store", str(ledger)).code == 2
    assert users(ledger) == ["u1", "u2"]


def test_erasing_asks_first(ledger: Path, run: Callable[..., Any]) -> None:
    """It cannot be undone, and names are mistyped."""
    refused = run("erase", "--user", "u1", "--store", str(ledger), typed="n\n")
    assert refused.code == 1
    assert users(ledger) == ["u1", "u2"]
    done = run("erase", "--user", "u1", "--store", str(ledger), typed="y\n")
    assert done.code == 0
    assert done.out.endswith(f"Deleted 1 line of the user 'u1' in {ledger}.\n")
    assert users(ledger) == ["u2"]


def test_nobody_there_to_answer_is_a_no(ledger: Path, run: Callable[..., Any]) -> None:
    """A scheduled job without --yes must not delete."""
    assert run("erase", "--user", "u1", "--store", str(ledger), typed="").code == 1
    assert users(ledger) == ["u1", "u2"]


def test_erasing_with_yes_does_not_ask(ledger: Path, run: Callable[..., Any]) -> None:
    """A request for erasure is answered by a program."""
    found = run("erase", "--user", "u1", "--store", str(ledger), "--yes", "--json").json
    assert found == {"location": str(ledger), "user": "u1", "erased_lines": 1}
    assert users(ledger) == ["u2"]


@pytest.mark.parametrize("command", [["prune", "--before", "2026-01-01"], ["erase", "--user", "u1", "--yes"]])
def test_a_missing_ledger_is_said_and_not_created(command: list[str], tmp_path: Path, run: Callable[..., Any]) -> None:
    """Nothing deleted, said of a new empty file, would look like success."""
    path = tmp_path / "mistyped.db"
    ended = run(*command, "--store", str(path))
    assert ended.code == 1
    assert "there is no ledger at" in ended.err
    assert not path.exists()
