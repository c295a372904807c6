"""Many calls now: side by side, within a budget, with a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.batching.many.checkpoints import Checkpoint
    from langchain_costguard.batching.many.concurrent import (
        arun_many,
        arun_many_as_completed,
        run_many,
        run_many_as_completed,
    )
    from langchain_costguard.batching.many.errors import CheckpointError, ItemsFailedError
    from langchain_costguard.batching.many.progress import ManyProgress
    from langchain_costguard.batching.many.results import ItemOutcome, ManyResults

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "ItemOutcome",
    "ItemsFailedError",
    "ManyProgress",
    "ManyResults",
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
}

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
