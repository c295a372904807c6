"""run_many: a chain over many inputs now, so many at a time, within a budget, and resumed after a crash."""

from __future__ import annotations

from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.given import check_inputs
from langchain_costguard.batching.many.runs import ManyRun
from langchain_costguard.batching.many.tasks import in_tasks
from langchain_costguard.batching.many.threads import in_threads
from langchain_costguard.batching.retries import Retries

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.batching.many.checkpoints import Checkpoint
    from langchain_costguard.batching.many.course import OnError
    from langchain_costguard.batching.many.progress import ManyProgress
    from langchain_costguard.batching.many.results import ItemOutcome, ManyResults
    from langchain_costguard.budgets import Budget
    from langchain_costguard.stores.base import LedgerStore

USUAL_RETRIES: Final = Retries()
"""Six attempts within about a minute."""

_USE_ASYNC: Final = "use arun_many"


def run_many(
    chain: Runnable[Any, Any],
    inputs: Iterable[Any],
    max_concurrency: int = 10,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    budgets: Budget | Iterable[Budget] = (),
    *,
    on_error: OnError = "keep",
    retries: Retries = USUAL_RETRIES,
    progress: bool | Callable[[ManyProgress], object] | None = None,
    config: RunnableConfig | None = None,
    store: LedgerStore | str | os.PathLike[str] | None = None,
) -> ManyResults:
    """Run a chain over many inputs, so many at a time, and give the results in their order.

    It runs in threads, so it works in a notebook's cell too. Each item is a run of its own, as with `chain.batch`:
    callbacks, tags and metadata of `config` go to all of them, and blocks of `track_costs` around it see their calls.
    What the provider charges is the usual price; half of it, a day later, is what Batch APIs are for.

    Args:
        chain: any Runnable.
        inputs: what it runs over: a list, a generator, any iterable; read as workers become free, in the thread of the
            caller.
        max_concurrency: so many items are under way at once.
        checkpoint: a file in which every result is kept as it comes; the same call later does only what is missing.
            Changed inputs are run anew.
        budgets: what the run may cost, as in `track_costs`. When a hard one refuses, the items under way end, the rest
            are not run, and `stopped_by` says why. A budget per run counts each item by itself.
        on_error: `"keep"` errors beside the results, or `"raise"` the first one after the items under way have ended.
        retries: how rate limits and overloads are met.
        progress: `None` shows a bar in a terminal or notebook, `True` always, `False` never; or a function that is
            called with a `ManyProgress` after each item, in the thread of the caller.
        config: as for `chain.invoke`; it goes for every item.
        store: where lines and the counters of budgets are kept, as in `track_costs`.

    Returns:
        The outputs in order, with errors, costs and what was not run beside them.

    Raises:
        TypeError: `chain` is no Runnable, or `inputs` is a single input.
        ValueError: an argument has no meaning.
        CheckpointError: the checkpoint is in use, damaged or of another chain, or cannot keep what it was given.
        StoreError: a store cannot be opened.
        KeyboardInterrupt: after the items under way have ended; a second one does not wait for them.

    Example:
        ```python
        results = run_many(chain, rows, 20, checkpoint="answers.jsonl", budgets=[Budget(5, name="rows")])
        results.raise_if_failed()
        print(results.cost, results[0])
        ```
    """
    check_inputs(inputs, for_async=_USE_ASYNC)
    run = ManyRun(chain, inputs, max_concurrency, checkpoint, budgets, on_error, retries, progress, config, store)
    with closing(in_threads(run)) as outcomes:
        found = list(outcomes)
    return run.results(found)


async def arun_many(
    chain: Runnable[Any, Any],
    inputs: Iterable[Any] | AsyncIterable[Any],
    max_concurrency: int = 10,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    budgets: Budget | Iterable[Budget] = (),
    *,
    on_error: OnError = "keep",
    retries: Retries = USUAL_RETRIES,
    progress: bool | Callable[[ManyProgress], object] | None = None,
    config: RunnableConfig | None = None,
    store: LedgerStore | str | os.PathLike[str] | None = None,
) -> ManyResults:
    """Run a chain over many inputs in tasks; see `run_many`.

    The inputs may also be an async iterable. Cancelled, it cancels the items under way; what they had finished is in
    the checkpoint.
    """
    check_inputs(inputs, for_async=None)
    run = ManyRun(chain, inputs, max_concurrency, checkpoint, budgets, on_error, retries, progress, config, store)
    async with aclosing(in_tasks(run)) as outcomes:
        found = [outcome async for outcome in outcomes]
    return run.results(found)


def run_many_as_completed(
    chain: Runnable[Any, Any],
    inputs: Iterable[Any],
    max_concurrency: int = 10,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    budgets: Budget | Iterable[Budget] = (),
    *,
    on_error: OnError = "keep",
    retries: Retries = USUAL_RETRIES,
    progress: bool | Callable[[ManyProgress], object] | None = None,
    config: RunnableConfig | None = None,
    store: LedgerStore | str | os.PathLike[str] | None = None,
) -> Iterator[ItemOutcome]:
    """Run a chain over many inputs and give each outcome as it ends, as `chain.batch_as_completed` does.

    Nothing is held, so a million items take no more memory than `max_concurrency` of them. Whoever stops reading stops
    the run: the items under way end first, and are in the checkpoint. Inputs that a budget kept from being begun are
    not told; the last outcome then is one that is `"not_run"`, with its error.

    Args:
        chain: see `run_many` for this and all others.
        inputs: what it runs over.
        max_concurrency: so many items are under way at once.
        checkpoint: a file in which every result is kept.
        budgets: what the run may cost.
        on_error: `"keep"` or `"raise"`.
        retries: how rate limits and overloads are met.
        progress: what shows how far it is.
        config: as for `chain.invoke`.
        store: where lines and counters are kept.

    Returns:
        The outcomes, those of the checkpoint included, in the order in which they end.

    Example:
        ```python
        for outcome in run_many_as_completed(chain, rows, checkpoint="answers.jsonl"):
            print(outcome.index, outcome.output if outcome.is_done else outcome.error)
        ```
    """
    check_inputs(inputs, for_async=_USE_ASYNC)
    run = ManyRun(chain, inputs, max_concurrency, checkpoint, budgets, on_error, retries, progress, config, store)
    return in_threads(run)


async def arun_many_as_completed(
    chain: Runnable[Any, Any],
    inputs: Iterable[Any] | AsyncIterable[Any],
    max_concurrency: int = 10,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    budgets: Budget | Iterable[Budget] = (),
    *,
    on_error: OnError = "keep",
    retries: Retries = USUAL_RETRIES,
    progress: bool | Callable[[ManyProgress], object] | None = None,
    config: RunnableConfig | None = None,
    store: LedgerStore | str | os.PathLike[str] | None = None,
) -> AsyncIterator[ItemOutcome]:
    """Run a chain over many inputs in tasks and give each outcome as it ends; see `run_many_as_completed`."""
    check_inputs(inputs, for_async=None)
    run = ManyRun(chain, inputs, max_concurrency, checkpoint, budgets, on_error, retries, progress, config, store)
    async with aclosing(in_tasks(run)) as outcomes:
        async for outcome in outcomes:
            yield outcome
