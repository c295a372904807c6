"""Where lines and counters are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.stores.base import LedgerStore
    from langchain_costguard.stores.budget_base import BudgetStore
    from langchain_costguard.stores.headroom import HeadroomStore
    from langchain_costguard.stores.location import default_location
    from langchain_costguard.stores.memory import InMemoryStore
    from langchain_costguard.stores.opening import open_store
    from langchain_costguard.stores.opening_budgets import open_budget_store
    from langchain_costguard.stores.redis import RedisBudgetStore
    from langchain_costguard.stores.sql import SQLStore

__all__ = [
    "BudgetStore",
    "HeadroomStore",
    "InMemoryStore",
    "LedgerStore",
    "RedisBudgetStore",
    "SQLStore",
    "default_location",
    "open_budget_store",
    "open_store",
]

_ROOMS = {
    "base": ("LedgerStore",),
    "budget_base": ("BudgetStore",),
    "headroom": ("HeadroomStore",),
    "location": ("default_location",),
    "memory": ("InMemoryStore",),
    "opening": ("open_store",),
    "opening_budgets": ("open_budget_store",),
    "redis": ("RedisBudgetStore",),
    "sql": ("SQLStore",),
}
"""Where each name lives: a store's driver and rules are loaded by whoever uses it."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
