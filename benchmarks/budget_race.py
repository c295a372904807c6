"""Races for one budget: processes are started together, and what they say afterwards is counted."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER: Final = Path(__file__).with_name("budget_contenders.py")
CONTENDERS: Final = 32
PROCESSES: Final = 4
ATTEMPTS: Final = 20
MAY_RUN: Final = 100
TIMEOUT_SECONDS: Final = 1800


class Place(NamedTuple):
    """A budget that is raced for."""

    name: str
    system: str
    """As `budget_contenders.py` calls it."""
    place: str
    processes: int = PROCESSES
    python: str = sys.executable


def race(place: Place) -> dict[str, Any]:
    """640 attempts at a call of one cent on one dollar, by 32 contenders: how many ran, and how long it took."""
    said = _together(place, "--attempts", str(ATTEMPTS))
    threads = [thread for process in said for thread in process["threads"]]
    ran = sum(thread[0] for thread in threads)
    return {
        "ran": ran,
        "overspend_percent": max(0, ran - MAY_RUN),
        "wall_s": round(max(one["ended"] for one in said) - min(one["begun"] for one in said), 3),
        "worst_wait_ms": round(max(wait for thread in threads for wait in thread[2]) * 1000, 1),
        "errors": sum(thread[1] for thread in threads),
    }


def contention(place: Place, seconds: float) -> dict[str, Any]:
    """32 contenders reserve, settle and write lines for so long: what they wait for, and whether one starves."""
    said = _together(place, "--seconds", str(seconds))
    threads: list[list[float]] = [thread for process in said for thread in process["threads"]]
    cuts = statistics.quantiles((wait for waits in threads for wait in waits), n=100)
    return {
        "per_second": round(sum(map(len, threads)) / seconds),
        "p50_us": round(cuts[49] * 1e6, 1),
        "p99_us": round(cuts[98] * 1e6, 1),
        "worst_ms": round(max(map(max, threads)) * 1e3, 1),
        "worst_over_median_of_a_contender": round(max(max(waits) / statistics.median(waits) for waits in threads)),
        "fewest_over_median_calls_of_a_contender": round(
            min(map(len, threads)) / statistics.median(map(len, threads)), 2
        ),
    }


def sub_cent(place: Place, seconds: float) -> dict[str, Any]:
    """30,000 calls of $0.00004 on one dollar, one after another: 25,000 may run."""
    with _started(place, "--sub-cent", str(seconds)) as process:
        said: dict[str, Any] = json.loads(_last_line(process))
    return said


def prepare(place: Place) -> list[str]:
    """Have a system make what the processes then open together; what it said."""
    with _started(place, "--prepare") as process:
        return process.communicate(timeout=TIMEOUT_SECONDS)[0].split()


def _together(place: Place, *options: str) -> list[dict[str, Any]]:
    threads = str(CONTENDERS // place.processes)
    workers = [_start(place, *options, "--threads", threads) for _ in range(place.processes)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            while (line := worker.stdout.readline()) != "ready\n":
                assert line, f"{place.name}: a process ended before it was ready"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        return [json.loads(_last_line(worker)) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


@contextmanager
def _started(place: Place, *options: str) -> Iterator[subprocess.Popen[str]]:
    process = _start(place, *options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _start(place: Place, *options: str) -> subprocess.Popen[str]:
    is_ours = place.python == sys.executable
    return subprocess.Popen(  # noqa: S603 - ours
        [place.python, str(WORKER), place.system, place.place, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if is_ours else subprocess.DEVNULL,  # other packages print warnings at every start
        text=True,
        env=dict(os.environ),
    )


def _last_line(worker: subprocess.Popen[str]) -> str:
    said = worker.communicate(timeout=TIMEOUT_SECONDS)[0].split("\n")
    assert worker.returncode == 0, f"a process ended with {worker.returncode}"
    return next(line for line in reversed(said) if line.strip())
