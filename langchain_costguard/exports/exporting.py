"""How the lines of a ledger come into a file of JSON lines, and what of the ledger is in no line."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

from langchain_costguard.exports.jsonl import write_jsonl
from langchain_costguard.stores.base import EVERYTHING

if TYPE_CHECKING:
    from langchain_costguard.exports.files import Place
    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.stores.base import LedgerStore


class Exported(NamedTuple):
    """What became of the lines of a ledger."""

    lines: int
    """Lines that were written."""
    calls_only_in_sums: int
    """Calls of the same period, model and provider that the ledger keeps only in sums, so that no line tells them."""


def export_entries(
    store: LedgerStore, file: Place | IO[str], *, query: LedgerQuery = EVERYTHING, with_digests: bool = False
) -> Exported:
    """Write the lines of a ledger as JSON lines, and count the calls that are in none.

    Args:
        store: the ledger.
        file: a path, or a text file that is open for writing; as for `write_jsonl`.
        query: which lines.
        with_digests: whether to write the digests of prompts as well; as for `write_jsonl`.

    Returns:
        How many lines were written, and how many calls were left behind because they were pruned or folded.

    Raises:
        OSError: the file cannot be written, or is a SQLite database; a file that was there is still there.
        StoreError: the ledger cannot be read.
    """
    lines = write_jsonl(store.entries(query), file, with_digests=with_digests)
    return Exported(lines, store.calls_only_in_sums(("run_id",), query))
