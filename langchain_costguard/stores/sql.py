"""Keeps lines and budgets in a database: a SQLite file, or PostgreSQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from weakref import finalize

from langchain_costguard.stores.base import EVERYTHING
from langchain_costguard.stores.daily import US_PER_DAY, cutoff, forgets, without_forgotten
from langchain_costguard.stores.location import Location, parse_location
from langchain_costguard.stores.owners import Owner, is_gone, this_process
from langchain_costguard.stores.rows import COLUMNS, from_row, to_row
from langchain_costguard.stores.sql_budgets import SQLBudgets
from langchain_costguard.stores.sums import LocalClock, Tally, check_group_keys

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Executable

    from langchain_costguard.ledger import GroupKey, LedgerEntry, LedgerQuery, LedgerTotals
    from langchain_costguard.stores.backends import Backend
    from langchain_costguard.stores.retention import Retention
    from langchain_costguard.stores.versions import Migrate

_LINES_PER_PAGE: Final = 1000
_US_PER_SECOND: Final = 1_000_000


class SQLStore(SQLBudgets):
    """The ledger and the budgets in a SQLite file or a PostgreSQL database: shared by processes, and there tomorrow.

    One process uses one connection to write and one to read; threads take turns. Forked children open their own.

    Args:
        place: a path, `sqlite:///file.db`, or `postgresql://user:password@host/database`.
        migrate: `"auto"` brings an older ledger to this release's schema, under a lock; `"never"` refuses it.
        durable: whether each line survives a power cut (SQLite) or a crash of the server (PostgreSQL), at the price of
            a disk flush each. Without it a line survives the end of the process in any case.
        timeout_seconds: how long a write waits for another process's, or for the server.
        lost_after_seconds: how old an open call of another machine must be to be counted as gone.
        clock: gives the budgets' time in microseconds since 1970-01-01 UTC instead of the store's own, for tests.

    Raises:
        StoreError: the place cannot be opened; the message says what to do.
        StoreVersionError: its schema is newer than this release, or older and `migrate` is `"never"`.
        OptionalDependencyError: PostgreSQL was named and psycopg is not installed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder, SQLStore(f"{folder}/costs.db") as store:
        ...     store.totals()[0].calls
        0
    """

    def __init__(
        self,
        place: str | os.PathLike[str] | Location,
        *,
        migrate: Migrate = "auto",
        durable: bool = False,
        timeout_seconds: float = 5.0,
        lost_after_seconds: float = 3600.0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """Open the database, creating or migrating its tables where that is needed and allowed."""
        from langchain_costguard.stores.connections import Connections

        location = place if isinstance(place, Location) else parse_location(place)
        self._place = str(location)
        backend = _backend_for(location, durable=durable, timeout_seconds=timeout_seconds)
        super().__init__(
            backend,
            Connections(backend, migrate=migrate, place=self._place),
            timeout_seconds=timeout_seconds,
            lost_after_seconds=lost_after_seconds,
            clock=clock,
        )
        finalize(self, self._connections.close)

    @property
    def location(self) -> str:
        """The path, or the URL without user name and password."""
        return self._place

    @property
    def is_durable(self) -> bool:
        """True: lines outlive the process."""
        return True

    @property
    def may_block(self) -> bool:
        """True: a write can wait for a disk, another process or a server."""
        return True

    @property
    def digest_key(self) -> bytes:
        """32 bytes, made by the first process that opened the database and kept in its table `meta`."""
        return self._connections.digest_key

    def open_call(self, entry: LedgerEntry) -> None:
        """Note that a call has begun and that this process has it open; see `LedgerStore.open_call`.

        A run that is known already is left as it is.
        """
        self._connections.write(self._connections.statements.open_call, (*to_row(entry), *this_process()))

    def append(self, entry: LedgerEntry) -> bool:
        """Write a finished line; see `LedgerStore.append`."""
        return self._connections.write(self._connections.statements.append, to_row(entry)) > 0

    def entries(self, query: LedgerQuery = EVERYTHING) -> Iterator[LedgerEntry]:
        """The lines that match, oldest first (with a `limit`: the newest so many, newest first).

        They are read a thousand at a time, so a large ledger does not fill the memory, and nothing is locked between.
        """
        from langchain_costguard.stores.queries import conditions, select_lines

        where = conditions(query, self._backend)
        wanted = query.limit
        after: tuple[int, str] | None = None
        while wanted is None or wanted > 0:
            size = _LINES_PER_PAGE if wanted is None else min(wanted, _LINES_PER_PAGE)
            statement = select_lines(where, after=after, newest_first=query.limit is not None, limit=size)
            rows = self._connections.read(statement)
            for row in rows:
                yield from_row(row)
            if len(rows) < size:
                return
            after = (rows[-1][1], rows[-1][0])
            wanted = None if wanted is None else wanted - size

    def totals(
        self, query: LedgerQuery = EVERYTHING, *, by: Sequence[GroupKey] = (), tz: str = "UTC"
    ) -> list[LedgerTotals]:
        """Sums over the lines that match; see `LedgerStore.totals`."""
        from langchain_costguard.stores.queries import select_totals

        check_group_keys(by)
        question = select_totals(query, self._backend, by=by, clock=LocalClock(tz))
        tally = Tally()
        for row in self._connections.read(question.statement):
            tally.add(question.group(row), [int(amount) for amount in row[question.group_width :]])
        return tally.rows(by)

    def calls_only_in_sums(self, keys: Collection[str], query: LedgerQuery = EVERYTHING) -> int:
        """Pruned calls of which one of these keys is not known; see `LedgerStore.calls_only_in_sums`."""
        from langchain_costguard.stores.daily_queries import select_daily

        statement = select_daily(without_forgotten(query), self._backend, by=(), widths=()) if forgets(keys) else None
        return 0 if statement is None else sum(int(row[0]) for row in self._connections.read(statement))

    def pruned_until_us(self) -> int | None:
        """The end of the newest pruned day; see `LedgerStore.pruned_until_us`."""
        from langchain_costguard.stores.daily_queries import select_newest_day

        ((newest_day,),) = self._connections.read(select_newest_day())
        return None if newest_day is None else (int(newest_day) + 1) * US_PER_DAY

    def correct(self, entry: LedgerEntry) -> bool:
        """Put a line in the place of the one with its run id; see `LedgerStore.correct`."""
        run_id, *row = to_row(entry)
        return self._connections.write(self._connections.statements.correct, (*row, run_id, entry.status)) > 0

    def prune(self, before: datetime) -> int:
        """Forget the lines that began before a moment, and keep their daily sums; see `LedgerStore.prune`.

        It is one transaction. A SQLite file keeps its size; what becomes free in it is overwritten and used again.
        Counters of budgets stay, those of windows that have ended included: each is one small row. What was charged
        for a process that was gone can be corrected by a late settlement until its call would be pruned.
        """
        from langchain_costguard.stores.retention import pruning
        from langchain_costguard.stores.sql_budgets_retention import pruning_budgets

        old = cutoff(before)
        return self._retain(pruning(old), pruning_budgets(old))

    def erase(self, user: str) -> int:
        """Delete every line of a user; see `LedgerStore.erase`.

        A SQLite file is written anew afterwards and its log emptied, so that nothing of the lines is left in either.
        PostgreSQL keeps deleted rows in its files until it needs their place; `VACUUM FULL costguard.ledger` ends that.
        Backups, exports, and lines that a process holds in memory because it could not write them, are not reached.
        The user's own counters (`Budget(each="user")`) and what is reserved on them are deleted, too; settlements on
        their way to another store, and counters there, are not reached.

        Raises:
            StoreError: nothing was deleted; or the lines are, but a SQLite file could not be written anew.
        """
        from langchain_costguard.stores.retention import erasing
        from langchain_costguard.stores.sql_budgets_retention import erasing_budgets

        erased = self._retain(erasing(user), erasing_budgets(user, self._backend))
        self._connections.scrub()
        return erased

    def orphans(self) -> list[LedgerEntry]:
        """Lines still `open` whose process is gone.

        A process of this machine is asked for by number and start time, so the answer is certain. For one of another
        machine, and where the start time is unknown, the line must be older than `lost_after_seconds`.
        """
        from langchain_costguard.stores.queries import select_open

        oldest_us = time.time_ns() // 1000 - int(self._lost_after_seconds * _US_PER_SECOND)
        return [
            from_row(row)
            for row in self._connections.read(select_open())
            if self._is_orphan(Owner(*row[len(COLUMNS) :]), began_long_ago=row[1] < oldest_us)
        ]

    def close(self) -> None:
        """Close the connections; the store can be used again afterwards."""
        self._connections.close()

    def __repr__(self) -> str:
        """Where the lines are, without credentials."""
        return f"SQLStore({self._place!r})"

    def _retain(self, retention: Retention, of_budgets: Sequence[Executable]) -> int:
        changed = self._connections.change([*retention.statements, *of_budgets])
        return sum(changed[index] for index in retention.counted)

    @staticmethod
    def _is_orphan(owner: Owner, *, began_long_ago: bool) -> bool:
        gone = is_gone(owner)
        return began_long_ago if gone is None else gone


def _backend_for(location: Location, *, durable: bool, timeout_seconds: float) -> Backend:
    if location.path is not None:
        from langchain_costguard.stores.sqlite import SQLiteFile

        return SQLiteFile(location.path, durable=durable, timeout_seconds=timeout_seconds)
    from langchain_costguard.stores.postgresql import PostgreSQLDatabase

    return PostgreSQLDatabase(location, durable=durable, timeout_seconds=timeout_seconds)
