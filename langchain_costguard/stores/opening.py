"""Which store object a user's words mean: one per place and process, so that all who name a place share it."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from langchain_costguard.stores.base import LedgerStore
from langchain_costguard.stores.location import (
    DEFAULT,
    MEMORY,
    STORE_VARIABLE,
    announce_default,
    default_location,
    parse_location,
)
from langchain_costguard.stores.memory import InMemoryStore

if TYPE_CHECKING:
    from langchain_costguard.stores.location import Location
    from langchain_costguard.stores.sql import SQLStore

_open: Final[WeakValueDictionary[Location, SQLStore]] = WeakValueDictionary()
_lock: Final = Lock()


def open_store(spec: LedgerStore | str | os.PathLike[str] | None = None) -> LedgerStore:
    """The store that is meant.

    Args:
        spec: a store (returned as it is); a path or a URL (`"costs.db"`, `"sqlite:///costs.db"`,
            `"postgresql://user@host/database"`); `"memory"` for a new `InMemoryStore`; `"default"` for the file at
            `default_location()`; `None` for what the environment variable `COSTGUARD_STORE` names, else a new
            `InMemoryStore`.

    Returns:
        For a path or a URL the same object each time, for as long as anybody holds it.

    Raises:
        StoreError: the place cannot be opened; the message says what to do.
        OptionalDependencyError: PostgreSQL was named and its driver is not installed.

    Example:
        >>> open_store("memory").location
        'memory'
    """
    if isinstance(spec, LedgerStore):
        return spec
    if spec is None:
        spec = os.environ.get(STORE_VARIABLE, "").strip() or MEMORY
    if spec == DEFAULT:
        spec = default_location()
    if spec == MEMORY:
        return InMemoryStore()
    if spec == default_location() and STORE_VARIABLE not in os.environ:
        announce_default(spec)
    return _shared(parse_location(spec))


def _shared(location: Location) -> SQLStore:
    from langchain_costguard.stores.sql import SQLStore

    with _lock:
        store = _open.get(location)
        if store is None:
            store = _open[location] = SQLStore(location)
    return store


if hasattr(os, "register_at_fork"):  # a child must not inherit the lock while another thread opens a store
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
