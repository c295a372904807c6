"""Agents: an allowance, a cascade, a router, a cache and a shorter context as middleware of `create_agent`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.middleware.budget import BudgetMiddleware
    from langchain_costguard.middleware.cascade import CascadeMiddleware
    from langchain_costguard.middleware.context import ContextMiddleware
    from langchain_costguard.middleware.routing import RoutingMiddleware
    from langchain_costguard.middleware.semantic_cache import SemanticCacheMiddleware
    from langchain_costguard.middleware.watching import label_agents

__all__ = [
    "BudgetMiddleware",
    "CascadeMiddleware",
    "ContextMiddleware",
    "RoutingMiddleware",
    "SemanticCacheMiddleware",
    "label_agents",
]

_ROOMS = {
    "budget": ("BudgetMiddleware",),
    "cascade": ("CascadeMiddleware",),
    "context": ("ContextMiddleware",),
    "routing": ("RoutingMiddleware",),
    "semantic_cache": ("SemanticCacheMiddleware",),
    "watching": ("label_agents",),
}
"""Where each name lives: without the package `langchain`, asking for a middleware says how to install it."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
