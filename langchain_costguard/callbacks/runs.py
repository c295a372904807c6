"""Which counters belong to which outermost run: those of runs that ended are kept for a while, to be read."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final, cast
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from langchain_costguard.budgets import BudgetStatus
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.guard.holds import Hold
    from langchain_costguard.stores.memory import InMemoryStore

RUNS_TO_READ: Final = 100
"""So many runs that have ended keep their counters."""

_MAX_RUNS: Final = 10_000


class RunCounters:
    """The counters of budgets per run that this process holds, by run."""

    def __init__(self) -> None:
        """Start with none."""
        self._by_run: OrderedDict[UUID, set[str]] = OrderedDict()
        self._ended: deque[set[str]] = deque()
        self._seen: WeakKeyDictionary[BudgetGuard, OrderedDict[str, None]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def note(self, run_id: UUID, holds: Iterable[Hold]) -> None:
        """Note what a call under a run holds of the run's own counters."""
        self.note_counters(run_id, (claim.counter for hold in holds for claim in hold.claims))

    def note_counters(self, run_id: UUID, names: Iterable[str]) -> None:
        """Note those of these counters that belong to a run."""
        mark = f"|run={run_id}"
        counters = {name for name in names if mark in name}
        if not counters:
            return
        with self._lock:
            self._by_run.setdefault(run_id, set()).update(counters)
            if len(self._by_run) > _MAX_RUNS:  # runs whose end nobody reported: the store bounds its counters itself
                self._by_run.popitem(last=False)

    def see(self, run_id: str, guards: Iterable[BudgetGuard]) -> None:
        """Note that calls under a run ask these guards: all of them keep their counters of runs in one place."""
        for guard in guards:
            if all(budget.outlives_process for budget in guard.budgets):
                continue
            with self._lock:
                seen = self._seen.setdefault(guard, OrderedDict())
                seen[run_id] = None
                if len(seen) > _MAX_RUNS:
                    seen.popitem(last=False)

    def standing(self, guard: BudgetGuard) -> list[BudgetStatus]:
        """How a guard's budgets stand; of those per run, only the runs it has seen.

        Raises:
            StoreError: the store cannot be read.
        """
        seen = self._seen.get(guard) or OrderedDict[str, None]()
        return [row for row in guard.status() if row.per != "run" or _run_of(row.counter) in seen]

    def end(self, run_id: UUID) -> None:
        """Note that a run has ended, and forget the one that ended so many runs ago."""
        if not self._by_run:
            return
        with self._lock:
            counters = self._by_run.pop(run_id, None)
            if counters is None:
                return
            self._ended.append(counters)
            if len(self._ended) > RUNS_TO_READ:
                self._forget(self._ended.popleft())

    def reset(self) -> None:
        """Begin anew, in a forked child: its parent may have held the lock."""
        self.__init__()  # type: ignore[misc] # the object is shared by reference, so it is reset in place

    def _forget(self, counters: set[str]) -> None:
        from langchain_costguard.guard.guard import run_counters

        store = cast("InMemoryStore", run_counters())
        left = {counter for counter in counters if not store.forget(counter)}
        if left:  # a call under it has not ended
            self._ended.append(left)


def _run_of(counter: str) -> str:
    return next((part.removeprefix("run=") for part in counter.split("|") if part.startswith("run=")), "")


RUNS: Final = RunCounters()
"""The counters of runs in this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=RUNS.reset)
