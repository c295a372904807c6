"""Which ledger a command means: one that is there, in order, and with the calls of dead processes closed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from langchain_costguard.cli.console import fail
from langchain_costguard.exceptions import StoreError, StoreVersionError

if TYPE_CHECKING:
    from langchain_costguard.stores import LedgerStore

_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")
"""What SQLite adds to the name of a database for the files beside it."""


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


def refuse_ledger(file: str, option: str, place: str | None) -> None:
    """Refuse to write over a ledger, or over any other SQLite database.

    Args:
        file: where something is to be written.
        option: where that was typed.
        place: the ledger that is read, as for `existing_ledger`.

    Raises:
        BadParameter: the file is the ledger or one of the files beside it, however it was written, or a database.
    """
    from langchain_costguard.exports.files import is_database
    from langchain_costguard.stores.location import parse_location

    ledger = parse_location(lasting_place(place)).path
    own = () if ledger is None else tuple(f"{ledger}{end}" for end in _SIDE_FILES)
    try:
        is_taken = str(Path(file).resolve()) in own or is_database(file)
    except OSError as error:
        fail(f"{file} cannot be written ({error.strerror}): give another path")
    if is_taken:
        msg = f"{file} is a ledger or another database, which would be lost: give another path"
        raise typer.BadParameter(msg, param_hint=option)


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
