"""How far many calls are: how many are done, what they have cost, and what is likely to come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.reports.money import UNKNOWN, dollars

if TYPE_CHECKING:
    from langchain_costguard.batching.many.results import ItemOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyProgress:
    """How far a run is.

    Attributes:
        done: how many items have a result, restored ones included.
        restored: how many of them came from the checkpoint.
        failed: how many failed.
        total: how many there are; `None` when the inputs do not say.
        cost: what the finished items of this run cost, in US dollars, as far as it is known.
        unpriced_items: how many finished items made calls without a known price.
        cost_to_come: what the rest is likely to cost, in US dollars: the mean of the priced items of this run, for
            each that is left; `None` when that is not known.
        elapsed_seconds: how long it has taken.
    """

    done: int
    restored: int
    failed: int
    total: int | None
    cost: Decimal | None
    unpriced_items: int
    cost_to_come: Decimal | None
    elapsed_seconds: float

    @property
    def ended(self) -> int:
        """How many items are behind us, with a result or without."""
        return self.done + self.failed

    def __str__(self) -> str:
        """Such as `"120 of 1,000 done, 2 failed, $0.12 so far, about $0.88 to come"`."""
        of_all = "" if self.total is None else f" of {self.total:,}"
        failed = f", {self.failed:,} failed" if self.failed else ""
        coming = "" if self.total is None else f", {_about(self.cost_to_come)} to come"
        return f"{self.done:,}{of_all} done{failed}, {dollars(_rounded(self.cost))} so far{coming}"


class Tally:
    """Counts what has ended."""

    def __init__(self, total: int | None) -> None:
        """Begin with nothing done."""
        self._total = total
        self._began_at = time.monotonic()
        self._done = self._restored = self._failed = 0
        self._nano = self._priced = self._unpriced = 0

    def add(self, outcome: ItemOutcome) -> None:
        """Note an item that has ended."""
        self._done += outcome.is_done
        self._restored += outcome.status == "restored"
        self._failed += outcome.status == "failed"
        if outcome.bill is None or outcome.status == "not_run":
            return
        nano = outcome.bill.nano
        if nano is None:
            self._unpriced += 1
        else:
            self._nano += nano
            self._priced += 1

    def now(self) -> ManyProgress:
        """How far it is."""
        ended = self._done + self._failed
        is_known = self._priced or not self._unpriced
        coming = None
        if self._total is not None and (self._priced or ended == self._total):
            coming = to_usd(self._nano * (self._total - ended) // (self._priced or 1), NANO_PER_USD)
        return ManyProgress(
            done=self._done,
            restored=self._restored,
            failed=self._failed,
            total=self._total,
            cost=to_usd(self._nano, NANO_PER_USD) if is_known else None,
            unpriced_items=self._unpriced,
            cost_to_come=coming,
            elapsed_seconds=time.monotonic() - self._began_at,
        )


def _rounded(amount: Decimal | None) -> Decimal | None:
    """An amount with three digits, or to the cent where it is larger."""
    if not amount:
        return amount
    return amount.quantize(Decimal(1).scaleb(min(-2, amount.adjusted() - 2)), rounding=ROUND_HALF_EVEN)


def _about(amount: Decimal | None) -> str:
    return f"{UNKNOWN} cost" if amount is None else f"about {dollars(_rounded(amount))}"
