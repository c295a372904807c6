"""Whether caching a prefix is worth its price, for how long it is to be kept, and why: a decision over plain values."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard.prompt_caching.forecasting import break_even_uses, forecast
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.prompt_caching.forecasting import Forecast, Request, Traffic
    from langchain_costguard.prompt_caching.rules import CacheRules, Lifetime

_MILLION = 1_000_000
_A_MINUTE = 60


class Multiples(NamedTuple):
    """What a token of a cached prefix costs, as multiples of the input price."""

    read: Fraction
    """Reading it."""
    write: Fraction
    """Writing it for a lifetime."""

    @property
    def break_even_uses(self) -> int | None:
        """From which use within the lifetime it pays, the write included; `None` for never."""
        return break_even_uses(self.write, self.read)


class Decision(NamedTuple):
    """What was decided, and the figures for it."""

    worth_it: bool | None
    """Whether caching costs less; `None` where that cannot be known."""
    reason: str
    """Why, in a sentence."""
    forecast: Forecast | None = None
    """What the best lifetime costs."""
    multiples: Multiples | None = None
    """The prices of that lifetime."""


def decide(
    rules: CacheRules | None,
    request: Request,
    traffic: Traffic,
    price: Callable[[TokenUsage], int | None],
    *,
    model: str,
    reachable_tokens: int = 0,
) -> Decision:
    """Decide whether to cache, and for how long.

    Args:
        rules: the provider's; `None` where they are not known.
        request: the tokens of a call.
        traffic: how often the prefix is sent.
        price: what a usage costs in pico-USD; `None` where that is not known.
        model: its name, for the reason.
        reachable_tokens: how long the prefix would be if what changes stood behind what does not.
    """
    if rules is None:
        return Decision(None, f"no caching rules are known for {model}: give rules=CacheRules(...)")
    if rules.min_tokens is None:
        return Decision(
            None,
            f"the shortest prefix that {model} caches is not known ({rules.source}): give rules=CacheRules(...)",
        )
    if not rules.cached(request.prefix_tokens):
        reason = _too_short(rules.min_tokens, request, model, reachable_tokens)
        return Decision(worth_it=False, reason=reason)
    multiples = {lifetime: multiples_of(lifetime, price) for lifetime in rules.lifetimes}
    forecasts = {lifetime: forecast(request, traffic, lifetime, rules, price) for lifetime in rules.lifetimes}
    known = [one for one in forecasts.values() if one is not None]
    if not known:
        return _unpriced(rules, request, model)
    best = min(known, key=lambda one: one.cost_with)
    return Decision(best.saved > 0, _reckoned(best, request, traffic, rules), best, multiples[best.lifetime])


def multiples_of(lifetime: Lifetime, price: Callable[[TokenUsage], int | None]) -> Multiples | None:
    """What reading and writing cost beside plain input; `None` where a price is not known or input is free."""
    plain, read = price(TokenUsage(uncached_input=_MILLION)), price(TokenUsage(cache_read=_MILLION))
    write = price(lifetime.written(_MILLION))
    if not plain or read is None or write is None:
        return None
    return Multiples(Fraction(read, plain), Fraction(write, plain))


def _too_short(minimum: int, request: Request, model: str, reachable: int) -> str:
    says = (
        f"{request.prefix_tokens:,} tokens at the beginning stay the same and {model} caches from {minimum:,} on: "
        "nothing would be cached, and no error would say so"
    )
    if reachable >= minimum:
        says += f"; with what changes behind what does not, {reachable:,} tokens would stay the same"
    return says


def _unpriced(rules: CacheRules, request: Request, model: str) -> Decision:
    if rules.control != "automatic":
        return Decision(None, f"what {model} charges for caching is not known: give prices=PriceBook({{...}})")
    reason = (
        f"{request.prefix_tokens:,} tokens can be read from the cache, which is automatic; no price is known, so what "
        "that saves is computing time"
    )
    return Decision(worth_it=True, reason=reason)


def _reckoned(best: Forecast, request: Request, traffic: Traffic, rules: CacheRules) -> str:
    cached = rules.cached(request.prefix_tokens)
    of_what = "of the bill" if request.output_tokens is not None else "of the input's cost"
    expected = (
        f"of {traffic.calls:,} calls {best.reads:,.1f} are expected to read {cached:,} tokens and {best.writes:,.1f} "
        f"to write them ({best.lifetime.name})"
    )
    gap = f", {_duration(traffic.gap_seconds)} apart," if traffic.calls > 1 else ""
    if not best.saved:
        return f"costs as much with caching as without: {expected}{gap}"
    share = "" if best.saved_share is None else f", {abs(best.saved_share):.0%} {of_what}"
    if best.saved > 0:
        return f"saves about ${best.saved:.4f}{share}: {expected}"
    return f"would cost about ${-best.saved:.4f} more{share}: {expected}{gap}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * _A_MINUTE else f"{seconds / _A_MINUTE:.0f} min"
