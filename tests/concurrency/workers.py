"""How tests of many processes start their workers, let them begin together, and hear what they say."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_OPTIONS = ["-W", "error", "-W", "ignore:This process:DeprecationWarning"]


def start(script: Path, *arguments: object, stdout: IO[bytes] | int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """A worker that says "ready" and waits to be told to go; a warning ends it."""
    return subprocess.Popen(
        [sys.executable, *_OPTIONS, str(script), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=stdout,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def go(worker: subprocess.Popen[bytes]) -> None:
    """Let a worker begin."""
    assert worker.stdin is not None
    worker.stdin.write(b"go\n")
    worker.stdin.flush()


def finish(workers: Sequence[subprocess.Popen[bytes]]) -> list[str]:
    """Let all workers begin once all are ready, and gather what each said last; none is left behind."""
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
        for worker in workers:
            go(worker)
        said = [worker.communicate(timeout=100)[0].decode() for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert [worker.returncode for worker in workers] == [0] * len(workers)
    return [text.split()[-1] for text in said if text.split()]


def wait_for(said: Path, *, lines: int) -> None:
    """Wait until a worker has written so many lines to a file."""
    deadline = time.monotonic() + 60
    while said.read_bytes().count(b"\n") < lines:
        assert time.monotonic() < deadline, "the worker did not begin"
        time.sleep(0.005)  # asked again soon


def end(worker: subprocess.Popen[bytes]) -> None:
    """Wait for a worker that was killed."""
    assert worker.stdin is not None
    worker.stdin.close()
    worker.wait(30)
