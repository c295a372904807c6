"""How a step of a job is put on disk, held by its budgets, and sent; and how items are sent once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.batching.jobs.advancing import advance_parts, find_batch, look_at, part_of
from langchain_costguard.batching.jobs.bodies import as_bytes
from langchain_costguard.batching.jobs.calls import messages_in
from langchain_costguard.batching.jobs.collecting import collect_parts
from langchain_costguard.batching.jobs.finishing import messages_of
from langchain_costguard.batching.jobs.holding import (
    Need,
    budgets_for,
    intend,
    refuse_too_small,
    refuse_unbounded,
    reserve,
    settle,
    stores_at_hand,
)
from langchain_costguard.batching.jobs.job_errors import BatchProviderError
from langchain_costguard.batching.jobs.places import shown
from langchain_costguard.batching.jobs.preparing import Made, PartWriter, make_requests
from langchain_costguard.batching.jobs.providers import Request
from langchain_costguard.batching.jobs.state_schema import ONWARD, RESEND
from langchain_costguard.exceptions import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.batching.jobs.batch_results import BatchItemError
    from langchain_costguard.batching.jobs.context import JobContext
    from langchain_costguard.batching.jobs.holding import Meant
    from langchain_costguard.batching.jobs.rows import ItemRow, PartRow
    from langchain_costguard.budgets.facts import CallFacts

_COLUMNS: Final = {"usd": "bound_nano", "tokens": "bound_tokens", "calls": "1"}


def advance(context: JobContext) -> None:
    """Do everything that is due: hold, send, look, and begin the next step where the one before has ended.

    Raises:
        BatchProviderError: the provider refused, or does not answer; the next call goes on from there.
        BudgetExceededError: a budget does not hold the next step; what was answered is kept.
    """
    forget_unfinished(context)
    if not _job(context).is_cancelled:
        hold_parts(context)
        advance_parts(context)
    else:
        _look_only(context)
    for step in range(context.job.steps - 1):
        if any(part.is_live for part in context.parts(step)):
            break
        collect_parts(context, step)
        if not _job(context).is_cancelled and begin_step(context, step + 1):
            hold_parts(context)
            advance_parts(context)


def _look_only(context: JobContext) -> None:
    """Of a cancelled job only what is under way is asked for."""
    for part in context.parts():
        if part.state == "submitted":
            look_at(context, part)


def _job(context: JobContext) -> Any:  # noqa: ANN401 - a row
    return context.file.job(context.job.id)


def forget_unfinished(context: JobContext) -> None:
    """Take back the parts that a process which died had not finished on disk."""
    for part in context.file.parts(context.job.id):
        if part.state == "preparing":
            context.file.drop_part(part)


def begin_step(context: JobContext, step: int) -> bool:
    """Put the requests of a step on disk, of all items that the step before has answered; whether there were any."""
    errors: dict[int, BatchItemError] = {}
    onward = context.file.select(ONWARD, (context.job.id, step - 1))
    writer = PartWriter(context, step, is_bounded=bool(context.chain.watchers(step).guards))
    try:
        for made in make_requests(context.chain, step, messages_of(context, onward, errors), writer.add_fault):
            writer.add(made)
        for position, error in errors.items():
            writer.add_fault(position, ValueError(error.message))
        parts = writer.close()
    finally:
        writer.abandon()
    with context.file.together():
        for part in parts:
            context.file.update_part(part, state="ready")
    return bool(parts)


# -- budgets ---------------------------------------------------------------------------------------------------------


def hold_parts(context: JobContext) -> None:
    """Have every part that is to be sent held by its budgets, all of them or none.

    Raises:
        BudgetExceededError: they do not fit; nothing is held.
        BudgetStoreError: a hard budget cannot be asked; nothing is held.
    """
    parts = [part for part in context.parts() if part.state == "ready" and not part.is_held]
    if not parts:
        return
    step = parts[0].step
    guards = context.chain.watchers(step).guards
    stores = stores_at_hand(guards)
    for part in parts:  # noted by a process that died before it knew whether it was reserved
        for intent in part.holds:
            settle(intent, {}, stores)
    facts = context.chain.calls(context.job.id, step).asked()[1]
    meant = budgets_for(guards, facts)
    if not meant:
        return
    needs = [_need(context, part) for part in parts]
    _refuse(context, meant, facts, parts, needs)
    held = [
        context.file.update_part(part, holds=intend(meant, facts, need))
        for part, need in zip(parts, needs, strict=True)
    ]
    reserve(meant, [intent for part in held for intent in part.holds])
    with context.file.together():
        for part in held:
            context.file.update_part(part, is_held=True)


def _refuse(
    context: JobContext, meant: Sequence[Meant], facts: CallFacts, parts: Sequence[PartRow], needs: Sequence[Need]
) -> None:
    """Refuse before anything is held what has no bound, or does not fit."""
    numbers = [part.number for part in parts]
    unbounded = _first_unbounded(context, numbers)
    if unbounded is not None:
        from langchain_costguard.batching.jobs.bounding import Bounder

        prices = context.chain.watchers(unbounded.step).recorder.prices
        bounder = Bounder(context.chain.calls(context.job.id, unbounded.step), prices)
        part = next(part for part in parts if part.number == unbounded.part)
        bound = bounder.of(messages_in(request_of(context, part, unbounded)))
        refuse_unbounded(meant, bound, bounder.request)
    fits = {
        unit: lambda left, column=column: _fitting(context, numbers, column, left) for unit, column in _COLUMNS.items()
    }
    refuse_too_small(meant, facts, needs, fits)


def _need(context: JobContext, part: PartRow) -> Need:
    statement = "SELECT sum(bound_nano), sum(bound_tokens), count(*) FROM items WHERE job = ? AND part = ?"
    nano, tokens, calls = context.file.one(statement, (part.job, part.number))
    return Need(nano or 0, tokens or 0, calls)


def _first_unbounded(context: JobContext, numbers: Sequence[int]) -> ItemRow | None:
    for number in numbers:
        wanted = "job = ? AND part = ? AND (bound_nano IS NULL OR bound_tokens IS NULL) ORDER BY position LIMIT 1"
        for item in context.file.items(wanted, (context.job.id, number)):
            return item
    return None


def _fitting(context: JobContext, numbers: Sequence[int], column: str, left: int) -> int:
    """How many of the first items need no more than what is left."""
    places = ", ".join("?" * len(numbers))
    statement = (
        f"SELECT count(*) FROM (SELECT sum({column}) OVER (ORDER BY position) AS needed FROM items "  # noqa: S608 - a name of ours
        f"WHERE job = ? AND part IN ({places})) WHERE needed <= ?"
    )
    return int(context.file.one(statement, (context.job.id, *numbers, left))[0])


def settle_parts(context: JobContext) -> list[str]:
    """Settle what is held for parts whose items have all ended, with what they used.

    Returns:
        Where budgets are kept that could not be settled, because their store is not at hand.

    Raises:
        StoreError: a store does not answer; it is settled next time.
    """
    missing: list[str] = []
    for part in context.parts():
        if not part.is_held or part.is_settled or not part.is_over:
            continue
        stores = stores_at_hand(context.chain.watchers(part.step).guards)
        left = [intent["store"] for intent in part.holds if not settle(intent, _used(context, part, intent), stores)]
        missing += map(shown, left)
        if not left:
            context.file.update_part(part, is_settled=True)
    return missing


def _used(context: JobContext, part: PartRow, intent: dict[str, Any]) -> dict[str, int]:
    """What a part's items have used: billed or counted, and reserved in full where that is not known."""
    statement = """
        SELECT sum(coalesce(billed_nano, bound_nano, 0)), sum(input_tokens + output_tokens), sum(state = 'ok')
        FROM items WHERE job = ? AND part = ?
    """
    lost = """
        SELECT sum(max(bound_nano - coalesce(billed_nano, 0), 0)), sum(bound_tokens - input_tokens - output_tokens),
            count(*) FROM items WHERE job = ? AND part = ? AND cause IN ('missing', 'malformed')
    """
    where = (part.job, part.number)
    nano, tokens, calls = (one or 0 for one in context.file.one(statement, where))
    if "reserved" in intent["on_unknown"]:
        more = [one or 0 for one in context.file.one(lost, where)]
        nano, tokens, calls = nano + more[0], tokens + more[1], calls + more[2]
    return {"usd": nano, "tokens": tokens, "calls": calls}


def cancel_parts(context: JobContext) -> None:
    """Have the provider stop what is under way, and send nothing more.

    Raises:
        BatchProviderError: it refused one, or does not answer; the others are cancelled, and this one can be again.
    """
    context.file.update_job(context.job.id, is_cancelled=True)
    failure: BatchProviderError | None = None
    for part in context.parts():
        try:
            _cancel(context, part)
        except BatchProviderError as error:
            failure = error
    _release_unsent(context)
    if failure is not None:
        raise failure


def _cancel(context: JobContext, part: PartRow) -> None:
    """Stop one part, wherever it is; one that has ended meanwhile is left as it is."""
    provider = context.provider(part)
    if part.state == "creating":  # whether it was created is found out, and nothing is created any more
        batch_id = find_batch(context, part)
        if batch_id is not None:
            part = context.file.update_part(part, state="submitted", batch_id=batch_id, submitted_us=part.intent_us)
    if part.state == "submitted" and part.batch_id is not None:
        try:
            provider.cancel(part.batch_id)
        except BatchProviderError:
            if look_at(context, part).state == "submitted":
                raise
        part = part_of(context, part.number)
    if part.is_live and part.batch_id is None:
        context.file.update_part(part, state="cancelled")


def _release_unsent(context: JobContext) -> None:
    """Let go of what is held for parts that were never sent; a store that is not at hand is settled at collection."""
    for part in context.parts():
        if part.state != "cancelled" or not part.is_held or part.is_settled:
            continue
        stores = stores_at_hand(context.chain.watchers(part.step).guards)
        try:
            is_settled = all([settle(intent, {}, stores) for intent in part.holds])  # noqa: C419 - each of them, whatever becomes of others
        except StoreError:  # it does not answer now
            continue
        if is_settled:
            context.file.update_part(part, is_settled=True)


# -- once more -------------------------------------------------------------------------------------------------------


def request_of(context: JobContext, part: PartRow, item: ItemRow) -> dict[str, Any]:
    """The body of an item's request, read from its part's file."""
    with context.requests_file(part).open("rb") as file:
        file.seek(item.offset)
        return context.provider(part).body_in(file.read(item.length))


def resend(context: JobContext) -> int:
    """Write the items that failed at the provider into new parts; how many there are."""
    count = 0
    parts = {part.number: part for part in context.parts()}
    for step in range(context.job.steps):
        wanted = "job = ? AND step = ? AND state = 'error' AND cause != 'local' AND part IS NOT NULL ORDER BY position"
        writer = PartWriter(context, step, is_bounded=bool(context.chain.watchers(step).guards))
        try:
            for item in context.file.items(wanted, (context.job.id, step)):
                writer.add(_again(context, parts[item.part or 0], item), item.attempt + 1)
                count += 1
            written = writer.close()
        finally:
            writer.abandon()
        with context.file.together():
            context.file.write(RESEND, writer.resent())
            for part in written:
                context.file.update_part(part, state="ready")
    return count


def _again(context: JobContext, part: PartRow, item: ItemRow) -> Made:
    body = request_of(context, part, item)
    request = Request(part.url, part.model, body, part.betas)
    return Made(item.position, request, as_bytes(body), messages_in(body))
