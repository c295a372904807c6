"""What a router raises where it cannot send a question anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_costguard.exceptions import CostGuardError

if TYPE_CHECKING:
    from collections.abc import Sequence


class NoRouteError(CostGuardError, ValueError):
    """A question has no route: its task is not known, or no route's model can take it; nothing was asked.

    Attributes:
        routes: the names of the routes there are.
    """

    def __init__(self, message: str, *, routes: Sequence[str]) -> None:
        """Keep the routes beside the message."""
        super().__init__(message)
        self.routes: tuple[str, ...] = tuple(routes)
