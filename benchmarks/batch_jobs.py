"""Batch jobs: 100,000 requests end to end, and what a crash at any request costs; beside other packages.

    python benchmarks/batch_jobs.py [--quick] [--requests 100000] [--rivals PYTHON] [--only NAME ...] [--json FILE]

The provider is `LoopbackProvider` in a process of its own: it bills each answered item, and can kill a client at any of
its requests, before it is served or after. Rivals run with the Python of an environment
of their own (`rivals.py batch`); one that is not installed is not run, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from harness import add_rivals, described, known, parsed, version_in, without_rivals, write

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER: Final = Path(__file__).with_name("batch_contenders.py")
ITEMS: Final = 6
PER_FILE: Final = 3
PACKAGES: Final = {"litellm": "litellm", "langasync": "langasync", "curator": "bespokelabs-curator"}
_KILLED: Final = -signal.SIGKILL
_TIMEOUT_SECONDS: Final = 60


class Provider:
    """A provider in a process of its own."""

    def __init__(self) -> None:
        """Start it."""
        self._process = _start(sys.executable, "serve")
        self.url: str = self._read()

    def ask(self, line: str) -> Any:  # noqa: ANN401 - what the process says
        """Say a line to it and hear what it says."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> Any:  # noqa: ANN401 - what the process says
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class Ended(NamedTuple):
    """How a job's process ended."""

    code: int | None
    """Its exit code; `None` if it had to be stopped."""
    said: dict[str, Any]
    """What it printed."""
    error: str
    """The last line of what it complained of."""


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider for one job."""
    made = Provider()
    try:
        yield made
    finally:
        made.close()


def run(
    system: str,
    python: str,
    asked: Provider,
    folder: Path,
    requests: int,
    per_file: int,
    *,
    kill_at: int = -1,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> Ended:
    """Run a job in a process of its own, and kill it at one of its requests."""
    process = _start(python, system, asked.url, str(folder), str(requests), str(per_file))
    asked.ask(f"aim {process.pid} {kill_at}")
    try:
        out, err = process.communicate("go\n", timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Ended(None, {}, f"it was not done after {timeout_seconds:g} s")
    lines = err.strip().splitlines()
    return Ended(
        process.returncode, json.loads(out.splitlines()[-1]) if out.strip() else {}, lines[-1] if lines else ""
    )


def at_scale(requests: int) -> dict[str, Any]:
    """So many requests over two files, and what the provider billed."""
    with provider() as asked, tempfile.TemporaryDirectory() as folder:
        per_file = (requests + 1) // 2
        ended = run("costguard", sys.executable, asked, Path(folder), requests, per_file, timeout_seconds=3600)
        assert ended.code == 0, ended.error
        bill = asked.ask("bill")
    return {"requests": requests, **ended.said, "billed": bill["billed"], "answered_again": bill["answered_again"]}


def crashes(system: str, python: str) -> dict[str, Any]:
    """Kill a job of six items at each of its requests, and run it again: what was paid twice, what was lost.

    Polls are left out: to be killed there is to be killed before the next request.
    """
    with provider() as asked, tempfile.TemporaryDirectory() as folder:
        first = run(system, python, asked, Path(folder), ITEMS, PER_FILE)
        if first.code != 0 or first.said.get("delivered") != ITEMS:
            return {"undisturbed": first.error or f"{first.said.get('delivered')} of {ITEMS} delivered"}
        moments = asked.ask("seen")
    told: dict[str, Any] = {"kills": 0, "all_once": 0, "paid_again": 0, "lost": 0, "worst": []}
    for at, moment in enumerate(moments):
        if moment[1] == "GET" and "/batches/" in moment[2]:
            continue
        with provider() as asked, tempfile.TemporaryDirectory() as folder:
            killed = run(system, python, asked, Path(folder), ITEMS, PER_FILE, kill_at=at)
            if killed.code != _KILLED:
                continue
            again = run(system, python, asked, Path(folder), ITEMS, PER_FILE)
            bill = asked.ask("bill")
        lost = ITEMS - int(again.said.get("delivered", 0))
        told["kills"] += 1
        told["all_once"] += not bill["answered_again"] and not lost
        told["paid_again"] += bill["answered_again"]
        told["lost"] += max(lost, 0)
        if bill["answered_again"] or lost:
            told["worst"].append({"at": " ".join(moment), **bill, "lost": lost, "error": again.error})
    return told


def main() -> None:
    """Run what is asked for, print it and keep it."""
    options = _options()
    document = known(options.json)
    document |= described(options, "langchain-core", "langchain-openai", "openai")
    rivals = {name: version_in(options.rivals, package) for name, package in PACKAGES.items()} if options.rivals else {}
    pythons = dict.fromkeys(("costguard", "by_hand"), sys.executable)
    pythons |= {name: options.rivals for name, found in rivals.items() if found != "not installed"}
    if options.requests:
        document["scale"] = at_scale(options.requests)
        _print_scale(document["scale"])
    crashed = {name: crashes(name, pythons[name]) for name in options.only or pythons if name in pythons}
    missing = {name: {"not_run": without_rivals("batch")} for name in PACKAGES if name not in pythons}
    document["crashes"] = missing | document.get("crashes", {}) | crashed
    document["rivals"] = document.get("rivals", {}) | {name: rivals[name] for name in crashed if name in rivals}
    _print_matrix(crashed | missing)
    write(options.json, document)


def _print_scale(scale: dict[str, Any]) -> None:
    print(f"{scale['requests']:,} requests over two files, end to end")
    print(
        f"  delivered {scale['delivered']:,}, errors {scale['errors']:,}, lines in the ledger {scale['ledger_lines']:,}"
    )
    print(f"  cost {scale['cost']}, the provider billed {scale['billed']}")
    print(f"  submit {scale['submit_s']} s, wait {scale['wait_s']} s, collect {scale['collect_s']} s")
    print(
        f"  memory in MB: {scale['imported_mb']} imported, {scale['submitted_mb']} submitted, {scale['peak_mb']} peak"
    )


def _print_matrix(matrix: dict[str, dict[str, Any]]) -> None:
    print(f"\n{ITEMS} items in {ITEMS // PER_FILE} files, killed at each request but the polls and run again")
    print(f"{'':<12}{'kills':>8}{'all once':>10}{'paid again':>12}{'lost':>6}")
    for name, told in matrix.items():
        if "kills" in told:
            print(f"{name:<12}{told['kills']:>8}{told['all_once']:>10}{told['paid_again']:>12}{told['lost']:>6}")
        else:
            print(f"{name:<12}  {told.get('not_run') or told.get('undisturbed')}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="0: only the crashes")
    add_rivals(parser, "batch")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these systems' crashes")
    return parsed(parser, "batch_jobs", {"requests": 500, "only": ["costguard"]})


def _start(python: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - ours
        [python, str(WORKER), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    main()
