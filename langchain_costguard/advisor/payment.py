"""Other ways to pay for the same calls: a plan, or a machine of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from langchain_costguard.advisor.findings import Finding, SavingRange
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.pricing.amounts import nano_of
from langchain_costguard.pricing.breakeven import break_even
from langchain_costguard.pricing.plans import PayAsYouGo, compare_plans
from langchain_costguard.reports.money import dollars

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from langchain_costguard.advisor.calls import Calls
    from langchain_costguard.pricing.plans import Plan
    from langchain_costguard.pricing.quotes import Dollars

_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that is paid by the hour.

    Args:
        usd_per_hour: its price, in US dollars.
        capacity_per_hour: how many calls it serves in an hour, where that was measured.
    """

    usd_per_hour: Dollars
    capacity_per_hour: Dollars | None = None


def machine_of_your_own(calls: Calls, machine: Machine, seconds: float) -> Finding | None:
    """What a machine of one's own would save at this load.

    Args:
        calls: all calls.
        machine: its price and capacity.
        seconds: how long was observed.

    Returns:
        The finding; expected only where the machine is known to carry the load; `None` where it never pays at it.
    """
    hours = Fraction(round(seconds), _HOUR)
    nano = min(int(calls.billed.sum()), calls.counted.bill_nano)
    if not len(calls) or not hours or nano <= 0:
        return None
    each = to_usd(nano // len(calls), NANO_PER_USD)
    point = break_even(machine.usd_per_hour, api_usd_per_call=each, capacity_per_hour=machine.capacity_per_hour)
    load = len(calls) / hours
    high = nano - nano_of(_dollars(machine.usd_per_hour)) * hours
    if point.per_hour is None or load < point.per_hour or high <= 0:
        return None
    carries = machine.capacity_per_hour is not None and load <= Fraction(_dollars(machine.capacity_per_hour))
    saving = SavingRange.of_nano(0, int(high) if carries else 0, int(high))
    return Finding(
        technique="local_model",
        target="all calls",
        title="Serve a model of your own",
        saving=saving,
        monthly=None,
        calls=len(calls),
        evidence=(
            f"{float(load):,.1f} calls an hour at {dollars(each)} each. {point} The machine itself costs "
            f"{dollars(_dollars(machine.usd_per_hour))} an hour, idle hours included"
        ),
        figures={"calls_per_hour": f"{float(load):.1f}", "break_even_per_hour": point.per_hour},
        code=f'PriceBook({{"my-model": gpu_hour("{machine.usd_per_hour}")}})',
        is_combined=False,
    )


def plan_that_suits(calls: Calls, plans: Iterable[Plan]) -> Finding | None:
    """Which of the plans would have been cheaper than paying as you go.

    Returns:
        The finding, beside the bill where a discount makes that less than the list price; `None` where none of them
        is, or there is nothing to compare.
    """
    given = list(plans)
    if not given or not calls.charges:
        return None
    mine = PayAsYouGo(name="pay as you go (now)")
    compared = compare_plans(calls.charges, [mine, *given])
    now = next(row for row in compared.ranked if row.plan == mine.name)
    nano = min(nano_of(now.cost), calls.counted.bill_nano) - nano_of(compared.best.cost)
    if nano <= 0:
        return None
    return Finding(
        technique="plan",
        target="all calls",
        title=f"Change to {compared.best.plan}",
        saving=SavingRange.of_nano(nano, nano, nano),
        monthly=None,
        calls=sum(record.calls for record in calls.charges),
        evidence=compared.advice,
        figures={"now": f"{now.monthly_cost:f}", "then": f"{compared.best.monthly_cost:f}"},
        code="print(compare_plans(store, plans))",
        is_combined=False,
    )


def _dollars(value: Dollars) -> Decimal:
    from langchain_costguard.pricing.quotes import dollars as read

    return read(value, "gpu_hour")
