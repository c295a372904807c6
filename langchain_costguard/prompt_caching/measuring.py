"""What prompt caching did, by the ledger: the share that was read from caches, what that saved, what writes cost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from langchain_costguard.cost import PICO_PER_USD, to_usd
from langchain_costguard.pricing.book import PriceBook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal

    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.usage import TokenUsage

_US: Final = 1_000_000
_KEPT_US: Final = 3600 * _US
"""A read later than this after a write was not of that write: no provider's marks keep longer than an hour."""
_GROUPS: Final = ("model", "chain", "provider", "day")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachingMeasure:
    """What prompt caching did in some calls. Amounts are US dollars; `None` where no call could be priced.

    Args:
        group: the model, chain, provider or day the calls belong to; empty for all of them.
        calls: calls that reported their tokens.
        unpriced_calls: those of them whose prices are not known; their tokens count, their money does not.
        input_tokens: all input tokens.
        cache_read: those that were read from a cache.
        cache_written: those that were written to one.
        written_unread: those whose write no later call is known to have read: none of the same model and chain read
            anything within an hour.
        saved_by_reads: what the tokens that were read would have cost more as plain input.
        paid_for_writes: what the tokens that were written cost more than plain input.
        billed: what the calls cost, by the price list.
    """

    group: str = ""
    calls: int = 0
    unpriced_calls: int = 0
    input_tokens: int = 0
    cache_read: int = 0
    cache_written: int = 0
    written_unread: int = 0
    saved_by_reads: Decimal | None = None
    paid_for_writes: Decimal | None = None
    billed: Decimal | None = None

    @property
    def hit_share(self) -> float | None:
        """The share of the input tokens that was read from a cache; `None` without any."""
        return self.cache_read / self.input_tokens if self.input_tokens else None

    @property
    def net_saved(self) -> Decimal | None:
        """What caching saved after its writes, in US dollars; negative where it cost more than it saved."""
        if self.saved_by_reads is None or self.paid_for_writes is None:
            return None
        return self.saved_by_reads - self.paid_for_writes

    @property
    def bill_share(self) -> float | None:
        """The net saving as a share of what the calls would have cost without caching."""
        if self.net_saved is None or self.billed is None or not self.billed + self.net_saved:
            return None
        return float(self.net_saved / (self.billed + self.net_saved))

    def __str__(self) -> str:
        """The measure in a sentence."""
        name = f"{self.group}: " if self.group else ""
        if not self.input_tokens:
            return f"{name}no call reported its tokens."
        read = f"{name}{self.hit_share or 0:.1%} of {self.input_tokens:,} input tokens were read from a cache"
        unread = f" {self.written_unread:,} tokens were written and never read." if self.written_unread else ""
        if self.net_saved is None or self.saved_by_reads is None or self.paid_for_writes is None:
            return f"{read}; what that saved is not known: the calls have no price.{unread}"
        verb = "saved" if self.net_saved >= 0 else "lost"
        share = f", {abs(self.bill_share):.1%} of the bill" if self.bill_share is not None else ""
        return (
            f"{read}: ${self.saved_by_reads:.6f} less for reads, ${self.paid_for_writes:.6f} more for writes, "
            f"${abs(self.net_saved):.6f} {verb}{share}.{unread}"
        )


def measure_caching(
    entries: Iterable[LedgerEntry], *, by: str | None = None, prices: PriceBook | None = None
) -> tuple[CachingMeasure, ...]:
    """Measure what prompt caching did in the calls of a ledger.

    Each call is priced as it was, then as if nothing had been read, then as if nothing had been written, at the prices
    of its own moment. Nothing is assumed about which caching was on.

    Args:
        entries: the ledger's lines, such as `costs.entries()`; lines without tokens are passed over.
        by: `"model"`, `"chain"`, `"provider"` or `"day"` for one measure each, largest input first; all in one if not
            given.
        prices: what tokens cost; the price list if not given.

    Returns:
        The measures; without `by` exactly one.

    Raises:
        ValueError: `by` is not known.

    Example:
        ```python
        with track_costs() as costs:
            chain.batch(inputs)
        for measure in measure_caching(costs.entries(), by="model"):
            print(measure)
        ```
    """
    if by is not None and by not in _GROUPS:
        msg = f"by={by!r} is not known: choose one of {', '.join(map(repr, _GROUPS))}"
        raise ValueError(msg)
    lines = sorted(
        (line for line in entries if line.usage is not None and line.status != "cached"),
        key=lambda line: line.started_at_us,
    )
    unread = _written_unread(lines)
    book = prices or PriceBook()
    if by is None:
        return (_measure("", lines, unread, book),)
    groups: dict[str, list[LedgerEntry]] = defaultdict(list)
    for line in lines:
        groups[_GROUP_OF[by](line)].append(line)
    measures = [_measure(name, group, unread, book) for name, group in groups.items()]
    return tuple(sorted(measures, key=lambda one: -one.input_tokens))


_GROUP_OF: Final[dict[str, Callable[[LedgerEntry], str]]] = {
    "model": lambda line: line.model or "",
    "chain": lambda line: line.chain,
    "provider": lambda line: line.provider or "",
    "day": lambda line: line.started_at_utc.date().isoformat(),
}


def _measure(group: str, lines: Sequence[LedgerEntry], unread: dict[int, int], book: PriceBook) -> CachingMeasure:
    usages = [line.usage for line in lines if line.usage is not None]
    priced = [amounts for line in lines if (amounts := _amounts(line, book)) is not None]
    saved, paid, billed = (sum(column) for column in zip(*priced, strict=True)) if priced else (0, 0, 0)
    return CachingMeasure(
        group=group,
        calls=len(lines),
        unpriced_calls=len(lines) - len(priced),
        input_tokens=sum(usage.input_tokens for usage in usages),
        cache_read=sum(usage.cache_read for usage in usages),
        cache_written=sum(usage.cache_creation for usage in usages),
        written_unread=sum(unread.get(id(line), 0) for line in lines),
        saved_by_reads=to_usd(saved, PICO_PER_USD) if priced or not lines else None,
        paid_for_writes=to_usd(paid, PICO_PER_USD) if priced or not lines else None,
        billed=to_usd(billed, PICO_PER_USD) if priced or not lines else None,
    )


def _amounts(line: LedgerEntry, book: PriceBook) -> tuple[int, int, int] | None:
    """What reads saved, what writes cost more, and what the call cost, in pico-USD; `None` without a price."""
    usage = line.usage
    assert usage is not None, "lines without tokens were passed over"  # noqa: S101 - tells the type checker
    unread = usage._replace(uncached_input=usage.uncached_input + usage.cache_read, cache_read=0)
    unwritten = usage._replace(
        uncached_input=usage.uncached_input + usage.cache_creation, cache_write_5m=0, cache_write_1h=0
    )
    costs = [_pico(one, line, book) for one in (usage, unread, unwritten)]
    billed, without_reads, without_writes = costs
    if billed is None or without_reads is None or without_writes is None:
        return None
    return without_reads - billed, billed - without_writes, billed


def _pico(usage: TokenUsage, line: LedgerEntry, book: PriceBook) -> int | None:
    cost = book.price(
        usage,
        model=line.response_model or line.request_model or "",
        provider=line.provider,
        service_tier=line.service_tier,
        batch=line.batch,
        at=line.started_at_utc,
        region=None if line.price is None else line.price.region,
        fallback_model=line.request_model,
        calls=line.calls,
    )
    return None if cost is None else cost.pico_usd


def _written_unread(lines: Sequence[LedgerEntry]) -> dict[int, int]:
    """The tokens that each line wrote and that no later line is known to have read, by the line's identity."""
    unread: dict[int, int] = {}
    last_read: dict[tuple[str | None, str], int] = {}
    for line in reversed(lines):
        usage, key = line.usage, (line.model, line.chain)
        if usage is None:
            continue
        if usage.cache_creation:
            read_at = last_read.get(key)
            if read_at is None or read_at - line.started_at_us > _KEPT_US:
                unread[id(line)] = usage.cache_creation
        if usage.cache_read:
            last_read[key] = line.started_at_us
    return unread
