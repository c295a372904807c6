"""A process that spends from budgets, for tests that need several: `budget_worker.py WHAT PLACE [NUMBER]`.

It says `ready` once the store is open and waits for a line on its input, so that all of them begin together.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from langchain_costguard.stores import SQLStore
from langchain_costguard.testing.claims import make_claim, make_reservation, settlement

CENT = make_claim(10_000_000, limit=1_000_000_000)
SHARED = (make_claim(1, "a", limit=10**15), make_claim(2, "b", limit=10**15, charges_lost=False))


def race(store: SQLStore, attempts: int) -> None:
    """Attempt so many cents of one dollar in each of eight threads, and say how many were admitted."""

    def attempt(_: int) -> int:
        admitted = 0
        for _ in range(attempts):
            reservation = make_reservation(CENT)
            if store.reserve(reservation).is_admitted:
                admitted += store.settle(settlement(reservation, CENT.amount)).is_applied
        return admitted

    with ThreadPoolExecutor(8) as threads:
        sys.stdout.write(f"{sum(threads.map(attempt, range(8)))}\n")


def cross(store: SQLStore, count: int) -> None:
    """Spend so many units of a budget that tells four thresholds, and say how many this process was told."""
    claim = make_claim(1, limit=400, alerts_ppm=(250_000, 500_000, 750_000, 1_000_000))
    told = 0
    for _ in range(count):
        reservation = make_reservation(claim)
        told += len(store.reserve(reservation).crossings)
        told += len(store.settle(settlement(reservation, 1)).crossings)
    sys.stdout.write(f"{told}\n")


def spend_for_ever(store: SQLStore, _: int) -> None:
    """Reserve, and settle every second reservation, from four threads until killed."""

    def spend(_: int) -> None:
        while True:
            kept, ended = make_reservation(*SHARED), make_reservation(*SHARED)
            store.reserve(kept)
            store.reserve(ended)
            store.settle(settlement(ended, 1, 1))
            os.write(1, b"done\n")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(spend, range(4)))


def fork(store: SQLStore, count: int) -> None:
    """Spend from a parent and from two children that were forked from it."""
    children = [_child(store, count) for _ in range(2)]
    _spend(store, count)
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0, f"a child ended with {status}"
    sys.stdout.write("forked\n")


def _child(store: SQLStore, count: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _spend(store, count)
        code = 0
    finally:
        os._exit(code)


def _spend(store: SQLStore, count: int) -> None:
    for _ in range(count):
        reservation = make_reservation(*SHARED)
        assert store.reserve(reservation).is_admitted
        assert store.settle(settlement(reservation, 1, 2)).is_applied


if __name__ == "__main__":
    with SQLStore(sys.argv[2], timeout_seconds=60) as opened:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        globals()[sys.argv[1]](opened, int(sys.argv[3]) if len(sys.argv) > 3 else 0)
