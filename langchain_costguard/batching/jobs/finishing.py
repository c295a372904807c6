"""How answers become the chain's own outputs: messages as the model makes them, then the rest of the chain, locally."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.jobs.batch_results import BatchItemError, BatchResults
from langchain_costguard.batching.jobs.calls import run_id_of
from langchain_costguard.batching.jobs.collecting import unpacked
from langchain_costguard.batching.jobs.contracts import finish_result
from langchain_costguard.batching.jobs.state_schema import LAST_OF_EACH, SUMS
from langchain_costguard.cost import NANO_PER_USD, to_usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable

    from langchain_costguard.batching.jobs.context import JobContext
    from langchain_costguard.batching.jobs.rows import ItemRow

_ITEMS_AT_ONCE: Final = 256


def message_of(context: JobContext, item: ItemRow) -> BaseMessage:
    """The message that the model would have returned for an item.

    Raises:
        Exception: whatever the model raises for an answer it cannot take.
    """
    run_id = run_id_of(item.job, item.step, item.position, item.attempt)
    result = context.chain.wires[item.step].result(unpacked(item.answer or b""))
    message: BaseMessage = finish_result(result, context.chain.step(item.step).model, run_id).generations[0].message
    return message


def messages_of(
    context: JobContext, items: Iterable[ItemRow], errors: dict[int, BatchItemError]
) -> Iterator[tuple[int, BaseMessage]]:
    """Positions and messages of items that were answered; those that cannot be read are put to the errors."""
    for item in items:
        try:
            yield item.position, message_of(context, item)
        except Exception as error:  # noqa: BLE001 - whatever the model makes of an answer is the item's own error
            errors[item.position] = _local(error, item.step)


def results_of(context: JobContext) -> BatchResults:
    """The outputs of a job as far as they are there, and why the others are not."""
    job = context.job
    last = job.steps - 1
    outputs: list[Any] = [None] * job.items
    errors: dict[int, BatchItemError] = {}
    rows = context.file.select(LAST_OF_EACH, (job.id,))
    while chunk := list(islice(rows, _ITEMS_AT_ONCE)):
        answered = []
        for item in chunk:
            error = error_of(item, last)
            if error is None:
                answered.append(item)
            else:
                errors[item.position] = error
        messages = list(messages_of(context, answered, errors))
        for position, output in finished(context, messages, context.chain.plan.after, last, errors):
            outputs[position] = output
    billed, standard, unpriced, given, answered_tokens, priced, compared = context.file.one(SUMS, (job.id,))
    return BatchResults(
        outputs,
        dict(sorted(errors.items())),
        cost=to_usd(billed, NANO_PER_USD) if priced else None,
        synchronous_cost=to_usd(standard, NANO_PER_USD) if compared and compared == priced else None,
        unpriced=unpriced or 0,
        input_tokens=given or 0,
        output_tokens=answered_tokens or 0,
    )


def finished(
    context: JobContext,
    messages: list[tuple[int, BaseMessage]],
    after: Runnable[Any, Any] | None,
    step: int,
    errors: dict[int, BatchItemError],
) -> Iterator[tuple[int, Any]]:
    """Run what is after a model over its messages; what fails is put to the errors."""
    if after is None:
        yield from messages
        return
    values = after.batch([message for _, message in messages], context.chain.config, return_exceptions=True)
    for (position, _), value in zip(messages, values, strict=True):
        if isinstance(value, Exception):
            errors[position] = _local(value, step)
        else:
            yield position, value


def error_of(item: ItemRow, last: int) -> BatchItemError | None:
    """Why an item has no answer of the last step; `None` if it has."""
    if item.state == "error":
        return BatchItemError(
            item.cause or "missing",  # type: ignore[arg-type] # one of `Cause`, as it was written
            item.message or "",
            item.code,
            item.http_status,
            item.step,
        )
    if item.state == "sent" or item.step < last:
        return BatchItemError("pending", "it has not ended yet: wait, and collect again", step=item.step)
    return None


def _local(error: Exception, step: int) -> BatchItemError:
    return BatchItemError("local", str(error), type(error).__name__, step=step)
