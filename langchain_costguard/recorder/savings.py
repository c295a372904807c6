"""What each technique saved on a call: its price, and the prices it would have had, compared step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard.cost import nano_half_even
from langchain_costguard.exceptions import UnknownPriceError
from langchain_costguard.savings import Savings

if TYPE_CHECKING:
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.usage import TokenUsage

_CHOICES: Final = ("cascade", "local_model", "routing")
"""The techniques that choose another model than the baseline; the first that a call names has the step."""
_SHORTENING: Final = ("compression", "prompt_slimming")
"""The techniques that leave input tokens out; the first that a call names has the step."""
_US_PER_SECOND: Final = 1_000_000


def savings_of(entry: LedgerEntry, prices: PriceBook, region: str | None = None) -> Savings | None:
    """What each technique saved on a finished call.

    The steps are taken on the model that answered, in this order from what is owed: at once instead of in a batch, its
    cached input at the full price, the left-out input tokens added. The choice of the model is the line's
    `baseline_nano` against the same tokens at once on the model that answered.

    Args:
        entry: the line, priced, with its baseline.
        prices: the price book.
        region: where the provider was told to process the call.

    Returns:
        The steps; `None` where no technique is known to have had a part, or where a price that is needed is not known.
    """
    if entry.status == "cached":
        return _of_cached(entry)
    usage = entry.usage
    if usage is None or entry.billed_nano is None or not _has_part(entry, usage):
        return None
    if not any(usage.counts):  # refused, or never sent
        return Savings()
    if entry.baseline_nano == 0 and entry.baseline_model is None:
        return _of_own_call(entry)
    try:
        return _Steps(entry, usage, prices, region).all()
    except (_UnknownStepError, UnknownPriceError):
        return None


def _has_part(entry: LedgerEntry, usage: TokenUsage) -> bool:
    if usage.cache_read or usage.cache_write_5m or usage.cache_write_1h or "prompt_caching" in entry.techniques:
        return True
    return bool(entry.batch or entry.saved_input_tokens or entry.baseline_nano is not None)


def _of_cached(entry: LedgerEntry) -> Savings | None:
    if entry.avoided_nano is None:
        return None
    if "semantic_cache" in entry.techniques:
        return Savings(semantic_cache=entry.avoided_nano)
    return Savings(exact_cache=entry.avoided_nano)


def _of_own_call(entry: LedgerEntry) -> Savings | None:
    """The cost of a call that would not have been made without its technique."""
    step = next((name for name in entry.techniques if name in Savings._fields), None)
    return None if step is None else Savings(**{step: -(entry.billed_nano or 0)})


class _UnknownStepError(Exception):
    """A price that a step needs is not known."""


class _Steps:
    """The prices one call would have had."""

    def __init__(self, entry: LedgerEntry, usage: TokenUsage, prices: PriceBook, region: str | None) -> None:
        self._entry = entry
        self._usage = usage
        self._prices = prices
        self._region = region

    def all(self) -> Savings:
        """Every step."""
        entry, usage = self._entry, self._usage
        steps: dict[str, int] = {}
        at_once = self._price(usage, batch=False)
        if entry.batch:
            steps["batch"] = at_once - self._price(usage, batch=True)
        uncached = _uncached(usage)
        if uncached != usage:
            steps["prompt_caching"] = self._price(uncached, batch=False) - at_once
        if entry.saved_input_tokens:
            longer = uncached._replace(uncached_input=uncached.uncached_input + entry.saved_input_tokens)
            step = next((name for name in entry.techniques if name in _SHORTENING), "compression")
            steps[step] = self._price(longer, batch=False) - self._price(uncached, batch=False)
        if entry.baseline_nano is not None:
            steps[self._choice()] = entry.baseline_nano - at_once
        return Savings(**steps)

    def _choice(self) -> str:
        return next((name for name in _CHOICES if name in self._entry.techniques), "model_choice")

    def _price(self, usage: TokenUsage, *, batch: bool) -> int:
        entry = self._entry
        cost = self._prices.price(
            usage,
            model=entry.response_model or entry.request_model or "",
            provider=entry.provider,
            service_tier=entry.service_tier if batch or not entry.batch else None,  # some call the batch a tier
            batch=batch,
            at=entry.started_at_us / _US_PER_SECOND,
            region=self._region,
            fallback_model=entry.request_model,
            busy_ns=entry.busy_ns,
            calls=entry.calls,
        )
        if cost is None:
            raise _UnknownStepError
        return nano_half_even(cost.pico_usd)


def _uncached(usage: TokenUsage) -> TokenUsage:
    """The same tokens without a provider's cache."""
    cached = usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    return usage._replace(
        uncached_input=usage.uncached_input + cached, cache_read=0, cache_write_5m=0, cache_write_1h=0
    )
