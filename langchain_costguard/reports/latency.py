"""How long calls took beside what they cost, group by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.reports.money import dollar_column
from langchain_costguard.reports.rows import ReportRow, as_text
from langchain_costguard.reports.shown import Shown
from langchain_costguard.reports.view import Table
from langchain_costguard.stores.sums import LocalClock, grouper

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from langchain_costguard.ledger import GroupKey, LedgerEntry, LedgerTotals

_US_PER_MS: Final = 1000


class LatencyRow(NamedTuple):
    """How long the calls of one group took, in milliseconds; `None` where nothing is known."""

    group: tuple[str | None, ...]
    """The value of each key; `None` for calls that have none."""
    name: str
    """The group for people to read."""
    calls: int
    """All its calls."""
    timed_calls: int
    """Those whose latency is known; `mean_ms` is over them."""
    mean_ms: float | None
    """Their mean."""
    sampled_calls: int
    """Those among the newest lines that were read for the next two."""
    p50_ms: float | None
    """Half of them took at most so long."""
    p95_ms: float | None
    """95 % of them took at most so long."""
    billed_cost: Decimal | None
    """What is owed for all of them, in US dollars; `None` if there are calls and none of them is priced."""


class LatencyReport(Shown):
    """Latency beside cost, dearest group first.

    The mean is over all calls whose latency is known. The percentiles are over the newest lines that were read, because
    sums do not keep them: `sampled_calls` says how many of each group those were.
    """

    def __init__(
        self, sums: Sequence[LedgerTotals], lines: Sequence[LedgerEntry], *, by: Sequence[GroupKey], tz: str, reads: int
    ) -> None:
        """Read sums and lines.

        Args:
            sums: grouped by `by`.
            lines: the newest ones.
            by: what the rows are grouped by.
            tz: the IANA time zone whose days and hours are meant.
            reads: so many lines are read at most.
        """
        self._by: tuple[GroupKey, ...] = tuple(by)
        self._is_sampled: bool = len(lines) >= reads
        self._reads: int = reads
        self.rows: tuple[LatencyRow, ...] = _rows(self._by, sums, _latencies(lines, self._by, tz))
        """The groups, dearest first; those without a known cost stand last."""

    @property
    def table(self) -> Table:
        """The groups as a table."""
        columns = (
            [row.name for row in self.rows],
            [f"{row.calls:,}" for row in self.rows],
            *([_ms(getattr(row, name)) for row in self.rows] for name in ("mean_ms", "p50_ms", "p95_ms")),
            dollar_column([row.billed_cost for row in self.rows]),
            ["" for _ in self.rows],
        )
        names = " / ".join(self._by).capitalize() or "All"
        headers = (names, "Calls", "Mean ms", "p50 ms", "p95 ms", "Cost", "")
        return Table("Latency and cost", headers, tuple(zip(*columns, strict=True)))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the percentiles are of, where they are not of all calls."""
        return (
            (f"p50 and p95 are of the newest {self._reads:,} calls, the mean is of all.",) if self._is_sampled else ()
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values."""
        rows = [
            {**row._asdict(), "group": list(row.group), "billed_cost": as_text(row.billed_cost)} for row in self.rows
        ]
        return {"by": list(self._by), "is_sampled": self._is_sampled, "rows": rows}

    def __repr__(self) -> str:
        """How many groups there are."""
        return f"LatencyReport(by={self._by}, {len(self.rows)} rows)"


def _latencies(
    lines: Iterable[LedgerEntry], by: tuple[GroupKey, ...], tz: str
) -> dict[tuple[str | None, ...], list[int]]:
    groups_of = grouper(by, LocalClock(tz))
    found: dict[tuple[str | None, ...], list[int]] = {}
    for line in lines:
        if line.latency_us is not None:
            for group in groups_of(line):
                found.setdefault(group, []).append(line.latency_us)
    return found


def _rows(
    by: tuple[GroupKey, ...], sums: Sequence[LedgerTotals], latencies: dict[tuple[str | None, ...], list[int]]
) -> tuple[LatencyRow, ...]:
    found = []
    for each in sums:
        row, known = ReportRow.of(by, each), sorted(latencies.get(each.group, ()))
        mean = each.latency_us / each.timed_calls / _US_PER_MS if each.timed_calls else None
        found.append(
            LatencyRow(
                row.group,
                row.name,
                row.calls,
                each.timed_calls,
                mean,
                len(known),
                _percentile(known, 50),
                _percentile(known, 95),
                row.billed_cost,
            )
        )
    return tuple(sorted(found, key=lambda row: (row.billed_cost is None, -(row.billed_cost or 0), row.name)))


def _percentile(known: Sequence[int], percent: int) -> float | None:
    """The nearest rank: the smallest value that so many percent of the values do not exceed."""
    return known[-(-len(known) * percent // 100) - 1] / _US_PER_MS if known else None


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.1f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004 - digits
