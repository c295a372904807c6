"""The command line as a whole: its help, its exit codes, and the program as it is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import __version__
from langchain_costguard.cli import app, main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMANDS = sorted(str(command.name or command.callback.__name__) for command in app.registered_commands)


def in_a_process(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """The program as a shell runs it."""
    code = "from langchain_costguard.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], input=typed, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_version_is_the_package_s(run: Callable[..., Any]) -> None:
    """A bug report begins with it."""
    assert run("--version") == (0, f"langchain-costguard {__version__}\n", "")


def test_the_commands_are_those_that_are_documented(run: Callable[..., Any]) -> None:
    """A command that vanished would break scripts; one that appeared without a page would not be found."""
    known = "advise calc demo erase estimate explain export import prices prune report reprice"
    assert " ".join(COMMANDS) == known
    assert all(f"\n  {name} " in run("--help").out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_and_says_what_the_exit_codes_mean(command: str, run: Callable[..., Any]) -> None:
    """Scripts branch on exit codes, and everybody copies the example."""
    ended = run(command, "--help")
    assert ended.code == 0
    assert f"  langchain-costguard {command}" in ended.out.partition("Examples:")[2]
    assert "Exit codes: 0 done, 1 it could not be done, 2 the command was not understood, 130 interrupted." in " ".join(
        ended.out.split()
    )


def test_an_unknown_command_ends_with_2(run: Callable[..., Any]) -> None:
    """Shells and schedulers tell a wrong command from a failed one by this code."""
    assert run("unheard-of").code == 2


def test_main_ends_the_process_with_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """It is what the installed program calls."""
    with pytest.raises(SystemExit) as end:
        main(["report", "--store", "memory"])
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_calc_asks_in_a_real_process() -> None:
    """The required example, as a person at a terminal gets it."""
    ended = in_a_process("calc", typed="10\n0.1\n1000\n0.01\n")
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "Total: $11.00")


def test_json_is_all_there_is_on_stdout_even_when_calc_asks() -> None:
    """Questions between the braces would break whoever parses them."""
    ended = in_a_process("calc", "--json", typed="10\nx\n0.1\n1000\n0.01\n")
    assert json.loads(ended.stdout)["total_usd"] == "11"
    assert "GPU hours" in ended.stderr


def test_report_reads_a_ledger_in_a_real_process(ledger: Path) -> None:
    """Another process wrote the ledger; this one must read it."""
    ended = in_a_process("report", "--store", str(ledger))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "$0.25 + 1 unpriced call" in ended.stdout


def test_estimate_reads_standard_input_in_a_real_process() -> None:
    """A pipe is how a prompt gets here from another program."""
    ended = in_a_process("estimate", "-", "--model", "gpt-4o", "--json", "--max-output-tokens", "0", typed="hello")
    assert ended.returncode == 0
    assert '"method": "tiktoken:o200k_base"' in ended.stdout


def test_prices_fails_in_one_line_in_a_real_process() -> None:
    """A traceback tells a user nothing about the argument to change."""
    ended = in_a_process("prices", "gpt-4p")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "gpt-4o" in ended.stderr


def test_a_ledger_travels_between_real_processes(ledger: Path, tmp_path: Path) -> None:
    """Lines written by one process and read by another keep their sum."""
    copy = tmp_path / "copy.db"
    exported = in_a_process("export", "-", "--store", str(ledger))
    imported = in_a_process("import", "-", "--store", str(copy), typed=exported.stdout)
    assert (exported.returncode, imported.returncode) == (0, 0)
    assert "$0.25 + 1 unpriced call" in in_a_process("report", "--store", str(copy)).stdout


def test_help_loads_nothing_heavy() -> None:
    """A shell that asks for help should not wait for databases."""
    heavy = ("sqlalchemy", "genai_prices", "numpy", "langchain_openai", "openai", "tiktoken")
    code = (
        "import sys\nfrom langchain_costguard.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n"
        f"    print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr.strip() == "[]"


@pytest.mark.parametrize("module", ["langchain_costguard", "langchain_costguard.cli"])
def test_the_modules_run_as_the_program(module: str) -> None:
    """Where scripts are not on the path, `python -m` is how a program is found."""
    ended = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"langchain-costguard {__version__}\n", "")
