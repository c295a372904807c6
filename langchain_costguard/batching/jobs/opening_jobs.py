"""How a job comes to be: its requests put on disk, its repetition known again, its price confirmed, its money held."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.jobs.advancing import advance_parts
from langchain_costguard.batching.jobs.context import JobContext
from langchain_costguard.batching.jobs.estimating import Estimator
from langchain_costguard.batching.jobs.job_errors import (
    BatchDeclinedError,
    BatchInputError,
    BatchStateError,
)
from langchain_costguard.batching.jobs.preparing import Limits, PartWriter, make_requests, refuse_input
from langchain_costguard.batching.jobs.rows import JobRow
from langchain_costguard.batching.jobs.state import now_us
from langchain_costguard.batching.jobs.submitting import advance, hold_parts
from langchain_costguard.exceptions import CostGuardError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from langchain_costguard.batching.jobs.batch_estimate import BatchEstimate
    from langchain_costguard.batching.jobs.context import ChainContext
    from langchain_costguard.batching.jobs.state import JobFile

_NONCE_BYTES: Final = 6


def new_job(
    file: JobFile,
    chain: ChainContext,
    inputs: Iterable[Any],
    *,
    name: str | None,
    limits: Limits,
    confirm: Callable[[BatchEstimate], bool] | None,
) -> JobContext:
    """Make a job and send it, or go on with the one that it would repeat.

    Raises:
        BatchInputError: there are no inputs, or one cannot be made into a request.
        BatchDeclinedError: it was not confirmed.
        BudgetExceededError: a budget does not hold it.
        BatchStateError: another job has this name.
        BatchProviderError: the provider refused, or does not answer; the job can be resumed.
    """
    file.drop_abandoned()
    context = JobContext(file, _row(chain, name, limits), chain)
    file.add_job(context.job)
    with file.holding(context.job.id):  # from the beginning: once it is ready, who makes the same would go on with it
        try:
            known = _make_ready(context, inputs, limits, confirm)
            if known is None:
                context.job = file.job(context.job.id)
                hold_parts(context)
        except BaseException:  # nothing was sent: nothing of it is kept, whatever ended it, and that is raised again
            file.drop_job(context.job.id)
            raise
        if known is None:
            with naming(context):
                advance_parts(context)
            return context
    file.drop_job(context.job.id)
    return _go_on(JobContext(file, known, chain), context.job.chain)


def _row(chain: ChainContext, name: str | None, limits: Limits) -> JobRow:
    nonce = secrets.token_hex(_NONCE_BYTES)
    return JobRow(
        id=f"batch-{nonce}",
        nonce=nonce,
        name=name,
        content="",
        provider=chain.name,
        created_us=now_us(),
        items=0,
        steps=len(chain.plan.steps),
        chain=chain.signature,
        options={"limits": list(limits)},
    )


def _make_ready(
    context: JobContext,
    inputs: Iterable[Any],
    limits: Limits,
    confirm: Callable[[BatchEstimate], bool] | None,
) -> JobRow | None:
    """Put all requests of the first step on disk; the job that has them already, if there is one."""
    estimator = None if confirm is None else Estimator(context.chain, context.job.id, limits, None)
    writer = PartWriter(context, 0, is_bounded=bool(context.chain.watchers(0).guards))
    count = 0
    try:
        for made in make_requests(context.chain, 0, enumerate(inputs), refuse_input):
            writer.add(made)
            if estimator is not None:
                estimator.add(made)
            count += 1
        parts = writer.close()
    finally:
        writer.abandon()
    if not count:
        msg = "there are no inputs: give at least one"
        raise BatchInputError(msg)
    content = hashlib.sha256(f"{context.job.chain}\n{writer.content}".encode()).hexdigest()
    file, job = context.file, context.job
    known = _same(file, content, job.name)
    if known is not None:
        return known
    if estimator is not None and confirm is not None:
        estimate = estimator.estimate()
        if not confirm(estimate):
            msg = f"the batch was not confirmed, and nothing was sent: {estimate!s}"
            raise BatchDeclinedError(msg, estimate=estimate)
    with file.together():
        known = _same(file, content, job.name)
        if known is None:
            for part in parts:
                file.update_part(part, state="ready")
            file.update_job(job.id, content=content, items=count, is_ready=True)
    return known


def _same(file: JobFile, content: str, name: str | None) -> JobRow | None:
    known = file.same_job(content, name)
    if known is not None and known.content != content:
        msg = (
            f"batch job {name!r} was submitted before with other inputs or another chain: give another name=, or open "
            f"that one with open_batch({known.id!r}, chain)"
        )
        raise BatchStateError(msg)
    return known


def _go_on(context: JobContext, signature: str) -> JobContext:
    check_chain(context.job, signature)
    with context.file.holding(context.job.id), naming(context):
        advance(context)
    return context


def check_chain(job: JobRow, signature: str) -> None:
    """Refuse a chain that is not the one a job was made of.

    Raises:
        BatchStateError: its models are others.
    """
    if signature != job.chain:
        msg = (
            f"batch job {job.id} was made of a chain with the models {job.chain}, and this one has {signature}: give "
            "the chain it was submitted with"
        )
        raise BatchStateError(msg)


@contextmanager
def naming(context: JobContext) -> Iterator[None]:
    """Have errors say which job they are about, and where it is kept."""
    try:
        yield
    except CostGuardError as error:
        error.add_note(f"batch job {context.job.id} in {context.file.path}")
        raise
