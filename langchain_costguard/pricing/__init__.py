"""What a call costs: price lists, the user's own prices, and the book that applies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.pricing.book import PriceBook, UnknownPolicy
    from langchain_costguard.pricing.breakeven import BreakEven, break_even
    from langchain_costguard.pricing.busy import BusyClock
    from langchain_costguard.pricing.catalog import Catalog
    from langchain_costguard.pricing.names import provider_of_host
    from langchain_costguard.pricing.plans import (
        Bill,
        BillLine,
        Credit,
        PayAsYouGo,
        Plan,
        PlanComparison,
        PlanCost,
        Prepaid,
        Subscription,
        UsageRecord,
        VolumeRange,
        compare_plans,
        usage_records,
    )
    from langchain_costguard.pricing.quotes import free, gpu_hour, per_call, per_token
    from langchain_costguard.pricing.rates import Price, RateCard
    from langchain_costguard.pricing.self_hosted import MachineCost, busy_time, gpu_cost, machine_cost
    from langchain_costguard.pricing.shares import share_cost

__all__ = [
    "Bill",
    "BillLine",
    "BreakEven",
    "BusyClock",
    "Catalog",
    "Credit",
    "MachineCost",
    "PayAsYouGo",
    "Plan",
    "PlanComparison",
    "PlanCost",
    "Prepaid",
    "Price",
    "PriceBook",
    "RateCard",
    "Subscription",
    "UnknownPolicy",
    "UsageRecord",
    "VolumeRange",
    "break_even",
    "busy_time",
    "compare_plans",
    "free",
    "gpu_cost",
    "gpu_hour",
    "machine_cost",
    "per_call",
    "per_token",
    "provider_of_host",
    "share_cost",
    "usage_records",
]

_ROOMS = {
    "book": (
        "PriceBook",
        "UnknownPolicy",
    ),
    "breakeven": (
        "BreakEven",
        "break_even",
    ),
    "busy": ("BusyClock",),
    "catalog": ("Catalog",),
    "names": ("provider_of_host",),
    "plans": (
        "Bill",
        "BillLine",
        "Credit",
        "PayAsYouGo",
        "Plan",
        "PlanComparison",
        "PlanCost",
        "Prepaid",
        "Subscription",
        "UsageRecord",
        "VolumeRange",
        "compare_plans",
        "usage_records",
    ),
    "quotes": (
        "free",
        "gpu_hour",
        "per_call",
        "per_token",
    ),
    "rates": (
        "Price",
        "RateCard",
    ),
    "self_hosted": (
        "MachineCost",
        "busy_time",
        "gpu_cost",
        "machine_cost",
    ),
    "shares": ("share_cost",),
}
"""Where each name lives: plans and machines are not loaded by whoever only prices calls."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
