"""Many calls overnight: jobs for a provider's Batch API, at half the price, which outlive the process."""

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
    "PartStatus",
    "UnsupportedChainError",
    "default_batches_location",
    "delete_batch",
    "estimate_batch",
    "list_batches",
    "open_batch",
    "resume_batch",
    "submit_batch",
]

_ROOMS = {
    "api": ("delete_batch", "estimate_batch", "list_batches", "open_batch", "resume_batch", "submit_batch"),
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
    "state": ("default_batches_location",),
    "statuses": ("BatchStatus", "BatchSummary", "PartStatus"),
}

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
