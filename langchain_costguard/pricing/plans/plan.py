"""What every plan has in common: it settles usage into parts, and a bill is those parts, each rounded once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from langchain_costguard.cost import NANO_PER_USD
from langchain_costguard.pricing.amounts import Exact, decimal_of, half_even, moment
from langchain_costguard.pricing.plans.bill import Bill, BillLine, LineKind
from langchain_costguard.pricing.plans.missing import read
from langchain_costguard.pricing.plans.periods import PeriodName, Periods, Span, period_name, renewal_day
from langchain_costguard.pricing.plans.usage import Charge, Usage, charges_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

_KIND_ORDER: Final = ("purchase", "usage", "unused", "overage")


class Frame(NamedTuple):
    """What is to be settled, and how."""

    window: Span
    """The stretch of time that is billed."""
    tz: str
    """The time zone whose days and months are meant."""
    rounded: Callable[[Exact], Exact]
    """How an amount in nano-USD is settled: rounded for a bill, as it is for a comparison."""
    prorate: bool
    """Whether a fee and its allowance count by the part of their period that is billed, or in full."""


class Part(NamedTuple):
    """A line of a bill before it is one; money is nano-USD."""

    kind: LineKind
    """What it is about."""
    span: Span
    """When."""
    text: str
    """In words."""
    billed: Exact
    """What is to be paid."""
    effective: Exact
    """What it costs with purchases spread over their use."""
    listed: Exact = 0
    """The list price of its usage."""
    calls: Exact = 0
    """How many calls."""
    quantity: Exact | None = None
    """How much of an allowance or of credit; dollars count in nano-USD."""
    unit: str | None = None
    """What the quantity is counted in."""


@dataclass
class Settlement:
    """What a plan makes of usage."""

    parts: list[Part] = field(default_factory=list)
    """The lines to be."""
    unpriced_calls: Exact = 0
    """Calls whose price, or whose usage, is not known."""
    remaining: Exact | None = None
    """Credit left at the end, in nano-USD; `None` for plans without credit."""

    def leave_out(self, charge: Charge) -> None:
        """Note that a charge cannot be settled."""
        self.unpriced_calls += charge.calls or 1


class Plan(ABC):
    """A way to pay for usage.

    Args:
        name: what the plan is called in bills and comparisons.
        period: how often it settles.
        renews: a day on which a period begins; `None` for calendar periods.
    """

    suits: ClassVar[str]
    """Which use this kind of plan is for, in words."""
    looks_back: ClassVar[bool] = False
    """Whether usage from before a bill's start changes the bill."""

    def __init__(self, name: str, period: PeriodName, renews: date | None = None) -> None:
        """Keep them."""
        self.name = name
        self.period = period_name(period)
        self.renews: date | None = renewal_day(renews)

    def bill(
        self, usage: Usage, start: datetime | None = None, end: datetime | None = None, *, tz: str = "UTC"
    ) -> Bill:
        """What usage costs on this plan.

        Args:
            usage: `UsageRecord`s, ledger lines, or a handler, block or store that holds such lines. What lies after
                `end` is not looked at; what lies before `start` is not billed, but it has drawn on prepaid credit.
            start: the first moment that is billed; `None` for the beginning of the period of the oldest usage.
            end: the first moment that is not billed; `None` for the end of the period of the latest usage.
            tz: the IANA time zone whose days and months are meant.

        Returns:
            The bill. A period of a subscription that is billed in part is paid in full. Calls of which the store keeps
            only sums cannot be billed: the bill says how many and is not complete.

        Raises:
            ValueError: a moment has no time zone, `end` is not after `start`, the time zone is not known, or there is
                no usage to tell which stretch of time is meant.
        """
        records, gap = read(usage)
        charges = charges_of(records)
        window = window_of(charges, start, end, Periods(self.period, tz, self.renews))
        missing = gap.between(
            None if start is None or self.looks_back else window.start, None if end is None else window.end
        )
        settled = self.settle(charges, Frame(window, tz, half_even, prorate=False))
        return Bill(
            plan=self.name,
            start=window.start,
            end=window.end,
            tz=tz,
            lines=tuple(map(_line, sorted(settled.parts, key=_order))),
            unpriced_calls=round(settled.unpriced_calls),
            only_in_sums=missing,
            remaining_nano=None if settled.remaining is None else half_even(settled.remaining),
        )

    @abstractmethod
    def settle(self, charges: Sequence[Charge], frame: Frame) -> Settlement:
        """What the plan makes of charges.

        Args:
            charges: what was used, oldest first.
            frame: the stretch of time, and how amounts are rounded.
        """

    def __repr__(self) -> str:
        """The plan by its name."""
        return f"{type(self).__name__}({self.name!r})"


def window_of(charges: Sequence[Charge], start: datetime | None, end: datetime | None, periods: Periods) -> Span:
    """The stretch of time that is meant.

    Raises:
        ValueError: see `Plan.bill`.
    """
    if not charges and (start is None or end is None):
        msg = "there is no usage to tell which stretch of time is meant: give start= and end="
        raise ValueError(msg)
    first = periods.around(charges[0].at).start if start is None else moment(start, "start")
    last = periods.around(charges[-1].at).end if end is None else moment(end, "end")
    if last <= first:
        msg = f"end={last.isoformat()} is not after start={first.isoformat()}: exchange them, or give a later end"
        raise ValueError(msg)
    return Span(first, last)


def within(charges: Sequence[Charge], window: Span) -> list[Charge]:
    """The charges of a stretch of time."""
    return [charge for charge in charges if window.start <= charge.at < window.end]


def _order(part: Part) -> tuple[datetime, int]:
    return part.span.start, _KIND_ORDER.index(part.kind)


def _line(part: Part) -> BillLine:
    quantity = part.quantity
    if quantity is not None and part.unit == "usd":
        quantity = Fraction(quantity) / NANO_PER_USD
    return BillLine(
        kind=part.kind,
        start=part.span.start,
        end=part.span.end,
        text=part.text,
        billed_nano=half_even(part.billed),
        effective_nano=half_even(part.effective),
        list_nano=half_even(part.listed),
        calls=round(part.calls),
        quantity=None if quantity is None else decimal_of(quantity),
        unit=part.unit,
    )
