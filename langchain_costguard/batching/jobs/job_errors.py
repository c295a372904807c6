"""What can go wrong with a batch job, and what each error says of it.

```
CostGuardError
└── BatchError
    ├── UnsupportedChainError (ValueError)   the chain cannot be batched; nothing was sent
    ├── BatchInputError (ValueError)         .index: an input cannot be made into a request; nothing was sent
    ├── BatchDeclinedError                   .estimate: `confirm` said no; nothing was sent
    ├── BatchNotFoundError (LookupError)     no such job
    ├── BatchStateError                      the file of jobs, or a job in it, cannot be read or used so
    └── BatchProviderError                   .is_certain: the provider refused or did not answer; resume the job
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_costguard.exceptions import CostGuardError

if TYPE_CHECKING:
    from langchain_costguard.batching.jobs.batch_estimate import BatchEstimate


class BatchError(CostGuardError):
    """Base class of the errors of batch jobs."""


class UnsupportedChainError(BatchError, ValueError):
    """A chain, or the model in it, cannot go through a Batch API; nothing was sent."""


class BatchInputError(BatchError, ValueError):
    """An input cannot be made into a request; nothing was sent.

    Attributes:
        index: the position of the input; `None` if it is about all of them.
    """

    def __init__(self, message: str, *, index: int | None = None) -> None:
        """Keep the position beside the message."""
        super().__init__(message)
        self.index: int | None = index


class BatchDeclinedError(BatchError):
    """Whoever was asked to confirm did not; nothing was sent.

    Attributes:
        estimate: what was asked about.
    """

    def __init__(self, message: str, *, estimate: BatchEstimate) -> None:
        """Keep the estimate beside the message."""
        super().__init__(message)
        self.estimate: BatchEstimate = estimate


class BatchNotFoundError(BatchError, LookupError):
    """The file of jobs has no job of this id or name."""


class BatchStateError(BatchError):
    """The file of jobs, or a job in it, cannot be read, or not be used in this way."""


class BatchProviderError(BatchError):
    """The provider refused, or did not answer; the job is as it was and can be resumed.

    Attributes:
        is_certain: whether the provider has certainly done nothing of what was asked.
    """

    def __init__(self, message: str, *, is_certain: bool = False) -> None:
        """Keep how certain it is beside the message."""
        super().__init__(message)
        self.is_certain: bool = is_certain
