"""What goes wrong with one HTTP request, by its method and path: refused, slow, answer lost, answer cut short."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from threading import Lock
from typing import TYPE_CHECKING, Final

from langchain_costguard.testing.loopback.behaviour import Behaviour
from langchain_costguard.testing.loopback.service import scripted_refusal

if TYPE_CHECKING:
    from langchain_costguard.testing.loopback.server import Delivery, Incoming

_FIRST_ERROR_STATUS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request.

    Example:
        >>> Fault(status=429, retry_after_seconds=0).is_refusal
        True
        >>> Fault(answer_lost=True).is_refusal  # it is served, but the client never hears of it
        False
    """

    status: int = 200
    """400 and above: it is refused with this HTTP status, and nothing is done."""
    retry_after_seconds: float | None = None
    """Sent with a refusal as `retry-after`."""
    latency_seconds: float = 0
    """How long it takes."""
    answer_lost: bool = False
    """It is served, and the connection breaks before the answer is sent."""
    resets: bool = False
    """A connection that breaks is reset, not closed."""
    arriving_share: float = 1
    """The share, 0 to 1, of the bytes that arrive of an answer that is not a stream."""
    ends_cleanly: bool = False
    """An answer cut short looks whole: its length is said to be what arrives. Otherwise the connection breaks."""

    @property
    def is_refusal(self) -> bool:
        """Whether the client gets an HTTP error."""
        return self.status >= _FIRST_ERROR_STATUS

    def refusal(self, path: str) -> Delivery:
        """The HTTP error."""
        return scripted_refusal(
            path,
            Behaviour(
                status=self.status,
                retry_after_seconds=self.retry_after_seconds,
                latency_seconds=self.latency_seconds,
            ),
        )

    def spoil(self, delivery: Delivery) -> Delivery:
        """What arrives of an answer, and how."""
        spoilt = replace(delivery, latency_seconds=max(delivery.latency_seconds, self.latency_seconds))
        if self.answer_lost:
            return replace(spoilt, frames=None, drop_after_frames=0, resets=self.resets)
        if self.arriving_share >= 1 or delivery.frames is not None:
            return spoilt
        arriving = int(len(delivery.whole) * self.arriving_share)
        if self.ends_cleanly:
            return replace(spoilt, content=delivery.whole[:arriving], content_type=delivery.kind)
        return replace(spoilt, cut_after_bytes=arriving, resets=self.resets)


class Faults:
    """The faults still to come, per route. Safe to use from many threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._coming: dict[str, deque[Fault]] = {}
        self._lock = Lock()

    def add(self, route: str, fault: Fault, times: int) -> None:
        """Let the next `times` requests of a route go wrong.

        Args:
            route: method and path, `*` for any part: `"GET /v1/files/*/content"`.
            fault: what goes wrong.
            times: how often.
        """
        with self._lock:
            self._coming.setdefault(route, deque()).extend([fault] * times)

    def take(self, incoming: Incoming) -> Fault | None:
        """What goes wrong with this request."""
        asked = f"{incoming.method} {incoming.path}"
        with self._lock:
            for route, coming in self._coming.items():
                if coming and fnmatchcase(asked, route):
                    return coming.popleft()
        return None
