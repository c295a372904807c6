"""Many calls: now, side by side and within a budget, or overnight at half price through a provider's Batch API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.batching.jobs import (
        BatchDeclinedError,
        BatchError,
        BatchEstimate,
        BatchInputError,
        BatchItemError,
        BatchJob,
        BatchNotFoundError,
        BatchProviderError,
        BatchResults,
        BatchStateError,
        BatchStatus,
        BatchSummary,
        PartStatus,
        UnsupportedChainError,
        default_batches_location,
        delete_batch,
        estimate_batch,
        list_batches,
        open_batch,
        resume_batch,
        submit_batch,
    )
    from langchain_costguard.batching.many import (
        Checkpoint,
        CheckpointError,
        ItemOutcome,
        ItemsFailedError,
        ManyProgress,
        ManyResults,
        arun_many,
        arun_many_as_completed,
        run_many,
        run_many_as_completed,
    )
    from langchain_costguard.batching.retries import Retries

__all__ = [
    "BatchDeclinedError",
    "BatchError",
    "BatchEstimate",
    "BatchInputError",
    "BatchItemError",
    "BatchJob",
    "BatchNotFoundError",
    "BatchProviderError",
    "BatchResults",
    "BatchStateError",
    "BatchStatus",
    "BatchSummary",
    "Checkpoint",
    "CheckpointError",
    "ItemOutcome",
    "ItemsFailedError",
    "ManyProgress",
    "ManyResults",
    "PartStatus",
    "Retries",
    "UnsupportedChainError",
    "arun_many",
    "arun_many_as_completed",
    "default_batches_location",
    "delete_batch",
    "estimate_batch",
    "list_batches",
    "open_batch",
    "resume_batch",
    "run_many",
    "run_many_as_completed",
    "submit_batch",
]

_ROOMS = {
    "many": (
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
    ),
    "jobs": (
        "BatchDeclinedError",
        "BatchError",
        "BatchEstimate",
        "BatchInputError",
        "BatchItemError",
        "BatchJob",
        "BatchNotFoundError",
        "BatchProviderError",
        "BatchResults",
        "BatchStateError",
        "BatchStatus",
        "BatchSummary",
        "PartStatus",
        "UnsupportedChainError",
        "default_batches_location",
        "delete_batch",
        "estimate_batch",
        "list_batches",
        "open_batch",
        "resume_batch",
        "submit_batch",
    ),
    "retries": ("Retries",),
}
"""Where each name lives: batch jobs are not loaded by whoever only runs many calls now."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
