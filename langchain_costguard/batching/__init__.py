"""Many calls: now, side by side and within a budget, or overnight at half price through a provider's Batch API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.batching.jobs.api import (
        delete_batch,
        estimate_batch,
        list_batches,
        open_batch,
        resume_batch,
        submit_batch,
    )
    from langchain_costguard.batching.jobs.batch_estimate import BatchEstimate
    from langchain_costguard.batching.jobs.batch_results import BatchItemError, BatchResults
    from langchain_costguard.batching.jobs.job import BatchJob
    from langchain_costguard.batching.jobs.job_errors import (
        BatchDeclinedError,
        BatchError,
        BatchInputError,
        BatchNotFoundError,
        BatchProviderError,
        BatchStateError,
        UnsupportedChainError,
    )
    from langchain_costguard.batching.jobs.state import default_batches_location
    from langchain_costguard.batching.jobs.statuses import BatchStatus, BatchSummary, PartStatus
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
    "jobs.api": ("delete_batch", "estimate_batch", "list_batches", "open_batch", "resume_batch", "submit_batch"),
    "jobs.batch_estimate": ("BatchEstimate",),
    "jobs.batch_results": ("BatchItemError", "BatchResults"),
    "jobs.job": ("BatchJob",),
    "jobs.job_errors": (
        "BatchDeclinedError",
        "BatchError",
        "BatchInputError",
        "BatchNotFoundError",
        "BatchProviderError",
        "BatchStateError",
        "UnsupportedChainError",
    ),
    "jobs.state": ("default_batches_location",),
    "jobs.statuses": ("BatchStatus", "BatchSummary", "PartStatus"),
    "many.checkpoints": ("Checkpoint",),
    "many.concurrent": ("arun_many", "arun_many_as_completed", "run_many", "run_many_as_completed"),
    "many.errors": ("CheckpointError", "ItemsFailedError"),
    "many.progress": ("ManyProgress",),
    "many.results": ("ItemOutcome", "ManyResults"),
    "retries": ("Retries",),
}
"""Where each name lives: batch jobs are not loaded by whoever only runs many calls now."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
