"""Which outermost runs cost most: every line is read once, and only the dearest runs are summed up."""

from __future__ import annotations

from dataclasses import replace
from heapq import nsmallest
from typing import TYPE_CHECKING, Final
from uuid import UUID

from langchain_costguard.reports.rows import ReportRow, ordered
from langchain_costguard.stores.matching import CHAIN_SEPARATOR

if TYPE_CHECKING:
    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.reports.rows import ReportRows
    from langchain_costguard.stores.base import LedgerStore

RUN: Final = "run"
"""The key under which whole runs are asked for."""


def top_runs(store: LedgerStore, query: LedgerQuery, limit: int) -> ReportRows:
    """The dearest outermost runs, each with its id and its name; runs without a known cost stand last.

    Calls that are kept only in sums belong to no run any more.

    Args:
        store: the ledger.
        query: which lines.
        limit: so many runs at most.
    """
    costs: dict[int, int | None] = {}
    for line in store.entries(query):
        root = (line.root_run_id or line.run_id).int
        cost = costs.setdefault(root, None)
        if line.billed_nano is not None:
            costs[root] = (cost or 0) + line.billed_nano
    dearest = nsmallest(limit, costs.items(), key=lambda each: (each[1] is None, -(each[1] or 0), each[0]))
    return ordered(_row(store, query, UUID(int=root)) for root, _ in dearest)


def _row(store: LedgerStore, query: LedgerQuery, run: UUID) -> ReportRow:
    """The sums of one run; a call without an outermost run is one of its own."""
    meant = replace(query, root_run_id=run)
    line = next(store.entries(replace(meant, limit=1)), None)
    if line is None:
        meant = replace(query, run_id=run)
        line = next(store.entries(replace(meant, limit=1)), None)
    name = None if line is None else line.chain.partition(CHAIN_SEPARATOR)[0] or line.model
    sums = store.totals(meant)[0]
    return ReportRow.of((RUN, "name"), sums._replace(group=(str(run), name)))
