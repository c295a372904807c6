"""What a call costs: usage and its context in, an exact cost or `None` with a reason out."""

from __future__ import annotations

import difflib
import logging
import warnings
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache, partial
from time import time
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_costguard.cost import Cost
from langchain_costguard.exceptions import PriceFormatError, UnknownPriceError, UnpricedUsageWarning
from langchain_costguard.pricing.catalog import Catalog, Context
from langchain_costguard.pricing.compiling import Span
from langchain_costguard.pricing.genai import Unlisted
from langchain_costguard.pricing.names import candidates, catalogue_provider, is_not_openais, is_self_hosted
from langchain_costguard.pricing.quotes import Dollars, free
from langchain_costguard.pricing.rates import BUCKETS, GpuHourCard, Price, divide_half_even
from langchain_costguard.pricing.terms import Terms
from langchain_costguard.usage import Counts, TokenUsage, clean_counts, read_usage

if TYPE_CHECKING:
    from datetime import date

_logger: Final = logging.getLogger("langchain_costguard")

UnknownPolicy = Literal["record", "raise", "upper_bound", "free"]
"""What happens to a call without a price: its cost is `None`; an error; a bound; or zero."""

_REMEMBERED: Final = 4096
_POLICIES: Final = ("record", "raise", "upper_bound", "free")
_ANYWHERE: Final = frozenset({"", "global", "any"})
_MODELS_WORTH_NAMING: Final = 3
_NOT_WORTH_GUESSING: Final = frozenset({"", "unknown", "default"})
_LONGEST_NAME: Final = 100


class PriceBook:
    """Prices calls: the user's own prices first, then the price list; exact, dated and with provenance.

    Thread-safe and cheap to share: one book serves a process. Nothing is fetched from a network.

    Args:
        overrides: the user's own prices by `"model"`, `"provider/model"` or a pattern of either (`"ollama/*"`);
            values are `per_token(...)`, `per_call(...)`, `gpu_hour(...)`, `free()`, or a mapping with their keyword
            names. Exact names win over patterns, and patterns over later patterns.
        catalog: the price list; the one of the installed genai-prices with our additions if not given.
        discount: what you get off the list price, as a share (`"0.15"` is 15 % off), or one share per provider.
            Overrides are what you pay and are not discounted.
        unknown: what happens to a call without a price. `"record"`: its cost is `None` and `why_unpriced` says why;
            `"raise"`: an `UnknownPriceError`; `"upper_bound"`: the dearest rates of the provider, with a warning;
            `"free"`: zero.

    Raises:
        PriceFormatError: an override, a discount or the policy cannot be understood.

    Example:
        >>> book = PriceBook()
        >>> usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
        >>> book.price(usage, model="gpt-4o", provider="openai").total
        Decimal('0.0075')
        >>> print(book.price(usage, model="llama3.1:8b", provider="ollama"))
        None
    """

    def __init__(
        self,
        overrides: Mapping[str, Price | Mapping[str, Any]] | None = None,
        *,
        catalog: Catalog | None = None,
        discount: Dollars | Mapping[str, Dollars] | None = None,
        unknown: UnknownPolicy = "record",
    ) -> None:
        """Read the user's own prices; the price list itself is loaded when the first call needs it."""
        if unknown not in _POLICIES:
            msg = f"unknown={unknown!r} is no policy: choose one of {', '.join(map(repr, _POLICIES))}"
            raise PriceFormatError(msg, path="unknown")
        self._catalog = catalog
        self._unknown = unknown
        self._terms = Terms(overrides, discount)
        self._question = lru_cache(_REMEMBERED)(partial(_Question, self, self._terms))
        self._near = lru_cache(_REMEMBERED)(self._near_now)

    @property
    def has_hourly_prices(self) -> bool:
        """Whether any override is a price by the GPU-hour, so that calls have to be metered."""
        return self._terms.has_hourly_prices

    @property
    def catalog(self) -> Catalog:
        """The price list."""
        if self._catalog is None:
            self._catalog = Catalog.bundled()
        return self._catalog

    def warm(self) -> None:
        """Load the price list now (about 0.1 s, once per process) instead of when the first call needs it."""
        self.catalog.entries("openai")

    @property
    def version(self) -> str:
        """The version of the price list."""
        return self.catalog.version

    @property
    def dated(self) -> date:
        """The day of the price list."""
        return self.catalog.dated

    def price(
        self,
        usage: TokenUsage | Mapping[str, Any] | None,
        *,
        model: str,
        provider: str | None = None,
        service_tier: str | None = None,
        batch: bool = False,
        at: datetime | float | None = None,
        region: str | None = None,
        fallback_model: str | None = None,
        busy_ns: int | None = None,
        calls: int = 1,
    ) -> Cost | None:
        """What a call costs.

        Args:
            usage: LangChain's `usage_metadata`, a provider's own usage object, or a `TokenUsage`; `None` if no
                tokens are known, which still has a price per call or by the hour.
            model: the model that answered, or else the one that was asked for, in any usual form.
            provider: who served it, as LangChain (`ls_provider`) or the price list names it.
            service_tier: the tier the response names (`"flex"`, `"priority"` ...); if not given, the one that the
                keys of `usage` name.
            batch: whether the call went through the provider's Batch API.
            at: when the call was made: a `datetime` that knows its time zone, or seconds since 1970-01-01 UTC; now
                if not given.
            region: where the provider was told to process the call (`inference_geo`, a regional endpoint).
            fallback_model: the model that was asked for, where `model` is the one that answered.
            busy_ns: the call's share of the machine's busy time in nanoseconds, for prices by the GPU-hour.
            calls: how many calls the usage covers.

        Returns:
            The cost; `None` if it is not known (`why_unpriced` says why). A known cost of zero means free.

        Raises:
            UnknownPriceError: there is no price and the policy is `"raise"`.
            ValueError: `at` is a `datetime` without a time zone.
        """
        counts = clean_counts(usage) if type(usage) is dict else None
        if counts is None:
            counts, tier = _read(usage)
            service_tier = service_tier or tier
        question = self._question(model, provider, service_tier, batch, region, fallback_model)
        since, until, price, _, paid_share = question.answer
        moment = time() if at is None else _seconds(at)
        if not since <= moment < until:
            since, until, price, _, paid_share = question.ask(moment)
        cost = None if price is None else price.charge(counts, calls, busy_ns)
        if cost is None:
            return self._unpriced(question, moment, counts, calls)
        return cost if paid_share is None else _discounted(cost, paid_share)

    def resolve(
        self,
        model: str,
        provider: str | None = None,
        *,
        service_tier: str | None = None,
        batch: bool = False,
        at: datetime | float | None = None,
        region: str | None = None,
        fallback_model: str | None = None,
    ) -> Price | None:
        """The price that a call would be charged by, before any discount; arguments as for `price`.

        Returns:
            The price, or `None` if none is known; the policy for unknown models is not applied.
        """
        question = self._question(model, provider, service_tier, batch, region, fallback_model)
        return question.ask(time() if at is None else _seconds(at))[2]

    def why_unpriced(
        self,
        model: str,
        provider: str | None = None,
        *,
        service_tier: str | None = None,
        batch: bool = False,
        at: datetime | float | None = None,
        region: str | None = None,
        fallback_model: str | None = None,
        usage: TokenUsage | Mapping[str, Any] | None = None,
    ) -> str:
        """Why a call has no cost, and what would give it one; arguments as for `price`.

        Returns:
            A sentence for the user; empty if the call has a price.
        """
        question = self._question(model, provider, service_tier, batch, region, fallback_model)
        _, _, price, reason, _ = question.ask(time() if at is None else _seconds(at))
        if price is None:
            return reason + _did_you_mean(self.suggestions(model, provider))
        return _why_no_cost(price, model, usage)

    def suggestions(self, model: str, provider: str | None = None) -> tuple[str, ...]:
        """Models of the price list with names like this one, nearest first; none for models you serve yourself."""
        has_no_list = is_self_hosted(provider, model) or is_not_openais(model, provider)
        return () if has_no_list else self._near(model, provider)

    def _near_now(self, model: str, provider: str | None) -> tuple[str, ...]:
        place = candidates(model, provider)[-1]
        if place.name in _NOT_WORTH_GUESSING or len(place.name) > _LONGEST_NAME:
            return ()
        listed = self.catalog.entries(place.provider) if place.provider else ()
        known = {entry.model for entry in listed} or {entry.model for entry in self.catalog.homes()}
        return tuple(difflib.get_close_matches(place.name, sorted(known), n=_MODELS_WORTH_NAMING, cutoff=0.6))

    def _unpriced(self, question: _Question, moment: float, counts: Counts | None, calls: int) -> Cost | None:
        if self._unknown == "record":
            return None
        if self._unknown == "free":
            return free().charge(counts, calls, None)
        _, _, price, reason, _ = question.ask(moment)
        usage = None if counts is None else TokenUsage(*counts)
        reason = reason if price is None else _why_no_cost(price, question.model, usage)
        if self._unknown == "upper_bound":
            is_listed = not (question.is_self_hosted or isinstance(price, GpuHourCard))
            card = self.catalog.dearest(question.provider) if is_listed else None
            if card is None or usage is None:
                return None
            _warn(f"priced at an upper bound: {reason}")
            return card.cost(usage, calls)
        near = self.suggestions(question.model, question.provider)
        raise UnknownPriceError(
            reason + _did_you_mean(near), model=question.model, provider=question.provider, suggestions=near
        )


_Answer = tuple[float, float, Price | None, str, tuple[int, int] | None]
"""From when until when it holds, the price, why there is none, and the share of the list price that is paid."""


class _Question:
    """Which price applies to calls that agree in everything but usage and time; remembers its last answer."""

    __slots__ = ("_book", "_context", "_models", "_terms", "answer", "is_self_hosted", "model", "provider")

    def __init__(
        self,
        book: PriceBook,
        terms: Terms,
        model: str,
        provider: str | None,
        tier: str | None,
        batch: bool,
        region: str | None,
        fallback_model: str | None,
    ) -> None:
        self._book = book
        self._terms = terms
        self.model = model or fallback_model or ""
        self.provider = catalogue_provider(provider)
        self._models = _models(model or "", fallback_model, self.provider)
        self._context = Context(_lowered(tier), bool(batch), _place(region))
        self.is_self_hosted = is_self_hosted(provider, self.model)
        self.answer: _Answer = (0.0, 0.0, None, "", None)

    def ask(self, moment: float) -> _Answer:
        """The price at a moment."""
        answer = self.answer
        if not answer[0] <= moment < answer[1]:
            answer = self.answer = self._find(moment)
        return answer

    def _find(self, moment: float) -> _Answer:
        override = self._terms.price_for(self._models, self.provider)
        if override is not None:
            return (*Span(), override, "", None)
        span, reason = Span(), ""
        for model in self._models:
            found = self._book.catalog.card(model, self.provider, self._context, at=moment)
            if not isinstance(found, Unlisted):
                span = span.overlap(Span(found.valid_from, found.valid_until))
                return (*span, found, "", self._terms.paid_share(found.source.provider))
            span = span.overlap(found.span)
            reason = reason or found.reason
        return (*span, None, reason, None)


def _models(model: str, fallback: str | None, provider: str | None) -> tuple[str, ...]:
    """The names to try, best first: the model that answered, unless Azure has named only its family."""
    if not fallback or fallback == model:
        return (model,)
    if not model:
        return (fallback,)
    if provider == "azure" and fallback.lower().startswith(model.lower()):
        return (fallback, model)
    return (model, fallback)


def _discounted(cost: Cost, paid_share: tuple[int, int]) -> Cost:
    numerator, denominator = paid_share
    return Cost(
        divide_half_even(cost.pico_usd * numerator, denominator),
        list_pico_usd=cost.pico_usd,
        source=cost.source,
        breakdown_of=cost.breakdown_of,
    )


def _read(usage: TokenUsage | Mapping[str, Any] | None) -> tuple[Counts | None, str | None]:
    if isinstance(usage, TokenUsage):
        return usage.counts, None
    tokens, tier = (None, None) if usage is None else read_usage(usage)
    return None if tokens is None else tokens.counts, tier


def _seconds(at: datetime | float) -> float:
    if not isinstance(at, datetime):
        return at
    if at.tzinfo is None:
        msg = f"at={at!r} has no time zone: give one, such as at.replace(tzinfo=timezone.utc)"
        raise ValueError(msg)
    return at.timestamp()


def _lowered(tier: str | None) -> str | None:
    return tier.strip().lower() or None if tier else None


def _place(region: str | None) -> str | None:
    place = (region or "").strip().lower()
    return None if place in _ANYWHERE else place


def _why_no_cost(price: Price, model: str, usage: TokenUsage | Mapping[str, Any] | None) -> str:
    """Why a known price gives no cost for a call; empty if it does."""
    if isinstance(price, GpuHourCard):
        return (
            f"{model} is priced by the GPU-hour and the call's busy time is not known: give busy_ns (BusyClock "
            "measures it)"
        )
    tokens = read_usage(usage)[0] if isinstance(usage, Mapping) else usage
    if tokens is None:
        return f"no usage is known for this call of {model}: give its token counts"
    if price.cost(tokens) is not None:
        return ""
    missing = [BUCKETS[position] for position in getattr(price, "unpriced", ()) if tokens[position]]
    return f"the price of {model} says nothing about {' and '.join(missing)}: give an override that does"


def _warn(text: str) -> None:
    """Warn the caller of `PriceBook.price`; where warnings are errors, log instead, so that the price is not lost."""
    try:
        warnings.warn(text, UnpricedUsageWarning, stacklevel=4)
    except UnpricedUsageWarning:
        _logger.warning(text)


def _did_you_mean(near: tuple[str, ...]) -> str:
    return f" (similar names in the list: {', '.join(near)})" if near else ""
