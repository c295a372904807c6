"""What goes wrong inside a cache: counted, logged once, and never raised into a call."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_logger: Final = logging.getLogger("langchain_costguard")


class Faults:
    """The faults of one cache."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count: int = 0
        self._told: set[str] = set()

    def note(self, error: Exception, doing: str) -> None:
        """Count a fault; the first of each kind is logged, without its text, which may quote a prompt.

        Args:
            error: what was raised.
            doing: what the cache did, such as `"lookup"`.
        """
        self._count(error, f"the cache failed in {doing}", "models are asked instead")

    @contextmanager
    def booking(self) -> Iterator[None]:
        """Book a hit inside: a fault in that is counted and logged, and the answer is served all the same."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a hit that cannot be booked must not cost a call
            self._count(error, "a hit could not be booked", "it is served, and on no line")

    def _count(self, error: Exception, happened: str, so: str) -> None:
        self.count += 1
        self.say_once(f"{happened} ({type(error).__name__}): {so}")

    def say_once(self, message: str) -> None:
        """Log something, if it was not said before."""
        if message not in self._told:
            self._told.add(message)
            _logger.warning(message)
