"""The semantic cache: answer what was answered before, for the same model, tools, turns and tenant only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.semantic_cache.cache import SemanticCache
    from langchain_costguard.semantic_cache.stats import CacheStats, Explanation
    from langchain_costguard.semantic_cache.streaming import CachedChatModel, cached

__all__ = ["CacheStats", "CachedChatModel", "Explanation", "SemanticCache", "cached"]

_ROOMS = {
    "cache": ("SemanticCache",),
    "stats": ("CacheStats", "Explanation"),
    "streaming": ("CachedChatModel", "cached"),
}
"""Where each name lives: calibrating is not loaded by whoever only runs a cache."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
