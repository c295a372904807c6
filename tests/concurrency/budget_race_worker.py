"""A process that calls a model from eight threads under a dollar: `budget_race_worker.py LEDGER BUDGETS [headroom]`.

It says `ready`, waits for a line on its input, and prints how many calls its model got.
"""

from __future__ import annotations

import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler, per_call
from langchain_costguard.stores import SQLStore
from langchain_costguard.stores.headroom import HeadroomStore
from langchain_costguard.stores.opening_budgets import open_budget_store
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from langchain_costguard.stores.budget_base import BudgetStore

THREADS, ATTEMPTS = 8, 20
PROVIDER_SECONDS = 0.005


def answer(_: object) -> AIMessage:
    """What a provider does: it takes its time, and bills."""
    time.sleep(PROVIDER_SECONDS)  # a provider takes its time
    return AIMessage("yes")


def call(model: ScriptedChatModel, handler: CostCallbackHandler) -> None:
    """Attempt so many calls."""
    for _ in range(ATTEMPTS):
        try:
            model.invoke("Is there anything left?", config={"callbacks": [handler]})
        except BudgetExceededError:
            continue


def main(ledger: str, budgets: str, options: list[str]) -> None:
    """Race."""
    logging.disable()  # LangChain writes a line for every refusal
    store = SQLStore(ledger, timeout_seconds=60)
    counted: BudgetStore = store if budgets == ledger else open_budget_store(budgets)
    if "headroom" in options:
        counted = HeadroomStore(counted, flush_seconds=60)
    model = ScriptedChatModel(responses=answer, model_name="bench")
    prices = {"bench": per_call("0.01")}
    handler = CostCallbackHandler(store=store, prices=prices, budgets=Budget(1, alerts_at=()), budget_store=counted)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(call, [model] * THREADS, [handler] * THREADS))
    assert handler.settle()
    counted.close()
    sys.stdout.write(f"{len(model.calls)}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
