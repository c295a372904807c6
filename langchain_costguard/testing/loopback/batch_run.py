"""How each request of a batch ends: answered, failed, expired or cancelled, and in which order that is told."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from langchain_costguard.testing.loopback.behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from langchain_costguard.testing.loopback.batch_behaviour import BatchBehaviour
    from langchain_costguard.testing.loopback.service import BatchItem

Kind = Literal["answered", "expired", "cancelled"]


class Ending(NamedTuple):
    """How one request of a batch ended."""

    custom_id: str
    """Its name."""
    kind: Kind
    """Whether it was answered at all."""
    status: int
    """The HTTP status of the answer; 0 where there is none."""
    body: Mapping[str, Any]
    """The answer, or the error."""


def run(
    items: Iterable[BatchItem],
    total: int,
    behaviour: BatchBehaviour,
    answer: Callable[[BatchItem, Behaviour], tuple[int, dict[str, Any]]],
    *,
    cancelled_after: float | None = None,
) -> Iterator[Ending]:
    """Answer the requests of a batch.

    Args:
        items: the requests.
        total: how many they are.
        behaviour: what the script wants.
        answer: answers and bills one request.
        cancelled_after: the share that is answered before the batch is cancelled; `None`: it is not.
    """
    draw = Random(behaviour.seed or 0)  # noqa: S311 - the same every time, on purpose
    share = behaviour.done_share if cancelled_after is None else cancelled_after
    left: Kind = "expired" if cancelled_after is None else "cancelled"
    done = frozenset(draw.sample(range(total), round(total * share)))
    failing = draw.sample(range(total), round(total * behaviour.failed_share))
    statuses = {at: behaviour.failed_statuses[n % len(behaviour.failed_statuses)] for n, at in enumerate(failing)}
    for at, item in enumerate(items):
        if at not in done:
            yield Ending(item.custom_id, left, 0, {})
            continue
        chosen = behaviour.behaviour_of(item.custom_id, item.body)
        status, body = answer(item, Behaviour(status=statuses[at]) if at in statuses else chosen)
        yield Ending(item.custom_id, "answered", status, body)


def written(lines: Sequence[Mapping[str, Any]], behaviour: BatchBehaviour) -> bytes:
    """A JSON Lines file: in another order than the requests, and damaged as the script wants."""
    encoded = [json.dumps(line).encode() for line in lines]
    if behaviour.seed is not None:
        Random(behaviour.seed).shuffle(encoded)  # noqa: S311 - as above
    encoded = encoded[behaviour.missing_lines :]
    for at in range(min(behaviour.malformed_lines, len(encoded))):
        encoded[at] = encoded[at][: len(encoded[at]) // 2]
    return b"".join(line + b"\n" for line in encoded)
