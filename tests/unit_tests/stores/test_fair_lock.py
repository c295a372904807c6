"""Threads take turns in the order in which they came, and a child of a fork waits for none of its parent's."""

from __future__ import annotations

import threading
import time

from langchain_costguard.stores.fair_lock import FairLock


def test_threads_are_served_in_the_order_in_which_they_came() -> None:
    """With 32 threads in a queue, whoever came first must not come last."""
    lock, served = FairLock(), []

    def take_turn(number: int) -> None:
        with lock:
            served.append(number)

    threads = [threading.Thread(target=take_turn, args=(number,)) for number in range(8)]
    with lock:
        for number, thread in enumerate(threads):
            thread.start()
            _wait_for_waiters(lock, number + 1)
    for thread in threads:
        thread.join()
    assert served == list(range(8))


def test_the_urgent_come_before_those_that_have_waited_longer() -> None:
    """An event loop stands still while it waits, and a hundred lines that are written meanwhile can wait."""
    lock, served = FairLock(), []

    def take_turn(number: int) -> None:
        lock.acquire(is_urgent=number >= 4)
        served.append(number)
        lock.release()

    threads = [threading.Thread(target=take_turn, args=(number,)) for number in range(6)]
    with lock:
        for number, thread in enumerate(threads):
            thread.start()
            _wait_for_waiters(lock, number + 1)
    for thread in threads:
        thread.join()
    assert served == [4, 5, 0, 1, 2, 3]


def test_who_gives_up_leaves_the_queue() -> None:
    """A turn that is handed to somebody who left would stop everybody behind them."""
    lock = FairLock()
    with lock:
        assert lock.acquire(timeout=0) is False
        assert lock.acquire(timeout=0.01) is False
        assert lock.acquire(timeout=0.01, is_urgent=True) is False
    assert lock.acquire(timeout=0) is True
    lock.release()


def test_a_forked_child_forgets_the_threads_that_waited_in_its_parent() -> None:
    """They do not exist there, so a turn that is handed to one of them never ends."""
    lock = FairLock()
    thread = threading.Thread(target=lambda: lock.acquire() and lock.release())
    with lock:
        thread.start()
        _wait_for_waiters(lock, 1)
        (turn,) = lock._waiting
        lock._pid = -1  # as it looks to a child
    assert lock.acquire(timeout=0) is True
    turn.release()
    thread.join()


def _wait_for_waiters(lock: FairLock, count: int) -> None:
    deadline = time.monotonic() + 10
    while len(lock._waiting) + len(lock._urgent) < count:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.001)  # asked again soon
