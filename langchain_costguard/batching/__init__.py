"""Many calls: now, side by side and within a budget, or overnight at half price through a provider's Batch API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.batching.batch_estimate import BatchEstimate
    from langchain_costguard.batching.batch_results import BatchItemError, BatchResults
    from langchain_costguard.batching.checkpoints import Checkpoint
    from langchain_costguard.batching.concurrent import (
        arun_many,
        arun_many_as_completed,
        run_many,
        run_many_as_completed,
    )
    from langchain_costguard.batching.errors import CheckpointError, ItemsFailedError
    from langchain_costguard.batching.job import BatchJob
    from langchain_costguard.batching.job_errors import (
        BatchDeclinedError,
        BatchError,
        BatchInputError,
        BatchNotFoundError,
        BatchProviderError,
        BatchStateError,
        UnsupportedChainError,
    )
    from langchain_costguard.batching.jobs import (
        estimate_batch,
        list_batches,
        open_batch,
        resume_batch,
        submit_batch,
    )
    from langchain_costguard.batching.progress import ManyProgress
    from langchain_costguard.batching.results import ItemOutcome, ManyResults
    from langchain_costguard.batching.retries import Retries
    from langchain_costguard.batching.state import default_batches_location
    from langchain_costguard.batching.statuses import BatchStatus, BatchSummary, PartStatus

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
    "estimate_batch",
    "list_batches",
    "open_batch",
    "resume_batch",
    "run_many",
    "run_many_as_completed",
    "submit_batch",
]

_ROOMS = {
    "checkpoints": ("Checkpoint",),
    "concurrent": ("arun_many", "arun_many_as_completed", "run_many", "run_many_as_completed"),
    "errors": ("CheckpointError", "ItemsFailedError"),
    "progress": ("ManyProgress",),
    "results": ("ItemOutcome", "ManyResults"),
    "retries": ("Retries",),
    "batch_estimate": ("BatchEstimate",),
    "batch_results": ("BatchItemError", "BatchResults"),
    "job": ("BatchJob",),
    "job_errors": (
        "BatchDeclinedError",
        "BatchError",
        "BatchInputError",
        "BatchNotFoundError",
        "BatchProviderError",
        "BatchStateError",
        "UnsupportedChainError",
    ),
    "jobs": ("estimate_batch", "list_batches", "open_batch", "resume_batch", "submit_batch"),
    "state": ("default_batches_location",),
    "statuses": ("BatchStatus", "BatchSummary", "PartStatus"),
}
"""Where each name lives: batch jobs are not loaded by whoever only runs many calls now."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
