"""Processes that ask a provider under a budget until they are killed.

The script itself only forks: for each line `PLACE URL LIMIT` that it reads it starts one such process and writes its
number, so that what they import is imported once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import openai
from langchain_openai import ChatOpenAI

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler


def main() -> None:
    """Fork a process for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that are killed
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    for line in sys.stdin:
        place, url, limit = line.split()
        child = os.fork()
        if not child:
            _ask(place, url, limit)
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


def _ask(place: str, url: str, limit: str) -> None:
    """Make ready, wait for the word, and ask until the budget refuses; then wait to be killed."""
    handler = CostCallbackHandler(place, budgets=[Budget(limit)])
    model = ChatOpenAI(
        model="gpt-4o-mini",
        base_url=url,
        api_key="loopback",
        max_tokens=60,
        max_retries=1,
        timeout=5,
        callbacks=[handler],
    )
    signal.sigwait({signal.SIGUSR1})
    while True:
        try:
            with contextlib.suppress(openai.APIError):
                model.invoke("hello")
        except BudgetExceededError:
            signal.pause()


if __name__ == "__main__":
    main()
