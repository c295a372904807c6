"""Processes that run many items with a checkpoint until they are killed, or kill themselves.

The script itself only forks: for each line `FILE URL ITEMS WIDTH KILL_AFTER` that it reads it starts one such process,
writes its number, and its exit code when it has ended; so what they import is imported once. `KILL_AFTER` is how many
items the process does before it kills itself, in a moment in which nothing is under way if `WIDTH` is 1; 0 leaves that
to others.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from langchain_costguard.batching import Checkpoint, run_many

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

    from langchain_costguard.batching import ManyProgress


def chain(url: str) -> Runnable[dict[str, int], str]:
    """What is run; the test runs the same to its end."""
    model = ChatOpenAI(model="gpt-4o-mini", base_url=url, api_key="loopback", max_retries=0, timeout=30)
    return ChatPromptTemplate.from_template("question {number}") | model | StrOutputParser()


def inputs(items: int) -> list[dict[str, int]]:
    """What it is run over."""
    return [{"number": number} for number in range(items)]


def main() -> None:
    """Fork a process for each line."""
    for line in sys.stdin:
        file, url, items, width, kill_after = line.split()
        child = os.fork()
        if not child:
            _run(file, url, int(items), int(width), int(kill_after))
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _run(file: str, url: str, items: int, width: int, kill_after: int) -> None:
    restored = 0

    def watch(now: ManyProgress) -> None:
        nonlocal restored
        restored = now.restored
        if kill_after and now.done - restored >= kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    run_many(chain(url), inputs(items), width, Checkpoint(path=file, fsync_seconds=60), progress=watch)


if __name__ == "__main__":
    main()
