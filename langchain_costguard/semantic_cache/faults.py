"""What goes wrong inside a cache: counted, logged once, and never raised into a call."""

from __future__ import annotations

import logging
from typing import Final

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
        self.count += 1
        self.say_once(f"the cache failed in {doing} ({type(error).__name__}): models are asked instead")

    def say_once(self, message: str) -> None:
        """Log something, if it was not said before."""
        if message not in self._told:
            self._told.add(message)
            _logger.warning(message)
