"""Turns lines that are no longer held one by one into sums whose number stays bounded."""

from __future__ import annotations

from collections import deque
from operator import add
from typing import TYPE_CHECKING, Final
from uuid import UUID

from langchain_costguard.ledger import LedgerEntry, LedgerTotals
from langchain_costguard.stores.daily import noon_us
from langchain_costguard.stores.sums import US_PER_BUCKET, Tally, addends

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_DETAILED_GROUPS: Final = 8192
"""Up to so many groups a line keeps its quarter of an hour, chain, techniques and service tier."""

MAX_GROUPS: Final = 2 * MAX_DETAILED_GROUPS
"""Up to so many groups it keeps its day (UTC), models and provider; beyond that only day, kind and status."""

_US_PER_DAY: Final = 86_400_000_000
_NO_RUN: Final = UUID(int=0)

GroupOfLines = tuple[object, ...]
"""What the lines of a sum have in common."""


class GroupSums:
    """Sums over lines that have something in common, each sum with an example line that says what."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._groups: dict[GroupOfLines, tuple[LedgerEntry, list[int]]] = {}

    def __len__(self) -> int:
        """How many sums there are."""
        return len(self._groups)

    def __contains__(self, group: GroupOfLines) -> bool:
        """Whether there is a sum for a group."""
        return group in self._groups

    def add(self, group: GroupOfLines, entry: LedgerEntry) -> None:
        """Add a line to a group, whose values are those of `_KEY_FIELDS`, or of the first of them."""
        known = self._groups.get(group)
        if known is None:
            self._groups[group] = (_example(group), list(addends(entry)))
        else:
            self._groups[group] = (known[0], list(map(add, known[1], addends(entry))))

    def groups(self) -> list[tuple[LedgerEntry, Sequence[int]]]:
        """Each group's example line and its sums, as they are now."""
        return [(example, tuple(amounts)) for example, amounts in self._groups.values()]


class DailySums(GroupSums):
    """Sums over pruned lines, by what `LedgerStore.prune` keeps of them."""

    def add_line(self, entry: LedgerEntry) -> None:
        """Add a line to its day; nothing but what stands in the group is kept of it."""
        models = (entry.request_model, entry.response_model, entry.provider)
        noon = noon_us(entry.started_at_us)
        self.add((noon, entry.kind, entry.status, *models, entry.service_tier, "", entry.techniques), entry)


class Folded:
    """Sums over lines that there was no room for, and the run ids that must not be booked again.

    Args:
        remembered_ids: for how many of the latest lines the run id is remembered, so that none is booked twice.
    """

    def __init__(self, *, remembered_ids: int) -> None:
        """Begin with nothing."""
        self._sums = GroupSums()
        self._order: deque[int] = deque()
        self._ids: set[int] = set()
        self._remembered_ids = remembered_ids
        self.coarse_calls: int = 0

    def __bool__(self) -> bool:
        """Whether any run id is remembered."""
        return bool(self._ids)

    def __contains__(self, run_id: int) -> bool:
        """Whether this run is remembered."""
        return run_id in self._ids

    @property
    def totals(self) -> LedgerTotals:
        """The sum over everything that was folded."""
        tally = Tally()
        for _, amounts in self._sums.groups():
            tally.add((), amounts)
        return tally.rows(())[0]

    def groups(self) -> list[tuple[LedgerEntry, Sequence[int]]]:
        """Each group's example line and its sums, as they are now."""
        return self._sums.groups()

    def add(self, entry: LedgerEntry) -> None:
        """Add a line to its group and remember its run id for a while."""
        self.remember(entry.run_id.int)
        group, is_coarse = self._group(entry)
        self._sums.add(group, entry)
        self.coarse_calls += is_coarse

    def remember(self, run_id: int) -> None:
        """Remember a run id, and forget the oldest one when there are too many."""
        self._ids.add(run_id)
        self._order.append(run_id)
        if len(self._order) > self._remembered_ids:
            self._ids.discard(self._order.popleft())

    def _group(self, entry: LedgerEntry) -> tuple[GroupOfLines, bool]:
        """The finest group there is room for, and whether detail was lost to the lack of room."""
        quarter = entry.started_at_us // US_PER_BUCKET * US_PER_BUCKET
        models = (entry.request_model, entry.response_model, entry.provider)
        detailed = (quarter, entry.kind, entry.status, *models, entry.service_tier, entry.chain, entry.techniques)
        if len(self._sums) < MAX_DETAILED_GROUPS or detailed in self._sums:
            return detailed, False
        day = entry.started_at_us // _US_PER_DAY * _US_PER_DAY
        coarse = (day, entry.kind, entry.status, *models)
        if len(self._sums) < MAX_GROUPS or coarse in self._sums:
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


def _example(group: GroupOfLines) -> LedgerEntry:
    """A line that has what the group's lines have in common, and nothing else."""
    fields = dict(zip(_KEY_FIELDS, group, strict=False))
    return LedgerEntry(run_id=_NO_RUN, **fields)  # type: ignore[arg-type] # the names are fields of a line
