"""Prices the lines of a ledger anew, each at its own moment, and says what that changed and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from langchain_costguard._amounts import counted
from langchain_costguard._progress import watched
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.recorder.lines import LineMaker
from langchain_costguard.recorder.savings import savings_of
from langchain_costguard.stores.base import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from langchain_costguard.ledger import LedgerEntry, LedgerQuery
    from langchain_costguard.stores.base import LedgerStore

RepricingReason = Literal[
    "repriced",
    "newly priced",
    "unchanged",
    "still unpriced",
    "no price now",
    "own price",
    "given",
    "adjustment",
    "superseded",
]
"""What became of a line.

`repriced`: an amount changed. `newly priced`: it had no cost and has one now. `unchanged`: every amount is the same.
`still unpriced`: it had no cost and has none. The rest keep what they say: `no price now` was priced, and the prices
given know its model no more; `own price` was priced by an override, and the prices given have none for it; `given` was
told its cost, or that it cost nothing; `adjustment` is no call; `superseded` ended or was deleted meanwhile.
"""

_WRITTEN: Final = frozenset({"repriced", "newly priced"})
_AMOUNTS: Final = ("billed_nano", "list_nano", "avoided_nano", "baseline_nano", "savings")


class RepricedLines(NamedTuple):
    """The lines that share a reason."""

    lines: int = 0
    """How many."""
    old_nano: int = 0
    """What was owed for them before, in nano-USD, as far as it was known."""
    new_nano: int = 0
    """What is owed for them now, in nano-USD."""

    @property
    def old_cost(self) -> Decimal:
        """What was owed for them before, in US dollars, as far as it was known."""
        return to_usd(self.old_nano, NANO_PER_USD)

    @property
    def new_cost(self) -> Decimal:
        """What is owed for them now, in US dollars."""
        return to_usd(self.new_nano, NANO_PER_USD)

    def plus(self, old_nano: int | None, new_nano: int | None, lines: int = 1) -> RepricedLines:
        """With further lines."""
        return RepricedLines(self.lines + lines, self.old_nano + (old_nano or 0), self.new_nano + (new_nano or 0))


@dataclass(frozen=True, slots=True)
class Repricing:
    """What pricing a ledger anew changed.

    Example:
        >>> from langchain_costguard.stores import InMemoryStore
        >>> reprice(InMemoryStore())
        Repricing(0 lines, 0 changed: $0 -> $0)
    """

    by_reason: Mapping[RepricingReason, RepricedLines] = field(default_factory=dict)
    """What became of how many lines, in the order in which it was met."""
    is_dry_run: bool = False
    """Whether nothing was written."""

    @property
    def lines(self) -> int:
        """How many lines were looked at."""
        return sum(each.lines for each in self.by_reason.values())

    @property
    def changed(self) -> int:
        """How many lines have other amounts than before (in a dry run: would have)."""
        return sum(each.lines for reason, each in self.by_reason.items() if reason in _WRITTEN)

    @property
    def old_cost(self) -> Decimal:
        """What was owed for the lines before, in US dollars, as far as it was known."""
        return self._total.old_cost

    @property
    def new_cost(self) -> Decimal:
        """What is owed for the lines now, in US dollars, as far as it is known."""
        return self._total.new_cost

    def __repr__(self) -> str:
        """The figures in one line."""
        lines, mark = counted(self.lines, "line"), ", dry run" if self.is_dry_run else ""
        return f"Repricing({lines}, {self.changed:,} changed: ${self.old_cost} -> ${self.new_cost}{mark})"

    @property
    def _total(self) -> RepricedLines:
        total = RepricedLines()
        for each in self.by_reason.values():
            total = total.plus(each.old_nano, each.new_nano, each.lines)
        return total


def reprice(
    store: LedgerStore, prices: PriceBook | None = None, *, query: LedgerQuery = EVERYTHING, dry_run: bool = False
) -> Repricing:
    """Price the lines of a ledger anew from the usage they hold, each with the price of its own moment.

    Billed, list, avoided and baseline costs change, and with them the price a line names; a line whose amounts stay the
    same is not touched. What was not computed from a price list stays: costs that a provider reported, costs that
    `record()` was given, adjustments, and lines priced by an override unless `prices` has one for them, too. A known
    cost never becomes unknown. Daily sums of pruned lines cannot be priced anew.

    Args:
        store: the ledger.
        prices: the price book; the installed price list without overrides and discounts if not given. Give the one your
            program uses: a discount that is missing here is taken back.
        query: which lines; those of calls that have not ended are left out.
        dry_run: say what would change and write nothing.

    Returns:
        How many lines changed, what they add up to before and after, and why the others did not.

    Raises:
        StoreError: the ledger cannot be read or written; what is done is done, and beginning again is harmless.
    """
    maker = LineMaker(prices or PriceBook())
    by_reason: dict[RepricingReason, RepricedLines] = {}
    for old in watched(store.entries(query), "pricing lines"):
        if old.status == "open":
            continue
        new, reason = _priced_anew(maker, old)
        if reason in _WRITTEN and not dry_run and not store.correct(new):
            new, reason = old, "superseded"
        by_reason[reason] = by_reason.get(reason, RepricedLines()).plus(old.billed_nano, new.billed_nano)
    return Repricing(by_reason, dry_run)


def _priced_anew(maker: LineMaker, old: LedgerEntry) -> tuple[LedgerEntry, RepricingReason]:
    """The line as it shall be, and why."""
    if old.kind == "adjustment":
        return old, "adjustment"
    if _was_given(old):
        return old, "given"
    new = maker.repriced(old)
    if not _is_priced(new):
        return old, "no price now" if _is_priced(old) else "still unpriced"
    if _is_override(old) and not _is_override(new):
        return old, "own price"
    if new.baseline_nano is None:
        new.baseline_nano = old.baseline_nano
        new.savings = savings_of(new, maker.prices, None if old.price is None else old.price.region)
    if all(getattr(new, name) == getattr(old, name) for name in _AMOUNTS):
        return old, "unchanged"
    return new, "repriced" if _is_priced(old) else "newly priced"


def _was_given(entry: LedgerEntry) -> bool:
    """Whether the line was told its cost, or that nothing is owed, instead of being priced."""
    if entry.price is not None:
        return entry.price.source == "given"
    return entry.billed_nano is not None and entry.status != "cached" and entry.reported_nano is None


def _is_priced(entry: LedgerEntry) -> bool:
    """Whether a price was applied to the line's usage."""
    return entry.avoided_nano is not None if entry.status == "cached" else entry.price is not None


def _is_override(entry: LedgerEntry) -> bool:
    return entry.price is not None and entry.price.source == "override"
