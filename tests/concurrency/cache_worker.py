"""A process that uses a shared cache, for tests that need several: `cache_worker.py WHAT PLACE NUMBER SECONDS`.

It says `ready` and waits for a line on its input, so that all of them begin together.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from langchain_costguard.semantic_cache.index import LocalIndex
from langchain_costguard.semantic_cache.vectors import from_bytes
from langchain_costguard.stores.cache_base import CacheEntry, CacheStore, CacheUse, VectorFeed
from langchain_costguard.stores.cache_opening import open_cache_store

if TYPE_CHECKING:
    from collections.abc import Callable

DIMS = 32
EMBEDDER = "toy/32/00"
TENANTS = 3
THREADS = 8
_SHARED_QUESTIONS = 20


def partition_of(tenant: int) -> bytes:
    """The partition of a tenant."""
    return hashlib.sha256(f"tenant {tenant}".encode()).digest()


def entry_of(tenant: int, question: str) -> CacheEntry:
    """An entry whose answer tells whose it is and what was asked."""
    numbers = [random.Random(f"{question} {place}").gauss(0, 1) for place in range(DIMS)]
    length = sum(number * number for number in numbers) ** 0.5
    return CacheEntry(
        partition=partition_of(tenant),
        exact=hashlib.sha256(question.encode()).digest(),
        answer=json.dumps([tenant, question]).encode(),
        created_us=time.time_ns() // 1000,
        tenant=f"t{tenant}",
        text=question,
        fingerprint=EMBEDDER,
        vector=array("f", [number / length for number in numbers]).tobytes(),
    )


def use(place: str, number: int, seconds: float) -> None:
    """Store and look up from eight threads; every entry is found by its words and its meaning, and by its owner only.

    At the end it says how many entries of its own it has stored and not deleted.
    """
    store = open_cache_store(place)
    assert isinstance(store, VectorFeed)
    index = LocalIndex(store)
    deadline = time.monotonic() + seconds

    def run(thread: int) -> int:
        kept = 0
        while time.monotonic() < deadline:
            kept += _one_round(store, index, thread % TENANTS, f"{number}/{thread}/{kept}/{time.monotonic_ns()}")
        return kept

    with ThreadPoolExecutor(THREADS) as pool:
        kept = sum(pool.map(run, range(THREADS)))
    sys.stdout.write(f"kept {kept}\n")


def _one_round(store: CacheStore, index: LocalIndex, tenant: int, question: str) -> int:
    """Store an entry, find it, look for it as somebody else, and share some entries with all processes.

    Returns:
        1: the entry stays.
    """
    mine = entry_of(tenant, question)
    (number,) = store.put([mine])
    vector = from_bytes(mine.vector or b"")
    now_us = time.time_ns() // 1000
    found = store.get_exact(mine.partition, mine.exact, now_us=now_us)
    assert found is not None, "a stored entry is lost"
    assert found.answer == mine.answer, "an entry holds another answer"
    near = index.nearest(mine.partition, EMBEDDER, vector, now_us=now_us)
    assert near[0].entry_id == number, "a stored entry is not near itself"
    stranger = partition_of((tenant + 1) % TENANTS)
    assert store.get_exact(stranger, mine.exact, now_us=now_us) is None, "another tenant found the words"
    for candidate in index.nearest(stranger, EMBEDDER, vector, now_us=now_us):
        other = store.entry(candidate.entry_id, stranger, now_us=now_us)
        if other is not None:
            assert json.loads(other.answer)[0] == (tenant + 1) % TENANTS, "an answer of another tenant"
    shared = entry_of(tenant, f"shared {random.randrange(_SHARED_QUESTIONS)}")
    (again,) = store.put([shared])  # replaces what another thread or process has just put
    store.note_uses([CacheUse("exact", now_us, number), CacheUse("semantic", now_us, again)])
    if random.random() < 0.1:
        store.delete([again])
    return 1


def put_for_ever(place: str, _: int, __: float) -> None:
    """Store entries until killed, saying which are stored."""
    store = open_cache_store(place)
    for number in range(10**9):
        question = f"{os.getpid()}/{number}"
        store.put([entry_of(0, question)])
        os.write(1, f"{question}\n".encode())


_JOBS: dict[str, Callable[[str, int, float], None]] = {"use": use, "put_for_ever": put_for_ever}


if __name__ == "__main__":
    job, place, number, seconds = sys.argv[1:]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    _JOBS[job](place, int(number), float(seconds))
