"""`export` and `import`: lines that travel from one ledger to another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.stores import SQLStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_what_is_exported_is_imported_exactly(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """A ledger moves to another machine, or to PostgreSQL, with every field of every line."""
    file, copy = tmp_path / "costs.jsonl", tmp_path / "copy.db"
    assert run("export", str(file), "--store", str(ledger)) == (0, f"Wrote 2 lines to {file}.\n", "")
    assert run("import", str(file), "--store", str(copy)).out == (
        f"Imported 2 lines into {copy}; 0 were there already.\n"
    )
    with SQLStore(ledger) as first, SQLStore(copy) as second:
        assert list(first.entries()) == list(second.entries())


def test_importing_twice_is_importing_once(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """A job that is run again must not double a bill."""
    lines = run("export", "-", "--store", str(ledger)).out
    copy = str(tmp_path / "copy.db")
    found = [run("import", "-", "--store", copy, "--json", typed=lines).json for _ in range(2)]
    assert [(each["new_lines"], each["known_lines"]) for each in found] == [(2, 0), (0, 2)]
    assert run("report", "--store", copy, "--json").json["total_cost"] == "0.25"


@pytest.mark.parametrize(
    ("conditions", "users"),
    [
        ([], ["u1", "u2"]),
        (["--user", "u1"], ["u1"]),
        (["--since", "2026-11-02"], ["u2"]),
        (["--until", "2026-01-01"], []),
    ],
)
def test_only_the_calls_that_are_meant_are_exported(
    conditions: list[str], users: list[str], ledger: Path, run: Callable[..., Any]
) -> None:
    """A user who asks for their data gets theirs alone."""
    lines = run("export", "-", "--store", str(ledger), *conditions).out.splitlines()
    assert [json.loads(line)["user"] for line in lines] == users


def test_a_damaged_file_is_refused_whole(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """Half of a file in a ledger is worse than none."""
    lines = run("export", "-", "--store", str(ledger)).out
    copy = tmp_path / "copy.db"
    ended = run("import", "-", "--store", str(copy), typed=lines + '{"version": 1, "cost": 3}\n')
    assert (ended.code, ended.out) == (1, "")
    assert "line 3 is no line of an exported ledger" in ended.err.lower()
    assert ended.err.count("\n") == 1
    assert not copy.exists()


def test_a_file_that_cannot_be_read_or_written_is_said(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """Both are mistyped paths."""
    nowhere = str(tmp_path / "nowhere" / "costs.jsonl")
    unwritten = run("export", nowhere, "--store", str(ledger))
    unread = run("import", nowhere, "--store", str(ledger))
    assert (unwritten.code, unread.code) == (1, 1)
    assert "give another path, or - for standard output" in unwritten.err
    assert "give the path of a file, or - for standard input" in unread.err


def test_an_export_of_no_ledger_is_said(tmp_path: Path, run: Callable[..., Any]) -> None:
    """An empty file would look like an empty ledger."""
    ended = run("export", "-", "--store", str(tmp_path / "mistyped.db"))
    assert (ended.code, ended.out) == (1, "")
    assert "there is no ledger at" in ended.err
