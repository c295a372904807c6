"""The loop of a run in threads: a fixed number of them ask, and the caller's own thread reads, decides and tells."""

from __future__ import annotations

import threading
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from langchain_costguard.batching.many.runs import must_wait

if TYPE_CHECKING:
    from collections.abc import Generator

    from langchain_costguard.batching.many.asking import Asker
    from langchain_costguard.batching.many.course import Ending, Item
    from langchain_costguard.batching.many.results import ItemOutcome
    from langchain_costguard.batching.many.runs import ManyRun


def in_threads(run: ManyRun) -> Generator[ItemOutcome]:
    """Run it, and give each outcome as it ends.

    Args:
        run: the run; it is closed at the end, however that comes.
    """
    try:
        pool = _Pool(run.open(), run.width)
        try:
            yield from _loop(run, pool)
        finally:
            pool.close()
        yield from run.course.drain()
    finally:
        run.close()
    if run.course.error is not None:
        raise run.course.error


class _Pool:
    """Threads that are made as they are needed, up to a number, and live as long as the run."""

    def __init__(self, asker: Asker, width: int) -> None:
        self._asker = asker
        self._width = width
        self._context = copy_context()
        self._begun: SimpleQueue[Item | None] = SimpleQueue()
        self._ended: SimpleQueue[Ending] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def begin(self, item: Item, under_way: int) -> None:
        """Have a thread ask for an item."""
        if len(self._threads) < min(under_way, self._width):
            thread = threading.Thread(
                target=self._context.copy().run, args=(self._work,), name="costguard-run-many", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        self._begun.put(item)

    def ended(self, *, wait: bool) -> Ending | None:
        """The next item that came back; `None` if none has and nobody wants to wait."""
        try:
            return self._ended.get(block=wait)
        except Empty:
            return None

    def close(self) -> None:
        """Let the items under way end, and the threads with them; none is left when this returns."""
        self._asker.given_up.set()
        threads, self._threads = self._threads, []
        for _ in threads:
            self._begun.put(None)
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while (item := self._begun.get()) is not None:
            self._ended.put(self._asker.ask(item))


def _loop(run: ManyRun, pool: _Pool) -> Generator[ItemOutcome]:
    course, reader = run.course, run.reader
    while True:
        ending = pool.ended(wait=must_wait(run))
        if ending is not None:
            outcome = run.ended(ending)
            if outcome is not None:
                yield outcome
            continue
        if not course.may_begin:
            return
        item = course.held() or reader.read()
        if item is None:
            if not course.under_way:
                return
        elif run.is_kept(item):
            yield run.told(run.restored(item))
        else:
            course.begin()
            pool.begin(item, course.under_way)
