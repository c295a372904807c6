"""`export` and `import`: lines that travel from one ledger to another."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import SQLStore
from langchain_costguard.stores.base import EVERYTHING
from langchain_costguard.testing.lines import make_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from langchain_costguard.ledger import LedgerEntry, LedgerQuery


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


def test_a_spreadsheet_gets_a_row_for_each_line(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """Finance opens it as it is."""
    file = tmp_path / "costs.csv"
    ended = run("export", str(file), "--format", "csv", "--store", str(ledger))
    assert (ended.code, ended.out, ended.err) == (0, f"Wrote 2 lines to {file}.\n", "")
    with file.open(newline="") as opened:
        found = list(csv.DictReader(opened))
    assert [(row["user"], row["billed_usd"]) for row in found] == [("u1", "0.25"), ("u2", "")]
    shown = run("export", "-", "--format", "csv", "--store", str(ledger))
    assert shown.out == file.read_text()


def test_focus_says_what_it_left_out(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """A file whose sum is too small by what nobody could price must not pass for the bill."""
    file = tmp_path / "focus.csv"
    asked = ("export", str(file), "--format", "focus", "--billing-account", "org-1", "--store", str(ledger))
    ended = run(*asked)
    assert (ended.code, ended.out) == (0, f"Wrote 1 row to {file}.\n")
    assert "warning: not in the export: 1 line whose cost is not known" in ended.err
    with file.open(newline="") as opened:
        (row,) = csv.DictReader(opened)
    assert (row["BilledCost"], row["BillingAccountId"], json.loads(row["Tags"])) == (
        "0.25",
        "org-1",
        {"checkout": True, "user": "u1"},
    )
    assert run(*asked, "--json").json == {
        "format": "focus",
        "file": str(file),
        "written_rows": 1,
        "lines": 1,
        "unpriced_lines": 1,
        "uncharged_lines": 0,
        "calls_only_in_sums": 0,
    }


def test_the_summary_is_json_where_that_is_asked_for(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """A nightly job reads how many lines it archived."""
    file = str(tmp_path / "costs.jsonl")
    assert run("export", file, "--json", "--store", str(ledger), "--model", "gpt-4o").json == {
        "format": "jsonl",
        "file": file,
        "written_lines": 1,
        "calls_only_in_sums": 0,
    }


@pytest.mark.parametrize(
    ("condition", "users"),
    [
        (["--model", "house-model"], ["u2"]),
        (["--provider", "openai"], ["u1"]),
        (["--tag", "checkout"], ["u1"]),
        (["--tag", "'; DROP TABLE lines; --"], []),
    ],
)
def test_an_export_is_narrowed_as_a_report_is(
    condition: list[str], users: list[str], ledger: Path, run: Callable[..., Any]
) -> None:
    """A team gets its own calls."""
    lines = run("export", "-", "--store", str(ledger), *condition).out.splitlines()
    assert [json.loads(line)["user"] for line in lines] == users


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["-", "--json"], "give the path of a file, or leave --json out"),
        (["costs.csv", "--format", "csv", "--billing-account", "x"], "leave it out, or write --format focus"),
        (["costs.csv", "--format", "focus", "--billing-account", " "], "give the provider's account"),
        (["costs.csv", "--format", "xlsx"], "'xlsx'"),
    ],
)
def test_options_that_contradict_each_other_are_not_understood(
    arguments: list[str],
    remedy: str,
    ledger: Path,
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Silently ignoring one of them would be found out a month later."""
    monkeypatch.chdir(tmp_path)
    ended = run("export", *arguments, "--store", str(ledger))
    assert (ended.code, ended.out) == (2, "")
    assert remedy in " ".join(ended.err.replace("│", " ").split())
    assert not (tmp_path / "costs.csv").exists()


@pytest.mark.parametrize("form", ["jsonl", "csv", "focus"])
def test_a_store_that_disappears_leaves_no_file_and_says_so(
    form: str, ledger: Path, tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that reads the exit code must not send half a month to finance."""

    def breaking(store: SQLStore, query: LedgerQuery = EVERYTHING) -> Iterator[LedgerEntry]:
        if query.limit == 1:  # the look that every command takes first
            return
        yield make_entry()
        msg = f"{store.location} does not answer any more"
        raise StoreError(msg)

    monkeypatch.setattr(SQLStore, "entries", breaking)
    folder = tmp_path / "exports"
    folder.mkdir()
    ended = run("export", str(folder / "costs"), "--format", form, "--store", str(ledger))
    assert (ended.code, ended.out, list(folder.iterdir())) == (1, "", [])
    assert "does not answer any more" in ended.err
    assert f"{folder / 'costs'} was not written" in ended.err
    shown = run("export", "-", "--format", form, "--store", str(ledger))
    assert shown.code == 1
    assert "what is on standard output is not all of it" in shown.err


@pytest.mark.parametrize("form", ["csv", "focus"])
def test_an_empty_ledger_is_exported_as_a_heading(form: str, tmp_path: Path, run: Callable[..., Any]) -> None:
    """Nothing was called this month, and the job that imports it must not fail."""
    with SQLStore(tmp_path / "empty.db") as store:
        assert list(store.entries()) == []
    ended = run("export", "-", "--format", form, "--store", str(tmp_path / "empty.db"))
    assert (ended.code, ended.out.count("\n"), ended.err) == (0, 1, "")
