"""A process that asks a provider under a budget until it is killed: `budget_kill_worker.py PLACE URL LIMIT`."""

from __future__ import annotations

import contextlib
import sys

import openai
from langchain_openai import ChatOpenAI

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler


def main(place: str, url: str, limit: str) -> None:
    """Ask until the budget refuses, and then wait to be killed."""
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
    _say("ready")
    sys.stdin.readline()
    while True:
        try:
            with contextlib.suppress(openai.APIError):
                model.invoke("hello")
        except BudgetExceededError:
            _say("refused")
            sys.stdin.read()  # until whoever started it is gone, too
            return


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:4])
