"""Who serves a request: the model, the files or the batches, with what was scripted for its path, and who is told."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_costguard.testing.loopback.batches import Batches
from langchain_costguard.testing.loopback.errors import RequestRefused, anthropic_error
from langchain_costguard.testing.loopback.faults import Faults
from langchain_costguard.testing.loopback.files import Files
from langchain_costguard.testing.loopback.message_batches import MessageBatches
from langchain_costguard.testing.loopback.records import LoopbackRequest
from langchain_costguard.testing.loopback.server import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.testing.loopback.batch_behaviour import BatchBehaviour
    from langchain_costguard.testing.loopback.batch_clock import BatchClock
    from langchain_costguard.testing.loopback.batch_rules import BatchLimits
    from langchain_costguard.testing.loopback.server import Incoming
    from langchain_costguard.testing.loopback.service import LoopbackService

Moment = Literal["received", "served"]
"""When a watcher is told of a request: before anything is done, or when all is done but the answer not sent."""
_MESSAGES: Final = "/v1/messages"


class Front:
    """Takes every request the server receives. Safe to use from many threads.

    Args:
        service: the model.
        limits: how large batches may be.
        clock: how fast batches move.
    """

    def __init__(self, service: LoopbackService, limits: BatchLimits, clock: BatchClock) -> None:
        """Open for business."""
        self.faults: Faults = Faults()
        self.files: Files = Files()
        self.batch_script: deque[BatchBehaviour] = deque()
        self.watchers: list[Callable[[Moment, str, str], object]] = []
        self._service = service
        self._batches = Batches(service, self.files, limits, clock, self.batch_script)
        self._message_batches = MessageBatches(service, limits, clock, self.batch_script)
        self._lock = RLock()

    @property
    def batches(self) -> list[dict[str, Any]]:
        """Every batch of either kind as its API tells it."""
        with self._lock:
            return [*self._batches.objects, *self._message_batches.objects]

    def handle(self, incoming: Incoming) -> Delivery:
        """Serve one request."""
        self._tell("received", incoming)
        fault = self.faults.take(incoming)
        if fault is not None and fault.is_refusal:
            self._note(incoming, fault.status)
            return fault.refusal(incoming.path)
        delivery = self._served(incoming)
        self._tell("served", incoming)
        return delivery if fault is None else fault.spoil(delivery)

    def _tell(self, moment: Moment, incoming: Incoming) -> None:
        for watcher in self.watchers:
            watcher(moment, incoming.method, incoming.path)

    def _served(self, incoming: Incoming) -> Delivery:
        parts = incoming.path.strip("/").split("/")
        match parts:
            case ["v1", "files", *rest]:
                return self._kept(self.files.handle, incoming, rest)
            case ["v1", "batches", *rest]:
                return self._kept(self._batches.handle, incoming, rest)
            case ["v1", "messages", "batches", *rest]:
                return self._kept(self._message_batches.handle, incoming, rest)
        return self._service.handle(incoming)

    def _kept(
        self, handle: Callable[[Incoming, list[str]], Delivery], incoming: Incoming, parts: list[str]
    ) -> Delivery:
        """Serve a request for files or batches, one at a time, and remember it."""
        try:
            with self._lock:
                delivery = handle(incoming, parts)
        except RequestRefused as refusal:
            body = refusal.body
            if incoming.path.startswith(_MESSAGES):
                body = anthropic_error(refusal.status, body)
            delivery = Delivery(status=refusal.status, body=body)
        self._note(incoming, delivery.status)
        return delivery

    def _note(self, incoming: Incoming, status: int) -> None:
        self._service.note(
            LoopbackRequest(path=incoming.path, method=incoming.method, status=status, billed=Decimal(0))
        )
