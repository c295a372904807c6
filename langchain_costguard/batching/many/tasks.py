"""The loop of a run in tasks: a fixed number of them ask, and the caller's own task reads, decides and tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from langchain_costguard.batching.many.runs import must_wait

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from langchain_costguard.batching.many.asking import Asker
    from langchain_costguard.batching.many.course import Ending, Item
    from langchain_costguard.batching.many.results import ItemOutcome
    from langchain_costguard.batching.many.runs import ManyRun


async def in_tasks(run: ManyRun) -> AsyncGenerator[ItemOutcome]:
    """Run it, and give each outcome as it ends.

    Args:
        run: the run; it is closed at the end, however that comes. Files and stores are left to a thread, because they
            may have to wait.
    """
    try:
        pool = _Pool(await asyncio.to_thread(run.open), run.width)
        try:
            async for outcome in _loop(run, pool):
                yield outcome
        finally:
            await pool.close()
        for outcome in run.course.drain():
            yield outcome
    finally:
        await asyncio.to_thread(run.close)
    if run.course.error is not None:
        raise run.course.error


class _Pool:
    """Tasks that are made as they are needed, up to a number, and live as long as the run."""

    def __init__(self, asker: Asker, width: int) -> None:
        self._asker = asker
        self._width = width
        self._begun: asyncio.Queue[Item] = asyncio.Queue()
        self._ended: asyncio.Queue[Ending] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, item: Item, under_way: int) -> None:
        """Have a task ask for an item."""
        if len(self._tasks) < min(under_way, self._width):
            self._tasks.append(asyncio.create_task(self._work(), name="costguard-run-many"))
        self._begun.put_nowait(item)

    async def ended(self, *, wait: bool) -> Ending | None:
        """The next item that came back; `None` if none has and nobody wants to wait."""
        if wait:
            return await self._ended.get()
        return None if self._ended.empty() else self._ended.get_nowait()

    async def close(self) -> None:
        """Cancel the items that are under way; none is left when this returns."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            self._ended.put_nowait(await self._asker.aask(await self._begun.get()))


async def _loop(run: ManyRun, pool: _Pool) -> AsyncGenerator[ItemOutcome]:
    course, reader = run.course, run.reader
    while True:
        ending = await pool.ended(wait=must_wait(run))
        if ending is not None:
            outcome = run.ended(ending)
            if outcome is not None:
                yield outcome
            continue
        if not course.may_begin:
            return
        item = course.held() or await reader.aread()
        if item is None:
            if not course.under_way:
                return
        elif run.is_kept(item):
            yield run.told(await asyncio.to_thread(run.restored, item))
        else:
            course.begin()
            pool.begin(item, course.under_way)
