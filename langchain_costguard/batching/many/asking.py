"""Asking a chain for one item: watched, tried again where that helps, and kept before anybody is told."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._worker import COUNTER
from langchain_costguard.batching.many.course import Ending
from langchain_costguard.batching.many.errors import CheckpointError
from langchain_costguard.batching.retries import Pause
from langchain_costguard.callbacks.scopes import enter_scope, leave_scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.batching.many.bills import ItemBill, Watch
    from langchain_costguard.batching.many.checkpoints import Keeper
    from langchain_costguard.batching.many.course import Item
    from langchain_costguard.batching.retries import Retries

_COUNT_SECONDS: Final = 5.0


class GivenUpError(Exception):
    """A wait was broken off because the run is."""


@dataclass(slots=True)
class Asker:
    """Everything an item needs on its way through the chain; shared by all workers of a run."""

    chain: Runnable[Any, Any]
    config: RunnableConfig | None
    retries: Retries
    watch: Watch
    keeper: Keeper | None
    pause: Pause = field(default_factory=Pause)
    given_up: threading.Event = field(default_factory=threading.Event)

    def ask(self, item: Item) -> Ending:
        """Ask for one item, in this thread."""
        bill, attempts = self.watch.bill(), _Count()
        enter_scope(bill)
        try:
            output = self._attempt(item, attempts)
        except BaseException as error:  # noqa: BLE001 - every ending is told, also that of a thread which is to exit
            return Ending(item, bill, attempts.value, error=error)
        finally:
            self._leave(bill)
        return self._kept(Ending(item, bill, attempts.value, output))

    async def aask(self, item: Item) -> Ending:
        """Ask for one item, in this task."""
        bill, attempts = self.watch.bill(), _Count()
        enter_scope(bill)
        try:
            output = await self._aattempt(item, attempts)
        except BaseException as error:  # told as the item's ending, a cancelled chain's too
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # this task is meant; else something inside the chain was, and every ending is told
            return Ending(item, bill, attempts.value, error=error)
        finally:
            self._leave(bill)
        ending = Ending(item, bill, attempts.value, output)
        return ending if self.keeper is None else await _to_its_end(self._kept, ending)

    def _attempt(self, item: Item, attempts: _Count) -> Any:  # noqa: ANN401 - whatever the chain gives
        from tenacity import Retrying

        def attempt() -> Any:  # noqa: ANN401 - whatever the chain gives
            self._sleep(0.0)
            attempts.value += 1
            return self.chain.invoke(item.given, self.config)

        try:
            return attempt()
        except Exception as error:  # whatever the chain raises; what is not worth another try is raised again
            if not self._is_worth_another(error):
                raise
            first = error
        return Retrying(**self.retries.policy(), sleep=self._sleep)(_after(first, attempt))

    async def _aattempt(self, item: Item, attempts: _Count) -> Any:  # noqa: ANN401 - whatever the chain gives
        from tenacity import AsyncRetrying

        async def attempt() -> Any:  # noqa: ANN401 - whatever the chain gives
            await self._asleep(0.0)
            attempts.value += 1
            return await self.chain.ainvoke(item.given, self.config)

        try:
            return await attempt()
        except Exception as error:  # whatever the chain raises; what is not worth another try is raised again
            if not self._is_worth_another(error):
                raise
            first = error
        following = _after(first, attempt)

        async def again() -> Any:  # noqa: ANN401 - whatever the chain gives
            return await following()

        return await AsyncRetrying(**self.retries.policy(), sleep=self._asleep)(again)

    def _is_worth_another(self, error: Exception) -> bool:
        return self.retries.attempts > 1 and self.retries.is_worth_it(error)

    def _sleep(self, seconds: float) -> None:
        """Wait so long, and until nobody else asks the pool to wait."""
        if seconds:
            self.pause.extend(seconds)
        while left := self.pause.wait_seconds():
            if self.given_up.wait(left):
                raise GivenUpError

    async def _asleep(self, seconds: float) -> None:
        if seconds:
            self.pause.extend(seconds)
        while left := self.pause.wait_seconds():  # noqa: ASYNC110 - how long is known; others may make it longer
            await asyncio.sleep(left)  # as long as the pool's pause lasts

    def _kept(self, ending: Ending) -> Ending:
        """The ending, once the checkpoint has its output."""
        if self.keeper is None or ending.item.key is None:
            return ending
        COUNTER.drain(_COUNT_SECONDS)  # tokens that the provider did not report belong to the cost that is kept
        try:
            self.keeper.add(ending.item.key, ending.item.index, ending.output, ending.bill.cost)
        except CheckpointError as error:
            return ending._replace(error=error, is_kept=False)
        return ending

    def _leave(self, bill: ItemBill) -> None:
        leave_scope(bill)
        bill.is_closed = True


class _Count:
    """How often an item was tried."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


def _after(error: Exception, attempt: Callable[[], Any]) -> Callable[[], Any]:
    """The attempts as tenacity is to see them: the first has failed already, with this."""
    failed: list[Exception] = [error]

    def following() -> Any:  # noqa: ANN401 - whatever the chain gives
        if failed:
            raise failed.pop()
        return attempt()

    return following


async def _to_its_end(write: Callable[[Ending], Ending], ending: Ending) -> Ending:
    """Have something written by a thread, also when this task is cancelled meanwhile: the result is paid."""
    writing = asyncio.ensure_future(asyncio.to_thread(write, ending))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await writing
        raise
