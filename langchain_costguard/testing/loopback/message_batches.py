"""Anthropic's Message Batches API: `/v1/messages/batches`, in progress until every request has ended somehow."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_costguard.testing.loopback.batch_behaviour import BatchBehaviour
from langchain_costguard.testing.loopback.batch_clock import Step
from langchain_costguard.testing.loopback.batch_rules import check_messages
from langchain_costguard.testing.loopback.batch_run import run, written
from langchain_costguard.testing.loopback.errors import RequestRefused
from langchain_costguard.testing.loopback.pages import page
from langchain_costguard.testing.loopback.server import Delivery
from langchain_costguard.testing.loopback.service import BatchItem, parsed

if TYPE_CHECKING:
    from collections import deque

    from langchain_costguard.testing.loopback.batch_clock import BatchClock
    from langchain_costguard.testing.loopback.batch_rules import BatchLimits
    from langchain_costguard.testing.loopback.batch_run import Ending
    from langchain_costguard.testing.loopback.server import Incoming
    from langchain_costguard.testing.loopback.service import LoopbackService

_PATH: Final = "/v1/messages"
_LARGEST_PAGE: Final = 1000
_USUAL_PAGE: Final = 20
_FIRST_ERROR_STATUS: Final = 400
_OUTCOMES: Final = ("processing", "succeeded", "errored", "canceled", "expired")


@dataclass(slots=True, kw_only=True)
class _MessageBatch:
    """A message batch and how far it has come."""

    id: str
    requests: list[dict[str, Any]]
    behaviour: BatchBehaviour
    began: float
    created_at: datetime
    status: Literal["in_progress", "canceling", "ended"] = "in_progress"
    polls: int = 0
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None
    counts: Counter[str] = field(default_factory=Counter)
    results: bytes = b""

    def object(self, host: str) -> dict[str, Any]:
        """The batch as the API tells it."""
        has_ended = self.status == "ended"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": {outcome: self.counts[outcome] for outcome in _OUTCOMES},
            "created_at": self.created_at.isoformat(),
            "expires_at": (self.created_at + timedelta(days=1)).isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "cancel_initiated_at": self.cancelled_at.isoformat() if self.cancelled_at else None,
            "archived_at": None,
            "results_url": f"http://{host}{_PATH}/batches/{self.id}/results" if has_ended else None,
        }


class MessageBatches:
    """The message batches of the provider. Whoever uses them sees to it that one thread does at a time.

    Args:
        service: answers and bills the requests.
        limits: how large batches may be.
        clock: how fast they move.
        script: how the next ones are served.
    """

    def __init__(
        self, service: LoopbackService, limits: BatchLimits, clock: BatchClock, script: deque[BatchBehaviour]
    ) -> None:
        """Begin with none."""
        self._service = service
        self._limits = limits
        self._clock = clock
        self._script = script
        self._batches: dict[str, _MessageBatch] = {}
        self._numbers = count(1)

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Every batch as the API tells it, oldest first."""
        return [batch.object("") for batch in self._batches.values()]

    def handle(self, incoming: Incoming, parts: list[str]) -> Delivery:
        """Serve a request for a path under `/v1/messages/batches`.

        Raises:
            RequestRefused: it cannot be served.
        """
        match (incoming.method, *parts):
            case ("POST",):
                return Delivery(body=self._create(incoming).object(incoming.host))
            case ("GET",):
                return Delivery(body=self._list(incoming))
            case ("GET", batch_id):
                return Delivery(body=self._polled(batch_id).object(incoming.host))
            case ("GET", batch_id, "results"):
                return Delivery(content=self._ended(batch_id, "has no results yet").results)
            case ("POST", batch_id, "cancel"):
                return Delivery(body=self._cancel(self._find(batch_id)).object(incoming.host))
            case ("DELETE", batch_id):
                del self._batches[self._ended(batch_id, "cannot be deleted yet").id]
                return Delivery(body={"id": batch_id, "type": "message_batch_deleted"})
        raise RequestRefused(HTTPStatus.NOT_FOUND, f"Nothing is served at {incoming.method} {incoming.path}.")

    def _create(self, incoming: Incoming) -> _MessageBatch:
        requests = check_messages(incoming.content, parsed(incoming.content), self._limits)
        batch = _MessageBatch(
            id=f"msgbatch_loopback{next(self._numbers)}",
            requests=requests,
            behaviour=self._script.popleft() if self._script else BatchBehaviour(),
            began=time.monotonic(),
            created_at=datetime.now(UTC),
            counts=Counter(processing=len(requests)),
        )
        self._batches[batch.id] = batch
        return batch

    def _list(self, incoming: Incoming) -> dict[str, Any]:
        for batch in self._batches.values():
            self._advance(batch)
        rows = [batch.object(incoming.host) for batch in reversed(self._batches.values())]
        return page(rows, incoming.query, largest=_LARGEST_PAGE, usual=_USUAL_PAGE, after="after_id")

    def _find(self, batch_id: str) -> _MessageBatch:
        batch = self._batches.get(batch_id)
        if batch is None:
            raise RequestRefused(HTTPStatus.NOT_FOUND, f"No message batch has the id '{batch_id}'.")
        return batch

    def _polled(self, batch_id: str) -> _MessageBatch:
        batch = self._find(batch_id)
        batch.polls += 1
        self._advance(batch)
        return batch

    def _ended(self, batch_id: str, otherwise: str) -> _MessageBatch:
        batch = self._find(batch_id)
        self._advance(batch)
        if batch.status != "ended":
            message = f"The batch {batch_id} {otherwise}: it is {batch.status}."
            raise RequestRefused(HTTPStatus.BAD_REQUEST, message)
        return batch

    def _cancel(self, batch: _MessageBatch) -> _MessageBatch:
        self._advance(batch)
        if batch.status == "ended":
            raise RequestRefused(HTTPStatus.BAD_REQUEST, f"The batch {batch.id} has ended and cannot be canceled.")
        if batch.cancelled_at is None:
            batch.status, batch.cancelled_at = "canceling", datetime.now(UTC)
        return batch

    def _advance(self, batch: _MessageBatch) -> None:
        """Bring a batch to where the clock says it is; a cancelled one ends with the next poll."""
        step = self._clock.step(polls=batch.polls, seconds=time.monotonic() - batch.began)
        ends_at = Step.RUNNING if batch.status == "canceling" else Step.DONE
        if batch.status == "ended" or step < ends_at:
            return
        cancelled_after = batch.behaviour.cancelled_after_share if batch.status == "canceling" else None
        items = [BatchItem(batch.id, one["custom_id"], _PATH, one["params"]) for one in batch.requests]
        endings = run(items, len(items), batch.behaviour, self._service.answer_item, cancelled_after=cancelled_after)
        lines = [_line(ending) for ending in endings]
        batch.counts = Counter(line["result"]["type"] for line in lines)
        batch.results = written(lines, batch.behaviour)
        batch.requests = []
        batch.status, batch.ended_at = "ended", datetime.now(UTC)


def _line(ending: Ending) -> dict[str, Any]:
    result: dict[str, Any]
    if ending.kind != "answered":
        result = {"type": "expired" if ending.kind == "expired" else "canceled"}
    elif ending.status >= _FIRST_ERROR_STATUS:
        result = {"type": "errored", "error": ending.body}
    else:
        result = {"type": "succeeded", "message": ending.body}
    return {"custom_id": ending.custom_id, "result": result}
