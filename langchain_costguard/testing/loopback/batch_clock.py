"""How fast batches move: a day passes in a few polls, or in so many seconds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_BEGINS: Final = 0.1
_FINALIZES: Final = 0.8


class Step(IntEnum):
    """How far a batch has come, if nothing stops it."""

    ACCEPTED = 0
    """It is being validated."""
    RUNNING = 1
    """Its requests are answered."""
    FINALIZING = 2
    """All are answered, the files are being written."""
    DONE = 3
    """It has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchClock:
    """How fast batches move.

    Example:
        >>> BatchClock().step(polls=2, seconds=0).name
        'FINALIZING'
        >>> BatchClock(batch_seconds=10).step(polls=50, seconds=5).name
        'RUNNING'
    """

    batch_seconds: float | None = None
    """How many seconds a batch takes; `None`: each poll takes it a step further."""

    def step(self, *, polls: int, seconds: float) -> Step:
        """How far a batch is after so many polls, or so many seconds."""
        if self.batch_seconds is None:
            return Step(min(polls, Step.DONE))
        if seconds >= self.batch_seconds:
            return Step.DONE
        share = seconds / self.batch_seconds
        return Step((share >= _BEGINS) + (share >= _FINALIZES))
