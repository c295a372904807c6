"""How the price list of genai-prices is read: its models, its dates and its tiers; the only file that knows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.compiling import Span, Tiered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, time

    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, PriceVariant, Provider

STANDARD_TIERS: Final = frozenset({"default", "standard", "standard_only", "auto", "on_demand", "on-demand"})
"""Tiers billed at the standard price. `auto` is a wish: the answer names another tier where there was one."""


class Listed(NamedTuple):
    """What the list says a model costs at a moment, in a context."""

    prices: Mapping[str, Tiered]
    """By the list's own keys."""
    span: Span
    """While it says so."""
    effective_from: str
    """The day the price took effect, empty where the list does not say."""
    context: str
    """The tier that chose the price."""


class Unlisted(NamedTuple):
    """The list has no price, and why."""

    reason: str
    """A sentence that ends with what would mend it."""
    span: Span
    """While that is so."""


@cache
def bundled() -> tuple[tuple[Provider, ...], str]:
    """The providers of the installed genai-prices, and its version; its process-wide snapshot is not touched."""
    from importlib.metadata import version

    from genai_prices.data import providers

    return tuple(providers), version("genai-prices")


def parse(raw: object, *, path: str) -> tuple[Provider, ...]:
    """The providers of a list published as JSON by the genai-prices project.

    Raises:
        PriceFormatError: the installed genai-prices does not understand it.
    """
    from genai_prices import types

    try:
        providers = tuple(types._providers_from_raw(raw))  # noqa: SLF001 - there is no public way; its contract is tested
        _check_prices(providers)
    except Exception as error:  # any fault of a foreign parser means one thing here: not a list it knows
        msg = (
            f"{path} is not a price list that the installed genai-prices understands: "
            'give its data.json, or a list with \'"schema": "costguard-prices/1"\''
        )
        raise PriceFormatError(msg, path=path) from error
    return providers


def _check_prices(providers: Iterable[Provider]) -> None:
    """Refuse models without prices, and prices that are no amounts from zero, which genai-prices lets pass."""
    for info in (info for provider in providers for info in provider.models):
        entries = [entry.prices for entry in info.prices] if isinstance(info.prices, list) else [info.prices]
        found = [tiered for entry in entries for tiered in _tiered(entry).values()]
        amounts = [amount for tiered in found for amount in (tiered.base, *(price for _, price in tiered.steps))]
        if not entries or not all(amount.is_finite() and amount >= 0 for amount in amounts):
            msg = f"{info.id} has no prices, or one below zero"
            raise ValueError(msg)


def listed(info: ModelInfo, *, own: bool, tier: str | None, batch: bool, moment: float) -> Listed | Unlisted:
    """What the list says a model costs.

    Args:
        info: the model.
        own: whether it stands in the provider's own list; tiers of a list borrowed from another provider are not
            this provider's.
        tier: the service tier in lower case, `None` for the standard one.
        batch: whether the call went through the provider's Batch API.
        moment: when the call was made, in seconds since 1970-01-01 UTC.
    """
    at = datetime.fromtimestamp(moment, tz=UTC)
    span = Span.around(moment, list(_boundaries(info, at)))
    context, variants = _variants_of(info, own=own, tier=tier, batch=batch)
    if not context:
        return Listed(_tiered(info.get_prices(at)), span, _since(_chosen(info, at)), "")
    active = [variant for variant in variants if variant.constraint is None or variant.constraint.active(at)]
    name = ", ".join(context.values())
    if not active:
        return Unlisted(_why_no_variant(info, name, variants), span)
    return Listed(_tiered(info.get_prices(at, context)), span, _since(active[0]) or _since(_chosen(info, at)), name)


def dates(providers: Sequence[Provider]) -> Iterator[date]:
    """Every day on which a price of the list takes effect."""
    for provider in providers:
        for info in provider.models:
            for entry in _dated_entries(info):
                start = getattr(entry.constraint, "start_date", None)
                if start is not None:
                    yield start


def _variants_of(
    info: ModelInfo, *, own: bool, tier: str | None, batch: bool
) -> tuple[dict[str, str], list[PriceVariant]]:
    """The context to ask the list for, empty for the standard price, and the variants that answer to it."""
    is_standard = tier is None or tier in STANDARD_TIERS
    if is_standard and not batch:
        return {}, []
    wanted = [{"processing": "batch"}] if is_standard else [{"service_tier": tier or ""}, {"speed": tier or ""}]
    if batch and not is_standard:
        wanted = [{"processing": "batch", "service_tier": tier or ""}]
    for context in wanted:
        variants = [variant for variant in info.price_variants or () if variant.when == context]
        if variants and own:
            return context, variants
    return wanted[0], []


def _why_no_variant(info: ModelInfo, name: str, variants: list[PriceVariant]) -> str:
    starts = sorted(_since(variant) for variant in variants)
    if starts:
        return f"the {name} price of {info.id} is known only from {starts[0]} on: give an override for earlier calls"
    return f"the price list has no {name} price for {info.id}: give an override for it"


def _dated_entries(info: ModelInfo) -> Iterator[ConditionalPrice | PriceVariant]:
    if isinstance(info.prices, list):
        yield from info.prices
    yield from info.price_variants or ()


def _chosen(info: ModelInfo, at: datetime) -> ConditionalPrice | None:
    if not isinstance(info.prices, list):
        return None
    active = (entry for entry in reversed(info.prices) if entry.constraint is None or entry.constraint.active(at))
    return next(active, None)


def _since(entry: ConditionalPrice | PriceVariant | None) -> str:
    start = None if entry is None else getattr(entry.constraint, "start_date", None)
    return "" if start is None else str(start.isoformat())


def _boundaries(info: ModelInfo, at: datetime) -> Iterator[float]:
    """The moments at which the list may change its mind: days of new prices, and hours of the day around `at`."""
    for entry in _dated_entries(info):
        constraint: Any = entry.constraint
        if constraint is None:
            continue
        start = getattr(constraint, "start_date", None)
        if start is not None:
            yield datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp()
            continue
        for hour in (constraint.start_time, constraint.end_time):
            yield from _daily(hour, at)


def _daily(hour: time, at: datetime) -> Iterator[float]:
    clock = hour if hour.tzinfo is not None else hour.replace(tzinfo=UTC)
    for days in (-2, -1, 0, 1, 2):
        yield datetime.combine(at.date() + timedelta(days=days), clock).timestamp()


def _tiered(prices: ModelPrice) -> dict[str, Tiered]:
    found: dict[str, Tiered] = {}
    for key, value in prices.__dict__.items():
        if value is None or key.startswith("_"):
            continue
        steps = getattr(value, "tiers", None)
        if steps is None:
            found[key] = Tiered(value)
        else:
            found[key] = Tiered(value.base, tuple((step.start, step.price) for step in steps))
    return found
