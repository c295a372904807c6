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
    pruned: int = 0
    """Lines that began before the end of the newest day that the ledger has pruned; they were left out, because its
    daily sums may count them already."""


def import_entries(store: LedgerStore, entries: Iterable[LedgerEntry]) -> Imported:
    """Write lines of one ledger into another; doing it again changes nothing.

    A run is booked once: a line that is there with a final status stays as it is, and one that is there as given up is
    only replaced by its end. A call that had not ended when it was exported becomes `lost`, which its end corrects if
    that is imported later.

    Where the ledger has pruned, lines that began before the end of its newest pruned day are left out unless they are
    there one by one: its daily sums may count them already. An erased user comes back if the entries still hold them.

    Args:
        store: the ledger to write into.
        entries: the lines, such as `read_jsonl("costs.jsonl")`.

    Returns:
        How many lines were new, how many were known, and how many were left out as pruned.

    Raises:
        StoreError: the ledger cannot be written; lines before that one are in it.
    """
    pruned_until_us = store.pruned_until_us()
    new = known = pruned = 0
    for entry in watched(entries, "importing lines"):
        if pruned_until_us is not None and entry.started_at_us < pruned_until_us and not _holds(store, entry):
            pruned += 1
        elif _import(store, entry):
            new += 1
        else:
            known += 1
    return Imported(new, known, pruned)


def _holds(store: LedgerStore, entry: LedgerEntry) -> bool:
    """Whether the ledger has a line of this run."""
    return next(store.entries(LedgerQuery(run_id=entry.run_id)), None) is not None


def _import(store: LedgerStore, entry: LedgerEntry) -> bool:
    if entry.status not in FINAL_STATUSES:
        if _holds(store, entry):
            return False
        if entry.status == "open":
            entry = replace(entry, status="lost", unpriced_reason="it had not ended when it was exported")
    return store.append(entry)
