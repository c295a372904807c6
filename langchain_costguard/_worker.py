"""The background threads to which work is handed that must not wait on an event loop."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger("langchain_costguard")

MAX_WAITING: Final = 100_000
"""So many jobs may wait; a caller beyond that does its job itself, so that memory stays bounded and nothing is lost."""


_EXIT_SECONDS: Final = 10.0


class Worker:
    """Runs jobs one after the other, in the order they were handed in, on a daemon thread.

    The thread starts with the first job. Jobs still waiting when the interpreter ends are run then; a process that is
    killed loses them, which is why the ledger notes the beginning of a call.
    """

    def __init__(self, name: str) -> None:
        """Start with no thread and no jobs."""
        self._name = name
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
                    self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                    self._thread.start()
                    self._drain_when_a_child_process_ends()
                self._changed.notify_all()
                return
        _run(job)

    @property
    def is_current(self) -> bool:
        """Whether the running code is a job of this worker."""
        return threading.current_thread() is self._thread

    @property
    def is_idle(self) -> bool:
        """Whether every job handed in is done."""
        return not self._jobs and not self._busy

    def drain(self, timeout_seconds: float | None = None) -> bool:
        """Wait until every job handed in so far is done.

        Args:
            timeout_seconds: how long to wait; `None` waits as long as it takes.

        Returns:
            Whether all of them are done.
        """
        if self.is_current:
            return True
        with self._changed:
            return self._changed.wait_for(lambda: self.is_idle, timeout_seconds)

    def forget_thread(self) -> None:
        """Begin anew in a forked child, where the thread does not exist; its jobs belong to the parent."""
        self.__init__(self._name)  # type: ignore[misc] # the object is shared by reference, so it is reset in place

    def _drain_when_a_child_process_ends(self) -> None:
        """A child of `multiprocessing` ends without `atexit`: it has an exit list of its own."""
        utilities = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if utilities is not None and process is not None and process.parent_process() is not None:
            utilities.Finalize(None, self.drain, args=(_EXIT_SECONDS,), exitpriority=100)

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
        _logger.error("a background write failed: %s", type(error).__name__)  # noqa: TRY400 - its text may hold a prompt


COUNTER: Final = Worker("costguard-counter")
"""Counts tokens that a provider did not report; it never waits for a store."""

WORKER: Final = Worker("costguard-worker")
"""Writes to stores, which may have to wait."""


def _drain_all() -> None:
    COUNTER.drain(_EXIT_SECONDS)
    WORKER.drain(_EXIT_SECONDS)


def _forget_all() -> None:
    COUNTER.forget_thread()
    WORKER.forget_thread()


atexit.register(_drain_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
