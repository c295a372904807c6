"""The command line: what it prints, where it prints it, and how it ends."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from langchain_costguard import __version__
from langchain_costguard.cli import main
from langchain_costguard.cost import NANO_PER_USD
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.stores import SQLStore
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> int:
    """The exit code of the command line."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    code = end.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A file with one call of a quarter dollar, tagged, and one whose price is not known."""
    path = tmp_path / "costs.db"
    usage = TokenUsage.from_langchain({"input_tokens": 1000, "output_tokens": 20, "total_tokens": 1020})
    with SQLStore(path) as store:
        store.append(
            LedgerEntry(
                run_id=uuid4(),
                started_at_us=1_700_000_000_000_000,
                request_model="gpt-4o",
                usage=usage,
                billed_nano=NANO_PER_USD // 4,
                list_nano=NANO_PER_USD // 4,
                tags=("checkout",),
            )
        )
        store.append(
            LedgerEntry(
                run_id=uuid4(),
                started_at_us=1_700_000_000_000_000,
                request_model="house-model",
                usage=usage,
                unpriced_reason="no price is known",
            )
        )
    return path


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug report begins with it."""
    assert run("--version") == 0
    assert capsys.readouterr().out == f"langchain-costguard {__version__}\n"


@pytest.mark.parametrize("command", [[], ["demo"], ["report"]])
def test_every_help_says_what_the_exit_codes_mean(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts branch on exit codes, so they are part of the interface."""
    assert run(*command, "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Exit codes: 0 done, 1 it could not be done, 2 the command was not understood, 130 interrupted." in shown


def test_a_report_says_the_sum_and_what_it_leaves_out(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sum that silently leaves out unpriced calls would be believed."""
    assert run("report", "--store", str(ledger)) == 0
    shown = capsys.readouterr().out
    assert "$0.25" in shown
    assert "+ 1 unpriced call" in shown
    assert "house-model" in shown


def test_a_report_groups_by_what_is_asked(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tags are how users find the feature that spends."""
    assert run("report", "--store", str(ledger), "--by", "tag", "--by", "model") == 0
    shown = capsys.readouterr().out
    assert "By tag / model" in shown
    assert "checkout / gpt-4o" in shown
    assert "(no tag) / house-model" in shown


def test_json_keeps_money_exact_and_unknown_null(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another program reads it: a float would round, and a zero would lie."""
    assert run("report", "--store", f"sqlite:///{ledger}", "--by", "model", "--json") == 0
    by_model = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
    assert by_model["gpt-4o"]["billed_cost"] == "0.25"
    assert by_model["house-model"]["billed_cost"] is None


def test_the_whole_report_is_json_too(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same numbers as in the text, for a dashboard."""
    assert run("report", "--store", str(ledger), "--json") == 0
    assert json.loads(capsys.readouterr().out)["total_cost"] == "0.25"


def test_the_default_ledger_is_the_one_of_the_environment(
    ledger: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`COSTGUARD_STORE` tells the writers where to write; the reader must look there too."""
    monkeypatch.setenv("COSTGUARD_STORE", str(ledger))
    assert run("report") == 0
    assert "$0.25" in capsys.readouterr().out


def test_a_missing_ledger_is_said_and_not_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped path must not report zero dollars from a new empty file."""
    path = tmp_path / "mistyped.db"
    assert run("report", "--store", str(path)) == 1
    assert "name another with --store" in capsys.readouterr().err
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
def test_what_cannot_be_done_is_one_line_without_a_traceback(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback tells a user nothing about the argument to change."""
    assert run(*arguments) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert "Traceback" not in shown
    assert shown.count("\n") == 1


def test_a_file_that_is_no_ledger_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pointing at the wrong file is the likeliest mistake of all."""
    path = tmp_path / "notes.txt"
    path.write_text("This is not a database, it is a shopping list." * 40)
    assert run("report", "--store", str(path)) == 1
    assert "error: " in capsys.readouterr().err
    assert path.read_text().startswith("This is not a database")


def test_another_program_s_database_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report reads; it must not turn somebody's database into a ledger behind their back."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    code = run("report", "--store", str(path))
    capsys.readouterr()
    with sqlite3.connect(path) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert (code, tables) == (1, {"songs"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "--by", "favourite-colour"],
        ["report", "--timezone", "Mars/Olympus"],
        ["demo", "--model", "llama3"],
        ["demo", "--base-url", "localhost:11434", "--model", "llama3"],
        ["demo", "--base-url", "http://localhost:11434/v1"],
        ["demo", "--base-url", "http://localhost:11434/v1", "--model", "x", "--openai"],
        ["unheard-of"],
    ],
)
def test_what_is_not_understood_ends_with_2(
    arguments: list[str], ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shells and schedulers tell a wrong command from a failed one by this code."""
    store = ["--store", str(ledger)] if arguments[0] == "report" else []
    assert run(*arguments, *store) == 2
    assert "Traceback" not in capsys.readouterr().err
