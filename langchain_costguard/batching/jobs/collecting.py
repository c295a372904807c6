"""How a part's answers are fetched and mapped to its items: each of them ends with an answer or with a cause."""

from __future__ import annotations

import json
import re
import zlib
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.batching.jobs.preparing import cannot_write
from langchain_costguard.batching.jobs.state_schema import ANSWER, END_REST
from langchain_costguard.batching.jobs.transport import patiently
from langchain_costguard.stores.rows import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from langchain_costguard.batching.jobs.context import JobContext
    from langchain_costguard.batching.jobs.providers import Answer
    from langchain_costguard.batching.jobs.rows import PartRow

_LINES_AT_ONCE: Final = 500
_CUSTOM_ID: Final = re.compile(rb'"custom_id"\s*:\s*"([0-9a-zA-Z_-]{1,64})"')
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
"""A number as this package writes it, and as a database can hold it."""
_MISSING: Final = "the provider's files do not have it, and whether it was billed is not known"
_MESSAGES: Final = {
    "missing": _MISSING,
    "expired": "it was not answered within the completion window; nothing is billed for it",
    "cancelled": "it was cancelled before it was answered; nothing is billed for it",
}


class Place(NamedTuple):
    """Which request an answer is for."""

    step: int
    position: int
    attempt: int


def place_of(custom_id: str, nonce: str) -> Place | None:
    """What a custom id of ours says; `None` for anybody else's."""
    found = custom_id.split("-")
    if len(found) != _PARTS or found[0] != nonce or not all(_NUMBER.fullmatch(one) for one in found[1:4]):
        return None
    return Place(int(found[1]), int(found[2]), int(found[3]))


_PARTS: Final = 5


def collect_parts(context: JobContext, step: int | None = None) -> None:
    """Fetch the answers of every part that has ended, of one step or of all.

    Raises:
        BatchProviderError: a file of answers cannot be fetched; what was fetched before is kept.
    """
    for part in context.parts(step):
        if part.state == "ended":
            _fetch(context, part)
        elif part.state == "failed" and _is_waiting(context, part):
            _refuse_items(context, part)
        elif part.state == "cancelled" and _is_waiting(context, part):
            _end_rest(context, part, "cancelled", _MESSAGES["cancelled"], "cancelled")


def _fetch(context: JobContext, part: PartRow) -> None:
    """Download a part's files, and note what they say of its items."""
    assert part.batch_id is not None  # noqa: S101 - it has ended
    provider, batch_id = context.provider(part), part.batch_id
    paths = []
    context.path(part).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number, output in enumerate(part.outputs):
        path = context.path(part).with_suffix(f".answers-{number}")
        if not path.exists():
            try:
                patiently(lambda output=output, path=path: provider.download(batch_id, output, path))  # type: ignore[misc] # a lambda's defaults have no types
            except OSError as error:
                raise cannot_write(path, error) from error
        paths.append(path)
    ours = foreign = 0
    for path in paths:
        answers = provider.answers(path)
        while chunk := list(islice(answers, _LINES_AT_ONCE)):
            rows = list(_rows(context, part, chunk))
            ours += len(rows)
            foreign += sum(not isinstance(one, bytes) for one in chunk) - len(rows)
            context.file.write(ANSWER, rows)
    if foreign and not ours:  # a batch of somebody else that was taken for this part's: ours is yet to be found
        context.file.update_part(part, state="creating", batch_id=None, outputs=(), foreign=(*part.foreign, batch_id))
    else:
        cause = part.provider_state if part.provider_state in {"expired", "cancelled"} else "missing"
        _end_rest(context, part, cause, _MESSAGES[cause], None)
        context.file.update_part(part, state="collected")
    for path in paths:
        path.unlink(missing_ok=True)


def _rows(context: JobContext, part: PartRow, answers: Iterable[Answer | bytes]) -> Iterator[tuple[object, ...]]:
    """The values of `ANSWER` for lines that are this job's."""
    nonce = context.job.nonce
    for answer in answers:
        if isinstance(answer, bytes):
            named = _CUSTOM_ID.search(answer)
            place = None if named is None else place_of(named[1].decode(), nonce)
            told: tuple[object, ...] = (
                "error",
                None,
                "malformed",
                "its line in the provider's file is no JSON",
                None,
                None,
            )
        else:
            place = place_of(answer.custom_id, nonce)
            told = _told(answer)
        if place is not None:
            yield (*told, context.job.id, *place, part.number)


def _told(answer: Answer) -> tuple[object, ...]:
    if answer.error is None:
        return ("ok", packed(answer.body or {}), None, None, None, None)
    error = answer.error
    code = None if error.code is None else clean_text(error.code)
    return ("error", None, error.cause, clean_text(error.message), code, error.http_status)


def packed(body: Mapping[str, Any]) -> bytes:
    """A response body, as it is kept."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return zlib.compress(text.encode("utf-8", "surrogatepass"), level=1)


def unpacked(answer: bytes) -> dict[str, Any]:
    """A response body that was kept."""
    body: dict[str, Any] = json.loads(zlib.decompress(answer).decode("utf-8", "surrogatepass"))
    return body


def _is_waiting(context: JobContext, part: PartRow) -> bool:
    """Whether items of a part have not ended yet."""
    statement = "SELECT count(*) FROM items WHERE job = ? AND part = ? AND state = 'sent'"
    return bool(context.file.one(statement, (part.job, part.number))[0])


def _refuse_items(context: JobContext, part: PartRow) -> None:
    """End the items of a part that the provider refused as a whole: each with its own line's reason, or with all."""
    by_line = {line: said for line, said in part.errors if line is not None}
    if by_line:
        wanted = "job = ? AND part = ? AND state = 'sent' ORDER BY \"offset\""
        items = context.file.items(wanted, (part.job, part.number))
        context.file.write(
            ANSWER,
            [
                ("error", None, "refused", by_line[line], None, None, *item[:4], part.number)
                for line, item in enumerate(items, 1)
                if line in by_line
            ],
        )
    said = "; ".join(said for _, said in part.errors[:_SHOWN_ERRORS]) or "the provider gave no reason"
    _end_rest(context, part, "refused", f"the provider refused the whole file: {said}", None)


_SHOWN_ERRORS: Final = 3


def _end_rest(context: JobContext, part: PartRow, cause: str, message: str, code: str | None) -> None:
    context.file.write(END_REST, [(cause, message, code, part.job, part.number)])
