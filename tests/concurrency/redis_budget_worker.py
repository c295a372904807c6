"""A process that spends one budget from eight threads, for tests that need several: `redis_budget_worker.py URL`.

It says `ready`, waits for a line on its input, and prints how many calls were admitted.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from langchain_costguard.stores.redis import RedisBudgetStore
from langchain_costguard.testing.claims import make_claim, make_reservation, settlement

THREADS, ATTEMPTS = 8, 20
CENT, DOLLAR = 10_000_000, 1_000_000_000


def attempt(store: RedisBudgetStore) -> int:
    """Try to spend a cent so many times; how often it was admitted."""
    admitted = 0
    for _ in range(ATTEMPTS):
        reservation = make_reservation(make_claim(CENT, limit=DOLLAR))
        if store.reserve(reservation).is_admitted:
            admitted += store.settle(settlement(reservation, CENT)).is_applied
    return admitted


def main() -> None:
    """Race."""
    store = RedisBudgetStore(sys.argv[1], timeout_seconds=30)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(THREADS) as threads:
        counts = list(threads.map(attempt, [store] * THREADS))
    store.close()
    sys.stdout.write(f"{sum(counts)}\n")


if __name__ == "__main__":
    main()
