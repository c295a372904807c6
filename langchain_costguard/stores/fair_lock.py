"""A lock whose waiters are served in the order in which they came, so that none of many threads starves."""

from __future__ import annotations

import os
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

OWN_THREADS_SECONDS: Final = 1.0
"""So long a budget's step that an event loop waits for waits for threads of its own process.

Each of them is done in a fraction of a millisecond, or in some milliseconds when a file's log is moved into it. But a
collection of garbage stops all of them for half a second where millions of objects live, and on a busy machine the
holder may not run for as long: a call must not be refused for that. For other processes a step waits as long as it was
asked to.
"""

_URGENT_SECONDS: Final = 0.05
"""Who asks for less patience than that waits on an event loop."""


def patience_of(wait_seconds: float) -> tuple[float, bool]:
    """How long a budget's step waits for threads of its own process, and whether it comes before the others.

    Args:
        wait_seconds: how long it was asked to wait.
    """
    is_urgent = wait_seconds < _URGENT_SECONDS
    return (OWN_THREADS_SECONDS if is_urgent else wait_seconds), is_urgent


class FairLock:
    """One holder at a time; a holder hands over to who has waited longest, the urgent before the others.

    A child of a fork holds it if the forking thread did, and has none of the parent's waiters.
    """

    def __init__(self) -> None:
        """Free, with nobody waiting."""
        self._guard = Lock()
        self._is_held: bool = False
        self._waiting: Final[deque[Lock]] = deque()
        self._urgent: Final[deque[Lock]] = deque()
        self._pid = os.getpid()

    def acquire(self, timeout: float = -1, *, is_urgent: bool = False) -> bool:
        """Wait for one's turn.

        Args:
            timeout: how many seconds to wait at most; negative for ever.
            is_urgent: whether to come before those that are not, as what an event loop waits for does.

        Returns:
            Whether the lock is held now.
        """
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return True
            turn = Lock()
            turn.acquire()
            queue = self._urgent if is_urgent else self._waiting
            queue.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        with self._guard:
            if turn not in queue:
                return True  # it was handed over at the last moment
            queue.remove(turn)
        return False

    def release(self) -> None:
        """Hand over to who has waited longest among the urgent, else among all."""
        if self._pid != os.getpid():
            self._forget_parent()
        with self._guard:
            queue = self._urgent or self._waiting
            if queue:
                queue.popleft().release()
            else:
                self._is_held = False

    def __enter__(self) -> None:
        """Wait as long as it takes."""
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Hand over."""
        self.release()

    def _forget_parent(self) -> None:
        """The threads that waited live in the parent, and one of them may have been queueing up while it forked."""
        self._guard, self._pid = Lock(), os.getpid()
        self._waiting.clear()
        self._urgent.clear()
