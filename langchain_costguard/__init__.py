"""See, cap, cut and prove what language models cost in LangChain."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from langchain_costguard._version import __version__

if TYPE_CHECKING:
    from langchain_costguard.callbacks import CostCallbackHandler, install, track_costs, track_embeddings, uninstall
    from langchain_costguard.cost import Cost
    from langchain_costguard.estimates import CostEstimate, estimate_cost
    from langchain_costguard.exceptions import (
        CostGuardError,
        CostGuardWarning,
        OptionalDependencyError,
        PriceFormatError,
        StoreError,
        UnboundedInputError,
        UnknownPriceError,
    )
    from langchain_costguard.ledger import LedgerEntry, LedgerQuery, LedgerTotals
    from langchain_costguard.magic import load_ipython_extension
    from langchain_costguard.pricing import (
        PayAsYouGo,
        Prepaid,
        PriceBook,
        Subscription,
        compare_plans,
        free,
        gpu_hour,
        per_call,
        per_token,
    )
    from langchain_costguard.reports import CostReport
    from langchain_costguard.stores import InMemoryStore, open_store
    from langchain_costguard.usage import TokenUsage

__all__ = [
    "Cost",
    "CostCallbackHandler",
    "CostEstimate",
    "CostGuardError",
    "CostGuardWarning",
    "CostReport",
    "InMemoryStore",
    "LedgerEntry",
    "LedgerQuery",
    "LedgerTotals",
    "OptionalDependencyError",
    "PayAsYouGo",
    "Prepaid",
    "PriceBook",
    "PriceFormatError",
    "StoreError",
    "Subscription",
    "TokenUsage",
    "UnboundedInputError",
    "UnknownPriceError",
    "__version__",
    "compare_plans",
    "estimate_cost",
    "free",
    "gpu_hour",
    "install",
    "load_ipython_extension",
    "open_store",
    "per_call",
    "per_token",
    "track_costs",
    "track_embeddings",
    "uninstall",
]

_ROOMS = {
    "callbacks": ("CostCallbackHandler", "install", "track_costs", "track_embeddings", "uninstall"),
    "cost": ("Cost",),
    "estimates": ("CostEstimate", "estimate_cost"),
    "exceptions": (
        "CostGuardError",
        "CostGuardWarning",
        "OptionalDependencyError",
        "PriceFormatError",
        "StoreError",
        "UnboundedInputError",
        "UnknownPriceError",
    ),
    "ledger": ("LedgerEntry", "LedgerQuery", "LedgerTotals"),
    "magic": ("load_ipython_extension",),
    "pricing": (
        "PayAsYouGo",
        "Prepaid",
        "PriceBook",
        "Subscription",
        "compare_plans",
        "free",
        "gpu_hour",
        "per_call",
        "per_token",
    ),
    "reports": ("CostReport",),
    "stores": ("InMemoryStore", "open_store"),
    "usage": ("TokenUsage",),
}
"""Where each name lives. It is imported when it is asked for: the pytest plugin and the command line start at once."""

_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    """Import a name of this package, once."""
    if name not in _ROOM_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
