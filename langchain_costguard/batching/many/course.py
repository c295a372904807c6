"""The course of a run over many items: which may begin, what an ending means, and when no more begin."""

from __future__ import annotations

from asyncio import CancelledError
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from langchain_costguard.batching.many.errors import CheckpointError
from langchain_costguard.batching.many.results import ItemOutcome
from langchain_costguard.exceptions import BudgetExceededError, BudgetStoreError

if TYPE_CHECKING:
    from decimal import Decimal

    from langchain_costguard.batching.many.bills import ItemBill

OnError = Literal["keep", "raise"]


class Item(NamedTuple):
    """One input that has been read."""

    index: int  # type: ignore[assignment] # instead of `tuple.index`, which nobody asks of an item
    """Its position, from 0."""
    given: Any
    """What goes into the chain."""
    key: str | None = None
    """What the checkpoint knows it by; `None` without one."""


class Ending(NamedTuple):
    """How one item came back from the chain."""

    item: Item
    """Which item."""
    bill: ItemBill
    """What its calls cost."""
    attempts: int
    """How often it was tried."""
    output: Any = None
    """What the chain gave."""
    error: BaseException | None = None
    """What it raised; `None` if it gave an output."""
    is_kept: bool = True
    """Whether the checkpoint could keep the output; its refusal is then the error."""


class Course:
    """Decides without doing: told what is read and what has ended, it says what may begin.

    With a checkpoint the first item runs alone, so that a result that cannot be kept is paid once and not as often as
    calls run side by side. When a budget refuses an item because of what the calls under way have reserved, the pool is
    narrowed to those, and the item begins again when one of them has ended; refused while it runs alone, it stops the
    run.
    """

    def __init__(self, max_concurrency: int, *, on_error: OnError, is_kept: bool) -> None:
        """Begin with nothing under way.

        Args:
            max_concurrency: so many items may be under way.
            on_error: whether a failed item ends the run.
            is_kept: whether there is a checkpoint, which has to take the first result before others begin.
        """
        self._width = max_concurrency
        self._on_error = on_error
        self._is_first_awaited = is_kept
        self._held: deque[Item] = deque()
        self.under_way: int = 0
        """How many items are under way."""
        self.error: BaseException | None = None
        """What is to be raised once the items under way have ended."""
        self.stopped_by: BaseException | None = None
        """Why no more items begin; `None` while they do."""

    @property
    def may_begin(self) -> bool:
        """Whether another item may begin now."""
        return self.stopped_by is None and self.under_way < (1 if self._is_first_awaited else self._width)

    @property
    def has_held(self) -> bool:
        """Whether items were put back."""
        return bool(self._held)

    def held(self) -> Item | None:
        """An item that was put back and is to begin before any other."""
        return self._held.popleft() if self._held else None

    def begin(self) -> None:
        """Note that an item begins."""
        self.under_way += 1

    def restored(self, item: Item, output: Any, cost: Decimal | None) -> ItemOutcome:  # noqa: ANN401 - whatever a chain gave
        """An item that the checkpoint holds."""
        self._is_first_awaited = False  # so the checkpoint does take what this chain gives
        return ItemOutcome(item.index, "restored", output, restored_cost=cost)

    def end(self, ending: Ending) -> ItemOutcome | None:
        """Note that an item came back.

        Returns:
            What became of it; `None` if it begins again.
        """
        self.under_way -= 1
        self._is_first_awaited = False
        index, error = ending.item.index, ending.error
        if error is None or not ending.is_kept:
            if error is not None:
                self._fail(error)
            return ItemOutcome(index, "done", ending.output, error, ending.attempts, ending.bill)
        if isinstance(error, (BudgetExceededError, BudgetStoreError)):
            return self._refused(ending, error)
        if not isinstance(error, (Exception, CancelledError)):  # such as SystemExit inside a chain
            self._fail(error)
            return ItemOutcome(index, "not_run", None, error, ending.attempts, ending.bill)
        if self._on_error == "raise":
            error.add_note(f"raised by item {index} of run_many")
            self._fail(error)
        return ItemOutcome(index, "failed", None, error, ending.attempts, ending.bill)

    def drain(self) -> list[ItemOutcome]:
        """The items that were put back and will not begin any more."""
        left = [ItemOutcome(item.index, "not_run", error=self.stopped_by) for item in self._held]
        self._held.clear()
        return left

    def _refused(self, ending: Ending, error: BudgetExceededError | BudgetStoreError) -> ItemOutcome | None:
        can_wait = isinstance(error, BudgetExceededError) and error.waiting_helps and not ending.bill.calls
        if can_wait and self._width > 1 and self.stopped_by is None:
            self._width = max(1, self.under_way)
            self._held.append(ending.item)
            return None
        if self.stopped_by is None:
            self.stopped_by = error
        return ItemOutcome(ending.item.index, "not_run", None, error, ending.attempts, ending.bill)

    def _fail(self, error: BaseException) -> None:
        if self.error is None or isinstance(error, CheckpointError):
            self.error = error
        if self.stopped_by is None:
            self.stopped_by = error
