"""Processes that are killed in the middle of whatever they were doing: the provider never bills more than the limit.

`LONG=1` makes 200 runs instead of 20.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler
from langchain_costguard.callbacks.guarded_model import guarded
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.runnables import Runnable

WORKER = Path(__file__).with_name("budget_kill_worker.py")
RUNS = 200 if os.environ.get("LONG") == "1" else 20


class Nursery:
    """A process that has imported everything once, and forks those that are to be killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(self, place: Path, url: str, limit: Decimal) -> int:
        """The number of a new process, which waits to be told to go."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{place} {url} {limit}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """One for all runs."""
    made = Nursery()
    yield made
    made.close()


@pytest.mark.timeout(3600)
def test_killed_processes_never_make_a_provider_bill_more_than_the_limit(tmp_path: Path, nursery: Nursery) -> None:
    """`kill -9` asks nobody: what a process had reserved is charged, and what is left can still be spent."""
    draw = random.Random(os.environ.get("SEED", "kill"))
    asked, lost = 0, 0
    for run in range(RUNS):
        place = tmp_path / f"costs-{run}.db"
        limit = Decimal(draw.randint(3, 30)) / 10_000
        with LoopbackProvider(reply="word " * 40) as provider:
            _kill_some(nursery, place, provider, limit, draw)
            asked += len(provider.requests)
            lost += _spend_what_is_left(place, provider, limit)
    assert asked >= RUNS
    assert lost > 0, "no process was killed in the middle of a call"


def _kill_some(nursery: Nursery, place: Path, provider: LoopbackProvider, limit: Decimal, draw: random.Random) -> None:
    """Two processes at once, each killed at a random moment after the first call of either."""
    workers = [nursery.start(place, provider.base_url, limit) for _ in range(2)]
    try:
        deadline = time.monotonic() + 30
        while not provider.requests and time.monotonic() < deadline:
            for worker in workers:
                os.kill(worker, signal.SIGUSR1)
            time.sleep(0.01)  # asked again soon
        for worker in workers:
            time.sleep(draw.random() * 0.1)  # a random moment
            os.kill(worker, signal.SIGKILL)
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def _spend_what_is_left(place: Path, provider: LoopbackProvider, limit: Decimal) -> bool:
    """Whoever comes next spends it, and nothing stays reserved; whether a call had been lost."""
    assert provider.billed <= limit
    handler = CostCallbackHandler(place, budgets=[Budget(limit)])
    model = provider.chat_model(max_tokens=60, max_retries=0, callbacks=[handler])
    _, refusal = _ask_until_refused(model)
    handler.flush()
    (row,) = handler.budgets()
    assert (row.reserved, row.overrun, refusal.reason) == (Decimal(0), Decimal(0), "limit")
    assert provider.billed <= row.spent <= limit
    assert refusal.requested is not None
    assert row.spent + refusal.requested > limit, "what is left cannot be spent"
    return row.unsettled > 0


def _ask_until_refused(model: Runnable[Any, Any]) -> tuple[int, BudgetExceededError]:
    made = 0
    try:
        while made < 1000:
            model.invoke("hello")
            made += 1
    except BudgetExceededError as error:
        return made, error
    pytest.fail("it never refused")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("is_guarded", "at_least"), [(False, 91), (True, 95)])
def test_without_crashes_a_budget_is_used_up(tmp_path: Path, *, is_guarded: bool, at_least: int) -> None:
    """Reservations ten times what calls cost, one after the other: refusing everything would be no proof.

    The last nine calls cannot be reserved as they are; a guarded model asks for shorter answers.
    """
    with LoopbackProvider(reply="word " * 24) as provider:
        model: Runnable[Any, Any] = provider.chat_model(max_tokens=128, max_retries=1)
        model.invoke("hello")
        cost = provider.billed
        handler = CostCallbackHandler(tmp_path / "costs.db", budgets=[Budget(100 * cost)])
        asked = guarded(model, min_output_tokens=25) if is_guarded else model
        made, refusal = _ask_until_refused(asked.with_config(callbacks=[handler]))
        assert refusal.requested is not None
        assert at_least <= made <= 100
        if not is_guarded:
            assert 9 * cost < refusal.requested <= 10 * cost
        assert provider.billed == (made + 1) * cost
