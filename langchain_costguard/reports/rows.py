"""What one row of a report says, and which rows stand in which order."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from langchain_costguard._amounts import counted
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.ledger import LedgerTotals
from langchain_costguard.reports.money import dollars, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pandas import DataFrame

    from langchain_costguard.ledger import GroupKey
    from langchain_costguard.reports.view import Table

_US_PER_MS: Final = 1000
_IN_TIME: Final = frozenset({"day", "hour"})
_MONEY: Final = ("billed_cost", "list_cost", "avoided_cost")
_COUNTS: Final = (
    "calls",
    "unpriced_calls",
    "estimated_calls",
    "cached_calls",
    "failed_calls",
    "open_calls",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read",
    "cache_creation",
    "reasoning",
)
FIGURES: Final = (*_COUNTS, *_MONEY)
"""The counts and the amounts of a row, by name."""


class ReportRow(NamedTuple):
    """The sums of one group of calls; money in US dollars, exact, `None` when none of it is known.

    `billed_cost` covers the calls whose price is known; `unpriced_calls` and `open_calls` say what it leaves out, and
    `cost` writes both.

    Example:
        >>> row = ReportRow.of((), LedgerTotals(calls=2, unpriced_calls=1, billed_nano=12_300_000))
        >>> row.billed_cost, row.cost
        (Decimal('0.0123'), '$0.0123 + 1 unpriced call')
    """

    keys: tuple[GroupKey, ...] = ()
    """What the rows are grouped by."""
    group: tuple[str | None, ...] = ()
    """The value of each key; `None` for calls that have none."""
    calls: int = 0
    """All calls, cached and failed ones included."""
    unpriced_calls: int = 0
    """Calls whose cost is not known."""
    estimated_calls: int = 0
    """Calls whose tokens were counted here because the provider did not report them."""
    cached_calls: int = 0
    """Calls LangChain's cache answered; they are free."""
    failed_calls: int = 0
    """Calls that raised, were cancelled or were lost."""
    open_calls: int = 0
    """Calls that have not ended."""
    input_tokens: int = 0
    """Input tokens a provider billed."""
    output_tokens: int = 0
    """Output tokens a provider billed, reasoning included."""
    cache_read: int = 0
    """Input tokens read from a provider's prompt cache."""
    cache_creation: int = 0
    """Input tokens written to a provider's prompt cache."""
    reasoning: int = 0
    """Output tokens spent on thinking."""
    billed_cost: Decimal | None = None
    """What is owed, over the calls whose price is known; `None` if there is no such call among them."""
    list_cost: Decimal | None = None
    """The same at list price."""
    avoided_cost: Decimal | None = None
    """What the cached answers would have cost."""
    latency_us: int = 0
    """The sum of the known latencies, in microseconds."""
    timed_calls: int = 0
    """Calls whose latency is known."""
    forgotten: frozenset[GroupKey] = frozenset()
    """The keys whose `None` also stands for calls that are kept only in sums, which no longer know them."""

    @classmethod
    def of(
        cls, keys: Sequence[GroupKey], totals: LedgerTotals, *, forgotten: frozenset[GroupKey] = frozenset()
    ) -> Self:
        """The row over these sums of a store, where some calls may be kept without some of the keys."""
        unknown = totals.calls > 0 and totals.calls <= totals.unpriced_calls + totals.open_calls
        return cls(
            keys=tuple(keys),
            group=totals.group,
            calls=totals.calls,
            unpriced_calls=totals.unpriced_calls,
            estimated_calls=totals.estimated_calls,
            cached_calls=totals.cached_calls,
            failed_calls=totals.failed_calls,
            open_calls=totals.open_calls,
            input_tokens=totals.input_tokens,
            output_tokens=totals.output_tokens,
            cache_read=totals.cache_read,
            cache_creation=totals.cache_creation,
            reasoning=totals.reasoning,
            billed_cost=None if unknown else to_usd(totals.billed_nano, NANO_PER_USD),
            list_cost=None if unknown else to_usd(totals.list_nano, NANO_PER_USD),
            avoided_cost=None if unknown else totals.avoided_cost,
            latency_us=totals.latency_us,
            timed_calls=totals.timed_calls,
            forgotten=frozenset(
                key for key, value in zip(keys, totals.group, strict=True) if value is None and key in forgotten
            ),
        )

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    @property
    def mean_latency_ms(self) -> float | None:
        """The mean of the known latencies, in milliseconds; `None` where none is known."""
        return self.latency_us / self.timed_calls / _US_PER_MS if self.timed_calls else None

    @property
    def name(self) -> str:
        """The group for people to read: `"gpt-4o"`, `"gpt-4o / u1"`, `"(no user)"`, `"(user none or not kept)"`."""
        return " / ".join(
            self._nameless(key) if value is None else plain(value)
            for key, value in zip(self.keys, self.group, strict=True)
        )

    def _nameless(self, key: GroupKey) -> str:
        return f"({key} none or not kept)" if key in self.forgotten else f"(no {key})"

    @property
    def remainder(self) -> str:
        """What the cost leaves out, such as `"+ 1 unpriced call"`; empty when nothing is, or when nothing is known."""
        if self.billed_cost is None:
            return ""
        missing = ((self.unpriced_calls, "unpriced call"), (self.open_calls, "open call"))
        return " ".join(f"+ {counted(number, noun)}" for number, noun in missing if number)

    @property
    def cost(self) -> str:
        """The cost for people to read: `"$0.0123"`, `"$0.0123 + 1 unpriced call"`, `"unknown"`."""
        return f"{dollars(self.billed_cost)} {self.remainder}".rstrip()

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON-safe values: money as decimal strings, `None` when unknown."""
        money = {name: as_text(getattr(self, name)) for name in _MONEY}
        counts = {name: getattr(self, name) for name in _COUNTS}
        latency = {"mean_latency_ms": self.mean_latency_ms}
        return dict(zip(self.keys, self.group, strict=True)) | counts | money | latency


class ReportRows(tuple[ReportRow, ...]):
    """The rows that answer one question: a tuple that shows itself as a table, in a terminal and in a notebook."""

    __slots__ = ()

    def to_pandas(self) -> DataFrame:
        """One row per group: its keys, its counts, and its money as `Decimal`.

        Raises:
            OptionalDependencyError: pandas is not installed.
        """
        from langchain_costguard.reports.frame import frame_of_rows

        return frame_of_rows(self)

    def __repr__(self) -> str:
        """The table as text."""
        from langchain_costguard.reports.text import table_as_text

        return table_as_text(self._table)

    def _repr_html_(self) -> str:
        """The table for a notebook."""
        from langchain_costguard.reports.html import table_as_html

        return table_as_html(self._table)

    @property
    def _table(self) -> Table:
        from langchain_costguard.reports.view import table_of

        return table_of(self, caption="", header=" / ".join(self[0].keys).capitalize() if self else "No calls")


class DayStatistics(NamedTuple):
    """What one day used and cost."""

    tokens: int
    """Input and output tokens together."""
    cost: Decimal | None
    """What is owed for the calls whose price is known, in US dollars; `None` if none is."""


def as_text(amount: Decimal | None) -> str | None:
    """An amount as a decimal string without an exponent."""
    return None if amount is None else f"{amount:f}"


def regrouped(totals: Iterable[LedgerTotals], positions: Sequence[int]) -> list[LedgerTotals]:
    """Sums over finer groups, added up to the groups that keep the values at these positions."""
    sums: dict[tuple[str | None, ...], LedgerTotals] = {}
    for part in totals:
        group = tuple(part.group[position] for position in positions)
        sums[group] = sums.get(group, LedgerTotals(group)).plus(part)
    return list(sums.values())


def ordered(rows: Iterable[ReportRow]) -> ReportRows:
    """Rows grouped by time in their order, all others dearest first; those without a known cost stand last."""
    return ReportRows(sorted(rows, key=_place))


def dearest(rows: Iterable[ReportRow], limit: int) -> ReportRows:
    """The dearest rows, whatever they are grouped by; those without a known cost stand last."""
    return ReportRows(sorted(rows, key=lambda row: (row.billed_cost is None, -(row.billed_cost or 0)))[:limit])


def by_date(rows: Iterable[ReportRow]) -> Mapping[date, DayStatistics]:
    """What each day used and cost, of rows grouped by day, in their order."""
    days = {date.fromisoformat(str(row.group[0])): row for row in rows}
    return MappingProxyType({day: DayStatistics(row.total_tokens, row.billed_cost) for day, row in days.items()})


def _place(row: ReportRow) -> tuple[Any, ...]:
    moments = tuple(value or "" for key, value in zip(row.keys, row.group, strict=True) if key in _IN_TIME)
    cost = row.billed_cost
    return (moments, cost is None, -(cost or 0), -row.total_tokens, tuple(value or "" for value in row.group))


def shortened(rows: Sequence[ReportRow], keep: int, *, rest: str) -> tuple[ReportRow, ...]:
    """The first `keep` rows and, if there are more, one row over the others, named `rest` and their number."""
    if len(rows) <= keep + 1:
        return tuple(rows)
    others = rows[keep:]
    sums: dict[str, Any] = {
        name: sum(getattr(row, name) for row in others)
        for name in (*_COUNTS, "latency_us", "timed_calls")
        if name != "total_tokens"
    }
    for name in _MONEY:
        known = [amount for row in others if (amount := getattr(row, name)) is not None]
        sums[name] = sum(known, Decimal(0)) if known else None
    return (*rows[:keep], ReportRow(keys=(rest,), group=(f"{len(others):,} {rest}",), **sums))
