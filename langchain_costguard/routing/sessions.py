"""Which route a session took last, for so many sessions at most: those not heard of for longest are forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict


class Sessions:
    """The routes of the latest sessions; safe to use from any number of threads.

    Args:
        most: how many sessions are remembered.

    Raises:
        ValueError: `most` is below one.
    """

    def __init__(self, most: int) -> None:
        """Remember nothing yet."""
        if most < 1:
            msg = f"max_sessions={most} remembers none: give 1 or more, or leave `sticky_by` out"
            raise ValueError(msg)
        self._most = most
        self._routes: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many sessions are remembered."""
        return len(self._routes)

    def get(self, session: str) -> str | None:
        """The route of a session, which is now the latest; `None` where it is not known."""
        with self._lock:
            route = self._routes.get(session)
            if route is not None:
                self._routes.move_to_end(session)
            return route

    def put(self, session: str, route: str) -> None:
        """Remember the route of a session."""
        with self._lock:
            self._routes[session] = route
            self._routes.move_to_end(session)
            while len(self._routes) > self._most:
                self._routes.popitem(last=False)
