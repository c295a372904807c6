"""What comes back from many calls: a result or an error for each item, in order, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, overload

from langchain_costguard._amounts import counted
from langchain_costguard.batching.many.errors import ItemsFailedError
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.reports.money import dollars

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.batching.many.bills import ItemBill

Status = Literal["done", "restored", "failed", "not_run"]


@dataclass(frozen=True, slots=True, eq=False)
class ItemOutcome:
    """What became of one item.

    Attributes:
        index: its position among the inputs, from 0.
        status: `"done"` now, `"restored"` from the checkpoint, `"failed"`, or `"not_run"`: not begun, refused by a
            budget, or interrupted.
        output: what the chain gave; `None` unless it is done or restored.
        error: what it raised, or what refused it; `None` if nothing did.
        attempts: how often it was tried in this run.
    """

    index: int
    status: Status
    output: Any = None
    error: BaseException | None = None
    attempts: int = 0
    bill: ItemBill | None = None
    """What the calls of this run cost, as they are booked."""
    restored_cost: Decimal | None = None
    """What it had cost when it was kept, in US dollars; `None` when unknown, and for items that were not restored."""

    @property
    def is_done(self) -> bool:
        """Whether it has a result."""
        return self.status in {"done", "restored"}

    @property
    def cost(self) -> Decimal | None:
        """What it cost in this run, in US dollars: zero if it was restored, `None` when not known."""
        return Decimal(0) if self.bill is None else self.bill.cost


class ManyResults(Sequence[Any]):
    """The outputs of many items, in the order of their inputs; an item without a result holds `None`.

    A sequence of outputs first (`results[3]`, `len(results)`, `for output in results`), with what went wrong beside it.

    Attributes:
        outcomes: an `ItemOutcome` for each item that is known.
        stopped_by: what ended the run before its end, such as a `BudgetExceededError`; `None` if nothing did.
        checkpoint: the file from which the same call goes on; `None` without one.
        is_read: whether all inputs were read; a generator is left where it was when the run stopped.
    """

    def __init__(
        self,
        outcomes: Sequence[ItemOutcome],
        *,
        stopped_by: BaseException | None = None,
        checkpoint: Path | None = None,
        is_read: bool = True,
    ) -> None:
        """Keep what became of the items."""
        self.outcomes: Sequence[ItemOutcome] = outcomes
        self.stopped_by: BaseException | None = stopped_by
        self.checkpoint: Path | None = checkpoint
        self.is_read: bool = is_read

    def __len__(self) -> int:
        """How many items are known."""
        return len(self.outcomes)

    @overload
    def __getitem__(self, index: int) -> Any: ...  # noqa: ANN401 - whatever the chain gives
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """The output at a position, `None` if it has none; a list of them for a slice."""
        if isinstance(index, slice):
            return [outcome.output for outcome in self.outcomes[index]]
        return self.outcomes[index].output

    @property
    def errors(self) -> dict[int, BaseException]:
        """The errors of the items that failed, by their position."""
        return {one.index: one.error for one in self.outcomes if one.status == "failed" and one.error is not None}

    @property
    def not_run(self) -> list[int]:
        """The positions of the items that were not run; of inputs that were not read, nothing is known."""
        return [one.index for one in self.outcomes if one.status == "not_run"]

    @property
    def restored(self) -> int:
        """How many results came from the checkpoint."""
        return sum(one.status == "restored" for one in self.outcomes)

    @property
    def is_complete(self) -> bool:
        """Whether every item has a result."""
        return self.is_read and all(one.is_done for one in self.outcomes)

    @property
    def cost(self) -> Decimal | None:
        """What this run cost, in US dollars, as far as it is known: `unpriced_calls` says what is missing.

        `None` when calls were made and the price of none of them is known, or nothing was tracked.
        """
        known, priced, unpriced, is_tracked = 0, 0, 0, True
        for bill in self._bills():
            known += bill.known_nano
            priced += bill.priced_calls
            unpriced += bill.unpriced_calls
            is_tracked = is_tracked and bill.is_tracked
        if not is_tracked or (unpriced and not priced):
            return None
        return to_usd(known, NANO_PER_USD)

    @property
    def unpriced_calls(self) -> int:
        """How many calls of this run have no known price."""
        return sum(bill.unpriced_calls for bill in self._bills())

    @property
    def restored_cost(self) -> Decimal | None:
        """What the restored results had cost, in US dollars; `None` when that is not known of one of them."""
        costs = [one.restored_cost for one in self.outcomes if one.status == "restored"]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None

    def raise_if_failed(self) -> None:
        """Raise unless every item has a result.

        Raises:
            ItemsFailedError: items failed or were not run; its cause is the first error.
        """
        if self.is_complete:
            return
        errors = self.errors
        first = next(iter(errors.values()), self.stopped_by)
        msg = f"{self._summary()}. {self._way_on()}"
        raise ItemsFailedError(msg, errors=errors, not_run=len(self.not_run) if self.is_read else None) from first

    def __repr__(self) -> str:
        """How many items have a result, and what they cost."""
        return f"<ManyResults: {self._summary()}, cost {dollars(self.cost)}>"

    def _bills(self) -> list[ItemBill]:
        return [one.bill for one in self.outcomes if one.bill is not None]

    def _summary(self) -> str:
        done = sum(one.is_done for one in self.outcomes)
        parts = [f"{done:,} of {counted(len(self), 'item') if self.is_read else 'the inputs'} done"]
        parts += [f"{self.restored:,} of them restored"] if self.restored else []
        parts += [f"{len(self.errors):,} failed"] if self.errors else []
        parts += [f"{len(self.not_run):,} not run"] if self.not_run and self.is_read else []
        return ", ".join(parts)

    def _way_on(self) -> str:
        why = "" if self.stopped_by is None else f"It was stopped by: {self.stopped_by}. "
        if self.checkpoint is None:
            return f"{why}See .errors and .not_run; with checkpoint=... a second run does only what is missing"
        return f"{why}See .errors and .not_run; the same call with checkpoint={str(self.checkpoint)!r} does the rest"
