"""Whether leaving tokens out saves money: the provider's prompt cache and the price of compressing counted in."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from langchain_costguard.pricing.quotes import Dollars

CacheLifetime = Literal["5m", "1h"]
_LIFETIMES: Final = ("5m", "1h")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetSaving:
    """What compression saves in US dollars; `None` where a price is not known."""

    before: Decimal | None
    """The input of this call and the later ones as it is."""
    after: Decimal | None
    """The same compressed, without what compressing costs."""
    compression_cost: Decimal | None
    """What compressing costs."""

    @property
    def net(self) -> Decimal | None:
        """What is saved in the end; negative for a loss, `None` where a price is not known."""
        if self.before is None or self.after is None or self.compression_cost is None:
            return None
        return self.before - self.after - self.compression_cost

    @property
    def is_loss(self) -> bool:
        """Whether it is known to cost at least as much as it saves."""
        return self.net is not None and self.net <= 0

    def __str__(self) -> str:
        """The sum in words."""
        if self.net is None:
            return "The net saving is not known: a price is missing."
        return (
            f"Saves ${self.net} net: ${self.before} before, ${self.after} after, ${self.compression_cost} to compress."
        )


def net_saving(
    *,
    prompt_tokens: int,
    saved_tokens: int,
    model: str,
    provider: str | None = None,
    cached_prefix_tokens: int = 0,
    unchanged_tokens: int = 0,
    later_calls: int = 0,
    is_cached_later: bool | None = None,
    cache_lifetime: CacheLifetime = "5m",
    compression_cost: Dollars | None = 0,
    prices: PriceBook | None = None,
) -> NetSaving:
    """What it saves to send a prompt without some of its tokens.

    A prompt whose beginning sits in the provider's cache is read from it at a discount up to the first token that
    changed. What comes behind is paid in full, or at the price of writing the cache, once; later calls that begin with
    the same prompt read it again.

    Args:
        prompt_tokens: the prompt as it is.
        saved_tokens: how many of them are left out.
        model: who reads the prompt.
        provider: who serves it, as for `PriceBook.price`.
        cached_prefix_tokens: how many of the first tokens are in the provider's cache now.
        unchanged_tokens: how many of the first tokens are the same after compression.
        later_calls: how many calls more will begin with this prompt.
        is_cached_later: whether what this call sends is read from the cache by the later ones; not given: where
            something is cached now.
        cache_lifetime: how long the provider is told to keep what is written, for its price: `"5m"` or `"1h"`.
        compression_cost: what compressing costs in US dollars; `None` where that is not known.
        prices: the price book; list prices if not given.

    Returns:
        The saving; its `net` is negative where compression costs more than it saves.

    Raises:
        ValueError: a number of tokens or calls is negative, more is left out or cached than there is, or the lifetime
            is not known.

    Example:
        ```python
        net_saving(prompt_tokens=20_000, saved_tokens=8_000, model="claude-sonnet-4-5", cached_prefix_tokens=19_000).net
        ```
    """
    _check(prompt_tokens, saved_tokens, cached_prefix_tokens, unchanged_tokens, later_calls, cache_lifetime)
    book = prices or PriceBook()
    is_cached = cached_prefix_tokens > 0 if is_cached_later is None else is_cached_later

    def cost(tokens: int, read: int) -> Decimal | None:
        sent = tokens - read
        if not is_cached:
            usage = TokenUsage(uncached_input=sent, cache_read=read)
        elif cache_lifetime == "1h":
            usage = TokenUsage(cache_read=read, cache_write_1h=sent)
        else:
            usage = TokenUsage(cache_read=read, cache_write_5m=sent)
        priced = book.price(usage, model=model, provider=provider)
        return None if priced is None else priced.total

    def all_calls(tokens: int, read: int) -> Decimal | None:
        now, later = cost(tokens, read), cost(tokens, tokens if is_cached else 0)
        return None if now is None or later is None else now + later_calls * later

    shorter = prompt_tokens - saved_tokens
    return NetSaving(
        before=all_calls(prompt_tokens, cached_prefix_tokens),
        after=all_calls(shorter, min(cached_prefix_tokens, unchanged_tokens, shorter)),
        compression_cost=None if compression_cost is None else Decimal(str(compression_cost)),
    )


def _check(prompt: int, saved: int, cached: int, unchanged: int, later: int, lifetime: str) -> None:
    numbers = {
        "prompt_tokens": prompt, "saved_tokens": saved, "cached_prefix_tokens": cached, "unchanged_tokens": unchanged,
        "later_calls": later,
    }  # fmt: skip
    for name, number in numbers.items():
        if number < 0:
            msg = f"{name}={number} is below zero: give 0 or more"
            raise ValueError(msg)
    for name in ("saved_tokens", "cached_prefix_tokens"):
        if numbers[name] > prompt:
            msg = f"{name}={numbers[name]} is more than the prompt has: give at most prompt_tokens={prompt}"
            raise ValueError(msg)
    if lifetime not in _LIFETIMES:
        msg = f"cache_lifetime={lifetime!r} is not known: give '5m' or '1h'"
        raise ValueError(msg)
