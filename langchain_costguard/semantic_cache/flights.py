"""One call for many that ask the same at once: the first asks the model, the others wait for what it stores."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Ending = Literal["stored", "unstored", "failed"]
"""How a call ended that others wait for: with an answer in the cache, with one that is not kept, or with none."""

Key = tuple[bytes, bytes]
"""The partition and the digest of a question."""


class Ticket:
    """One call's right to have others wait for it; it leads one question at most, so that no two wait for each other.

    Args:
        wait_seconds: how long it waits for another call before it asks by itself.
        is_nested: whether it is for a call within one that others may wait for: it waits for nobody, because that
            could be the outer call, or one that waits for the outer call.
    """

    def __init__(self, wait_seconds: float, *, is_nested: bool = False) -> None:
        """Lead nothing yet."""
        self.wait_seconds: float = wait_seconds
        self.is_nested: bool = is_nested
        self._flights: Flights | None = None
        self._key: Key | None = None
        self._is_stored: bool = False

    @property
    def may_lead(self) -> bool:
        """Whether it leads nothing yet."""
        return self._key is None

    def board(self, flights: Flights, key: Key) -> None:
        """Lead a question from here on."""
        self._flights, self._key = flights, key

    def note_stored(self, key: Key) -> None:
        """The answer of a question is in the cache."""
        self._is_stored = self._is_stored or key == self._key

    def end(self, *, has_failed: bool) -> None:
        """Let those go on that wait."""
        if self._flights is not None and self._key is not None:
            ending: Ending = "stored" if self._is_stored else "failed" if has_failed else "unstored"
            self._flights.land(self._key, ending)


class Flights:
    """The questions that are being asked right now, by whom others may wait for."""

    def __init__(self) -> None:
        """Begin with none."""
        self._begin()

    def lead_or_follow(self, key: Key, ticket: Ticket) -> Future[Ending] | None:
        """Lead a question that nobody asks yet.

        Returns:
            What to wait for when somebody asks it already; `None` for who leads.
        """
        if self._pid != os.getpid():  # in a forked child nobody asks what its parent's threads asked
            self._begin()
        with self._lock:
            known = self._leaders.get(key)
            if known is None:
                self._leaders[key] = Future()
                ticket.board(self, key)
            return known

    def land(self, key: Key, ending: Ending) -> None:
        """End a question."""
        with self._lock:
            leader = self._leaders.pop(key, None)
        if leader is not None:
            leader.set_result(ending)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._leaders: dict[Key, Future[Ending]] = {}


TICKET: Final[ContextVar[Ticket | None]] = ContextVar("langchain_costguard_cache_ticket", default=None)
"""The ticket of the running call, where it goes through `cached`."""


@contextmanager
def ticketed(wait_seconds: float) -> Iterator[None]:
    """Calls in here have others wait for them that ask the same, and wait for those themselves."""
    outer = TICKET.get()
    ticket = Ticket(wait_seconds, is_nested=outer is not None and (outer.is_nested or not outer.may_lead))
    token = TICKET.set(ticket)
    has_failed = True
    try:
        yield
        has_failed = False
    finally:
        TICKET.reset(token)
        ticket.end(has_failed=has_failed)


def wait_for(leader: Future[Ending], deadline: float) -> Ending | None:
    """Wait for a leader, on a thread.

    Args:
        leader: whom.
        deadline: until when, by `time.monotonic()`.

    Returns:
        How it ended; `None` when it took too long.
    """
    try:
        return leader.result(max(deadline - time.monotonic(), 0.0))
    except TimeoutError:
        return None


async def await_for(leader: Future[Ending], deadline: float) -> Ending | None:
    """The same as `wait_for`, on an event loop."""
    try:
        waiting = asyncio.shield(asyncio.wrap_future(leader))
        return await asyncio.wait_for(waiting, max(deadline - time.monotonic(), 0.0))
    except TimeoutError:
        return None
