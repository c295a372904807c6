"""A process that writes a ledger, for tests that need several: `ledger_worker.py WHAT PLACE [NUMBER]`.

It says `ready` and waits for a line on its input, so that all of them begin together.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from datetime import timedelta

from langchain_costguard.stores import SQLStore, open_store
from langchain_costguard.testing.stores import MORNING, make_entry


def write(place: str, count: int) -> None:
    """Begin and end so many calls."""
    with SQLStore(place, timeout_seconds=30) as store:
        for number in range(count):
            _call(store, number)


def write_for_ever(place: str, _: int) -> None:
    """Begin and end calls until killed, saying what is done."""
    store = SQLStore(place, timeout_seconds=30)
    while True:
        line = make_entry(status="open", usage=None, billed_nano=None)
        store.open_call(line)
        os.write(1, f"open {line.run_id}\n".encode())
        store.append(replace(line, status="ok", billed_nano=210_000))
        os.write(1, f"done {line.run_id}\n".encode())


def prune(place: str, count: int) -> None:
    """Prune so many times everything that has ended."""
    with SQLStore(place, timeout_seconds=30) as store:
        for _ in range(count):
            store.prune(MORNING + timedelta(days=1))


def erase(place: str, count: int) -> None:
    """Write lines of a user that are too young to be pruned, and erase them, so many times."""
    with SQLStore(place, timeout_seconds=30) as store:
        for _ in range(count):
            for _ in range(10):
                store.append(make_entry(at=MORNING + timedelta(days=5), user="u1"))
            store.erase("u1")


def show_key(place: str, _: int) -> None:
    """Open the ledger and show its digest key."""
    with SQLStore(place, timeout_seconds=30) as store:
        sys.stdout.write(f"{store.digest_key.hex()}\n")


def fork(place: str, count: int) -> None:
    """Write from a parent and three children forked from it while a thread of it writes, too."""
    store = open_store(place)
    memory = open_store("memory")
    _call(store, 0)
    writer = threading.Thread(target=lambda: [_call(store, number) for number in range(count)])
    hammer = threading.Thread(target=lambda: [memory.append(make_entry()) for _ in range(2000)])
    writer.start()
    hammer.start()
    children = [_child(store, memory, count) for _ in range(3)]
    for number in range(count):
        _call(store, number)
    writer.join()
    hammer.join()
    store.close()
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0, f"a child ended with {status}"


def _child(store: object, memory: object, count: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        assert memory.append(make_entry())
        assert store.totals()[0].calls > 0
        for number in range(count):
            _call(store, number)
        code = 0
    finally:
        os._exit(code)


def _call(store: object, number: int) -> None:
    line = make_entry(status="open", usage=None, billed_nano=None, tags=(f"pid-{os.getpid()}",))
    store.open_call(line)
    assert store.append(replace(line, status="ok", billed_nano=number))


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
