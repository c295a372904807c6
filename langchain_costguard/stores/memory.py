"""Keeps lines in this process, the newest as they are and older ones as sums, and budgets beside them."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Final

from langchain_costguard.ledger import FINAL_STATUSES
from langchain_costguard.stores.base import EVERYTHING
from langchain_costguard.stores.budget_base import JointStore
from langchain_costguard.stores.daily import (
    US_PER_DAY,
    asks_what_is_forgotten,
    base_key,
    cutoff,
    forgets,
    without_forgotten,
    without_hour,
)
from langchain_costguard.stores.folding import DailySums, Folded
from langchain_costguard.stores.forks import watch_forks
from langchain_costguard.stores.matching import matcher
from langchain_costguard.stores.memory_budgets import MemoryBudgets
from langchain_costguard.stores.sums import SUM_FIELDS, LocalClock, Tally, addends, check_group_keys, grouper

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from langchain_costguard.budgets.claims import Admission, Reservation, Settled, Settlement
    from langchain_costguard.ledger import GroupKey, LedgerEntry, LedgerQuery, LedgerTotals

_DIGEST_KEY_BYTES: Final = 32
_CALLS: Final = SUM_FIELDS.index("calls")


class InMemoryStore(MemoryBudgets, JointStore):
    """The ledger and the budgets of one process, gone when it ends: for a notebook, a test, a script.

    It holds at most `max_entries` finished lines (and as many cancelled or lost ones, which a late end may still
    correct). Beyond that the oldest are folded into sums: `totals()` still counts them, `entries()` no longer yields
    them, and `folded` says how many there are. What folding forgets is listed in `forgotten_keys`.

    Args:
        max_entries: how many finished lines are held, one or more.
        clock: what tells budgets the time, in microseconds since 1970-01-01 UTC; for tests.

    Raises:
        ValueError: `max_entries` is below one.

    Example:
        >>> store = InMemoryStore()
        >>> store.totals()[0].calls
        0
    """

    forgotten_keys: Final = ("tag", "user", "session", "thread", "metadata", "root_run_id", "run_id")
    """What cannot be asked of folded lines: as group keys they read `None`, as conditions they never match."""

    def __init__(self, max_entries: int = 10_000, *, clock: Callable[[], int] | None = None) -> None:
        """Begin with an empty ledger and a fresh digest key."""
        if max_entries < 1:
            msg = f"max_entries={max_entries} holds nothing: give 1 or more"
            raise ValueError(msg)
        self._max_entries = max_entries
        self._digest_key = os.urandom(_DIGEST_KEY_BYTES)
        self._begin_budgets(Lock(), clock)
        self._final: OrderedDict[int, LedgerEntry] = OrderedDict()
        self._correctable: OrderedDict[int, LedgerEntry] = OrderedDict()
        self._folded = Folded(remembered_ids=max_entries)
        self._pruned = DailySums()
        watch_forks(self)

    @property
    def location(self) -> str:
        """`"memory"`."""
        return "memory"

    @property
    def is_durable(self) -> bool:
        """False: lines and counters end with the process."""
        return False

    @property
    def may_block(self) -> bool:
        """False: a write takes about a microsecond."""
        return False

    @property
    def digest_key(self) -> bytes:
        """32 random bytes, made with the store."""
        return self._digest_key

    @property
    def max_entries(self) -> int:
        """How many finished lines are held."""
        return self._max_entries

    @property
    def folded(self) -> LedgerTotals:
        """The sums over the lines that are no longer held one by one."""
        with self._lock:
            return self._folded.totals

    def append(self, entry: LedgerEntry) -> bool:
        """Write a finished line; see `LedgerStore.append`.

        A run id is remembered for as long as its line is held, and for `max_entries` lines after that.
        """
        with self._lock:
            return self._append(entry)

    def reserve_opening(
        self, reservation: Reservation, opening: LedgerEntry, *, wait_seconds: float | None = None
    ) -> Admission:
        """`reserve`: calls that have only begun are not noted in memory."""
        del opening
        return self.reserve(reservation, wait_seconds=wait_seconds)

    def append_settled(self, entry: LedgerEntry, settlement: Settlement) -> Settled:
        """`append` and `settle` in one step."""
        with self._lock:
            self._append(entry)
            return self._counters.settle(settlement)

    def entries(self, query: LedgerQuery = EVERYTHING) -> Iterator[LedgerEntry]:
        """The held lines that match, oldest first (with a `limit`: the newest so many, newest first)."""
        matches = matcher(query)
        lines = sorted(filter(matches, self._lines()), key=_age, reverse=query.limit is not None)
        return iter(lines[: query.limit])

    def totals(
        self, query: LedgerQuery = EVERYTHING, *, by: Sequence[GroupKey] = (), tz: str = "UTC"
    ) -> list[LedgerTotals]:
        """Sums over the lines that match, folded ones included; see `LedgerStore.totals`.

        Folded lines know their time to the quarter of an hour: a `since` or `until` inside one leaves or takes it
        whole.
        """
        check_group_keys(by)
        groups, matches, tally = grouper(by, LocalClock(tz)), matcher(query), Tally()
        with self._lock:
            sums, days = self._folded.groups(), self._pruned.groups()
            lines = [*self._final.values(), *self._correctable.values()]
        for line in filter(matches, lines):
            for group in groups(line):
                tally.add(group, addends(line))
        for example, amounts in sums:
            if matches(example):
                for group in groups(example):
                    tally.add(group, amounts)
        for example, amounts in () if asks_what_is_forgotten(query) else days:
            if matches(example):
                for group in groups(example):
                    tally.add(without_hour(group, by), amounts)
        return tally.rows(by)

    def calls_only_in_sums(self, keys: Collection[str], query: LedgerQuery = EVERYTHING) -> int:
        """Folded and pruned calls of which one of these keys is not known; see `LedgerStore.calls_only_in_sums`."""
        of_pruned = without_forgotten(query)
        of_folded = replace(of_pruned, chain=query.chain)
        with self._lock:
            folded = self._folded.groups() if not set(self.forgotten_keys).isdisjoint(map(base_key, keys)) else []
            pruned = self._pruned.groups() if forgets(keys) else []
        return _calls_among(folded, of_folded) + _calls_among(pruned, of_pruned)

    def pruned_until_us(self) -> int | None:
        """The end of the newest pruned day; see `LedgerStore.pruned_until_us`."""
        with self._lock:
            noons = [example.started_at_us for example, _ in self._pruned.groups()]
        return max(noons) + US_PER_DAY // 2 if noons else None

    def correct(self, entry: LedgerEntry) -> bool:
        """Put a line in the place of a held one; see `LedgerStore.correct`."""
        key, is_final = entry.run_id.int, entry.status in FINAL_STATUSES
        with self._lock:
            if key in self._final:
                if is_final:
                    self._final[key] = entry
                return is_final
            if key not in self._correctable:
                return False
            self._correctable[key] = entry
            if is_final:
                self._final[key] = self._correctable.pop(key)
        return True

    def prune(self, before: datetime) -> int:
        """Forget the lines that began before a moment, and keep their daily sums; see `LedgerStore.prune`."""
        old = cutoff(before)
        with self._lock:
            return self._remove(old.concerns, keep=self._pruned.add_line)

    def erase(self, user: str) -> int:
        """Delete every held line of a user; see `LedgerStore.erase`. Sums know no users."""
        with self._lock:
            return self._remove(lambda line: line.user == user)

    def before_fork(self) -> None:
        """Hold still while the process forks."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Go on, in the parent and in the child, each with lines and counters of its own from here."""
        self._after_fork()
        self._lock.release()

    def __repr__(self) -> str:
        """How many lines are held."""
        return f"InMemoryStore(max_entries={self._max_entries}, held={len(self._final) + len(self._correctable)})"

    def _append(self, entry: LedgerEntry) -> bool:
        key = entry.run_id.int
        if key in self._final or (self._folded and key in self._folded):
            return False
        if entry.status not in FINAL_STATUSES:
            lines = self._correctable
        else:
            lines = self._final
            if self._correctable:
                self._correctable.pop(key, None)
        lines[key] = entry
        if len(lines) > self._max_entries:
            self._folded.add(lines.popitem(last=False)[1])
        return True

    def _remove(
        self, concerns: Callable[[LedgerEntry], bool], keep: Callable[[LedgerEntry], None] | None = None
    ) -> int:
        """Let go of some lines, whose run ids are remembered so that none comes back."""
        removed = 0
        for lines in (self._final, self._correctable):
            for key, line in [(key, line) for key, line in lines.items() if concerns(line)]:
                del lines[key]
                self._folded.remember(key)
                if keep is not None:
                    keep(line)
                removed += 1
        return removed

    def _lines(self) -> list[LedgerEntry]:
        with self._lock:
            return [*self._final.values(), *self._correctable.values()]


def _calls_among(sums: Sequence[tuple[LedgerEntry, Sequence[int]]], query: LedgerQuery) -> int:
    matches = matcher(query)
    return sum(amounts[_CALLS] for example, amounts in sums if matches(example))


def _age(entry: LedgerEntry) -> tuple[int, int]:
    return entry.started_at_us, entry.run_id.int
