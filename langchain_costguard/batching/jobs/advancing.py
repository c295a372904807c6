"""What is due for a job, and doing it: each act is noted before the provider is asked, so that none is done twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from langchain_costguard.batching.jobs.job_errors import BatchProviderError
from langchain_costguard.batching.jobs.state import now_us
from langchain_costguard.batching.jobs.transport import patiently

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.batching.jobs.context import JobContext
    from langchain_costguard.batching.jobs.providers import Seen
    from langchain_costguard.batching.jobs.rows import PartRow

Act = Literal["upload", "create", "look", "wait", "none"]

_UNDER_WAY: Final = frozenset({"creating", "submitted"})


def due(part: PartRow, enqueued_tokens: int, limit: int | None) -> Act:
    """What is to be done next for a part.

    Args:
        part: the part.
        enqueued_tokens: the input tokens of the parts that are under way.
        limit: the most that may be; `None` for no limit.
    """
    if part.state in {"ready", "uploading", "uploaded"}:
        if limit is not None and enqueued_tokens and enqueued_tokens + part.tokens > limit:
            return "wait"
        return "create" if part.state == "uploaded" else "upload"
    if part.state == "creating":
        return "create"
    return "look" if part.state == "submitted" else "none"


def advance_parts(context: JobContext) -> None:
    """Do what is due for every part: send what may be sent, and ask how the rest stands.

    Raises:
        BatchProviderError: the provider refused, or does not answer; the next call goes on from there.
    """
    limit = context.job.options["limits"][2]
    for part in context.parts():
        if part.state == "submitted":
            look_at(context, part)
    for number in [part.number for part in context.parts() if part.is_live]:
        _send(context, number, limit)


def _send(context: JobContext, number: int, limit: int | None) -> None:
    """Bring one part under way, if there is room for it."""
    while True:
        parts = context.parts()
        part = next(one for one in parts if one.number == number)
        act = due(part, enqueued(parts, number), limit)
        if act == "upload":
            patiently(lambda: _upload(context, number))
        elif act == "create":
            patiently(lambda: _create(context, number))
        else:
            return


def enqueued(parts: Sequence[PartRow], but: int) -> int:
    """The input tokens of the other parts that are under way."""
    return sum(part.tokens for part in parts if part.state in _UNDER_WAY and part.number != but)


def part_of(context: JobContext, number: int) -> PartRow:
    """A part as it is now."""
    return next(part for part in context.file.parts(context.job.id) if part.number == number)


def _upload(context: JobContext, number: int) -> None:
    """Send a part's file; one that an earlier attempt has sent is found by its name."""
    part, file = part_of(context, number), context.file
    provider = context.provider(part)
    name = f"costguard-{context.job.nonce}-{number}.jsonl"
    file_id = None
    if part.state == "uploading":
        file_id = provider.find_upload(name, part.intent_us)
    else:
        part = file.update_part(part, state="uploading", intent_us=part.intent_us or now_us())
    if file_id is None:
        file_id = provider.upload(context.requests_file(part), name)
    file.update_part(part, state="uploaded", file_id=file_id)


def _create(context: JobContext, number: int) -> None:
    """Have a part worked on; a batch that an earlier attempt has created is found by its metadata."""
    part, file = part_of(context, number), context.file
    provider = context.provider(part)
    key = context.key(part)
    batch_id = None
    if part.state == "creating":
        batch_id = find_batch(context, part)
    else:
        part = file.update_part(part, state="creating", intent_us=part.intent_us or now_us())
    if batch_id is None:
        try:
            batch_id = provider.create(part, context.requests_file(part), key)
        except BatchProviderError as error:
            if error.is_certain:
                file.update_part(part, state="uploaded")
            raise
    file.update_part(part, state="submitted", batch_id=batch_id, submitted_us=now_us(), provider_state=None)


def find_batch(context: JobContext, part: PartRow) -> str | None:
    """The batch that an earlier attempt has created for a part, if there is one; never one that is another's."""
    known = context.file.batch_ids() | set(part.foreign)
    return context.provider(part).find(part, context.key(part), frozenset(known))


def look_at(context: JobContext, part: PartRow) -> PartRow:
    """Ask how a part stands, and note it; the part as it is then."""
    assert part.batch_id is not None  # noqa: S101 - it is submitted
    provider, batch_id = context.provider(part), part.batch_id
    seen = patiently(lambda: provider.look(batch_id))
    told = {
        "provider_state": seen.state,
        "completed": seen.completed,
        "failed": seen.failed,
        "expires_us": seen.expires_us,
        "outputs": seen.outputs,
        "errors": seen.errors,
    }
    state = state_after(seen, others_under_way=_others_under_way(context, part))
    if state == "uploaded":  # it waits for others, and is created anew: nothing of it was done
        return context.file.update_part(
            part, state=state, batch_id=None, provider_state=None, errors=(), foreign=(*part.foreign, batch_id)
        )
    return context.file.update_part(part, state=state, **told)


def state_after(seen: Seen, *, others_under_way: bool) -> str:
    """The state of a part after it was looked at.

    Args:
        seen: how its batch stands.
        others_under_way: whether other parts take up room in the provider's queue that they will free.
    """
    if not seen.has_ended:
        return "submitted"
    if seen.is_refused and seen.is_queue_full and others_under_way:
        return "uploaded"
    return "failed" if seen.is_refused else "ended"


def _others_under_way(context: JobContext, part: PartRow) -> bool:
    return any(other.state in _UNDER_WAY and other.number != part.number for other in context.parts())
