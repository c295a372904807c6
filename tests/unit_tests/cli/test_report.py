"""`report`: what a ledger says, of which calls, in which form."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores import SQLStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIES_IN_A_CALL = """
import os, sys
from dataclasses import replace
from uuid import uuid4
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores import open_store
store = open_store(sys.argv[1])
line = next(store.entries(LedgerQuery(tag="checkout")))
began = replace(line, run_id=uuid4(), status="open", usage=None, billed_nano=None, list_nano=None, price=None)
store.open_call(replace(began, input_bytes=4_000))
os._exit(1)
"""


def test_a_report_says_the_sum_and_what_it_leaves_out(ledger: Path, run: Callable[..., Any]) -> None:
    """A sum that silently leaves out unpriced calls would be believed."""
    ended = run("report", "--store", str(ledger))
    assert ended.code == 0
    assert "$0.25 + 1 unpriced call" in ended.out
    assert "house-model" in ended.out


def test_a_report_groups_by_what_is_asked(ledger: Path, run: Callable[..., Any]) -> None:
    """Tags are how users find the feature that spends."""
    shown = run("report", "--store", str(ledger), "--by", "tag", "--by", "model").out
    assert "By tag / model" in shown
    assert "checkout / gpt-4o" in shown
    assert "(no tag) / house-model" in shown


def test_json_keeps_money_exact_and_unknown_null(ledger: Path, run: Callable[..., Any]) -> None:
    """Another program reads it: a float would round, and a zero would lie."""
    rows = run("report", "--store", f"sqlite:///{ledger}", "--by", "model", "--json").json
    by_model = {row["model"]: row for row in rows}
    assert by_model["gpt-4o"]["billed_cost"] == "0.25"
    assert by_model["house-model"]["billed_cost"] is None


def test_the_whole_report_is_json_too(ledger: Path, run: Callable[..., Any]) -> None:
    """The same numbers as in the text, for a dashboard."""
    assert run("report", "--store", str(ledger), "--json").json["total_cost"] == "0.25"


@pytest.mark.parametrize(
    ("conditions", "calls"),
    [
        ([], 2),
        (["--model", "gpt-4o"], 1),
        (["--provider", "openai"], 1),
        (["--tag", "checkout"], 1),
        (["--user", "u2"], 1),
        (["--user", "u2", "--model", "gpt-4o"], 0),
        (["--session", "s1"], 0),
        (["--thread", "t1"], 0),
        (["--chain", "essay"], 0),
        (["--since", "2026-11-02"], 1),
        (["--until", "2026-11-02"], 1),
        (["--since", "2026-11-02T00:01"], 0),
        (["--since", "2026-11-02T00:00:00+01:00"], 2),
        (["--since", "2026-11-02", "--tz", "Europe/Berlin"], 2),
        (["--until", "2026-11-02", "--tz", "America/New_York"], 2),
    ],
)
def test_a_report_covers_the_calls_that_are_meant(
    conditions: list[str], calls: int, ledger: Path, run: Callable[..., Any]
) -> None:
    """One call began half a minute before midnight UTC, the other half a minute after it."""
    assert run("report", "--store", str(ledger), "--json", *conditions).json["totals"]["calls"] == calls


def test_a_grouped_report_says_which_calls_it_covers(ledger: Path, run: Callable[..., Any]) -> None:
    """A table without its conditions is taken for the whole."""
    assert "user u1" in run("report", "--store", str(ledger), "--user", "u1", "--by", "model").out


def test_a_page_has_the_sums_and_escapes_what_is_foreign(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """A tag is whatever a user typed, and a page is opened in a browser."""
    with SQLStore(ledger) as store:
        line = next(store.entries(LedgerQuery(tag="checkout")))
        store.append(replace(line, run_id=uuid4(), tags=("<script>alert(1)</script>",)))
    page = tmp_path / "costs.html"
    ended = run("report", "--store", str(ledger), "--html", str(page), "--by", "tag")
    assert ended == (0, f"The report is in {page}.\n", "")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "$0.50" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_page_that_cannot_be_written_is_said(ledger: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    """The path is the user's, and so is the mistake."""
    ended = run("report", "--store", str(ledger), "--html", str(tmp_path / "nowhere" / "costs.html"))
    assert (ended.code, ended.out) == (1, "")
    assert "give another path to --html" in ended.err


def test_the_calls_of_a_process_that_died_are_closed_before_reading(ledger: Path, run: Callable[..., Any]) -> None:
    """An open line of a dead process would stay open for ever, and its cost out of every sum."""
    subprocess.run([sys.executable, "-c", DIES_IN_A_CALL, str(ledger)], check=False, timeout=60)
    totals = run("report", "--store", str(ledger), "--json").json["totals"]
    assert (totals["open_calls"], totals["failed_calls"], totals["estimated_calls"]) == (0, 1, 1)


def test_the_default_ledger_is_the_one_of_the_environment(
    ledger: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`COSTGUARD_STORE` tells the writers where to write; the reader must look there too."""
    monkeypatch.setenv("COSTGUARD_STORE", str(ledger))
    assert "$0.25" in run("report").out


def test_a_missing_ledger_is_said_and_not_created(tmp_path: Path, run: Callable[..., Any]) -> None:
    """A mistyped path must not report zero dollars from a new empty file."""
    path = tmp_path / "mistyped.db"
    ended = run("report", "--store", str(path))
    assert ended.code == 1
    assert "name another with --store" in ended.err
    assert not path.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "--store", "memory"],
        ["report", "--store", "mysql://host/db"],
        ["demo", "--gpu-price", "cheap"],
        ["demo", "--openai"],
    ],
)
def test_what_cannot_be_done_is_one_line_without_a_traceback(arguments: list[str], run: Callable[..., Any]) -> None:
    """A traceback tells a user nothing about the argument to change."""
    ended = run(*arguments)
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert "Traceback" not in ended.err
    assert ended.err.count("\n") == 1


def test_a_file_that_is_no_ledger_is_said(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Pointing at the wrong file is the likeliest mistake of all."""
    path = tmp_path / "notes.txt"
    path.write_text("This is not a database, it is a shopping list." * 40)
    ended = run("report", "--store", str(path))
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert path.read_text().startswith("This is not a database")


def test_another_program_s_database_is_left_as_it_is(tmp_path: Path, run: Callable[..., Any]) -> None:
    """A report reads; it must not turn somebody's database into a ledger behind their back."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    code = run("report", "--store", str(path)).code
    with sqlite3.connect(path) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert (code, tables) == (1, {"songs"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "--by", "favourite-colour"],
        ["report", "--timezone", "Mars/Olympus"],
        ["report", "--since", "yesterday"],
        ["report", "--until", "2026-13-01"],
        ["report", "--json", "--html", "page.html"],
        ["demo", "--model", "llama3"],
        ["demo", "--base-url", "localhost:11434", "--model", "llama3"],
        ["demo", "--base-url", "http://localhost:11434/v1"],
        ["demo", "--base-url", "http://localhost:11434/v1", "--model", "x", "--openai"],
    ],
)
def test_what_is_not_understood_ends_with_2(arguments: list[str], ledger: Path, run: Callable[..., Any]) -> None:
    """Shells and schedulers tell a wrong command from a failed one by this code."""
    store = ["--store", str(ledger)] if arguments[0] == "report" else []
    ended = run(*arguments, *store)
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
