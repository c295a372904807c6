"""Turns lines that are no longer held one by one into sums whose number stays bounded."""

from __future__ import annotations

from collections import deque
from operator import add
from typing import TYPE_CHECKING, Final
from uuid import UUID

from langchain_costguard.ledger import LedgerEntry, LedgerTotals
from langchain_costguard.stores.sums import US_PER_BUCKET, Tally, addends

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_DETAILED_GROUPS: Final = 8192
"""Up to so many groups a line keeps its quarter of an hour, chain, techniques and service tier."""

MAX_GROUPS: Final = 2 * MAX_DETAILED_GROUPS
"""Up to so many groups it keeps its day (UTC), models and provider; beyond that only day, kind and status."""

_US_PER_DAY: Final = 86_400_000_000
_NO_RUN: Final = UUID(int=0)


class Folded:
    """Sums over lines, each sum with an example line that says which group it is.

    Args:
        remembered_ids: for how many of the latest lines the run id is remembered, so that none is booked twice.
    """

    def __init__(self, *, remembered_ids: int) -> None:
        """Begin with nothing."""
        self._groups: dict[tuple[object, ...], tuple[LedgerEntry, list[int]]] = {}
        self._order: deque[int] = deque()
        self._ids: set[int] = set()
        self._remembered_ids = remembered_ids
        self.coarse_calls = 0

    def __bool__(self) -> bool:
        """Whether there is any sum."""
        return bool(self._groups)

    def __contains__(self, run_id: int) -> bool:
        """Whether this run was folded lately."""
        return run_id in self._ids

    @property
    def totals(self) -> LedgerTotals:
        """The sum over everything that was folded."""
        tally = Tally()
        for _, amounts in self._groups.values():
            tally.add((), amounts)
        return tally.rows(())[0]

    def groups(self) -> list[tuple[LedgerEntry, Sequence[int] | None]]:
        """Each group's example line and its sums, as they are now."""
        return [(example, tuple(amounts)) for example, amounts in self._groups.values()]

    def add(self, entry: LedgerEntry) -> None:
        """Add a line to its group and remember its run id for a while."""
        self._remember(entry.run_id.int)
        key, is_coarse = self._key(entry)
        known = self._groups.get(key)
        if known is None:
            self._groups[key] = (_example(key), list(addends(entry)))
        else:
            self._groups[key] = (known[0], list(map(add, known[1], addends(entry))))
        self.coarse_calls += is_coarse

    def _remember(self, run_id: int) -> None:
        self._ids.add(run_id)
        self._order.append(run_id)
        if len(self._order) > self._remembered_ids:
            self._ids.discard(self._order.popleft())

    def _key(self, entry: LedgerEntry) -> tuple[tuple[object, ...], bool]:
        """The finest group there is room for, and whether detail was lost to the lack of room."""
        quarter = entry.started_at_us // US_PER_BUCKET * US_PER_BUCKET
        models = (entry.request_model, entry.response_model, entry.provider)
        detailed = (quarter, entry.kind, entry.status, *models, entry.service_tier, entry.chain, entry.techniques)
        if len(self._groups) < MAX_DETAILED_GROUPS or detailed in self._groups:
            return detailed, False
        day = entry.started_at_us // _US_PER_DAY * _US_PER_DAY
        coarse = (day, entry.kind, entry.status, *models)
        if len(self._groups) < MAX_GROUPS or coarse in self._groups:
            return coarse, True
        return (day, entry.kind, entry.status), True


_KEY_FIELDS: Final = (
    "started_at_us",
    "kind",
    "status",
    "request_model",
    "response_model",
    "provider",
    "service_tier",
    "chain",
    "techniques",
)


def _example(key: tuple[object, ...]) -> LedgerEntry:
    """A line that has what the group's lines have in common, and nothing else."""
    fields = dict(zip(_KEY_FIELDS, key, strict=False))
    return LedgerEntry(run_id=_NO_RUN, **fields)  # type: ignore[arg-type]
