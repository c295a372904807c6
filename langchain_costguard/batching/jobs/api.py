"""Batch jobs: a LangChain chain over many inputs at half price, through the provider's Batch API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.given import check_inputs
from langchain_costguard.batching.jobs.context import ChainContext, JobContext
from langchain_costguard.batching.jobs.estimating import Estimator
from langchain_costguard.batching.jobs.job import BatchJob
from langchain_costguard.batching.jobs.job_errors import BatchInputError, BatchStateError
from langchain_costguard.batching.jobs.opening_jobs import check_chain, new_job
from langchain_costguard.batching.jobs.preparing import Limits, make_requests, refuse_input
from langchain_costguard.batching.jobs.standing import summary_of
from langchain_costguard.batching.jobs.state import JobFile

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.batching.jobs.batch_estimate import BatchEstimate
    from langchain_costguard.batching.jobs.statuses import BatchSummary
    from langchain_costguard.budgets import Budget
    from langchain_costguard.pricing.book import PriceBook

__all__ = ["BatchJob", "delete_batch", "estimate_batch", "list_batches", "open_batch", "resume_batch", "submit_batch"]

MAX_REQUESTS_PER_FILE: Final = 50_000
"""OpenAI's limit; Anthropic's is 100,000."""

MAX_BYTES_PER_FILE: Final = 200_000_000
"""OpenAI's limit; Anthropic's is 256 MB, of which 32 are used, because its client holds a whole list in memory."""

_READ_FIRST: Final = "read it first, [one async for one in inputs]"


def submit_batch(
    chain: Runnable[Any, Any],
    inputs: Iterable[Any],
    *,
    config: RunnableConfig | None = None,
    store: str | os.PathLike[str] | None = None,
    name: str | None = None,
    provider: str | None = None,
    budgets: Budget | Iterable[Budget] = (),
    prices: PriceBook | Mapping[str, Any] | None = None,
    confirm: Callable[[BatchEstimate], bool] | None = None,
    max_requests_per_file: int = MAX_REQUESTS_PER_FILE,
    max_bytes_per_file: int = MAX_BYTES_PER_FILE,
    max_enqueued_tokens: int | None = None,
) -> BatchJob:
    """Submit a chain over many inputs to the provider's Batch API, at half price within 24 hours.

    A job of the same `name`, or without a name one of the same content that is not collected yet, is resumed and not
    submitted a second time: a script that died may simply be run again.

    Args:
        chain: a chat model, or a chain with one or more of them in a row (`prompt | model | parser`).
        inputs: what `chain.invoke` would be given, one after the other; read once, never held as a whole.
        config: tags, metadata and callbacks, as in `chain.invoke`; they hold for every item.
        store: the file the job is kept in; `None` for `COSTGUARD_BATCHES`, else `batches.db` in the user's data
            directory. Requests and answers are kept in files beside it.
        name: a name of yours; a job of this name is submitted once.
        provider: `"openai"` or `"anthropic"`, for a `base_url` that is not theirs and has their Batch API.
        budgets: what the job may cost, besides the budgets in force around the call.
        prices: prices, as in `CostCallbackHandler`; used where nobody watches the call.
        confirm: asked with the estimate before anything is sent; anything false ends it with a `BatchDeclinedError`.
        max_requests_per_file: the most requests of one file.
        max_bytes_per_file: the most bytes of one file.
        max_enqueued_tokens: the most input tokens under way at once (the account's batch queue limit for the model);
            more wait until others have ended. `None` for no limit.

    Returns:
        The job, submitted.

    Raises:
        TypeError: `inputs` is a single input.
        UnsupportedChainError: the chain, or a model in it, cannot go through a Batch API.
        BatchInputError: there are no inputs, or one cannot be made into a request.
        BatchDeclinedError: `confirm` said no.
        BudgetExceededError: a budget is smaller than the job; the message says how much of it fits.
        BatchStateError: the file of jobs cannot be used, or another job has this name.
        BatchProviderError: the provider refused, or does not answer. All others come before anything is sent; after
            this one the same call, or `resume_batch`, goes on.

    Example:
        ```python
        job = submit_batch(prompt | model | parser, inputs, budgets=Budget(20, per="day"), confirm=ask)
        ```
    """
    check_inputs(inputs, for_async=_READ_FIRST)
    planned = ChainContext(chain, config, provider, budgets, prices)
    limits = Limits.of(planned.providers[0], max_requests_per_file, max_bytes_per_file, max_enqueued_tokens)
    return BatchJob(new_job(JobFile(store), planned, inputs, name=name, limits=limits, confirm=confirm))


def estimate_batch(
    chain: Runnable[Any, Any],
    inputs: Iterable[Any],
    *,
    provider: str | None = None,
    prices: PriceBook | Mapping[str, Any] | None = None,
    expected_output_tokens: int | None = None,
    max_requests_per_file: int = MAX_REQUESTS_PER_FILE,
    max_bytes_per_file: int = MAX_BYTES_PER_FILE,
) -> BatchEstimate:
    """What a job would cost, at the batch price and at the synchronous one; nothing is written or sent.

    Of a chain with several model steps the first is estimated: what the others are asked depends on its answers.

    Args:
        chain: as in `submit_batch`, and so are the others.
        inputs: read once.
        provider: for a `base_url` that is not the provider's own.
        prices: prices, as in `CostCallbackHandler`.
        expected_output_tokens: the length of an answer that is expected.
        max_requests_per_file: the most requests of one file.
        max_bytes_per_file: the most bytes of one file.

    Raises:
        TypeError: `inputs` is a single input.
        UnsupportedChainError: the chain cannot be batched.
        BatchInputError: there are no inputs, or one cannot be made into a request.
    """
    check_inputs(inputs, for_async=_READ_FIRST)
    planned = ChainContext(chain, None, provider, (), prices)
    limits = Limits.of(planned.providers[0], max_requests_per_file, max_bytes_per_file, None)
    estimator = Estimator(planned, "estimate", limits, expected_output_tokens)
    count = 0
    for made in make_requests(planned, 0, enumerate(inputs), refuse_input):
        estimator.add(made)
        count += 1
    if not count:
        msg = "there are no inputs: give at least one"
        raise BatchInputError(msg)
    return estimator.estimate()


def open_batch(
    job_id: str,
    chain: Runnable[Any, Any],
    *,
    store: str | os.PathLike[str] | None = None,
    config: RunnableConfig | None = None,
    budgets: Budget | Iterable[Budget] = (),
    prices: PriceBook | Mapping[str, Any] | None = None,
) -> BatchJob:
    """Find a job again, by its id or its name, in this process or another one; nothing is sent by this alone.

    Args:
        job_id: its id, or its name.
        chain: the chain it was submitted with; nothing of it is kept in the file.
        store: the file the job is kept in, as in `submit_batch`.
        config: tags, metadata and callbacks.
        budgets: the budgets it was submitted with, so that what they hold is settled.
        prices: prices, as in `CostCallbackHandler`.

    Raises:
        BatchNotFoundError: there is no such job.
        BatchStateError: the chain has other models.
        UnsupportedChainError: the chain cannot be batched.
    """
    file = JobFile(store)
    job = file.job(job_id)
    planned = ChainContext(chain, config, job.provider, budgets, prices)
    check_chain(job, planned.signature)
    return BatchJob(JobContext(file, job, planned))


def resume_batch(
    job_id: str,
    chain: Runnable[Any, Any],
    *,
    store: str | os.PathLike[str] | None = None,
    config: RunnableConfig | None = None,
    budgets: Budget | Iterable[Budget] = (),
    prices: PriceBook | Mapping[str, Any] | None = None,
) -> BatchJob:
    """`open_batch`, and `BatchJob.resume` at once.

    Args:
        job_id: its id, or its name.
        chain: as in `open_batch`, and so are the others.
        store: the file the job is kept in.
        config: tags, metadata and callbacks.
        budgets: the budgets it was submitted with.
        prices: prices, as in `CostCallbackHandler`.

    Raises:
        BatchProviderError: the provider refused, or does not answer; and what `open_batch` raises.
    """
    job = open_batch(job_id, chain, store=store, config=config, budgets=budgets, prices=prices)
    job.resume()
    return job


def list_batches(store: str | os.PathLike[str] | None = None) -> list[BatchSummary]:
    """The jobs of a file, newest first, as they were left; nobody is asked.

    Args:
        store: the file, as in `submit_batch`.

    Raises:
        BatchStateError: it cannot be read.
    """
    file = JobFile(store)
    return [summary_of(job, file.parts(job.id)) for job in file.jobs()]


def delete_batch(job_id: str, *, store: str | os.PathLike[str] | None = None, force: bool = False) -> None:
    """Delete a job's requests and answers from the file of jobs; the ledger and the provider keep what they have.

    After that it cannot be collected again, and the same job submitted once more is a new one.

    Args:
        job_id: its id, or its name.
        store: the file it is kept in, as in `submit_batch`.
        force: also a job that is under way, or whose answers are not all collected and settled: what it costs is
            booked nowhere then, and a hard budget keeps what it held.

    Raises:
        BatchNotFoundError: there is no such job.
        BatchStateError: it is not collected, or another process is at it.
    """
    file = JobFile(store)
    job = file.job(job_id)
    with file.holding(job.id):
        is_over = all(part.is_over and (part.is_settled or not part.is_held) for part in file.parts(job.id))
        if not force and not (is_over and file.job(job.id).is_collected):
            msg = (
                f"batch job {job_id!r} is not collected and settled, and its answers would be lost: collect() first, "
                "or delete_batch(job_id, force=True)"
            )
            raise BatchStateError(msg)
        file.drop_job(job.id)
