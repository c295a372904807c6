"""What is pruned when, and what is kept of it: sums by day (UTC), and nothing that tells one line from another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.ledger import FINAL_STATUSES
from langchain_costguard.stores.matching import epoch_us

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from langchain_costguard.ledger import GroupKey, LedgerEntry, LedgerQuery

US_PER_DAY: Final = 86_400_000_000

LATE_DAYS: Final = 7
"""A `cancelled` or `lost` line is kept so much longer than a final one, because a late end may still correct it."""

FORGOTTEN: Final = ("tag", "user", "session", "thread", "chain", "metadata", "root_run_id", "run_id")
"""The conditions that no daily sum meets, because it no longer knows."""

_FORGOTTEN_GROUPS: Final = frozenset({*FORGOTTEN, "hour"})


class Cutoff(NamedTuple):
    """Lines that began before these moments are pruned; both are midnights (UTC)."""

    final_us: int
    """For lines with a final status: microseconds since 1970-01-01 UTC."""
    late_us: int
    """For `cancelled` and `lost` lines; `open` ones are never pruned."""

    def concerns(self, entry: LedgerEntry) -> bool:
        """Whether a line is to be pruned."""
        if entry.status in FINAL_STATUSES:
            return entry.started_at_us < self.final_us
        return entry.status != "open" and entry.started_at_us < self.late_us


def cutoff(before: datetime) -> Cutoff:
    """What `prune(before=)` means: the whole days (UTC) that ended before a moment.

    Args:
        before: a moment that knows its time zone.

    Raises:
        ValueError: it has no time zone.
    """
    if getattr(before, "tzinfo", None) is None:
        msg = f"before={before!r} has no time zone: give one, such as before=datetime(2026, 1, 1, tzinfo=timezone.utc)"
        raise ValueError(msg)
    midnight_us = epoch_us(before) // US_PER_DAY * US_PER_DAY
    return Cutoff(midnight_us, midnight_us - LATE_DAYS * US_PER_DAY)


def noon_us(started_at_us: int) -> int:
    """The noon (UTC) of a moment's day: where a daily sum stands in time, so that most time zones see its own date."""
    return started_at_us // US_PER_DAY * US_PER_DAY + US_PER_DAY // 2


def without_hour(group: tuple[str | None, ...], by: Sequence[GroupKey]) -> tuple[str | None, ...]:
    """The group of a daily sum, which knows no hour."""
    return tuple(None if key == "hour" else value for key, value in zip(by, group, strict=True))


def without_forgotten(query: LedgerQuery) -> LedgerQuery:
    """The same question without the conditions that no daily sum meets."""
    return replace(query, **dict.fromkeys(FORGOTTEN), limit=None)


def forgets(keys: Collection[str]) -> bool:
    """Whether a daily sum no longer knows one of these group keys or conditions."""
    return not _FORGOTTEN_GROUPS.isdisjoint(map(base_key, keys))


def base_key(key: str) -> str:
    """A group key without the user's own part: `"metadata"` for `"metadata:team"`."""
    return key.partition(":")[0]


def asks_what_is_forgotten(query: LedgerQuery) -> bool:
    """Whether a question has a condition that no daily sum meets."""
    return any(getattr(query, name) not in (None, {}) for name in FORGOTTEN)
