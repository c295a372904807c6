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


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
@pytest.mark.parametrize("command", [["export"], ["report", "--html"]])
def test_a_ledger_is_never_written_over(
    command: list[str], ending: str, ledger: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of completion in the shell must not cost a year of bills; every way to the file counts."""
    (ledger.parent / "link").symlink_to(f"{ledger}{ending}")
    monkeypatch.chdir(ledger.parent)
    for place in (f"{ledger}{ending}", f"./{ledger.name}{ending}", "link"):
        ended = run(*command, place, "--store", str(ledger))
        assert (ended.code, ended.out) == (2, ""), place
        assert "is a ledger or another database, which would be lost" in " ".join(ended.err.split()), place
    assert run("report", "--store", str(ledger), "--json").json["total_cost"] == "0.25"


def test_another_ledger_is_not_written_over_either(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """The file that is named may be the ledger of another program."""
    other = tmp_path / "other.db"
    with SQLStore(other) as store:
        assert list(store.entries()) == []
    before = other.read_bytes()
    assert run("export", str(other), "--store", str(ledger)).code == 2
    assert run("report", "--html", str(other), "--store", str(ledger)).code == 2
    assert other.read_bytes() == before


@pytest.mark.parametrize("command", [["report"], ["export", "-"], ["reprice"]])
def test_a_period_that_ends_before_it_begins_is_not_understood(
    command: list[str], ledger: Path, run: Callable[..., Any]
) -> None:
    """An empty report would look like a month that cost nothing."""
    ended = run(*command, "--store", str(ledger), "--since", "2026-12-01", "--until", "2026-11-01")
    assert (ended.code, ended.out) == (2, "")
    assert "is before --since 2026-12-01" in " ".join(ended.err.split())


def test_pruned_calls_are_said_by_export_and_left_out_by_import(
    ledger: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    """Neither may a sum be lost without a word, nor may a bill double."""
    backup = str(tmp_path / "backup.jsonl")
    assert run("export", backup, "--store", str(ledger)).err == ""
    assert run("prune", "--before", "2026-11-02", "--store", str(ledger)).code == 0
    exported = run("export", "-", "--store", str(ledger))
    assert (exported.code, exported.out.count("\n"), exported.err.count("\n")) == (0, 1, 1)
    assert "warning: not in the export: 1 call of this ledger" in exported.err
    imported = run("import", backup, "--store", str(ledger))
    assert "Imported 0 lines" in imported.out
    assert "1 line left out: " in imported.out
    assert run("import", backup, "--store", str(ledger), "--json").json["pruned_lines"] == 1
    assert run("report", "--store", str(ledger), "--json").json["total_cost"] == "0.25"
