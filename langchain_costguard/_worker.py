"""The one background thread to which work is handed that must not wait on an event loop."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("langchain_costguard")

MAX_WAITING: Final = 100_000
"""So many jobs may wait; a caller beyond that does its job itself, so that memory stays bounded and nothing is lost."""


class Worker:
    """Runs jobs one after the other, in the order they were handed in, on a daemon thread.

    The thread starts with the first job. Jobs still waiting when the interpreter ends are run then; a process that is
    killed loses them, which is why the ledger notes the beginning of a call.
    """

    def __init__(self) -> None:
        """Start with no thread and no jobs."""
        self._jobs: deque[Callable[[], object]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def submit(self, job: Callable[[], object]) -> None:
        """Hand in a job; its exceptions are logged by class and go nowhere else."""
        with self._changed:
            if len(self._jobs) < MAX_WAITING:
                self._jobs.append(job)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="costguard-worker", daemon=True)
                    self._thread.start()
                self._changed.notify_all()
                return
        _run(job)

    def drain(self, timeout_seconds: float | None = None) -> bool:
        """Wait until every job handed in so far is done.

        Args:
            timeout_seconds: how long to wait; `None` waits as long as it takes.

        Returns:
            Whether all of them are done.
        """
        if threading.current_thread() is self._thread:
            return True
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs and not self._busy, timeout_seconds)

    def forget_thread(self) -> None:
        """Begin anew in a forked child, where the thread does not exist; its jobs belong to the parent."""
        self.__init__()  # type: ignore[misc] # the object is shared by reference, so it is reset in place

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._jobs))
                job = self._jobs.popleft()
                self._busy = True
            _run(job)


def _run(job: Callable[[], object]) -> None:
    try:
        job()
    except Exception as error:  # noqa: BLE001 - a job must never end the thread, and its text may hold a prompt
        _logger.error("a background write failed: %s", type(error).__name__)  # noqa: TRY400


WORKER: Final = Worker()
"""The process's worker."""

atexit.register(WORKER.drain, 10.0)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WORKER.forget_thread)
