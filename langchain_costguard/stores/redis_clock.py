"""What time it is on a server, known here without asking: its last answers told it."""

from __future__ import annotations

import time
from typing import Final

_DRIFT: Final = 1000
"""Two clocks run apart by less than one part in so many."""
_STEP_US: Final = 1_000_000
"""A server's clock that is so far behind what was expected has been set."""


class ServerClock:
    """Follows a server's clock by the machine's monotonic one.

    An answer was on its way for some time, so each one shows a time that has passed: of several, the latest is nearest
    to the truth. This clock is therefore never ahead of the server's by more than the drift between two answers.
    """

    def __init__(self) -> None:
        """Nothing is known before the first answer."""
        self._offset_us: int | None = None
        self._learnt_us: int = 0

    def learn(self, server_us: int) -> None:
        """Take the time that an answer tells, which has just arrived.

        Args:
            server_us: microseconds since 1970-01-01 UTC.
        """
        here_us = _monotonic_us()
        shown = server_us - here_us
        if self._offset_us is not None:
            expected = self._offset_us - (here_us - self._learnt_us) // _DRIFT
            if shown < expected < shown + _STEP_US:
                shown = expected
        self._offset_us, self._learnt_us = shown, here_us

    def now_us(self) -> int:
        """The server's time in microseconds since 1970-01-01 UTC; this machine's before the first answer."""
        if self._offset_us is None:
            return time.time_ns() // 1000
        return _monotonic_us() + self._offset_us


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000
