"""See, cap, cut and prove what language models cost in LangChain."""

from langchain_costguard._version import __version__
from langchain_costguard.callbacks import CostCallbackHandler, install, track_costs, uninstall
from langchain_costguard.cost import Cost
from langchain_costguard.exceptions import (
    CostGuardError,
    CostGuardWarning,
    OptionalDependencyError,
    PriceFormatError,
    StoreError,
    UnknownPriceError,
)
from langchain_costguard.ledger import LedgerEntry, LedgerQuery, LedgerTotals
from langchain_costguard.pricing import PriceBook, free, gpu_hour, per_call, per_token
from langchain_costguard.reports import CostReport
from langchain_costguard.stores import InMemoryStore, open_store
from langchain_costguard.usage import TokenUsage

__all__ = [
    "Cost",
    "CostCallbackHandler",
    "CostGuardError",
    "CostGuardWarning",
    "CostReport",
    "InMemoryStore",
    "LedgerEntry",
    "LedgerQuery",
    "LedgerTotals",
    "OptionalDependencyError",
    "PriceBook",
    "PriceFormatError",
    "StoreError",
    "TokenUsage",
    "UnknownPriceError",
    "__version__",
    "free",
    "gpu_hour",
    "install",
    "open_store",
    "per_call",
    "per_token",
    "track_costs",
    "uninstall",
]
