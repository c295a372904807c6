"""Which ledger a command means: one that is there, in order, and with the calls of dead processes closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_costguard.exceptions import StoreError, StoreVersionError

if TYPE_CHECKING:
    from langchain_costguard.stores import LedgerStore


def existing_ledger(place: str | None) -> LedgerStore:
    """The ledger that is meant; where there is none, that is a mistake here and not a ledger to begin.

    Args:
        place: a path or a URL; `None` for what `COSTGUARD_STORE` names, else the user's own file.

    Raises:
        StoreError: there is no ledger, or it cannot be opened.
    """
    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.stores import SQLStore, open_store
    from langchain_costguard.stores.location import parse_location

    meant = lasting_place(place)
    location = parse_location(meant)
    missing = f"there is no ledger at {location}: write one with track_costs(store=...), or name another with --store"
    if location.path is not None and not location.path.exists():
        raise StoreError(missing)
    try:
        with SQLStore(location, migrate="never") as store:
            next(store.entries(LedgerQuery(limit=1)), None)
    except StoreVersionError as error:
        if error.found == "none":
            raise StoreError(missing) from error
    return open_store(meant)


def settled_ledger(place: str | None) -> LedgerStore:
    """The ledger that is meant, after the calls of processes that died have been closed as `lost`.

    A ledger that can only be read is given as it is.

    Args:
        place: as for `existing_ledger`.

    Raises:
        StoreError: as for `existing_ledger`.
    """
    from langchain_costguard.pricing import PriceBook
    from langchain_costguard.recorder import Recorder

    store = existing_ledger(place)
    try:
        Recorder(store, PriceBook()).recover()
    except StoreError:
        return store
    return store


def lasting_place(place: str | None) -> str:
    """The place that is meant, as a path or a URL.

    Raises:
        StoreError: it is the memory of a process, which is not here any more.
    """
    from langchain_costguard.stores import default_location
    from langchain_costguard.stores.location import MEMORY

    meant = place or default_location()
    if meant == MEMORY:
        msg = "a ledger in memory ends with its process: name a file or a database with --store PLACE"
        raise StoreError(msg)
    return meant
