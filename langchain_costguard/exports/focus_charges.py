"""What a line of the ledger is to FOCUS: which charge it belongs to, and what it adds to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from langchain_costguard.exports.cells import as_json
from langchain_costguard.exports.lines import plain_metadata

if TYPE_CHECKING:
    from langchain_costguard.ledger import LedgerEntry

Standing = Literal["charged", "unpriced", "uncharged"]
"""Whether a line is a charge: one whose cost is known, one whose cost is not, or none at all."""

UNKNOWN_NAME: Final = "unknown"
"""Stands where FOCUS demands a name and the ledger has none."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_LAST_MONTH: Final = 12


class ChargeKey(NamedTuple):
    """What the lines of one charge have in common."""

    day: int
    """Days since 1970-01-01, UTC."""
    is_adjustment: bool
    provider: str
    model: str | None
    tier: str
    """The service tier and `batch`, as the description names them."""
    kind: str
    is_metered: bool
    """Whether tokens are counted; otherwise calls are."""
    tags: str | None
    """The tags as JSON."""


class Charge:
    """The sums of one charge, in nano-USD, tokens and calls."""

    __slots__ = ("billed", "calls", "estimated_calls", "input_tokens", "listed", "output_tokens")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.billed: int = 0
        self.listed: int = 0
        self.calls: int = 0
        self.estimated_calls: int = 0
        self.input_tokens: int = 0
        self.output_tokens: int = 0

    def add(self, entry: LedgerEntry) -> None:
        """Add a line whose cost is known; where its list price is not, what is owed stands for it, as FOCUS says."""
        billed = entry.billed_nano or 0
        self.billed += billed
        self.listed += billed if entry.list_nano is None else entry.list_nano
        self.calls += entry.calls
        self.estimated_calls += entry.calls if entry.is_estimated else 0
        if entry.usage is not None:
            self.input_tokens += entry.usage.input_tokens
            self.output_tokens += entry.usage.output_tokens


def standing(entry: LedgerEntry) -> Standing:
    """Whether a line is a charge.

    A cached answer is none, nor is a call that used nothing and owes nothing.

    Args:
        entry: the line.
    """
    if entry.status == "cached":
        return "uncharged"
    if entry.billed_nano is None:
        return "unpriced"
    is_used = entry.usage is not None and entry.usage.total_tokens > 0
    return "charged" if entry.billed_nano or is_used else "uncharged"


def key_of(entry: LedgerEntry) -> ChargeKey:
    """The charge that a line belongs to.

    Args:
        entry: a line that is charged.
    """
    priced_as = None if entry.price is None else entry.price.provider
    return ChargeKey(
        day=entry.started_at_us // _DAY_US,
        is_adjustment=entry.kind == "adjustment",
        provider=entry.provider or priced_as or UNKNOWN_NAME,
        model=entry.model,
        tier=", ".join(filter(None, (entry.service_tier, "batch" if entry.batch else None))),
        kind=entry.kind,
        is_metered=entry.usage is not None and entry.usage.total_tokens > 0,
        tags=_tags(entry),
    )


def day_of(number: int) -> datetime:
    """The first moment of a day, UTC.

    Args:
        number: days since 1970-01-01.
    """
    return _EPOCH + timedelta(days=number)


def month_of(day: datetime) -> tuple[datetime, datetime]:
    """The first moment of a day's month, and that of the month after it.

    Args:
        day: the first moment of a day.
    """
    first = day.replace(day=1)
    is_last = first.month == _LAST_MONTH
    return first, first.replace(year=first.year + is_last, month=1 if is_last else first.month + 1)


def _tags(entry: LedgerEntry) -> str | None:
    """Tags have no values, so that each is `true`; metadata and the user have theirs."""
    tags = {**dict.fromkeys(entry.tags, True), **plain_metadata(entry.metadata)}
    if entry.user is not None:
        tags["user"] = entry.user
    return as_json(dict(sorted(tags.items())))
