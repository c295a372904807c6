"""Who pays for a machine that serves several calls at once: its busy time, shared equally at every instant."""

from __future__ import annotations

from threading import Lock
from typing import Final

_SCALE: Final = 1 << 20
"""Virtual time is kept in 1/2**20 nanoseconds, so that shares over any overlap add up to the busy time."""


class BusyClock:
    """A clock that runs at `1 / n` of real time while `n` calls are open; a call's share is what it advanced meanwhile.

    The shares of all calls add up to the time during which at least one was open, to within a nanosecond a call.
    `begin` and `end` take constant time however many calls are open, and may be called from any thread.

    Example:
        >>> clock = BusyClock()
        >>> first = clock.begin(0)
        >>> second = clock.begin(100)
        >>> clock.end(first, 200), clock.end(second, 250)
        (150, 100)
    """

    __slots__ = ("_lock", "_now_ns", "_open", "_virtual")

    def __init__(self) -> None:
        """Start with no call open."""
        self._lock = Lock()
        self._now_ns = 0
        self._open = 0
        self._virtual = 0

    def begin(self, now_ns: int) -> int:
        """A call begins.

        Args:
            now_ns: a monotonic clock in nanoseconds, the same one for all calls.

        Returns:
            The token to give to `end`.
        """
        with self._lock:
            self._advance(now_ns)
            self._open += 1
            return self._virtual

    def end(self, token: int, now_ns: int) -> int:
        """The call ends; each token is to be ended once.

        Args:
            token: what `begin` returned.
            now_ns: the same monotonic clock in nanoseconds.

        Returns:
            The call's share of the busy time, in nanoseconds.
        """
        with self._lock:
            self._advance(now_ns)
            self._open -= 1
            share = self._virtual - token
        return (share + _SCALE // 2) // _SCALE

    @property
    def open_calls(self) -> int:
        """How many calls have begun and not ended."""
        return self._open

    def _advance(self, now_ns: int) -> None:
        """Let virtual time pass; threads may hand in their clock readings slightly out of order."""
        elapsed = now_ns - self._now_ns
        if elapsed <= 0:
            return
        if self._open:
            self._virtual += elapsed * _SCALE // self._open
        self._now_ns = now_ns
