"""What a batch job says of itself while it is under way: its state, its parts, and how many of its items have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from langchain_costguard._amounts import counted

if TYPE_CHECKING:
    from datetime import datetime

JobState = Literal["prepared", "waiting", "in_progress", "ended", "collected", "cancelled", "failed"]
"""`prepared`: nothing is sent yet. `waiting`: parts wait for others to end, because of the enqueued-token limit, or for
a budget. `in_progress`: the provider works. `ended`: every item of the last step has an answer or an error that
`collect` can fetch. `collected`: everything was fetched. `cancelled`, `failed`: the same, of a job that was cancelled,
or of which the provider took nothing."""

PartState = Literal[
    "ready", "uploading", "uploaded", "creating", "submitted", "ended", "collected", "failed", "cancelled"
]
"""`uploading` and `creating` are noted before the provider is asked, so that a process that dies there can look the
request up before it repeats it."""


class PartStatus(NamedTuple):
    """One file of requests, or for Anthropic one list of them."""

    number: int
    """From 0, over all steps and resubmissions of the job."""
    step: int
    """Which of the chain's model steps it belongs to, from 0."""
    model: str
    state: PartState
    provider_state: str | None
    """The provider's own word, such as `"validating"` or `"in_progress"`; `None` before it was submitted."""
    requests: int
    batch_id: str | None
    """The provider's id of the batch."""
    completed: int | None
    """How many the provider says are answered, for showing only; `None` if it does not say."""
    failed: int | None
    expires_at: datetime | None
    errors: tuple[str, ...] = ()
    """Why the provider refused the whole part, one sentence per line of the file."""


class BatchStatus(NamedTuple):
    """How a job stands."""

    job_id: str
    name: str | None
    state: JobState
    step: int
    """The model step under way, from 0."""
    steps: int
    """How many model steps the chain has."""
    items: int
    """How many inputs the job has."""
    succeeded: int
    """Items whose answer of the last step is fetched."""
    failed: int
    """Items that ended with an error."""
    pending: int
    """Items of which nothing is fetched yet."""
    parts: tuple[PartStatus, ...]

    @property
    def is_done(self) -> bool:
        """Whether waiting longer changes nothing."""
        return self.state in {"ended", "collected", "cancelled", "failed"}

    def __str__(self) -> str:
        """One line for the job and one for each part."""
        name = f" ({self.name})" if self.name else ""
        step = f", step {self.step + 1} of {self.steps}" if self.steps > 1 else ""
        counts = f"{self.succeeded:,} answered, {self.failed:,} failed, {self.pending:,} pending"
        lines = [
            f"{self.job_id}{name}: {self.state}{step}; {counted(self.items, 'item')}: {counts}",
        ]
        lines += [
            f"  part {part.number}: {counted(part.requests, 'request')} to {part.model}: "
            + (part.provider_state or part.state)
            + "".join(f"\n    {error}" for error in part.errors)
            for part in self.parts
        ]
        return "\n".join(lines)


class BatchSummary(NamedTuple):
    """One job in the file of jobs, as it was left."""

    job_id: str
    name: str | None
    state: JobState
    provider: str
    items: int
    created_at: datetime
    batch_ids: tuple[str, ...]
    """The provider's ids of what was submitted."""
