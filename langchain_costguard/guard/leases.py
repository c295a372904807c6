"""The heartbeat of a process: renews the leases of its open reservations, and expires those of processes that died."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from langchain_costguard.exceptions import StoreError

if TYPE_CHECKING:
    from langchain_costguard.stores.budget_base import BudgetStore

LEASE_SECONDS: Final = 900
"""How long a reservation holds that nobody renews, where it cannot be seen whether its process lives."""

RENEW_EVERY_SECONDS: Final = 60.0
"""How often leases are renewed, for all open reservations of a process at once."""

_US_PER_SECOND: Final = 1_000_000
_logger = logging.getLogger("langchain_costguard")


class Leases:
    """Keeps the leases of this process alive in every durable store it reserves in, on one daemon thread."""

    def __init__(self) -> None:
        """Watch no store yet; the thread starts with the first."""
        self._stores: WeakSet[BudgetStore] = WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, store: BudgetStore) -> None:
        """Renew leases in a store from here on, for as long as anybody holds it."""
        if not store.is_durable:
            return
        with self._lock:
            self._stores.add(store)
        self.beat()

    def beat(self) -> None:
        """See to it that the heartbeat runs: it does not in a forked child that has not reserved anything yet."""
        if self._thread is not None or not self._stores:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew_for_ever, name="costguard-leases", daemon=True)
                self._thread.start()

    def renew(self) -> None:
        """Renew now, and expire what others left behind; a store that cannot be reached is asked again next time."""
        with self._lock:
            stores = list(self._stores)
        for store in stores:
            try:
                store.renew(LEASE_SECONDS * _US_PER_SECOND)
                store.expire()
            except StoreError as error:
                _logger.warning("leases could not be renewed in %s: %s", store.location, error)
            except Exception as error:  # noqa: BLE001 - the heartbeat outlives whatever one store does
                _logger.warning("leases could not be renewed in %s: %s", store.location, type(error).__name__)

    def forget(self) -> None:
        """Begin anew in a forked child: the thread does not exist there; its stores do."""
        stores = list(self._stores)
        self.__init__()  # type: ignore[misc] # the object is shared by reference, so it is reset in place
        for store in stores:
            self._stores.add(store)

    def _renew_for_ever(self) -> None:
        pause = threading.Event()
        while not pause.wait(RENEW_EVERY_SECONDS):
            self.renew()


LEASES: Final = Leases()
"""The process's heartbeat."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LEASES.forget)
