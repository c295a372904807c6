"""The guards of the semantic cache: what may make two similar questions different ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.semantic_cache.guards.guards import BUILT_IN, Guards, Veto

__all__ = ["BUILT_IN", "Guards", "Veto"]

_ROOMS = {"guards": ("BUILT_IN", "Guards", "Veto")}

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
