"""Watching LangChain: the callback, the block, the process-wide attachment, and embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.callbacks.attach import install, track_costs, uninstall
    from langchain_costguard.callbacks.embeddings import TrackedEmbeddings, track_embeddings
    from langchain_costguard.callbacks.guarded_model import GuardedModel, guarded
    from langchain_costguard.callbacks.handler import CostCallbackHandler

__all__ = [
    "CostCallbackHandler",
    "GuardedModel",
    "TrackedEmbeddings",
    "guarded",
    "install",
    "track_costs",
    "track_embeddings",
    "uninstall",
]

_ROOMS = {
    "attach": ("install", "track_costs", "uninstall"),
    "embeddings": ("TrackedEmbeddings", "track_embeddings"),
    "guarded_model": ("GuardedModel", "guarded"),
    "handler": ("CostCallbackHandler",),
}
"""Where each name lives: LangChain's embeddings are not loaded by whoever tracks chat models."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
