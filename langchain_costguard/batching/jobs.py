"""BatchJob: a LangChain chain over many inputs at half price, through the provider's Batch API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.batching.batch_estimate import BatchEstimate
    from langchain_costguard.batching.batch_results import BatchResults
    from langchain_costguard.batching.statuses import BatchStatus, BatchSummary
    from langchain_costguard.budgets import Budget
    from langchain_costguard.pricing.book import PriceBook

MAX_REQUESTS_PER_FILE: Final = 50_000
"""OpenAI's limit; Anthropic's is 100,000."""

MAX_BYTES_PER_FILE: Final = 200_000_000
"""OpenAI's limit; Anthropic's is 256 MB for a list, of which far less is used, because its client holds one in memory."""


class BatchJob:
    """One job: submitted, resumed after a crash, collected.

    Made by `submit_batch`, `open_batch` and `resume_batch`. Every step is noted in a file of jobs before it is done, so
    a process may die at any point.
    """

    @property
    def id(self) -> str:
        """By which `open_batch` finds the job."""
        raise NotImplementedError

    @property
    def name(self) -> str | None:
        """What the job was called when it was submitted."""
        raise NotImplementedError

    def status(self) -> BatchStatus:
        """Ask the provider how the job stands, and do what is due: submit what waited, begin the next step."""
        raise NotImplementedError

    def wait(
        self,
        timeout_seconds: float | None = None,
        *,
        first_pause_seconds: float = 5.0,
        longest_pause_seconds: float = 300.0,
        on_progress: Callable[[BatchStatus], object] | None = None,
    ) -> BatchStatus:
        """Ask again and again, ever more seldom, until the job is done or the time is over."""
        raise NotImplementedError

    def collect(
        self, chain: Runnable[Any, Any] | None = None, *, wait: bool = True, timeout_seconds: float | None = None
    ) -> BatchResults:
        """Fetch what has ended and finish the chain locally; the second time nothing is booked again."""
        raise NotImplementedError

    def cancel(self) -> BatchStatus:
        """Have the provider stop; what it has answered until then is billed and can be collected."""
        raise NotImplementedError

    def resubmit_failed(self) -> BatchStatus:
        """Submit the items once more that ended with an error, and only those."""
        raise NotImplementedError

    def resume(self) -> BatchStatus:
        """Go on where the job was left, by this process or by one that died; nothing is submitted twice."""
        raise NotImplementedError

    async def astatus(self) -> BatchStatus:
        """`status`, without holding up the event loop."""
        raise NotImplementedError

    async def await_(
        self,
        timeout_seconds: float | None = None,
        *,
        first_pause_seconds: float = 5.0,
        longest_pause_seconds: float = 300.0,
        on_progress: Callable[[BatchStatus], object] | None = None,
    ) -> BatchStatus:
        """`wait`, without holding up the event loop (the trailing underscore, because `await` is a keyword)."""
        raise NotImplementedError

    async def acollect(
        self, chain: Runnable[Any, Any] | None = None, *, wait: bool = True, timeout_seconds: float | None = None
    ) -> BatchResults:
        """`collect`, without holding up the event loop."""
        raise NotImplementedError

    async def acancel(self) -> BatchStatus:
        """`cancel`, without holding up the event loop."""
        raise NotImplementedError

    async def aresubmit_failed(self) -> BatchStatus:
        """`resubmit_failed`, without holding up the event loop."""
        raise NotImplementedError

    async def aresume(self) -> BatchStatus:
        """`resume`, without holding up the event loop."""
        raise NotImplementedError


def submit_batch(  # noqa: PLR0913 - all but the first two are named
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
    """
    raise NotImplementedError


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
    """What a job would cost, at the batch price and at the synchronous one; nothing is sent."""
    raise NotImplementedError


def open_batch(
    job_id: str,
    chain: Runnable[Any, Any],
    *,
    store: str | os.PathLike[str] | None = None,
    config: RunnableConfig | None = None,
    budgets: Budget | Iterable[Budget] = (),
    prices: PriceBook | Mapping[str, Any] | None = None,
) -> BatchJob:
    """Find a job again, by its id or its name, in this process or another one; nothing is sent by this alone."""
    raise NotImplementedError


def resume_batch(
    job_id: str,
    chain: Runnable[Any, Any],
    *,
    store: str | os.PathLike[str] | None = None,
    config: RunnableConfig | None = None,
    budgets: Budget | Iterable[Budget] = (),
    prices: PriceBook | Mapping[str, Any] | None = None,
) -> BatchJob:
    """`open_batch`, and `BatchJob.resume` at once."""
    raise NotImplementedError


def list_batches(store: str | os.PathLike[str] | None = None) -> list[BatchSummary]:
    """The jobs of a file, newest first, as they were left; nobody is asked."""
    raise NotImplementedError
