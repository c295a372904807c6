"""How lines of one ledger come into another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard._progress import watched
from langchain_costguard.ledger import FINAL_STATUSES, LedgerQuery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.stores.base import LedgerStore


class Imported(NamedTuple):
    """What became of imported lines."""

    new: int
    """Lines that the ledger did not have, or had only as given up."""
    known: int
    """Lines that it had already; they were left as they are."""


def import_entries(store: LedgerStore, entries: Iterable[LedgerEntry]) -> Imported:
    """Write lines of one ledger into another; doing it again changes nothing.

    A run is booked once: a line that is there with a final status stays as it is, and one that is there as given up is
    only replaced by its end. A call that had not ended when it was exported becomes `lost`, which its end corrects if
    that is imported later. A ledger does not know what it has pruned or erased: a file from before brings it back, and
    what was pruned is then counted twice.

    Args:
        store: the ledger to write into.
        entries: the lines, such as `read_jsonl("costs.jsonl")`.

    Returns:
        How many lines were new, and how many were known.

    Raises:
        StoreError: the ledger cannot be written; lines before that one are in it.
    """
    new = known = 0
    for entry in watched(entries, "importing lines"):
        if _import(store, entry):
            new += 1
        else:
            known += 1
    return Imported(new, known)


def _import(store: LedgerStore, entry: LedgerEntry) -> bool:
    if entry.status not in FINAL_STATUSES:
        if next(store.entries(LedgerQuery(run_id=entry.run_id)), None) is not None:
            return False
        if entry.status == "open":
            entry = replace(entry, status="lost", unpriced_reason="it had not ended when it was exported")
    return store.append(entry)
