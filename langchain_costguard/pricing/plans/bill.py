"""What a bill is: lines that say what was charged, for which period, in words of the FOCUS standard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_costguard._amounts import counted, money
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.pricing.plans import layout
from langchain_costguard.pricing.plans.missing import NOTHING_MISSING, OnlyInSums
from langchain_costguard.pricing.plans.periods import zone

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

LineKind = Literal["purchase", "usage", "unused", "overage"]
"""What a line of a bill is about.

`purchase`: a fee, or credit that was bought. `usage`: what was used, paid for by its price, by a fee or from credit.
`unused`: the part of a purchase that lapsed. `overage`: usage that no allowance and no credit covered.
"""

_HEADERS: Final = ("Period", "Line", "Calls", "List price", "Billed", "Effective")


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One line of a bill. Money is nano-USD (1e-9) in the `*_nano` fields, `Decimal` US dollars in the properties."""

    kind: LineKind
    """What the line is about."""
    start: datetime
    """The first moment of the stretch it is about, in UTC."""
    end: datetime
    """The first moment after it, in UTC."""
    text: str
    """What it is for, in words."""
    billed_nano: int
    """What is to be paid for this line."""
    effective_nano: int
    """What the line costs when purchases are spread over what they paid for: 0 for a purchase itself."""
    list_nano: int = 0
    """What its usage costs at list price, as far as that is known."""
    calls: int = 0
    """How many calls it covers."""
    quantity: Decimal | None = None
    """How much of an allowance or of credit it took, lapsed or exceeded; `None` where there is none."""
    unit: str | None = None
    """What `quantity` is counted in: one of `"usd"`, `"tokens"`, `"calls"`, `"gpu_hours"`."""

    @property
    def billed_cost(self) -> Decimal:
        """What is to be paid, in US dollars."""
        return to_usd(self.billed_nano, NANO_PER_USD)

    @property
    def effective_cost(self) -> Decimal:
        """What it costs with purchases spread over their use, in US dollars."""
        return to_usd(self.effective_nano, NANO_PER_USD)

    @property
    def list_cost(self) -> Decimal:
        """What its usage costs at list price, in US dollars."""
        return to_usd(self.list_nano, NANO_PER_USD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A bill over a stretch of time. Its lines add up to its totals exactly.

    Example:
        >>> from datetime import UTC, datetime
        >>> from langchain_costguard.pricing import Subscription, UsageRecord
        >>> usage = [UsageRecord(datetime(2026, 1, 5, tzinfo=UTC), "0.01", calls=1_200)]
        >>> bill = Subscription(20, allowance=1_000, unit="calls", overage="0.05").bill(usage)
        >>> bill.billed_cost, bill.overage_cost
        (Decimal('30'), Decimal('10'))
    """

    plan: str
    """The plan's name."""
    start: datetime
    """The first moment that is billed, in UTC."""
    end: datetime
    """The first moment that is not, in UTC."""
    tz: str
    """The time zone whose days and months are meant."""
    lines: tuple[BillLine, ...]
    """The lines, oldest period first."""
    unpriced_calls: int = 0
    """Calls that are not in the bill because their price, or what they used, is not known."""
    only_in_sums: OnlyInSums = NOTHING_MISSING
    """Calls that are not in it because the store keeps no line of them any more: pruned or folded into sums.

    Days (UTC) that lie in the stretch of time in part count whole.
    """
    remaining_nano: int | None = None
    """Credit left at the end, in nano-USD of list price; `None` for plans without credit."""

    @property
    def billed_cost(self) -> Decimal:
        """What is to be paid in this stretch of time, in US dollars."""
        return _sum(self, "billed_nano")

    @property
    def effective_cost(self) -> Decimal:
        """What this stretch of time costs: purchases count as they are used up or lapse, in US dollars."""
        return _sum(self, "effective_nano")

    @property
    def list_cost(self) -> Decimal:
        """What the usage costs at list price, as far as that is known, in US dollars."""
        return _sum(self, "list_nano")

    @property
    def purchase_cost(self) -> Decimal:
        """Fees and credit bought, in US dollars."""
        return _sum(self, "billed_nano", "purchase")

    @property
    def overage_cost(self) -> Decimal:
        """What allowance or credit did not cover, in US dollars."""
        return _sum(self, "billed_nano", "overage")

    @property
    def unused_cost(self) -> Decimal:
        """What was paid for credit or allowance that lapsed, in US dollars."""
        return _sum(self, "effective_nano", "unused")

    @property
    def remaining_credit(self) -> Decimal | None:
        """Credit left at the end, in US dollars of list price; `None` for plans without credit."""
        return None if self.remaining_nano is None else to_usd(self.remaining_nano, NANO_PER_USD)

    @property
    def is_complete(self) -> bool:
        """Whether every call is in it."""
        return self.unpriced_calls == 0 and not any(self.only_in_sums)

    def to_dict(self) -> dict[str, Any]:
        """Everything it says, as plain values; money as text, so that no digit is lost."""
        return {
            "plan": self.plan,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "tz": self.tz,
            "billed_cost": str(self.billed_cost),
            "effective_cost": str(self.effective_cost),
            "list_cost": str(self.list_cost),
            "remaining_credit": None if self.remaining_credit is None else str(self.remaining_credit),
            "unpriced_calls": self.unpriced_calls,
            "calls_only_in_sums": self.only_in_sums.calls,
            "list_cost_only_in_sums": self.only_in_sums.as_text(),
            "is_complete": self.is_complete,
            "lines": [_line_as_dict(line) for line in self.lines],
        }

    def __str__(self) -> str:
        """The bill as a table."""
        return layout.as_text(_HEADERS, self._rows(), words=2, notes=self._notes())

    def _repr_html_(self) -> str:
        """The bill as a notebook shows it."""
        return layout.as_html(_HEADERS, self._rows(), words=2, notes=self._notes())

    def _rows(self) -> list[tuple[str, ...]]:
        local = zone(self.tz)
        rows = [(layout.days(line.start, line.end, local), line.text, *_figures(line)) for line in self.lines]
        calls = sum(line.calls for line in self.lines)
        return [*rows, ("Total", "", f"{calls:,}", *map(money, _costs(self)))]

    def _notes(self) -> list[str]:
        notes = []
        if self.remaining_credit is not None:
            notes.append(f"{money(self.remaining_credit)} of credit is left.")
        if self.unpriced_calls:
            notes.append(f"Not in this bill: {counted(self.unpriced_calls, 'call')} whose price or usage is not known.")
        return [*notes, *self.only_in_sums.notes("bill")]


def _figures(line: BillLine) -> tuple[str, ...]:
    return f"{line.calls:,}" if line.calls else "", *map(money, _costs(line))


def _costs(priced: Bill | BillLine) -> tuple[Decimal, Decimal, Decimal]:
    return priced.list_cost, priced.billed_cost, priced.effective_cost


def _sum(bill: Bill, field: str, kind: LineKind | None = None) -> Decimal:
    nano = sum(getattr(line, field) for line in bill.lines if kind in {None, line.kind})
    return to_usd(nano, NANO_PER_USD)


def _line_as_dict(line: BillLine) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "start": line.start.isoformat(),
        "end": line.end.isoformat(),
        "text": line.text,
        "calls": line.calls,
        "quantity": None if line.quantity is None else str(line.quantity),
        "unit": line.unit,
        "list_cost": str(line.list_cost),
        "billed_cost": str(line.billed_cost),
        "effective_cost": str(line.effective_cost),
    }
