"""The budget that a plan is: prepaid credit never resets, an allowance resets with its period."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.pricing.amounts import moment
from langchain_costguard.pricing.plans import Prepaid, Subscription

if TYPE_CHECKING:
    from langchain_costguard.pricing.plans import Plan

_UNITS: Final = {"usd": "limit", "tokens": "tokens", "calls": "calls"}


def arguments_of(plan: Plan, at: datetime | None = None) -> dict[str, Any]:
    """The arguments of the `Budget` that a plan is.

    Args:
        plan: the plan.
        at: credit that is bought later is left out; now by default.

    Raises:
        ValueError: a budget cannot say what the plan says.
        TypeError: it is neither prepaid nor a subscription.
    """
    if isinstance(plan, Prepaid):
        return _of_credit(plan, datetime.now(UTC) if at is None else moment(at, "at"))
    if isinstance(plan, Subscription):
        return _of_allowance(plan)
    msg = f"{plan!r} is no plan with a limit: give a Prepaid or a Subscription, or a limit: Budget(2, per='day')"
    raise TypeError(msg)


def _of_credit(plan: Prepaid, at: datetime) -> dict[str, Any]:
    if any(lot.expires is not None for lot in plan.credits):
        msg = (
            f"the plan {plan.name!r} has credit that expires, and a budget's limit does not: what is left then depends "
            "on what was used. Give Budget(bill.remaining_credit) of the plan's bill, with a name="
        )
        raise ValueError(msg)
    nano = sum(lot.amount_nano for lot in plan.credits if lot.valid_from <= at)
    if not nano:
        msg = f"the plan {plan.name!r} has no credit at {at.isoformat()}: give at= a moment after its first purchase"
        raise ValueError(msg)
    return {"limit": to_usd(nano, NANO_PER_USD), "per": "total", "name": plan.name}


def _of_allowance(plan: Subscription) -> dict[str, Any]:
    if plan.allowance is None:
        msg = f"the plan {plan.name!r} covers everything, so nothing is to be limited: give it an allowance="
        raise ValueError(msg)
    if plan.unit not in _UNITS:
        msg = f"the plan {plan.name!r} counts {plan.unit}, and budgets count dollars, tokens or calls: give Budget(...)"
        raise ValueError(msg)
    if not _is_calendar(plan):
        msg = (
            f"the plan {plan.name!r} does not renew with the calendar's day, week or month, and budgets reset with "
            "them: give a limit for one of these, such as Budget(20, per='month')"
        )
        raise ValueError(msg)
    return {_UNITS[plan.unit]: plan.allowance, "per": plan.period, "name": plan.name}


def _is_calendar(plan: Subscription) -> bool:
    """Whether the plan's periods are the windows of a budget."""
    if plan.period == "week":
        return plan.renews is None or plan.renews.weekday() == 0
    if plan.period == "month":
        return plan.renews is None or plan.renews.day == 1
    return plan.period == "day"
