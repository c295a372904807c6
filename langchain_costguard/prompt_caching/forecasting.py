"""What caching a prefix costs and saves over some traffic: pure arithmetic on rates, tokens and gaps between calls."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import exp
from typing import TYPE_CHECKING, Final

from langchain_costguard.cost import PICO_PER_USD, to_usd
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from langchain_costguard.prompt_caching.rules import CacheRules, Lifetime

_SHARE_DIGITS: Final = 10**6
_SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How often a prefix is sent.

    Args:
        calls: how many calls send it, the first included.
        seconds: over how many seconds they are spread, at random.
    """

    calls: int
    seconds: float

    @property
    def gap_seconds(self) -> float:
        """The mean time between two calls; infinite for a single call."""
        return self.seconds / (self.calls - 1) if self.calls > 1 else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The tokens of a call.

    Args:
        prefix_tokens: what would be cached.
        other_tokens: the rest of the input.
        output_tokens: the answer; `None` where it is not known, and the bill is the input's alone.
    """

    prefix_tokens: int
    other_tokens: int
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What some traffic costs with a lifetime of the cache and without any. Amounts are US dollars, estimated.

    Args:
        lifetime: how long the prefix is kept.
        reads: how many calls are expected to read it, of all calls.
        writes: how many are expected to write it.
        cost_without: the calls without caching.
        cost_with: the same calls with it, writes and storage included.
    """

    lifetime: Lifetime
    reads: float
    writes: float
    cost_without: Decimal
    cost_with: Decimal

    @property
    def saved(self) -> Decimal:
        """What caching saves, in US dollars; negative where it costs."""
        return self.cost_without - self.cost_with

    @property
    def saved_share(self) -> float | None:
        """The saving as a share of what the calls cost without caching; `None` where that is nothing."""
        return float(self.saved / self.cost_without) if self.cost_without else None


def break_even_uses(write: Fraction, read: Fraction) -> int | None:
    """From which use of a prefix within its lifetime caching it costs less: the smallest N > (w - r) / (1 - r).

    Args:
        write: what writing costs, as a multiple of the input price.
        read: what reading costs, as a multiple of the input price.

    Returns:
        The number of uses, the first included; `None` where reading is no cheaper than sending again.

    Example:
        >>> break_even_uses(Fraction("1.25"), Fraction("0.1")), break_even_uses(Fraction(2), Fraction("0.1"))
        (2, 3)
    """
    if read >= 1:
        return None
    return max(1, (write - read) // (1 - read) + 1)


def read_share(lifetime_seconds: int | None, gap_seconds: float, *, is_refreshed: bool) -> Fraction:
    """The share of later calls that find a prefix, when calls come at random with a mean gap between them.

    Where a read begins the lifetime anew, a call finds it if the gap before it is no longer than the lifetime. Where
    it does not, each write serves the calls of one lifetime.
    """
    if lifetime_seconds is None or gap_seconds == 0:
        return Fraction(1)
    lifetimes = lifetime_seconds / gap_seconds
    share = 1 - exp(-lifetimes) if is_refreshed else lifetimes / (1 + lifetimes)
    return Fraction(round(share * _SHARE_DIGITS), _SHARE_DIGITS)


def forecast(
    request: Request, traffic: Traffic, lifetime: Lifetime, rules: CacheRules, price: Callable[[TokenUsage], int | None]
) -> Forecast | None:
    """What the traffic costs with a lifetime and without caching.

    Args:
        request: the tokens of a call.
        traffic: how often it is made.
        lifetime: how long a prefix is kept.
        rules: of the provider.
        price: what a usage costs in pico-USD.

    Returns:
        The forecast; `None` where a price is not known.
    """
    cached = rules.cached(request.prefix_tokens)
    other, output = request.other_tokens + request.prefix_tokens - cached, request.output_tokens or 0
    plain = price(TokenUsage(uncached_input=cached + other, output_text=output))
    reading = price(TokenUsage(uncached_input=other, cache_read=cached, output_text=output))
    writing = price(lifetime.written(cached)._replace(uncached_input=other, output_text=output))
    if plain is None or reading is None or writing is None:
        return None
    is_stored = rules.control == "cached_contents"
    seconds = None if is_stored else lifetime.seconds
    share = read_share(seconds, traffic.gap_seconds, is_refreshed=rules.refreshed_on_read)
    reads = (traffic.calls - 1) * share
    cost_with = reads * reading + (traffic.calls - reads) * writing
    if is_stored:
        storage = _storage(cached, traffic, lifetime, rules)
        if storage is None:
            return None
        cost_with += storage
    return Forecast(
        lifetime=lifetime,
        reads=float(reads),
        writes=float(traffic.calls - reads),
        cost_without=to_usd(traffic.calls * plain, PICO_PER_USD),
        cost_with=to_usd(round(cost_with), PICO_PER_USD),
    )


def _storage(cached: int, traffic: Traffic, lifetime: Lifetime, rules: CacheRules) -> Fraction | None:
    """What keeping a prefix for the whole traffic costs, in pico-USD, whole lifetimes each; `None` if not known."""
    if rules.storage_usd_per_mtok_hour is None or lifetime.seconds is None:
        return None
    hours = max(1, -(-int(traffic.seconds) // lifetime.seconds)) * Fraction(lifetime.seconds, _SECONDS_PER_HOUR)
    per_token_hour = Fraction(rules.storage_usd_per_mtok_hour) * PICO_PER_USD / 1_000_000
    return cached * hours * per_token_hour
