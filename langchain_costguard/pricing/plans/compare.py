"""Which plan is the cheapest for usage as it was, and at which volume another one would be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._amounts import money, volume
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.pricing.amounts import Exact, decimal_of, half_even, unrounded
from langchain_costguard.pricing.plans import layout
from langchain_costguard.pricing.plans.crossover import cheapest_by_volume
from langchain_costguard.pricing.plans.missing import NOTHING_MISSING, OnlyInSums, read
from langchain_costguard.pricing.plans.periods import Periods, months_in
from langchain_costguard.pricing.plans.plan import Frame, Plan, window_of, within
from langchain_costguard.pricing.plans.usage import MEASURES, Charge, Usage, charges_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from decimal import Decimal

_SCALES: Final = {"usd": NANO_PER_USD, "tokens": 1, "calls": 1, "gpu_hours": 1000}
"""Whole steps of a monthly volume in one of its units."""

_HEADERS: Final = ("Plan", "Cheapest at", "Cost", "A month", "Credit left", "Unpriced calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCost:
    """What a plan costs for the usage that is compared. Money is `Decimal` US dollars."""

    plan: str
    """The plan's name."""
    cost: Decimal
    """What the stretch of time costs: fees by the part of their period in it, credit as it is used up or lapses."""
    monthly_cost: Decimal
    """The same for an average month, rounded to nano-USD."""
    remaining_credit: Decimal | None
    """Credit left at the end, in US dollars of list price; `None` for plans without credit."""
    unpriced_calls: int
    """Calls that are not in the cost, because their price or their usage is not known."""
    suits: str
    """Which use this kind of plan is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRange:
    """The monthly volumes at which a plan is the cheapest, for usage in the same mix spread in the same way."""

    plan: str
    """The plan's name."""
    above: Decimal
    """It is the cheapest above this monthly volume."""
    up_to: Decimal | None
    """It is the cheapest up to this one, included; `None` where no end was found up to a thousand times the volume."""
    unit: str
    """What a volume is counted in: `"usd"` (list price), `"tokens"`, `"calls"` or `"gpu_hours"`."""

    def __str__(self) -> str:
        """The range in words."""
        if self.up_to is None:
            return f"above {volume(self.above, self.unit)} a month" if self.above else "any volume"
        if not self.above:
            return f"up to {volume(self.up_to, self.unit)} a month"
        return f"{volume(self.above, self.unit)} to {volume(self.up_to, self.unit)} a month"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanComparison:
    """Plans ranked by what the same usage costs on them, cheapest first."""

    start: datetime
    """The first moment of the usage compared, in UTC."""
    end: datetime
    """The first moment after it, in UTC."""
    unit: str
    """What volumes are counted in."""
    monthly_volume: Decimal
    """The volume of an average month, rounded to nine decimals."""
    ranked: tuple[PlanCost, ...]
    """The plans, cheapest first; plans that cost the same stand in the order given."""
    ranges: tuple[VolumeRange, ...]
    """Which plan is the cheapest at which monthly volume, smallest volume first."""
    only_in_sums: OnlyInSums = NOTHING_MISSING
    """Calls that are not in it because the store keeps no line of them any more: pruned or folded into sums.

    Days (UTC) that lie in the stretch of time in part count whole.
    """

    @property
    def is_complete(self) -> bool:
        """Whether every call is in every plan's cost."""
        return not any(self.only_in_sums) and not any(row.unpriced_calls for row in self.ranked)

    @property
    def best(self) -> PlanCost:
        """The cheapest plan for this usage."""
        return self.ranked[0]

    @property
    def crossovers(self) -> tuple[Decimal, ...]:
        """The monthly volumes above which the next plan is cheaper."""
        return tuple(each.up_to for each in self.ranges if each.up_to is not None)

    @property
    def advice(self) -> str:
        """What to do, in words."""
        best = self.best
        used, cost = volume(self.monthly_volume, self.unit), money(best.monthly_cost)
        sentences = [
            f"At {used} a month, {best.plan} is the cheapest: {cost} a month{self._saving()}. It suits {best.suits}."
        ]
        if len(self.ranges) > 1:
            sentences += [f"{str(each).capitalize()}: {each.plan}." for each in self.ranges]
        if any(row.unpriced_calls for row in self.ranked):
            sentences.append("Some calls have no known price and are in no plan's cost: price them before you decide.")
        return " ".join([*sentences, *self.only_in_sums.notes("comparison")])

    def to_dict(self) -> dict[str, Any]:
        """Everything it says, as plain values; money and volumes as text, so that no digit is lost."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "unit": self.unit,
            "monthly_volume": str(self.monthly_volume),
            "advice": self.advice,
            "calls_only_in_sums": self.only_in_sums.calls,
            "list_cost_only_in_sums": self.only_in_sums.as_text(),
            "is_complete": self.is_complete,
            "plans": [
                {
                    "plan": row.plan,
                    "cost": str(row.cost),
                    "monthly_cost": str(row.monthly_cost),
                    "remaining_credit": None if row.remaining_credit is None else str(row.remaining_credit),
                    "unpriced_calls": row.unpriced_calls,
                    "suits": row.suits,
                }
                for row in self.ranked
            ],
            "ranges": [
                {"plan": each.plan, "above": str(each.above), "up_to": None if each.up_to is None else str(each.up_to)}
                for each in self.ranges
            ],
        }

    def __str__(self) -> str:
        """The comparison as a table, with the advice below."""
        return layout.as_text(_HEADERS, self._rows(), words=2, notes=[self.advice])

    def _repr_html_(self) -> str:
        """The comparison as a notebook shows it."""
        return layout.as_html(_HEADERS, self._rows(), words=2, notes=[self.advice])

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                row.plan,
                ", ".join(str(each) for each in self.ranges if each.plan == row.plan) or "-",
                money(row.cost),
                money(row.monthly_cost),
                "" if row.remaining_credit is None else money(row.remaining_credit),
                f"{row.unpriced_calls:,}",
            )
            for row in self.ranked
        ]

    def _saving(self) -> str:
        if len(self.ranked) == 1:
            return ""
        second = self.ranked[1]
        difference = second.monthly_cost - self.best.monthly_cost
        return f", {money(difference)} less than {second.plan}" if difference else f", as is {second.plan}"


def compare_plans(
    usage: Usage,
    plans: Iterable[Plan] | Mapping[str, Plan],
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    tz: str = "UTC",
    volume_in: str = "usd",
) -> PlanComparison:
    """Rank plans by what the same usage costs on them, and say at which volume another one becomes the cheapest.

    A fee and its allowance count by the part of their period that lies in the stretch of time, so that weeks, months
    and years compare. Credit counts as it is used up or lapses. For other volumes the usage is multiplied, day by day.

    Args:
        usage: `UsageRecord`s, ledger lines, or a handler, block or store that holds such lines.
        plans: the plans, or the plans by the names they are to have.
        start: the first moment that counts; `None` for the beginning of the month of the oldest usage.
        end: the first moment that no longer counts; `None` for the end of the month of the latest usage.
        tz: the IANA time zone whose days and months are meant.
        volume_in: what volumes are counted in: `"usd"` (US dollars of list price), `"tokens"`, `"calls"` or
            `"gpu_hours"`.

    Raises:
        ValueError: there is no usage, or none of it is known in `volume_in`; a plan is no plan, or two have the same
            name; a moment has no time zone or `end` is not after `start`.

    Example:
        >>> from datetime import UTC, datetime
        >>> from langchain_costguard.pricing import PayAsYouGo, Subscription, UsageRecord
        >>> usage = [UsageRecord(datetime(2026, 1, day, tzinfo=UTC), "0.90") for day in range(1, 31)]
        >>> compared = compare_plans(usage, [PayAsYouGo(), Subscription(20)])
        >>> compared.best.plan, compared.crossovers
        ('subscription ($20.00 a month)', (Decimal('20'),))
    """
    named = _named(plans)
    if volume_in not in MEASURES:
        msg = f"volume_in={volume_in!r} is not known: give 'usd', 'tokens', 'calls' or 'gpu_hours'"
        raise ValueError(msg)
    records, gap = read(usage)
    charges = charges_of(records)
    window = window_of(charges, start, end, Periods("month", tz))
    missing = gap.between(None if start is None else window.start, None if end is None else window.end)
    charges = within(charges, window)
    frame = Frame(window, tz, unrounded, prorate=True)
    months = Fraction(*months_in(window, tz))
    monthly = sum((getattr(charge, volume_in) or 0 for charge in charges), start=Fraction(0)) / months
    if not monthly:
        msg = (
            f"the usage from {window.start} to {window.end} holds nothing counted in {volume_in!r}: "
            "give volume_in= another unit, or usage of that time"
        )
        raise ValueError(" ".join([msg, *(f"({note})" for note in missing.notes("comparison"))]))
    rows = [_cost(name, plan, charges, frame, months) for name, plan in named.items()]
    return PlanComparison(
        start=window.start,
        end=window.end,
        unit=volume_in,
        monthly_volume=decimal_of(monthly / (NANO_PER_USD if volume_in == "usd" else 1), 9),
        ranked=tuple(sorted(rows, key=lambda row: row.cost)),
        ranges=_ranges(named, charges, frame, monthly, volume_in),
        only_in_sums=missing,
    )


def _named(plans: Iterable[Plan] | Mapping[str, Plan]) -> dict[str, Plan]:
    """The plans by name, in the order given."""
    given = list(plans.items()) if isinstance(plans, Mapping) else [(None, plan) for plan in _listed(plans)]
    named: dict[str, Plan] = {}
    for name, plan in given:
        if not isinstance(plan, Plan):
            msg = f"{plan!r} is not a plan: give PayAsYouGo(), Prepaid([Credit(...)]) or Subscription(fee)"
            raise ValueError(msg)  # noqa: TRY004 - an unknown name is a value
        if (name or plan.name) in named:
            msg = f"two plans are called {plan.name!r}: give one of them another name="
            raise ValueError(msg)
        named[name or plan.name] = plan
    if not named:
        msg = "there are no plans to compare: give at least one, such as [PayAsYouGo(), Subscription(20)]"
        raise ValueError(msg)
    return named


def _listed(plans: Any) -> Iterable[Any]:  # noqa: ANN401 - what a user gave
    return plans if isinstance(plans, Iterable) and not isinstance(plans, str) else [plans]


def _cost(name: str, plan: Plan, charges: Sequence[Charge], frame: Frame, months: Fraction) -> PlanCost:
    settled = plan.settle(charges, frame)
    nano = sum(part.effective for part in settled.parts)
    remaining = settled.remaining
    return PlanCost(
        plan=name,
        cost=to_usd(half_even(nano), NANO_PER_USD),
        monthly_cost=to_usd(half_even(nano / months), NANO_PER_USD),
        remaining_credit=None if remaining is None else to_usd(half_even(remaining), NANO_PER_USD),
        unpriced_calls=round(settled.unpriced_calls),
        suits=plan.suits,
    )


def _ranges(
    plans: Mapping[str, Plan], charges: Sequence[Charge], frame: Frame, monthly: Fraction, unit: str
) -> tuple[VolumeRange, ...]:
    scale = 1 if unit == "usd" else _SCALES[unit]  # charges count dollars in nano-USD already
    today = monthly * scale
    cells = _by_day(charges, frame)

    def cost_of(plan: Plan) -> Callable[[int], Exact]:
        def cost(volume: int) -> Exact:
            scaled = [cell.times(volume / today) for cell in cells]
            return sum(part.effective for part in plan.settle(scaled, frame).parts)

        return cost

    stretches = cheapest_by_volume([cost_of(plan) for plan in plans.values()], max(1, round(today)))
    names = list(plans)
    return tuple(
        VolumeRange(
            plan=names[each.plan],
            above=_volume(each.above, unit),
            up_to=None if each.up_to is None else _volume(each.up_to, unit),
            unit=unit,
        )
        for each in stretches
    )


def _volume(steps: int, unit: str) -> Decimal:
    return decimal_of(Fraction(steps, _SCALES[unit]))


def _by_day(charges: Sequence[Charge], frame: Frame) -> list[Charge]:
    """The charges summed by day: volumes are tried out many times over."""
    days = Periods("day", frame.tz)
    return [
        Charge(
            group[0].at,
            sum(charge.usd or 0 for charge in group),
            sum(charge.tokens or 0 for charge in group),
            sum(charge.calls for charge in group),
            sum(charge.gpu_hours for charge in group),
        )
        for _, group in days.group(charges)
    ]
