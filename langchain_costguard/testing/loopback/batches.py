"""OpenAI's Batch API: `/v1/batches`, from validating to completed, failed, expired or cancelled."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_costguard.testing.loopback.batch_behaviour import BatchBehaviour
from langchain_costguard.testing.loopback.batch_clock import Step
from langchain_costguard.testing.loopback.batch_rules import check_creation, inspect, read_items
from langchain_costguard.testing.loopback.batch_run import run, written
from langchain_costguard.testing.loopback.errors import RequestRefused
from langchain_costguard.testing.loopback.pages import page
from langchain_costguard.testing.loopback.server import Delivery
from langchain_costguard.testing.loopback.service import parsed

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Mapping

    from langchain_costguard.testing.loopback.batch_clock import BatchClock
    from langchain_costguard.testing.loopback.batch_rules import BatchLimits
    from langchain_costguard.testing.loopback.batch_run import Ending
    from langchain_costguard.testing.loopback.files import Files, StoredFile
    from langchain_costguard.testing.loopback.server import Incoming
    from langchain_costguard.testing.loopback.service import LoopbackService

Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
_ENDED: Final = frozenset({"failed", "completed", "expired", "cancelled"})
_DAY_SECONDS: Final = 86_400
_LARGEST_PAGE: Final = 100
_USUAL_PAGE: Final = 20
_FIRST_ERROR_STATUS: Final = 400
_LEFT_OUT: Final = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}
_USAGE: Final = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))


@dataclass(slots=True, kw_only=True)
class _Batch:
    """A batch and how far it has come."""

    id: str
    file: StoredFile
    endpoint: str
    metadata: Mapping[str, str] | None
    behaviour: BatchBehaviour
    began: float
    created_at: int
    status: Status = "validating"
    step: Step = Step.ACCEPTED
    polls: int = 0
    cancelled_while: Step | None = None
    model: str | None = None
    tokens: int = 0
    times: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"total": 0, "completed": 0, "failed": 0})
    usage: dict[str, int] = field(default_factory=lambda: {"input_tokens": 0, "output_tokens": 0})
    output_file_id: str | None = None
    error_file_id: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in _ENDED

    def become(self, status: Status) -> None:
        """Note its new state and when it came."""
        self.status = status
        self.times[f"{status}_at"] = int(time.time())

    @property
    def object(self) -> dict[str, Any]:
        """The batch as the API tells it."""
        named = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.file.id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "expires_at": self.created_at + _DAY_SECONDS,
            **{f"{status}_at": self.times.get(f"{status}_at") for status in named},
            "request_counts": dict(self.counts),
            "usage": self._usage if self.output_file_id else None,
            "metadata": self.metadata,
        }

    @property
    def _usage(self) -> dict[str, Any]:
        return {
            **self.usage,
            "total_tokens": sum(self.usage.values()),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }


class Batches:
    """The batches of the provider. Whoever uses them sees to it that one thread does at a time.

    Args:
        service: answers and bills the requests.
        files: where input lies and output goes.
        limits: how large batches may be.
        clock: how fast they move.
        script: how the next ones are served.
    """

    def __init__(
        self,
        service: LoopbackService,
        files: Files,
        limits: BatchLimits,
        clock: BatchClock,
        script: deque[BatchBehaviour],
    ) -> None:
        """Begin with none."""
        self._service = service
        self._files = files
        self._limits = limits
        self._clock = clock
        self._script = script
        self._batches: dict[str, _Batch] = {}
        self._numbers = count(1)

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Every batch as the API tells it, oldest first."""
        return [batch.object for batch in self._batches.values()]

    def handle(self, incoming: Incoming, parts: list[str]) -> Delivery:
        """Serve a request for a path under `/v1/batches`.

        Raises:
            RequestRefused: it cannot be served.
        """
        match (incoming.method, *parts):
            case ("POST",):
                return Delivery(body=self._create(parsed(incoming.content)))
            case ("GET",):
                return Delivery(body=self._list(incoming))
            case ("GET", batch_id):
                batch = self._find(batch_id)
                batch.polls += 1
                self._advance(batch)
                return Delivery(body=batch.object)
            case ("POST", batch_id, "cancel"):
                return Delivery(body=self._cancel(self._find(batch_id)))
        raise RequestRefused(HTTPStatus.NOT_FOUND, f"Nothing is served at {incoming.method} {incoming.path}.")

    def _create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        check_creation(body)
        file = self._files.find(body["input_file_id"])
        if file.purpose != "batch":
            message = f"Invalid input_file_id: the purpose of {file.id} is '{file.purpose}', not 'batch'."
            raise RequestRefused(HTTPStatus.BAD_REQUEST, message, param="input_file_id")
        batch = _Batch(
            id=f"batch_loopback{next(self._numbers)}",
            file=file,
            endpoint=body["endpoint"],
            metadata=body.get("metadata"),
            behaviour=self._script.popleft() if self._script else BatchBehaviour(),
            began=time.monotonic(),
            created_at=int(time.time()),
        )
        self._batches[batch.id] = batch
        return batch.object

    def _list(self, incoming: Incoming) -> dict[str, Any]:
        for batch in self._batches.values():
            self._advance(batch)
        return page(self.objects[::-1], incoming.query, largest=_LARGEST_PAGE, usual=_USUAL_PAGE)

    def _find(self, batch_id: str) -> _Batch:
        batch = self._batches.get(batch_id)
        if batch is None:
            raise RequestRefused(HTTPStatus.NOT_FOUND, f"No batch found with id '{batch_id}'.", param="batch_id")
        return batch

    def _cancel(self, batch: _Batch) -> dict[str, Any]:
        self._advance(batch)
        if batch.has_ended or batch.status == "finalizing":
            message = f"Cannot cancel a batch with status '{batch.status}'."
            raise RequestRefused(HTTPStatus.CONFLICT, message)
        if batch.status != "cancelling":
            batch.cancelled_while = batch.step
            batch.become("cancelling")
        return batch.object

    def _advance(self, batch: _Batch) -> None:
        """Bring a batch to where the clock says it is."""
        due = self._clock.step(polls=batch.polls, seconds=time.monotonic() - batch.began)
        while batch.step < due and not batch.has_ended:
            batch.step = Step(batch.step + 1)
            if batch.status == "cancelling":
                self._finish_cancelled(batch)
            elif batch.step is Step.RUNNING:
                self._validate(batch)
            elif batch.step is Step.FINALIZING:
                self._answer(batch)
            else:
                batch.become("completed")

    def _validate(self, batch: _Batch) -> None:
        service = self._service
        found = inspect(batch.file.content, batch.endpoint, self._limits, service.is_in_batches, service.prompt_tokens)
        enqueued = sum(one.tokens for one in self._batches.values() if one.model == found.model and not one.has_ended)
        most = self._limits.max_enqueued_tokens
        if batch.behaviour.validation_error is not None:
            found.complain(batch.behaviour.validation_error, "The loopback provider was told to fail this batch.")
        elif most is not None and enqueued + found.tokens > most:
            message = (
                f"Enqueued token limit reached for {found.model} in organization loopback. Limit: {most:,} enqueued "
                "tokens. Please try again once some in_progress batches have been completed."
            )
            found.complain("token_limit_exceeded", message)
        batch.model = found.model
        if found.errors:
            batch.errors = found.errors
            batch.become("failed")
            return
        batch.tokens = found.tokens
        batch.counts["total"] = found.total
        batch.become("in_progress")

    def _answer(self, batch: _Batch) -> None:
        self._write(batch, None)
        batch.become("finalizing" if batch.behaviour.expires_after_share is None else "expired")

    def _finish_cancelled(self, batch: _Batch) -> None:
        if batch.cancelled_while is Step.RUNNING:
            self._write(batch, batch.behaviour.cancelled_after_share)
        batch.become("cancelled")

    def _write(self, batch: _Batch, cancelled_after: float | None) -> None:
        """Answer what is to be answered; who succeeded goes into one file, who did not into the other."""
        succeeded: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        items = read_items(batch.file.content, batch.id)
        endings = run(
            items, batch.counts["total"], batch.behaviour, self._service.answer_item, cancelled_after=cancelled_after
        )
        for number, ending in enumerate(endings, 1):
            if ending.kind == "cancelled":
                continue  # a cancelled batch has partial results; of the rest nothing is said
            is_answer = ending.kind == "answered" and ending.status < _FIRST_ERROR_STATUS
            (succeeded if is_answer else failed).append(_line(batch.id, number, ending))
            if is_answer:
                _add_usage(batch.usage, ending.body.get("usage") or {})
        batch.counts.update(completed=len(succeeded), failed=len(failed))
        batch.output_file_id = self._keep(batch, "output", written(succeeded, batch.behaviour))
        batch.error_file_id = self._keep(batch, "error", b"".join(_encoded(failed)))

    def _keep(self, batch: _Batch, kind: str, content: bytes) -> str | None:
        """A file with the lines; no file where there are none."""
        return self._files.keep(f"{batch.id}_{kind}.jsonl", "batch_output", content).id if content else None


def _encoded(lines: list[dict[str, Any]]) -> list[bytes]:
    return [written([line], BatchBehaviour(seed=None)) for line in lines]


def _line(batch_id: str, number: int, ending: Ending) -> dict[str, Any]:
    head = {"id": f"batch_req_{batch_id}_{number}", "custom_id": ending.custom_id}
    if ending.kind == "expired":
        return {**head, "response": None, "error": _LEFT_OUT}
    response = {"status_code": ending.status, "request_id": f"req_{batch_id}_{number}", "body": ending.body}
    return {**head, "response": response, "error": None}


def _add_usage(total: dict[str, int], usage: Mapping[str, Any]) -> None:
    """Add an answer's usage, in the words of either API."""
    for old, name in _USAGE:
        total[name] += usage.get(name, usage.get(old, 0))
