"""What a store can do: keep the ledger; budgets and cache entries are further abilities, each a class of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from langchain_costguard.ledger import LedgerQuery

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime
    from types import TracebackType

    from langchain_costguard.ledger import GroupKey, LedgerEntry, LedgerTotals

EVERYTHING = LedgerQuery()
"""Asks for every line: the default of `entries` and `totals`."""


class LedgerStore(ABC):
    """Keeps ledger lines: one per run id, written once, corrected only as `CallStatus` allows.

    Implementations are safe to use from many threads. Methods that touch a database raise `StoreError`, with the
    backend's own exception as its cause; the recorder keeps the line and tries again.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where lines are kept, for people to read; without user name and password."""

    @property
    @abstractmethod
    def is_durable(self) -> bool:
        """Whether lines outlive the process."""

    @property
    @abstractmethod
    def may_block(self) -> bool:
        """Whether a write can wait for something outside the process (a disk, a lock, a network)."""

    @property
    @abstractmethod
    def digest_key(self) -> bytes:
        """The secret under which this store's prompt digests are made: 32 bytes, random per store, kept with it."""

    def open_call(self, entry: LedgerEntry) -> None:  # noqa: B027 - a store that ends with its process needs none
        """Note that a call has begun, so that it is known even if its process dies.

        Args:
            entry: the line as far as it is known, with status `open`.
        """

    @abstractmethod
    def append(self, entry: LedgerEntry) -> bool:
        """Write a finished line.

        A line whose run id is new is inserted. A line that is there as `open`, `cancelled` or `lost` is replaced. One
        that is there with a final status is left as it is: a run is booked once.

        Returns:
            Whether the store changed.
        """

    @abstractmethod
    def entries(self, query: LedgerQuery = EVERYTHING) -> Iterator[LedgerEntry]:
        """The lines that match, oldest first (with a `limit`: the newest so many, newest first)."""

    @abstractmethod
    def totals(
        self, query: LedgerQuery = EVERYTHING, *, by: Sequence[GroupKey] = (), tz: str = "UTC"
    ) -> list[LedgerTotals]:
        """Sums over the lines that match.

        Args:
            query: which lines; its `limit` is not used.
            by: the group keys, see `GROUP_KEYS`. Empty: one row over everything, also when no line matches.
            tz: the IANA time zone whose days and hours are meant by `"day"` (`YYYY-MM-DD`) and `"hour"`
                (`YYYY-MM-DD HH:00`).

        Returns:
            One row per group, ordered by group.

        Raises:
            ValueError: an unknown group key or time zone.
        """

    def calls_only_in_sums(self, keys: Collection[str], query: LedgerQuery = EVERYTHING) -> int:
        """How many calls are kept only in sums that no longer know one of these keys.

        As a group such a key reads `None` for them, and a condition on it leaves them out, whatever it was.

        Args:
            keys: group keys, or names of conditions of `LedgerQuery`.
            query: which calls; its conditions on what those sums have forgotten, and its `limit`, are not used.

        Returns:
            The number of calls; zero for a store that keeps every line.
        """
        del keys, query
        return 0

    def pruned_until_us(self) -> int | None:
        """The end of the newest day of which lines were pruned: microseconds since 1970-01-01 UTC.

        What began before may be in the sums already, so it must not be added as a line again.

        Returns:
            A midnight (UTC); `None` if nothing was pruned, and for a store that keeps every line.
        """
        return None

    def orphans(self) -> list[LedgerEntry]:
        """Lines still `open` whose process is gone, as they stand; the recorder prices and closes them."""
        return []

    @abstractmethod
    def correct(self, entry: LedgerEntry) -> bool:
        """Put a line in the place of the one with its run id, whatever its status: for prices that were mended.

        A finished line is not replaced by an unfinished one (`open`, `cancelled`, `lost`), so that a correction of a
        call that was given up cannot undo a late end that came in between.

        Returns:
            Whether a line was replaced; `False` where there is none with that run id.
        """

    @abstractmethod
    def prune(self, before: datetime) -> int:
        """Forget the lines that began before a moment, and keep their daily sums.

        Only whole days (UTC) that ended before the moment are pruned. Calls that are still `open` stay, and `cancelled`
        and `lost` ones stay seven days longer than others, because a late end may still correct them.

        `totals()` counts the sums as it counted the lines: exactly, by day (UTC), model, answering model, provider,
        kind, status, service tier and technique. As groups, what was forgotten (hour, user, session, thread, tag,
        chain, metadata) reads `None`; as conditions it, and a run id, match no sum. In time, a day's sum stands at noon
        UTC: a `since` or `until` inside the day, or another time zone's midnight, leaves or takes it whole.

        Args:
            before: a moment that knows its time zone.

        Returns:
            How many lines were forgotten.

        Raises:
            ValueError: `before` has no time zone.
        """

    @abstractmethod
    def erase(self, user: str) -> int:
        """Delete every line of a user, those of calls that are still running included.

        A call of the user that had not ended for good does not come back by its end. Calls that begin later do: let
        the user's calls end first. Sums of pruned lines stay; they know no users.

        Args:
            user: the user as `LedgerEntry.user` names them.

        Returns:
            How many lines were deleted.
        """

    def close(self) -> None:  # noqa: B027 - a store may hold nothing to let go of
        """Let go of connections; the store can be used again afterwards."""

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()
