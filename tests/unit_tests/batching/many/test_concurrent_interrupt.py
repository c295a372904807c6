"""Ctrl-C: what is under way ends, the checkpoint holds it, and the interrupt reaches the caller."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from langchain_core.runnables import RunnableLambda

from langchain_costguard.batching import run_many

if TYPE_CHECKING:
    from pathlib import Path

INTERRUPTED = """
import os, signal, sys, threading
from langchain_core.runnables import RunnableLambda
from langchain_costguard.batching import run_many

both, go_on = threading.Barrier(3), threading.Event()
begun, ended = [], []

def slow(number):
    begun.append(number)
    if number >= 2:
        both.wait(30)
        go_on.wait(30)
    ended.append(number)
    return number

def interrupt():
    both.wait(30)
    os.kill(os.getpid(), signal.SIGINT)
    threading.Timer(0.2, go_on.set).start()

threading.Thread(target=interrupt).start()
try:
    run_many(RunnableLambda(slow), range(100), 2, sys.argv[1])
except KeyboardInterrupt:
    alive = [thread.name for thread in threading.enumerate() if thread.name == "costguard-run-many"]
    print("interrupted", sorted(begun) == sorted(ended) == [0, 1, 2, 3], alive)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_an_interrupted_run_keeps_what_was_under_way(tmp_path: Path) -> None:
    """The two calls that were under way are paid; losing them would pay for them again."""
    file = tmp_path / "done.jsonl"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(file)],
        capture_output=True,
        text=True,
        env=env,
        timeout=100,
        check=False,
    )
    assert done.stdout.strip() == "interrupted True []", done.stderr
    kept = [json.loads(line)["output"] for line in file.read_text().splitlines()[1:]]
    assert sorted(kept) == [0, 1, 2, 3]


def test_an_exit_inside_a_chain_ends_the_run() -> None:
    """A thread that swallowed it would leave the caller waiting for ever."""

    def leave(number: int) -> int:
        if number == 3:
            raise SystemExit(number)
        return number

    with pytest.raises(SystemExit):
        run_many(RunnableLambda(leave), range(1000), 2)
    assert not [thread for thread in threading.enumerate() if thread.name == "costguard-run-many"]


def test_an_iterable_that_fails_ends_the_run_with_its_error() -> None:
    """A lost database connection is the caller's to handle; what was begun has ended."""
    ended: list[int] = []

    def rows() -> object:
        yield from range(5)
        msg = "connection lost"
        raise OSError(msg)

    with pytest.raises(OSError, match="connection lost"):
        run_many(RunnableLambda(ended.append), rows(), 2)
    assert sorted(ended) == [0, 1, 2, 3, 4]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
