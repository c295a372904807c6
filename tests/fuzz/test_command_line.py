"""Arguments of commands and files of inputs: an exit with a sentence, and never a traceback."""

# ruff: noqa: PT017 - mutated data may be refused or taken; what a refusal says is checked where it comes up

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from langchain_costguard.cli.batch_lines import open_inputs
from langchain_costguard.cli.program import app
from langchain_costguard.stores import SQLStore
from tests.fuzz.strategies import fuzz, json_files, mutated_bytes, texts

if TYPE_CHECKING:
    from pathlib import Path

RUNNER: Final = CliRunner()
WORDS: Final = texts.filter(lambda text: "\x00" not in text)
MOMENTS: Final = WORDS | st.sampled_from(
    ["2026-11-01", "0001-01-01", "9999-12-31", "2026-11-01T12:00+23:59", "2026-W01-1", "20261101", "2026-02-30"]
)
ZONES: Final = st.sampled_from(
    ["UTC", "Europe/Berlin", "Asia/Kathmandu", "../etc/passwd", "/etc/passwd", "", "EST5EDT"]
)


LIMITS: Final = (
    WORDS
    | st.decimals(0, 10**10, places=9).map(str)
    | st.integers(0, 10**20).map(str)
    | st.sampled_from(
        ["25", "1_000", "1,000", "1e3", "2.5e-8", "0.000000001", "0.0000000001", " 12 ", "+5", "$5", "0x10"]
    )
)


def run(*arguments: str) -> int:
    """Run a command; it may refuse, and must not fail."""
    done = RUNNER.invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code in {0, 1, 2}
    assert "Traceback" not in done.output
    return done.exit_code


def limits_in(path: Path) -> dict[str, int | None]:
    """What operators have set, in nano-dollars, tokens or calls."""
    with SQLStore(path) as store:
        return {setting.budget: setting.limit for setting in store.settings()}


@fuzz(12)
@given(since=MOMENTS, until=MOMENTS, tz=ZONES | WORDS)
def test_any_period_is_reported_or_refused(since: str, until: str, tz: str, tmp_path: Path) -> None:
    """Days are typed by hand."""
    run("report", "--store", str(tmp_path / "a.db"), "--since", since, "--until", until, "--tz", tz)


@fuzz(30)
@given(
    key=WORDS | st.sampled_from(["usd/day", "checkout", "team 1"]),
    limit=LIMITS,
    unit=st.sampled_from([[], ["--tokens"], ["--calls"]]),
)
def test_any_limit_is_set_or_refused(key: str, limit: str, unit: list[str], tmp_path: Path) -> None:
    """A limit that was mistyped must not become one of another size; one that is refused leaves what was set before."""
    path = tmp_path / "a.db"
    expected: dict[str, Fraction | int | None] = {**limits_in(path)}
    if run("budgets", "set", key, limit, *unit, "--new", "--store", str(path)) == 0:
        expected[key] = Fraction(Decimal(limit.strip())) * (1 if unit else 10**9)
    assert limits_in(path) == expected


@fuzz(8)
@given(model=WORDS, count=WORDS, at=MOMENTS)
def test_any_call_is_calculated_or_refused(model: str, count: str, at: str) -> None:
    """The same of a model, a day, hours, calls and their prices."""
    run("prices", "--at", at, "--", model)
    run("calc", "--gpu-hours", count, "--gpu-price", count)
    run("calc", "--calls", count, "--call-price", count, "--json")


@fuzz(15)
@given(data=json_files({"question": "a"}) | mutated_bytes(b'question,more\r\nhello,1\r\n"a\nb",2\r\n'))
def test_any_file_of_inputs_is_read_or_refused(data: bytes, tmp_path: Path) -> None:
    """A file of 100,000 inputs with one bad line is refused with that line."""
    for name in ("a.csv", "a.jsonl"):
        file = tmp_path / name
        file.write_bytes(data)
        try:
            with open_inputs(str(file)) as inputs:
                for value in inputs:
                    json.dumps(value)
        except typer.Exit as error:
            assert error.exit_code


@fuzz(10)
@given(data=mutated_bytes(json.dumps({"schema": "costguard-prices/1", "dated": "2026-11-21", "models": []}).encode()))
def test_any_price_list_is_read_or_refused(data: bytes, tmp_path: Path) -> None:
    """The same of the option that names one."""
    file = tmp_path / "prices.json"
    file.write_bytes(data)
    run("prices", "gpt-4o", "--update", str(file))
