"""Runs all benchmarks, one after another, and makes one page of their figures.

    python benchmarks/run.py [--quick] [--only NAME ...] [--list] [--page-only]

Full runs take hours and write `benchmarks/results`, from which `docs/benchmarks.md` is made; `--quick` takes minutes,
writes `benchmarks/results/quick`, which git ignores, and makes the page there. One that fails does not stop the others:
it is named at the end, and the exit status is 1. One whose data, model or rivals are not on this machine says so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from harness import HERE, NOTHING_MEASURED, QUICK, RESULTS, without_rivals
from page import TITLES, page

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = HERE.parent / "docs" / "benchmarks.md"
BY_RIVALS: Final = frozenset({"cascade_rivals"})
"""What runs in the Python that has the other packages."""
BEFORE: Final = {"cascade_replay": "cascade_rivals"}
"""What is run first, because its results are read."""
ORDER: Final = tuple(one for name in TITLES for one in (BEFORE.get(name), name) if one is not None)


class Ran(NamedTuple):
    """What became of one benchmark."""

    name: str
    said: str
    """`"done"`, or what went wrong or was missing, in words."""
    is_failure: bool
    seconds: float
    cpu: float
    """Seconds of the processor, which a busy machine does not stretch as much."""


def run(name: str, folder: Path, *, is_quick: bool) -> Ran:
    """Run one benchmark in a process of its own; what it prints goes to a file beside its results."""
    python = rivals_python() if name in BY_RIVALS else sys.executable
    if python is None:
        return Ran(name, f"left out: {without_rivals()}", is_failure=False, seconds=0.0, cpu=0.0)
    command = [python, str(folder / f"{name}.py"), *(["--quick"] if is_quick else [])]
    QUICK.mkdir(parents=True, exist_ok=True)
    log = QUICK / f"{name}.log"
    began, before = time.perf_counter(), os.times()
    with log.open("w", encoding="utf-8") as said:
        code = subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, check=False).returncode  # noqa: S603 - ours
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].strip() if lines else ""
    told = {0: "done", NOTHING_MEASURED: last}.get(code, f"FAILED with {code}: {last} (all of it: {log.name})")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Ran(name, told, code not in {0, NOTHING_MEASURED}, time.perf_counter() - began, cpu)


def rivals_python() -> str | None:
    """The Python that has the other packages, if there is one."""
    made = HERE / ".rivals" / "all" / "bin" / "python"
    return os.environ.get("COSTGUARD_BENCH_RIVALS") or (str(made) if made.exists() else None)


def run_all(names: tuple[str, ...], folder: Path, *, is_quick: bool) -> list[Ran]:
    """Run them in their order, a line each."""
    found = []
    for number, name in enumerate(names, 1):
        print(f"[{number:>2}/{len(names)}] {name:<24}", end="", flush=True)
        found.append(run(name, folder, is_quick=is_quick))
        print(f"{found[-1].seconds:>7.1f} s {found[-1].cpu:>7.1f} s CPU  {found[-1].said}", flush=True)
    return found


def main(given: list[str] | None = None, folder: Path = HERE) -> int:
    """Run what is asked for and write the page; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="minutes instead of hours; writes results/quick")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=ORDER, default=ORDER, help="these alone")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument("--page-only", action="store_true", help="make the page from the results there are")
    options = parser.parse_args(given)
    if options.list:
        print("\n".join(f"{name:<24}{TITLES.get(name, 'what the rivals decide, for the next')}" for name in ORDER))
        return 0
    names = () if options.page_only else tuple(name for name in ORDER if name in options.only)
    ran = run_all(names, folder, is_quick=options.quick)
    results, written = (QUICK, QUICK / "benchmarks.md") if options.quick else (RESULTS, PAGE)
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(page(results), encoding="utf-8")
    failed = [one.name for one in ran if one.is_failure]
    took, cpu = sum(one.seconds for one in ran), sum(one.cpu for one in ran)
    print(f"\n{len(ran)} benchmarks in {took:,.0f} s ({cpu:,.0f} s of the processor)")
    print(f"the page: {os.path.relpath(written)}")
    if failed:
        print(f"failed: {', '.join(failed)}; each alone: python benchmarks/run.py --only NAME")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
