"""Many calls: now, side by side and within a budget, or overnight at half price through a provider's Batch API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.batching.checkpoints import Checkpoint
    from langchain_costguard.batching.concurrent import (
        arun_many,
        arun_many_as_completed,
        run_many,
        run_many_as_completed,
    )
    from langchain_costguard.batching.errors import CheckpointError, ItemsFailedError
    from langchain_costguard.batching.progress import ManyProgress
    from langchain_costguard.batching.results import ItemOutcome, ManyResults
    from langchain_costguard.batching.retries import Retries

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "ItemOutcome",
    "ItemsFailedError",
    "ManyProgress",
    "ManyResults",
    "Retries",
    "arun_many",
    "arun_many_as_completed",
    "run_many",
    "run_many_as_completed",
]

_ROOMS = {
    "checkpoints": ("Checkpoint",),
    "concurrent": ("arun_many", "arun_many_as_completed", "run_many", "run_many_as_completed"),
    "errors": ("CheckpointError", "ItemsFailedError"),
    "progress": ("ManyProgress",),
    "results": ("ItemOutcome", "ManyResults"),
    "retries": ("Retries",),
}
"""Where each name lives: batch jobs are not loaded by whoever only runs many calls now."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
