"""The page of benchmarks is what the files of results give, and the runner does what its head says."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[1]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
MODULES = ("harness", "page", "page_answers", "page_money", "page_parts", "page_time", "claims_data", "run")


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """`benchmarks/run.py`, whose quick results go to a folder of this test."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    run = importlib.import_module("run")
    monkeypatch.setattr(run, "QUICK", tmp_path / "quick")
    monkeypatch.setattr(run, "ORDER", ("store", "pricing", "report"))
    monkeypatch.chdir(tmp_path)
    yield run
    for name in MODULES:
        sys.modules.pop(name, None)


def scripts(folder: Path, **bodies: str) -> Path:
    """Benchmarks that only end as they are told to."""
    for name, body in bodies.items():
        (folder / f"{name}.py").write_text(body, encoding="utf-8")
    return folder


def test_the_committed_page_is_what_the_results_give(runner: ModuleType) -> None:
    """A figure that somebody typed into the page, or a result without its page, is found here."""
    made = runner.page(ROOT / "benchmarks" / "results")
    committed = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert committed == made, "make it again: python benchmarks/run.py --page-only"


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_results_say_when_on_what_and_by_which_command_they_were_measured(path: Path) -> None:
    """A figure without its machine and versions cannot be judged by anybody else."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert found["run"] == "full"
    assert found["command"].startswith(f"python benchmarks/{path.stem}.py")
    assert datetime.fromisoformat(found["date"]).tzinfo is not None
    assert found["python"].count(".") == 2
    assert set(found["machine"]) == {"system", "architecture", "processors", "load"}
    assert found["versions"]
    assert not re.search(r"[ =\"]/(?!v1/)\w", json.dumps(found)), "a place of the machine that measured"


def test_the_page_names_every_bar_that_was_missed(runner: ModuleType) -> None:
    """The missed ones stand at the top, where nobody can overlook them."""
    made = runner.page(ROOT / "benchmarks" / "results")
    listed = made.partition("Missed ones")[2].partition("\n## ")[0].count("\n- ")
    assert listed == made.count("**missed**")


def test_one_that_fails_does_not_stop_the_others_and_is_named(
    runner: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of hours must not be lost to its second benchmark, and a failure must not look like success."""
    folder = scripts(
        tmp_path, store="print('fine')", pricing="raise SystemExit('no such price')", report="print('fine')"
    )
    assert runner.main(["--quick"], folder) == 1
    said = capsys.readouterr().out
    assert said.count("  done") == 2
    assert "FAILED with 1: no such price" in said
    assert "failed: pricing;" in said


def test_what_lacks_its_data_says_so_and_is_no_failure(
    runner: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine without the data sets can still run the rest."""
    body = "import sys; print('Nothing measured: no data: name it with --data.'); sys.exit(77)"
    assert runner.main(["--quick", "--only", "store"], scripts(tmp_path, store=body)) == 0
    assert "Nothing measured: no data: name it with --data." in capsys.readouterr().out


def test_a_quick_run_leaves_the_committed_page_alone(runner: ModuleType, tmp_path: Path) -> None:
    """Its figures are of a few rounds, and must never stand where full ones do."""
    before = (ROOT / "docs" / "benchmarks.md").stat().st_mtime_ns
    assert runner.main(["--quick", "--only", "store"], scripts(tmp_path, store="")) == 0
    assert (ROOT / "docs" / "benchmarks.md").stat().st_mtime_ns == before
    assert "Not measured yet" in (tmp_path / "quick" / "benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("runner")
def test_quick_changes_defaults_only_and_writes_beside() -> None:
    """What somebody gives on the command line wins over `--quick`, and no committed file is written."""
    harness = importlib.import_module("harness")

    def options(*words: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser()
        parser.add_argument("--rounds", type=int, default=40)
        found: argparse.Namespace = harness.parsed(parser, "store", {"rounds": 3}, list(words))
        return found

    assert (options().rounds, options().json) == (40, harness.RESULTS / "store.json")
    assert (options("--quick").rounds, options("--quick").json) == (3, harness.QUICK / "store.json")
    assert options("--quick", "--rounds", "7").rounds == 7


@pytest.mark.usefixtures("runner")
def test_commands_are_written_down_without_places_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are published; a path of the machine that measured helps nobody."""
    harness = importlib.import_module("harness")
    monkeypatch.setattr(sys, "argv", ["/srv/benchmarks/store.py", "--data", "/srv/data", "a=/srv/b.npz", "--rounds=3"])
    head = harness.described(argparse.Namespace(quick=False))
    assert head["command"] == "python benchmarks/store.py --data data a=b.npz --rounds=3"


def test_every_benchmark_that_can_be_run_has_a_place_on_the_page(runner: ModuleType) -> None:
    """One that nobody runs with the others is one whose figures grow old unseen."""
    order = set(importlib.reload(runner).ORDER)  # the fixture names three
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py")}
    own = {name for name, text in texts.items() if "= parsed(" in text or "return parsed(" in text}
    assert own - {"harness"} == order
