"""A lock whose waiters are served in the order in which they came, so that none of many threads starves."""

from __future__ import annotations

import os
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType


class FairLock:
    """One holder at a time; a holder hands over to who has waited longest.

    A child of a fork holds it if the forking thread did, and has none of the parent's waiters.
    """

    def __init__(self) -> None:
        """Free, with nobody waiting."""
        self._guard = Lock()
        self._is_held: bool = False
        self._waiting: Final[deque[Lock]] = deque()
        self._pid = os.getpid()

    def acquire(self, timeout: float = -1) -> bool:
        """Wait for one's turn.

        Args:
            timeout: how many seconds to wait at most; negative for ever.

        Returns:
            Whether the lock is held now.
        """
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return True
            turn = Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        with self._guard:
            if turn not in self._waiting:
                return True  # it was handed over at the last moment
            self._waiting.remove(turn)
        return False

    def release(self) -> None:
        """Hand over to who has waited longest."""
        if self._pid != os.getpid():
            self._forget_parent()
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
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
