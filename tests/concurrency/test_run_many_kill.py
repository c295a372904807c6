"""`run_many` under `kill -9`: what was kept is never asked for again, and every item is delivered once.

`LONG=1` makes 40 campaigns of 400 items instead of 3 of 60.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.batching import CheckpointError, run_many
from langchain_costguard.testing import LoopbackProvider
from tests.concurrency.run_many_kill_worker import chain, inputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

WORKER = Path(__file__).with_name("run_many_kill_worker.py")
IS_LONG = os.environ.get("LONG") == "1"
CAMPAIGNS, ITEMS, WIDTH = (40, 400, 8) if IS_LONG else (3, 60, 8)

pytestmark = [pytest.mark.required, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


class Nursery:
    """A process that has imported everything once, and forks those that are to be killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    def start(self, file: Path, url: str, *, items: int, width: int, kill_after: int = 0) -> int:
        """The number of a new process, which has begun."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{file} {url} {items} {width} {kill_after}\n")
        self._process.stdin.flush()
        return self._number()

    def ended(self) -> int:
        """The exit code of the process that was started last, once it has ended."""
        return self._number()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """One for all runs."""
    made = Nursery()
    yield made
    made.close()


def answered(body: Mapping[str, Any]) -> str:
    """An answer that belongs to its question alone, a little later."""
    time.sleep(0.003)  # so that there is a middle to be killed in
    return f"answer to {body['messages'][-1]['content']}"


def questions(provider: LoopbackProvider, since: int = 0) -> list[str]:
    """What the provider was asked, in the order of arrival; one cut off by the kill asks nothing."""
    bodies = [request.body for request in provider.requests[since:]]
    return [body["messages"][-1]["content"] for body in bodies if body and "messages" in body]


def kept(file: Path) -> set[str]:
    """The questions whose answers the checkpoint holds; half a line at its end is nothing."""
    found = set()
    for line in file.read_bytes().split(b"\n")[1:-1] if file.exists() else ():
        found.add(json.loads(line)["output"].removeprefix("answer to "))
    return found


@pytest.mark.timeout(1200)
def test_killed_at_any_moment_nothing_that_was_kept_is_paid_again(tmp_path: Path, nursery: Nursery) -> None:
    """A hundred thousand paid answers must survive the machine they are made on."""
    draw = random.Random(os.environ.get("SEED", "run_many"))
    kills = 0
    for campaign in range(CAMPAIGNS):
        file = tmp_path / f"done-{campaign}.jsonl"
        with LoopbackProvider(reply=answered, keep_bodies=True) as provider:
            done_by_then: list[tuple[int, set[str]]] = []
            while len(kept(file)) < ITEMS - 1 and len(done_by_then) < 8:
                _kill_one(nursery, file, provider, draw)
                done_by_then.append((len(provider.requests), kept(file)))
            results = run_many(chain(provider.base_url), inputs(ITEMS), WIDTH, file)
            assert list(results) == [f"answer to question {number}" for number in range(ITEMS)]
            assert results.restored == len(done_by_then[-1][1])
            for asked, was_kept in done_by_then:
                assert not was_kept & set(questions(provider, since=asked)), "what was kept was paid again"
            again = sum(count - 1 for count in Counter(questions(provider)).values())
            assert again <= WIDTH * len(done_by_then), "more was paid twice than was under way when it was killed"
            kills += sum(0 < len(was_kept) < ITEMS for _, was_kept in done_by_then)
    assert kills >= CAMPAIGNS, "no process was killed in the middle of its run"


def _kill_one(nursery: Nursery, file: Path, provider: LoopbackProvider, draw: random.Random) -> None:
    """A process that is killed at a random moment after its first request."""
    before = len(provider.requests)
    worker = nursery.start(file, provider.base_url, items=ITEMS, width=WIDTH)
    deadline = time.monotonic() + 30
    while len(provider.requests) == before and time.monotonic() < deadline:
        time.sleep(0.002)  # asked again soon
    time.sleep(draw.random() * (1.5 if IS_LONG else 0.15))  # a random moment
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    assert nursery.ended() in {-signal.SIGKILL, 0}
    _wait_until_quiet(provider)


def _wait_until_quiet(provider: LoopbackProvider) -> None:
    """Until requests that a dead process had sent have arrived."""
    asked = -1
    while asked != len(provider.requests):
        asked = len(provider.requests)
        time.sleep(0.02)  # whatever is on its way arrives


@pytest.mark.timeout(300)
def test_killed_between_two_items_every_item_is_paid_exactly_once(tmp_path: Path, nursery: Nursery) -> None:
    """Where nothing is under way nothing may be paid twice: by the provider's own count."""
    file = tmp_path / "done.jsonl"
    with LoopbackProvider(reply=answered, keep_bodies=True) as provider:
        for kill_after in (1, 2, 5, 1, 9):
            nursery.start(file, provider.base_url, items=20, width=1, kill_after=kill_after)
            assert nursery.ended() == -signal.SIGKILL
        nursery.start(file, provider.base_url, items=20, width=1)
        assert nursery.ended() == 0
        assert Counter(questions(provider)) == {f"question {number}": 1 for number in range(20)}
        results = run_many(chain(provider.base_url), inputs(20), 8, file)
        assert (len(provider.requests), results.restored) == (20, 20)
        assert results.restored_cost == provider.billed
        assert results.cost == 0


@pytest.mark.timeout(300)
def test_another_process_is_refused_while_one_runs(tmp_path: Path, nursery: Nursery) -> None:
    """Started twice by mistake, a job must not be paid twice; its lock dies with its process."""
    file = tmp_path / "done.jsonl"
    with LoopbackProvider(reply=answered, keep_bodies=True) as provider:
        worker = nursery.start(file, provider.base_url, items=2000, width=2)
        deadline = time.monotonic() + 30
        while not provider.requests and time.monotonic() < deadline:
            time.sleep(0.002)  # asked again soon
        with pytest.raises(CheckpointError, match="in use by another run"):
            run_many(chain(provider.base_url), inputs(2000), 2, file)
        os.kill(worker, signal.SIGKILL)
        assert nursery.ended() == -signal.SIGKILL
        assert run_many(chain(provider.base_url), inputs(1), 2, file).is_complete
