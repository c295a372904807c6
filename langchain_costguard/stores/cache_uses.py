"""Collects the uses of a cache and notes them in its store behind the caller's back."""

from __future__ import annotations

import logging
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from langchain_costguard._worker import WORKER
from langchain_costguard.exceptions import StoreError

if TYPE_CHECKING:
    from langchain_costguard.stores.cache_base import CacheStore, CacheUse

_logger: Final = logging.getLogger("langchain_costguard")
_PORTION: Final = 64
_SECONDS: Final = 1.0


class CacheUses:
    """Uses of one store that wait to be noted: 64 at a time, or after a second, or when the process ends.

    They are statistics: those of the last second are lost when a process is killed or its store cannot be written.

    Args:
        store: where they are noted.
    """

    def __init__(self, store: CacheStore) -> None:
        """Begin with none."""
        self._store = store
        self._waiting: deque[CacheUse] = deque()
        self._next_flush: float = time.monotonic() + _SECONDS
        weakref.finalize(self, _note, store, self._waiting)

    def add(self, use: CacheUse) -> None:
        """Take a use; the store is not touched before this returns."""
        self._waiting.append(use)
        now = time.monotonic()
        if len(self._waiting) % _PORTION == 0 or now >= self._next_flush:
            self._next_flush = now + _SECONDS
            store, waiting = self._store, self._waiting
            WORKER.submit(lambda: _note(store, waiting))

    def flush(self) -> None:
        """Note now what waits, so that `CacheStore.totals` tells it."""
        _note(self._store, self._waiting)


def _note(store: CacheStore, waiting: deque[CacheUse]) -> None:
    """Note what waits when this begins; other threads may take some of it."""
    uses: list[CacheUse] = []
    for _ in range(len(waiting)):
        try:
            uses.append(waiting.popleft())
        except IndexError:
            break
    try:
        store.note_uses(uses)
    except StoreError as error:
        _logger.warning("%d uses of the cache could not be noted: %s", len(uses), error)
