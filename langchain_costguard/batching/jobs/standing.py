"""How a job stands, as its rows tell: pure but for reading them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from langchain_costguard.batching.jobs.state_schema import COUNTS
from langchain_costguard.batching.jobs.statuses import BatchStatus, BatchSummary, PartStatus

if TYPE_CHECKING:
    from langchain_costguard.batching.jobs.context import JobContext
    from langchain_costguard.batching.jobs.rows import JobRow, PartRow
    from langchain_costguard.batching.jobs.statuses import JobState

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def summary_of(job: JobRow, parts: list[PartRow]) -> BatchSummary:
    """A job as it was left, in one row."""
    return BatchSummary(
        job.id,
        job.name,
        _state(job, [part for part in parts if part.state != "preparing"]),
        job.provider,
        job.items,
        _moment(job.created_us),
        tuple(part.batch_id for part in parts if part.batch_id is not None),
    )


def status_of(context: JobContext) -> BatchStatus:
    """How a job stands, as far as it is known here."""
    job, parts = context.file.job(context.job.id), context.parts()
    succeeded, failed = context.file.one(COUNTS, (job.steps - 1, job.id))
    return BatchStatus(
        job_id=job.id,
        name=job.name,
        state=_state(job, parts),
        step=max((part.step for part in parts), default=0),
        steps=job.steps,
        items=job.items,
        succeeded=succeeded,
        failed=failed,
        pending=job.items - succeeded - failed,
        parts=tuple(_part_status(part) for part in parts),
    )


def _state(job: JobRow, parts: list[PartRow]) -> JobState:
    """The state of a job, from those of its parts."""
    live = [part for part in parts if part.is_live]
    if any(part.state in {"creating", "submitted"} for part in live):
        return "in_progress"
    if live:
        return "waiting" if any(part.submitted_us for part in parts) else "prepared"
    if job.is_cancelled:
        return "cancelled"
    if job.is_collected:
        return "collected"
    return "failed" if parts and all(part.state == "failed" for part in parts) else "ended"


def _part_status(part: PartRow) -> PartStatus:
    return PartStatus(
        number=part.number,
        step=part.step,
        model=part.model,
        state=part.state,  # type: ignore[arg-type] # those in state `preparing` are not shown
        provider_state=part.provider_state,
        requests=part.requests,
        batch_id=part.batch_id,
        completed=part.completed,
        failed=part.failed,
        expires_at=None if part.expires_us is None else _moment(part.expires_us),
        errors=tuple(said if line is None else f"line {line}: {said}" for line, said in part.errors),
    )


def _moment(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)
