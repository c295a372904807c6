"""What each technique saved on a call: its price, and the prices it would have had, compared step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard.cost import nano_half_even
from langchain_costguard.exceptions import UnknownPriceError
from langchain_costguard.savings import Savings

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    `baseline_nano` against what is owed for the same tokens at once, so that a cost the provider reported counts as it
    is. A call that would not have been made without its technique has only its cost.

    Args:
        entry: the line, priced, with its baseline.
        prices: the price book.
        region: where the provider was told to process the call.

    Returns:
        The steps; `None` where no technique is known to have had a part, or where a price that is needed is not known.
    """
    if entry.status == "cached":
        return _of_cached(entry)
    usage, owed = entry.usage, entry.billed_nano
    if owed is None:
        return None
    if _is_own_call(entry):
        return _of_own_call(entry, owed)
    if usage is None or not _has_part(entry, usage) or _misses_baseline(entry):
        return None
    if not any(usage.counts):
        return None if owed else Savings()  # refused, or never sent
    try:
        return _Steps(entry, usage, prices, region).all(owed)
    except (_UnknownStepError, UnknownPriceError):
        return None


def _has_part(entry: LedgerEntry, usage: TokenUsage) -> bool:
    if usage.cache_read or usage.cache_write_5m or usage.cache_write_1h or "prompt_caching" in entry.techniques:
        return True
    return bool(entry.batch or entry.saved_input_tokens or _is_compared(entry))


def _is_own_call(entry: LedgerEntry) -> bool:
    """Whether the call would not have been made without its technique."""
    return entry.baseline_model == ""


def _is_compared(entry: LedgerEntry) -> bool:
    """Whether another model could have done it: the one baseline of a handler embeds nothing."""
    return entry.baseline_nano is not None and (entry.kind != "embedding" or _choice(entry) is not None)


def _misses_baseline(entry: LedgerEntry) -> bool:
    """Whether a technique chose the model and what it replaced has no price."""
    return entry.baseline_model is not None and entry.baseline_nano is None and _choice(entry) is not None


def _choice(entry: LedgerEntry) -> str | None:
    return next((name for name in _CHOICES if name in entry.techniques), None)


def _of_cached(entry: LedgerEntry) -> Savings | None:
    if entry.avoided_nano is None:
        return None
    if _is_own_call(entry):  # nobody would have asked without its technique
        return Savings()
    steps = {"semantic_cache" if "semantic_cache" in entry.techniques else "exact_cache": entry.avoided_nano}
    if entry.baseline_nano is not None:  # what drafts have booked of this very answer
        steps[_choice(entry) or "model_choice"] = entry.baseline_nano
    return Savings(**steps)


def given_back(savings: Savings | None, served: Mapping[str, int]) -> Savings | None:
    """The steps of an escalation whose drafts came from a cache: what they claimed is taken back where they claimed it.

    Args:
        savings: the steps of the call, in which the cascade takes back everything.
        served: what the drafts claimed, in nano-USD, by the cache's step.
    """
    if savings is None or not served:
        return savings
    steps = {name: getattr(savings, name) - nano for name, nano in served.items()}
    return savings._replace(**steps, cascade=savings.cascade + savings.total - savings._replace(**steps).total)


def _of_own_call(entry: LedgerEntry, owed: int) -> Savings | None:
    """The cost of a call that would not have been made without its technique."""
    if not owed:
        return Savings()
    step = next((name for name in entry.techniques if name in Savings._fields), None)
    return None if step is None else Savings(**{step: -owed})


class _UnknownStepError(Exception):
    """A price that a step needs is not known."""


class _Steps:
    """The prices one call would have had."""

    def __init__(self, entry: LedgerEntry, usage: TokenUsage, prices: PriceBook, region: str | None) -> None:
        self._entry = entry
        self._usage = usage
        self._prices = prices
        self._region = region

    def all(self, owed: int) -> Savings:
        """Every step up from what is owed, in nano-USD."""
        entry, usage = self._entry, self._usage
        steps: dict[str, int] = {}
        if entry.batch:
            steps["batch"] = self._price(usage, batch=False) - self._price(usage, batch=True)
        uncached = _uncached(usage)
        if uncached != usage:
            steps["prompt_caching"] = self._price(uncached, batch=False) - self._price(usage, batch=False)
        if entry.saved_input_tokens:
            longer = uncached._replace(uncached_input=uncached.uncached_input + entry.saved_input_tokens)
            step = next((name for name in entry.techniques if name in _SHORTENING), "compression")
            steps[step] = self._price(longer, batch=False) - self._price(uncached, batch=False)
        if entry.baseline_nano is not None and _is_compared(entry):
            steps[_choice(entry) or "model_choice"] = entry.baseline_nano - owed - steps.get("batch", 0)
        return Savings(**steps)

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
