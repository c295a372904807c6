"""What a plan bills: dated usage with its list price, read from records or from the lines of a ledger."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard._amounts import counted
from langchain_costguard.pricing.amounts import Exact, decimal_of, exact, moment, nano_of, quantity, usd, whole
from langchain_costguard.pricing.rates import NS_PER_HOUR

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from langchain_costguard.pricing.quotes import Dollars

Usage = Any
"""An iterable of `UsageRecord` or of ledger lines, or whatever has `entries()`: a handler, a block, a store."""

MEASURES: Final = ("usd", "tokens", "calls", "gpu_hours")
"""What usage is counted in: US dollars at list price, tokens, calls, GPU-hours."""

UNIT_WORDS: Final = {"usd": "US dollars", "tokens": "tokens", "calls": "calls", "gpu_hours": "GPU-hours"}

_HOUR_DIGITS: Final = 15
"""Decimals of an hour that are kept of a busy time: a few picoseconds."""

NOT_USAGE: Final = frozenset({"cached", "open"})
"""Lines no provider served, and lines that have not ended."""


class UsageRecord:
    """What was used at one moment, by whom, and what it costs at list price.

    Args:
        at: when; must know its time zone.
        cost: US dollars at list price; `None` when unknown, zero for free.
        tokens: input and output tokens together; `None` when unknown.
        calls: how many calls this was; 0 for machine time alone.
        gpu_hours: hours of GPU time.
        user: who used it; `None` when unknown.
        tags: what it was used for.

    Raises:
        PriceFormatError: an amount is negative, no number or not whole.
        ValueError: the moment has no time zone, or the tags are no texts.

    Example:
        >>> from datetime import UTC, datetime
        >>> UsageRecord(datetime(2026, 1, 31, tzinfo=UTC), "0.02", tokens=1_500, user="u1")
        UsageRecord(2026-01-31T00:00:00+00:00, $0.02, 1 call, 1,500 tokens, user='u1')
    """

    __slots__ = ("at", "calls", "cost", "gpu_hours", "tags", "tokens", "user")

    at: datetime
    """When, in UTC."""
    cost: Decimal | None
    """US dollars at list price."""
    tokens: int | None
    """Input and output tokens together."""
    calls: int
    """How many calls."""
    gpu_hours: Decimal
    """Hours of GPU time."""
    user: str | None
    """Who used it."""
    tags: tuple[str, ...]
    """What it was used for."""

    def __init__(
        self,
        at: datetime,
        cost: Dollars | None = None,
        *,
        tokens: int | None = None,
        calls: int = 1,
        gpu_hours: Dollars = 0,
        user: str | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        """Read the amounts; whatever is wrong is said now."""
        self.at = moment(at, "at")
        self.cost = None if cost is None else usd(cost, "cost")
        self.tokens = None if tokens is None else whole(tokens, "tokens", "tokens")
        self.calls = whole(calls, "calls", "calls")
        self.gpu_hours = quantity(gpu_hours, "gpu_hours", "GPU-hours")
        self.user = user
        self.tags = _texts(tags)

    def __repr__(self) -> str:
        """What was used, in one line."""
        cost = "cost unknown" if self.cost is None else f"${self.cost}"
        tokens = "tokens unknown" if self.tokens is None else counted(self.tokens, "token")
        hours = f", {counted(self.gpu_hours, 'GPU-hour')}" if self.gpu_hours else ""
        calls = counted(self.calls, "call")
        return f"UsageRecord({self.at.isoformat()}, {cost}, {calls}, {tokens}{hours}, user={self.user!r})"

    def measured(self, measure: str) -> Exact | None:
        """How much of one of `MEASURES` this is; dollars count in nano-USD; `None` when unknown."""
        if measure == "usd":
            return None if self.cost is None else nano_of(self.cost)
        if measure == "gpu_hours":
            return exact(self.gpu_hours)
        return self.tokens if measure == "tokens" else self.calls


class Charge(NamedTuple):
    """A record as plans reckon with it: exact numbers that can be scaled."""

    at: datetime
    """When, in UTC."""
    usd: Exact | None
    """The list price in nano-USD."""
    tokens: Exact | None
    """Tokens."""
    calls: Exact
    """Calls."""
    gpu_hours: Exact
    """GPU-hours."""

    def times(self, factor: Exact) -> Charge:
        """So many times as much at the same moment."""
        nano = None if self.usd is None else self.usd * factor
        tokens = None if self.tokens is None else self.tokens * factor
        return Charge(self.at, nano, tokens, self.calls * factor, self.gpu_hours * factor)


def charges_of(records: Iterable[UsageRecord]) -> list[Charge]:
    """The records as plans reckon with them, oldest first."""
    charges = [
        Charge(record.at, record.measured("usd"), record.tokens, record.calls, exact(record.gpu_hours))
        for record in records
    ]
    charges.sort(key=lambda charge: charge.at)
    return charges


def usage_records(usage: Usage) -> list[UsageRecord]:
    """Usage as records, from whatever holds it.

    Args:
        usage: an iterable of `UsageRecord` or of ledger lines (anything with `started_at_utc`, `list_cost` and
            `usage`), or an object whose `entries()` gives such lines: a handler, a `track_costs` block, a store.

    Returns:
        One record for each, in the order given. Of a ledger, lines that a cache answered, that have not ended, and
        adjustments to a provider's bill are left out: they are no usage.

    Raises:
        ValueError: it is something else.
    """
    return [record for record in map(record_of, lines_of(usage)) if record is not None]


def lines_of(usage: Usage) -> Iterable[Any]:
    """The records or lines themselves, whatever holds them.

    Raises:
        ValueError: it is nothing that holds any.
    """
    lines = usage.entries() if callable(getattr(usage, "entries", None)) else usage
    if isinstance(lines, str | bytes) or not isinstance(lines, Iterable):
        raise ValueError(_not_usage(usage))  # noqa: TRY004 - what it holds decides, not its type
    return lines


def record_of(line: Any) -> UsageRecord | None:  # noqa: ANN401 - a ledger's line, or whatever looks like one
    """The record of a record or of a ledger's line; `None` for a line that is no usage.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(line, UsageRecord):
        return line
    if not hasattr(line, "started_at_utc"):
        raise ValueError(_not_usage(line))
    listed = getattr(line, "list_cost", None)
    cost = getattr(line, "billed_cost", None) if listed is None else listed
    if getattr(line, "status", "ok") in NOT_USAGE or getattr(line, "kind", None) == "adjustment":
        return None
    tokens = getattr(line, "usage", None)
    hours = Fraction(getattr(line, "busy_ns", None) or 0, NS_PER_HOUR)
    return UsageRecord(
        line.started_at_utc,
        cost,
        tokens=None if tokens is None else tokens.total_tokens,
        calls=getattr(line, "calls", 1),
        gpu_hours=decimal_of(hours, _HOUR_DIGITS),
        user=getattr(line, "user", None),
        tags=getattr(line, "tags", ()),
    )


def _texts(tags: object) -> tuple[str, ...]:
    """Tags, each once, in the order given."""
    given = [tags] if isinstance(tags, str) else list(tags) if isinstance(tags, Iterable) else [tags]
    if not all(isinstance(tag, str) for tag in given):
        msg = f"tags={tags!r} are no tags: give texts, such as tags=('search', 'beta')"
        raise ValueError(msg)
    return tuple(dict.fromkeys(given))


def _not_usage(value: object) -> str:
    return (
        f"{value!r} is no usage: give UsageRecord(at, cost, tokens=..., calls=...), ledger lines, "
        "or a handler, a track_costs block or a store"
    )
