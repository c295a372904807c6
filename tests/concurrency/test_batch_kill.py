"""Batch jobs whose process is killed at every request: run again, each item is billed once and delivered once.

The provider kills the process, when a request has come in and nothing is done, or when all is done and the answer not
sent. So every state of the job is met, the one between upload and create included, and nothing in the product knows of
it. `LONG=1` also kills at many moments between requests.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores import open_store
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WORKER = Path(__file__).with_name("batch_kill_worker.py")
ITEMS = 6
FILES = 2
KINDS = ["openai", "anthropic"]
RANDOM_RUNS = 60 if os.environ.get("LONG") == "1" else 6
_KILLED = -signal.SIGKILL


class Seen(NamedTuple):
    """A request as the provider's watcher sees it."""

    moment: str
    method: str
    path: str


class Nursery:
    """A process that has imported everything once, and forks those that are to be killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, url: str, folder: Path, kind: str, killer: Killer | None = None) -> int:
        """Run one to its end, however it comes, and say how it came."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{url} {folder} {kind}\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        if killer is not None:
            killer.aim(pid)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Killer:
    """Watches a provider and kills a process at one of the requests it makes.

    Args:
        at: which of the moments, from 0; `None`: none.
        delay_seconds: how long after it; the process gets no further than its next request before.
    """

    def __init__(self, at: int | None, delay_seconds: float = 0) -> None:
        self.seen: list[Seen] = []
        self._at = at
        self._delay_seconds = delay_seconds
        self._pid = 0
        self._known = threading.Event()
        self._is_over = threading.Event()
        self._lock = threading.Lock()

    def aim(self, pid: int) -> None:
        """Say whom to kill."""
        self._pid = pid
        self._known.set()

    def __call__(self, moment: str, method: str, path: str) -> None:
        """See a request."""
        with self._lock:
            self.seen.append(Seen(moment, method, path))
            index = len(self.seen) - 1
        if self._at is not None and index > self._at:
            self._is_over.wait(10)
        is_it = index == self._at
        if is_it and not self._delay_seconds:
            self._kill()
        elif is_it:
            threading.Timer(self._delay_seconds, self._kill).start()

    def _kill(self) -> None:
        assert self._known.wait(10)
        with contextlib.suppress(ProcessLookupError):  # it was done before the delay was over
            os.kill(self._pid, signal.SIGKILL)
        self._is_over.set()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """One for all runs."""
    made = Nursery()
    yield made
    made.close()


def question(body: Mapping[str, Any]) -> str:
    """What was asked."""
    return str(body["messages"][-1]["content"]).strip()


def answering() -> LoopbackProvider:
    """A provider whose answers say to what."""
    return LoopbackProvider(reply=lambda body: f"re: {question(body)}", keep_bodies=True)


def watched_run(nursery: Nursery, folder: Path, kind: str) -> list[Seen]:
    """What an undisturbed job asks the provider."""
    folder.mkdir()
    killer = Killer(None)
    with answering() as provider:
        provider.on_request(killer)
        assert nursery.run(provider.base_url, folder, kind, killer) == 0, told(folder)
        check(provider, folder)
    return killer.seen


def told(folder: Path) -> str:
    """What the process said before it ended with an error."""
    said = folder / "error.txt"
    return said.read_text() if said.exists() else ""


def check(provider: LoopbackProvider, folder: Path) -> None:
    """Each item was billed once, delivered once and booked once, and no batch runs that nobody remembers."""
    assert len(provider.batches) == FILES, "something was submitted twice"
    outputs, errors = json.loads((folder / "outputs.json").read_text())
    assert errors == {}
    assert outputs == [f"re: About item {index}" for index in range(ITEMS)]
    asked = Counter(question(item.body) for item in provider.batch_items if item.body is not None)
    assert asked == {f"About item {index}": 1 for index in range(ITEMS)}, "an item was answered and billed twice"
    with open_store(folder / "costs.db") as store:
        lines = list(store.entries(LedgerQuery()))
    assert len(lines) == ITEMS
    assert sum((line.billed_cost or Decimal(0) for line in lines), Decimal(0)) == provider.billed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_request_a_job_goes_on_where_it_was(tmp_path: Path, nursery: Nursery, kind: str) -> None:
    """Two files, every request of the job, before it is served and after."""
    moments = watched_run(nursery, tmp_path / "undisturbed", kind)
    assert {seen.method for seen in moments} == {"GET", "POST"}
    killed = 0
    for at, seen in enumerate(moments):
        folder = tmp_path / f"{kind}-{at}"
        folder.mkdir()
        with answering() as provider:
            killer = Killer(at)
            provider.on_request(killer)
            killed += nursery.run(provider.base_url, folder, kind, killer) == _KILLED
            assert nursery.run(provider.base_url, folder, kind) == 0, (seen, told(folder))
            check(provider, folder)
    assert killed >= len(moments) - 2, "hardly any process was killed"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_again_and_again_at_random_a_job_ends_well(tmp_path: Path, nursery: Nursery, kind: str) -> None:
    """Also while answers are read, parsed and booked, where no request tells of it; up to four times in a row."""
    moments = len(watched_run(nursery, tmp_path / "undisturbed", kind))
    draw = random.Random(os.environ.get("SEED", "kill"))
    killed = 0
    for run in range(RANDOM_RUNS):
        folder = tmp_path / f"{kind}-{run}"
        folder.mkdir()
        with answering() as provider:
            for number in range(4):
                killer = Killer(draw.randrange(moments - 2 if number == 0 else moments), draw.random() * 0.05)
                provider.on_request(killer)
                killed += nursery.run(provider.base_url, folder, kind, killer) == _KILLED
            assert nursery.run(provider.base_url, folder, kind) == 0, told(folder)
            check(provider, folder)
    assert killed >= RANDOM_RUNS, "the first of the four kills always hits: requests are still to come"
