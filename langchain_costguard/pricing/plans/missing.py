"""What a bill cannot hold: calls of which a ledger keeps no line any more, only sums."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard._amounts import counted, money
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.pricing.amounts import nano_of
from langchain_costguard.pricing.plans.usage import NOT_USAGE, Usage, UsageRecord, lines_of, record_of

if TYPE_CHECKING:
    from decimal import Decimal

_SUMS_BY: Final = ("day", "kind", "status")
_DAY: Final = timedelta(days=1)
_FIX: Final = "bill before lines are pruned, give InMemoryStore a larger max_entries=, or keep the ledger in a database"


class OnlyInSums(NamedTuple):
    """Usage that is counted in sums and stands in no line."""

    calls: int = 0
    """How many calls."""
    list_nano: int | None = 0
    """What they cost at list price in nano-USD, as far as that is known; `None` where it is known of none."""

    @property
    def list_cost(self) -> Decimal | None:
        """The same in US dollars."""
        return None if self.list_nano is None else to_usd(self.list_nano, NANO_PER_USD)

    def as_text(self) -> str | None:
        """The same in US dollars as text, so that no digit is lost."""
        return None if self.list_cost is None else str(self.list_cost)

    def notes(self, of: str) -> list[str]:
        """What to tell the reader of a bill or a comparison, and what to do; nothing where nothing is missing."""
        if not any(self):
            return []
        worth = "of unknown price" if self.list_cost is None else f"worth {money(self.list_cost)} at list price"
        return [
            (
                f"Not in this {of}: {counted(self.calls, 'call')} {worth}, of which the ledger keeps only sums. "
                f"Next time {_FIX}."
            )
        ]


NOTHING_MISSING: Final = OnlyInSums()
"""Every call stands in a line."""


class Gap:
    """By how much the sums of a ledger exceed its lines, by day (UTC).

    Args:
        sums: rows of `totals(by=("day", "kind", "status"))`.
    """

    def __init__(self, sums: list[Any]) -> None:
        """Add up the rows that are usage."""
        self._days: dict[str | None, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for row in sums:
            day, kind, status = row.group
            if kind != "adjustment" and status not in NOT_USAGE:
                self._add(day, (row.calls, row.unpriced_calls, row.list_nano, row.billed_nano))

    def take(self, line: Any, record: UsageRecord) -> None:  # noqa: ANN401 - a ledger's line, or whatever looks like one
        """Note that a line was read."""
        nano = 0 if record.cost is None else nano_of(record.cost)
        unpriced = record.calls if record.cost is None else 0
        listed, billed = (getattr(line, name, nano) or 0 for name in ("list_nano", "billed_nano"))
        self._add(record.at.date().isoformat(), (-record.calls, -unpriced, -listed, -billed))

    def between(self, start: datetime | None, end: datetime | None) -> OnlyInSums:
        """What is missing of a stretch of time; a day that lies in it in part counts whole.

        Args:
            start: its first moment; `None` for no beginning.
            end: the first moment after it; `None` for no end.
        """
        days = [
            [max(0, amount) for amount in amounts] for day, amounts in self._days.items() if _touches(day, start, end)
        ]
        calls, unpriced = sum(day[0] for day in days), sum(day[1] for day in days)
        nano = sum(listed or billed for _, _, listed, billed in days)
        return OnlyInSums(calls, None if calls and calls == unpriced and not nano else nano)

    def _add(self, day: str | None, amounts: tuple[int, int, int, int]) -> None:
        self._days[day] = [known + amount for known, amount in zip(self._days[day], amounts, strict=True)]


def read(usage: Usage) -> tuple[list[UsageRecord], Gap]:
    """Usage as records, and what its sums count beyond them.

    The sums, `usage.totals()`, are read first: a line that is given up in between is then missing, never unnoticed.

    Raises:
        ValueError: see `usage_records`.
    """
    has_sums = callable(getattr(usage, "entries", None)) and callable(getattr(usage, "totals", None))
    gap = Gap(usage.totals(by=_SUMS_BY) if has_sums else [])
    records = []
    for line in lines_of(usage):
        record = record_of(line)
        if record is not None:
            records.append(record)
            if has_sums:
                gap.take(line, record)
    return records, gap


def _touches(day: str | None, start: datetime | None, end: datetime | None) -> bool:
    """Whether a day (UTC) has a moment in the stretch of time; a day that is not known may."""
    if day is None:
        return True
    begins = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return (end is None or begins < end) and (start is None or begins + _DAY > start)
