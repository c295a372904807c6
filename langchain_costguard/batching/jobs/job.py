"""BatchJob: a job under way, at its end, and after a crash."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.jobs.booking import book_answers
from langchain_costguard.batching.jobs.collecting import collect_parts
from langchain_costguard.batching.jobs.context import ChainContext, JobContext
from langchain_costguard.batching.jobs.finishing import results_of
from langchain_costguard.batching.jobs.job_errors import BatchProviderError
from langchain_costguard.batching.jobs.opening_jobs import check_chain, naming
from langchain_costguard.batching.jobs.standing import status_of
from langchain_costguard.batching.jobs.submitting import advance, cancel_parts, hold_parts, resend, settle_parts
from langchain_costguard.batching.jobs.waiting import Pauses, Watching
from langchain_costguard.exceptions import BudgetExceededError, StoreError, UntrackedStoreWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from langchain_core.runnables import Runnable

    from langchain_costguard.batching.jobs.batch_results import BatchResults
    from langchain_costguard.batching.jobs.statuses import BatchStatus

_logger: Final = logging.getLogger("langchain_costguard")


class BatchJob:
    """One job: submitted, resumed after a crash, collected.

    Made by `submit_batch`, `open_batch` and `resume_batch`. Every step is noted in a file of jobs before it is done, so
    a process may die at any point: what it did is found again, and nothing is submitted or booked twice.

    Example:
        ```python
        job = submit_batch(prompt | model | parser, inputs, name="nightly")
        results = job.collect()                     # waits; hours later, in this process or another one
        results.outputs, results.errors, results.cost
        ```
    """

    def __init__(self, context: JobContext) -> None:
        """Made by `submit_batch` and `open_batch`."""
        self._context = context

    @property
    def id(self) -> str:
        """By which `open_batch` finds the job."""
        return self._context.job.id

    @property
    def name(self) -> str | None:
        """What the job was called when it was submitted."""
        return self._context.job.name

    @property
    def store(self) -> Path:
        """The file the job is kept in."""
        return self._context.file.path

    # -- under way ---------------------------------------------------------------------------------------------------

    def status(self) -> BatchStatus:
        """Ask the provider how the job stands, and do what is due: send what waited, begin the next step.

        Raises:
            BatchProviderError: the provider refused, or does not answer; nothing is lost by that.
            BudgetExceededError: a budget does not hold the next step; what was answered is kept.
            BatchStateError: another process is at the job.
        """
        with self._holding():
            advance(self._context)
            return status_of(self._context)

    def resume(self) -> BatchStatus:
        """Go on where the job was left, by this process or by one that died; nothing is submitted twice.

        Raises:
            BatchProviderError: as `status`, and so are the others.
        """
        return self.status()

    def wait(
        self,
        timeout_seconds: float | None = None,
        *,
        first_pause_seconds: float = 5.0,
        longest_pause_seconds: float = 300.0,
        on_progress: Callable[[BatchStatus], object] | None = None,
        progress: bool | None = None,
    ) -> BatchStatus:
        """Ask again and again, ever more seldom, until the job is done or the time is over.

        Args:
            timeout_seconds: the longest to wait; `None` for as long as it takes.
            first_pause_seconds: the pause after the first question; each is half as long again as the one before.
            longest_pause_seconds: the longest pause.
            on_progress: told of every answer.
            progress: `None` for a bar where a person watches (a terminal, a notebook) and nobody is told of the
                answers, `True` for one anywhere, `False` for none.

        Returns:
            The last answer; `is_done` says whether the time was enough.

        Raises:
            BatchProviderError: the provider refused; an outage is waited out.
            BudgetExceededError: a budget does not hold the next step.
        """
        pauses = Pauses(timeout_seconds, first_pause_seconds, longest_pause_seconds)
        with self._watching(progress, on_progress) as watching:
            while True:
                status, pause = self._look(pauses, watching, on_progress)
                if status is not None:
                    return status
                time.sleep(pause)  # longer each time, as `Pauses` says

    def _watching(self, progress: bool | None, on_progress: Callable[[BatchStatus], object] | None) -> Watching:
        is_told = progress is None and on_progress is not None
        return Watching(False if is_told else progress, self.name or self.id)

    def _look(
        self, pauses: Pauses, watching: Watching, on_progress: Callable[[BatchStatus], object] | None
    ) -> tuple[BatchStatus | None, float]:
        """Ask once; the answer if waiting is over, and else how long to wait."""
        try:
            status = self.status()
        except BatchProviderError as error:
            if error.is_certain or pauses.are_over:
                raise
            _logger.warning("batch job %s goes on waiting: %s", self.id, error)
            return None, pauses.next()
        watching.show(status)
        if on_progress is not None:
            on_progress(status)
        return (status, 0.0) if status.is_done or pauses.are_over else (None, pauses.next())

    def cancel(self) -> BatchStatus:
        """Have the provider stop; what it has answered until then is billed and can be collected.

        Raises:
            BatchProviderError: it refused, or does not answer; cancel again.
        """
        with self._holding():
            cancel_parts(self._context)
        return self.status()

    # -- ended -------------------------------------------------------------------------------------------------------

    def collect(
        self, chain: Runnable[Any, Any] | None = None, *, wait: bool = True, timeout_seconds: float | None = None
    ) -> BatchResults:
        """Fetch what has ended and finish the chain locally.

        Every answer is booked once, with the handlers that watch this call, at the batch price; what budgets held for
        it is settled. Doing it again fetches, books and settles nothing anew, and gives the same results.

        Args:
            chain: another end for the same models; `None` for the chain the job was opened with.
            wait: wait until the job is done; else items that have not ended are errors with the cause `"pending"`.
            timeout_seconds: the longest to wait.

        Returns:
            The outputs in the order of the inputs, why items have none, and what they cost.

        Raises:
            BatchProviderError: the provider refused, or does not answer; what was fetched is kept.
            BudgetExceededError: a budget does not hold the next step; what was answered is booked and kept.
            BatchStateError: the chain is another one, or another process is at the job.
        """
        context = self._context if chain is None else self._with(chain)
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            status = self._asked(context, left, wait=wait)
            with self._holding():
                self._fetch(context)
                status = status_of(context)
                if status.is_done:
                    context.file.update_job(self.id, is_collected=not status.pending)
            is_late = deadline is not None and time.monotonic() >= deadline
            if status.is_done or not wait or is_late:
                return results_of(context)

    def _asked(self, context: JobContext, left: float | None, *, wait: bool) -> BatchStatus:
        """How the job stands; what was answered is booked and settled even if a budget refuses the next step."""
        try:
            return self.wait(left) if wait else self.status()
        except BudgetExceededError:  # what the step before has not used is free then, and may be enough
            self._fetch_now(context)
            return self.wait(left) if wait else self.status()

    def _fetch_now(self, context: JobContext) -> None:
        with self._holding():
            self._fetch(context)

    def resubmit_failed(self) -> BatchStatus:
        """Submit the items once more that ended with an error at the provider, and only those.

        What is missing from the provider's files, or cannot be read there, may have been billed before.

        Raises:
            BudgetExceededError: a budget does not hold them; they stay what they are until this is called again.
            BatchProviderError: as `collect`.
        """
        with self._holding():
            self._fetch(self._context)
            self._context.file.update_job(self.id, is_cancelled=False, is_collected=False)
            resend(self._context)
            hold_parts(self._context)
        return self.status()

    def _fetch(self, context: JobContext) -> None:
        collect_parts(context)
        book_answers(context)
        try:
            missing = settle_parts(context)
        except StoreError as error:
            missing = [str(error)]
        if missing:
            msg = (
                f"what is held for batch job {self.id} could not be settled in {', '.join(missing)}, and stays charged "
                "in full there: collect() again with the handler of those budgets around it, or budgets="
            )
            warnings.warn(msg, UntrackedStoreWarning, stacklevel=3)

    def _with(self, chain: Runnable[Any, Any]) -> JobContext:
        """The job with another end of its chain."""
        known, job = self._context.chain, self._context.job
        other = ChainContext(chain, known.config, known.name, (), known.prices)
        other.own = known.own
        check_chain(job, other.signature)
        return JobContext(self._context.file, job, other)

    @contextmanager
    def _holding(self) -> Iterator[None]:
        with naming(self._context), self._context.file.holding(self.id):
            yield

    # -- without holding up an event loop ----------------------------------------------------------------------------

    async def astatus(self) -> BatchStatus:
        """`status`, in a thread."""
        return await asyncio.to_thread(self.status)

    async def aresume(self) -> BatchStatus:
        """`resume`, in a thread."""
        return await asyncio.to_thread(self.resume)

    async def await_(
        self,
        timeout_seconds: float | None = None,
        *,
        first_pause_seconds: float = 5.0,
        longest_pause_seconds: float = 300.0,
        on_progress: Callable[[BatchStatus], object] | None = None,
        progress: bool | None = None,
    ) -> BatchStatus:
        """`wait`; no thread is held while it pauses. The underscore, because `await` is a keyword."""
        pauses = Pauses(timeout_seconds, first_pause_seconds, longest_pause_seconds)
        with self._watching(progress, on_progress) as watching:
            while True:
                status, pause = await asyncio.to_thread(self._look, pauses, watching, on_progress)
                if status is not None:
                    return status
                await asyncio.sleep(pause)  # longer each time, as `Pauses` says

    async def acollect(
        self, chain: Runnable[Any, Any] | None = None, *, wait: bool = True, timeout_seconds: float | None = None
    ) -> BatchResults:
        """`collect`; no thread is held while it pauses."""
        if wait:
            try:
                await self.await_(timeout_seconds)
            except BudgetExceededError:  # as in `collect`
                await asyncio.to_thread(self._fetch_now, self._context if chain is None else self._with(chain))
                await self.await_(timeout_seconds)
            timeout_seconds = 0.0 if timeout_seconds is not None else None
        return await asyncio.to_thread(self.collect, chain, wait=wait, timeout_seconds=timeout_seconds)

    async def acancel(self) -> BatchStatus:
        """`cancel`, in a thread."""
        return await asyncio.to_thread(self.cancel)

    async def aresubmit_failed(self) -> BatchStatus:
        """`resubmit_failed`, in a thread."""
        return await asyncio.to_thread(self.resubmit_failed)

    def __repr__(self) -> str:
        """The job's id and name."""
        return f"BatchJob({self.id!r}{'' if self.name is None else f', name={self.name!r}'})"
