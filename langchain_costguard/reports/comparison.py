"""Two periods side by side and what drove the change: the answer of a report."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard._amounts import counted
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.reports.drivers import DRIVERS, Parts, divided
from langchain_costguard.reports.money import dollar_column, dollars, plain
from langchain_costguard.reports.rows import ReportRow, as_text, regrouped
from langchain_costguard.reports.shown import Shown
from langchain_costguard.reports.view import Table
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_costguard.ledger import GroupKey, LedgerTotals
    from langchain_costguard.pricing.book import PriceBook

CELL_KEYS: Final = ("model", "provider", "status")
"""Calls that share these are alike enough to compare their tokens."""

MANY_VALUED: Final = frozenset({"tag", "technique"})
"""A call can count under several values of these keys."""

_SHOWN_ROWS: Final = 20
_THOUSAND: Final = 1000


class CostDriver(NamedTuple):
    """One part of a change."""

    name: str
    """One of `DRIVERS`."""
    change_cost: Decimal
    """What it added, in US dollars; below zero where it saved."""
    meaning: str
    """What it is, in words."""


class ComparisonRow(NamedTuple):
    """One group in both periods."""

    group: tuple[str | None, ...]
    """The value of each key; `None` for calls that have none."""
    name: str
    """The group for people to read."""
    calls_before: int
    """Its calls in the earlier period."""
    calls_after: int
    """Its calls in the later period."""
    cost_before: Decimal | None
    """What was owed for it, in US dollars; `None` if there were calls and none of them was priced."""
    cost_after: Decimal | None
    """The same in the later period."""
    change_cost: Decimal | None
    """The change; `None` where one of the costs is not known."""
    drivers: tuple[CostDriver, ...]
    """What drove the change of the known costs; they add up to `change_cost` where that is known."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-safe values: money as decimal strings."""
        money = {name: as_text(getattr(self, name)) for name in ("cost_before", "cost_after", "change_cost")}
        drivers = {driver.name: as_text(driver.change_cost) for driver in self.drivers}
        return {**self._asdict(), **money, "drivers": drivers, "group": list(self.group)}


class CostComparison(Shown):
    """What changed between two reports, and why, in parts that add up to the change exactly.

    The change is that of the known costs. Calls without a price are in none of the amounts: `unpriced_before` and
    `unpriced_after` say how many there are.

    Example:
        >>> from langchain_costguard import CostReport, InMemoryStore
        >>> report = CostReport(InMemoryStore())
        >>> print(report.compare(report).change_cost)
        0
    """

    def __init__(
        self,
        before: Sequence[LedgerTotals],
        after: Sequence[LedgerTotals],
        *,
        by: Sequence[GroupKey],
        weights: Callable[[str | None, str | None], tuple[int, int]],
    ) -> None:
        """Read the sums of both periods.

        Args:
            before: the earlier sums, grouped by `by` and then by `CELL_KEYS`.
            after: the later ones.
            by: what the rows are grouped by.
            weights: what an input and an output token of a model of a provider cost; only their ratio counts.
        """
        at = len(by)
        parts = divided(
            {sums.group: sums for sums in before},
            {sums.group: sums for sums in after},
            lambda group: weights(group[at], group[at + 1]),
        )
        self.by: tuple[GroupKey, ...] = tuple(by)
        """What the rows are grouped by."""
        self.rows: tuple[ComparisonRow, ...] = _rows(self.by, before, after, parts)
        """The groups, the greatest change first."""
        self._before: ReportRow = _total(before)
        self._after: ReportRow = _total(after)
        self._parts: Parts = reduce(Parts.plus, parts.values(), Parts())

    @property
    def cost_before(self) -> Decimal | None:
        """What was owed for the earlier period, in US dollars; `None` if there were calls and none was priced."""
        return self._before.billed_cost

    @property
    def cost_after(self) -> Decimal | None:
        """The same for the later period."""
        return self._after.billed_cost

    @property
    def change_cost(self) -> Decimal | None:
        """What the known costs grew by, in US dollars; `None` where the cost of a period is not known."""
        if self.cost_before is None or self.cost_after is None:
            return None
        return to_usd(sum(self._parts), NANO_PER_USD)

    @property
    def change_share(self) -> float | None:
        """The change as a share of the earlier cost; `None` where that is zero or not known."""
        change = self.change_cost
        return float(change / self.cost_before) if change is not None and self.cost_before else None

    @property
    def drivers(self) -> tuple[CostDriver, ...]:
        """What drove the change; they add up to `change_cost`. Empty where the cost of a period is not known."""
        return () if self.change_cost is None else _drivers(self._parts)

    @property
    def calls_before(self) -> int:
        """The calls of the earlier period."""
        return self._before.calls

    @property
    def calls_after(self) -> int:
        """The calls of the later period."""
        return self._after.calls

    @property
    def unpriced_before(self) -> int:
        """Calls of the earlier period whose cost is not known."""
        return self._before.unpriced_calls

    @property
    def unpriced_after(self) -> int:
        """Calls of the later period whose cost is not known."""
        return self._after.unpriced_calls

    @property
    def table(self) -> Table:
        """What drove the change, from the earlier cost to the later one."""
        amounts = [self.cost_before, *(driver.change_cost for driver in self.drivers), self.cost_after]
        names = ["Before", *(driver.name.replace("_", " ") for driver in self.drivers), "After"]
        words = [
            _calls(self._before),
            *(driver.meaning for driver in self.drivers),
            _calls(self._after),
        ]
        cells = tuple(zip(names, dollar_column(amounts), words, strict=True))
        return Table("What changed", ("", "Cost", "What it is"), cells)

    @property
    def rows_table(self) -> Table:
        """The groups, the greatest change first, each with what drove it."""
        shown = self.rows[:_SHOWN_ROWS]
        columns = (
            [row.name for row in shown],
            dollar_column([row.cost_before for row in shown]),
            dollar_column([row.cost_after for row in shown]),
            dollar_column([row.change_cost for row in shown]),
            [_chief(row) for row in shown],
        )
        caption = f"By {' / '.join(self.by)}"
        return Table(caption, (caption[3:].capitalize(), "Before", "After", "Change", "Most of it"), (*zip(*columns),))  # noqa: B905 - columns of the same rows

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the comparison leaves out."""
        found = []
        if self.change_cost is None:
            found.append("What changed cannot be said: no call of one of the periods has a price.")
        if self.unpriced_before or self.unpriced_after:
            found.append(
                f"Without {counted(self.unpriced_before, 'unpriced call')} before and {self.unpriced_after:,} after."
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values: money as decimal strings, `None` where it is unknown."""
        return {
            "by": list(self.by),
            **{name: as_text(getattr(self, name)) for name in ("cost_before", "cost_after", "change_cost")},
            "change_share": self.change_share,
            **{
                name: getattr(self, name)
                for name in ("calls_before", "calls_after", "unpriced_before", "unpriced_after")
            },
            "drivers": {driver.name: as_text(driver.change_cost) for driver in self.drivers},
            "rows": [row.to_dict() for row in self.rows],
        }

    def __str__(self) -> str:
        """What drove the change, and the groups, as plain text."""
        from langchain_costguard.reports.text import captioned_as_text

        return f"{super().__str__()}\n\n{captioned_as_text(self.rows_table, ())}" if self.rows else super().__str__()

    def __repr__(self) -> str:
        """The change in one line."""
        change = dollars(self.change_cost)
        return f"CostComparison({dollars(self.cost_before)} to {dollars(self.cost_after)}: {change})"

    def _repr_html_(self) -> str:
        """What drove the change, and the groups, for a notebook."""
        from langchain_costguard.reports.html import table_as_html

        return super()._repr_html_() + (table_as_html(self.rows_table) if self.rows else "")


def token_weights(prices: PriceBook, model: str | None, provider: str | None) -> tuple[int, int]:
    """What 1,000 input and 1,000 output tokens cost at list price in nano-USD; `(1, 1)` where that is not known."""
    price = None if model is None else prices.resolve(model, provider)
    if price is None:
        return 1, 1
    costs = [price.cost(usage) for usage in (TokenUsage(uncached_input=_THOUSAND), TokenUsage(output_text=_THOUSAND))]
    found = tuple(0 if cost is None else cost.list_nano_usd for cost in costs)
    return (found[0], found[1]) if any(found) else (1, 1)


def _total(sums: Sequence[LedgerTotals]) -> ReportRow:
    whole = regrouped(sums, ())
    return ReportRow.of((), whole[0]) if whole else ReportRow(billed_cost=Decimal(0))


def _rows(
    by: tuple[GroupKey, ...],
    before: Sequence[LedgerTotals],
    after: Sequence[LedgerTotals],
    parts: dict[tuple[str | None, ...], Parts],
) -> tuple[ComparisonRow, ...]:
    places = range(len(by))
    old, new = ({sums.group: ReportRow.of(by, sums) for sums in regrouped(each, places)} for each in (before, after))
    shares: dict[tuple[str | None, ...], Parts] = {}
    for cell, part in parts.items():
        shares[cell[: len(by)]] = shares.get(cell[: len(by)], Parts()).plus(part)
    rows = [_row(old.get(group), new.get(group), by, group, part) for group, part in shares.items()]
    return tuple(sorted(rows, key=lambda row: (-abs(_known_change(row)), row.name)))


def _row(
    old: ReportRow | None,
    new: ReportRow | None,
    by: tuple[GroupKey, ...],
    group: tuple[str | None, ...],
    parts: Parts,
) -> ComparisonRow:
    absent = ReportRow(keys=by, group=group, billed_cost=Decimal(0))
    old, new = old or absent, new or absent
    is_known = old.billed_cost is not None and new.billed_cost is not None
    change = to_usd(sum(parts), NANO_PER_USD) if is_known else None
    return ComparisonRow(
        group, old.name, old.calls, new.calls, old.billed_cost, new.billed_cost, change, _drivers(parts)
    )


def _drivers(parts: Parts) -> tuple[CostDriver, ...]:
    return tuple(CostDriver(name, to_usd(nano, NANO_PER_USD), DRIVERS[name]) for name, nano in parts._asdict().items())


def _known_change(row: ComparisonRow) -> Decimal:
    return sum((driver.change_cost for driver in row.drivers), Decimal(0))


def _chief(row: ComparisonRow) -> str:
    """The part that went furthest the way of the whole."""
    change = _known_change(row)
    sign = 1 if change > 0 else -1
    chief = max(row.drivers, key=lambda driver: sign * driver.change_cost)
    return chief.name.replace("_", " ") if change else ""


def _calls(row: ReportRow) -> str:
    return plain(f"{counted(row.calls, 'call')} {row.remainder}".rstrip())
