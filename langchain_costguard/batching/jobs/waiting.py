"""Waiting for a job: how long between two questions, and what somebody who watches sees meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from langchain_costguard.batching.displays import display_of

if TYPE_CHECKING:
    from types import TracebackType

    from langchain_costguard.batching.displays import Display
    from langchain_costguard.batching.jobs.statuses import BatchStatus

_LONGER: Final = 1.5
"""How much longer each pause is than the one before."""


class Pauses:
    """How long to wait between two questions, and when to stop asking."""

    def __init__(self, timeout_seconds: float | None, first: float, longest: float) -> None:
        """Begin now; all in seconds, the time without an end if it is `None`."""
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._pause = max(0.0, first)
        self._longest = longest

    @property
    def are_over(self) -> bool:
        """Whether the time is over."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def next(self) -> float:
        """The next pause, in seconds; never beyond the end."""
        pause, self._pause = min(self._pause, self._longest), self._pause * _LONGER
        return pause if self._deadline is None else max(0.0, min(pause, self._deadline - time.monotonic()))


class Standing:
    """How far a job is, as the provider counts the requests of the step under way."""

    def __init__(self, status: BatchStatus) -> None:
        """Of one answer of the provider."""
        parts = [part for part in status.parts if part.step == status.step]
        self._state = status.state if status.steps == 1 else f"{status.state}, step {status.step + 1}/{status.steps}"
        self.ended: int = sum((part.completed or 0) + (part.failed or 0) for part in parts)
        self.total: int = sum(part.requests for part in parts)

    def now(self) -> Standing:
        """This one."""
        return self

    def __str__(self) -> str:
        """Such as `"in_progress: 120 of 1,000 requests ended"`."""
        return f"{self._state}: {self.ended:,} of {self.total:,} requests ended"


class Watching:
    """Shows how far a job is from the first pause on; one that is done at once shows nothing."""

    def __init__(self, progress: bool | None, what: str) -> None:
        """Show nothing yet.

        Args:
            progress: as in `display_of`.
            what: what is waited for, beside the bar.
        """
        self._progress = progress
        self._what = what
        self._display: Display | None = None
        self._last: Standing | None = None

    def show(self, status: BatchStatus) -> None:
        """Show an answer of the provider, when another one is waited for or has been."""
        self._last = Standing(status)
        if self._display is None and not status.is_done:
            self._display = display_of(self._progress, self._what)
        if self._display is not None:
            self._display.show(self._last)

    def __enter__(self) -> Self:
        """Begin to watch."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back, whatever has ended the waiting."""
        if self._display is not None and self._last is not None:
            self._display.close(self._last)
