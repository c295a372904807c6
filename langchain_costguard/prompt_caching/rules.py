"""Which rules a provider's prompt cache has for a model on a day: read from a dated file, never guessed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.names import candidates, catalogue_provider, is_not_openais
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = "costguard-prompt-caching/1"
FILE: Final = Path(__file__).with_name("rules.json")

Control = Literal["cache_control", "prompt_cache_breakpoint", "automatic", "cached_contents"]
"""How a request asks for caching: marks on its blocks (Anthropic), marks that only add to what is written anyway
(OpenAI from GPT-5.6 on), nothing at all, or a cache that is made beforehand (Gemini)."""
WritePrice = Literal["cache_write_5m", "cache_write_1h"]

_CONTROLS: Final = ("cache_control", "prompt_cache_breakpoint", "automatic", "cached_contents")
_WRITE_PRICES: Final = ("cache_write_5m", "cache_write_1h")
_LLAMA_CPP: Final = frozenset({"llamacpp", "llama-cpp", "llama.cpp"})


class Lifetime(NamedTuple):
    """How long a prefix is kept, and which of the price list's rates writing it costs."""

    name: str
    """What the provider calls it: `"5m"`, `"1h"`, `"30m"`, `"in_memory"` ..."""
    seconds: int | None
    """Seconds without a read after which it is gone; `None` where no clock decides."""
    write_price: WritePrice = "cache_write_5m"
    """The bucket of `TokenUsage` that a write is billed in."""

    def written(self, tokens: int) -> TokenUsage:
        """So many tokens written for this lifetime."""
        return (
            TokenUsage(cache_write_1h=tokens)
            if self.write_price == "cache_write_1h"
            else TokenUsage(cache_write_5m=tokens)
        )


class Disagreement(NamedTuple):
    """What another published table says."""

    min_tokens: int
    """Its shortest prefix, in tokens."""
    source: str
    """Where it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRules:
    """The rules of one provider's prompt cache for a family of models.

    Args:
        provider: the provider as the price list names it.
        control: how a request asks for caching.
        min_tokens: the shortest prefix that is kept, in tokens; `None` where it is not published.
        step_tokens: prefixes are read in steps of so many tokens above the minimum.
        lifetimes: how long a prefix can be kept, shortest first.
        max_breakpoints: how many marks a request may have; 0 where it can have none.
        has_key: whether requests that share a prefix can say so with `prompt_cache_key`.
        writes_unasked: whether prompts are written, and the write is billed, without being asked for.
        refreshed_on_read: whether a read begins the lifetime anew.
        storage_usd_per_mtok_hour: the price of keeping a million tokens for an hour, in US dollars; `None` where
            keeping is free or the price is not known.
        calls_per_minute_per_key: with more calls a minute some miss the machine that has the prefix.
        source: where the rules stand.
        checked: the day they were read, `YYYY-MM-DD`.
        effective_from: the day they took effect, where that is known.
        disagreements: what other published tables say.
        match: the models, as patterns of their names.
    """

    provider: str
    control: Control
    min_tokens: int | None
    step_tokens: int = 1
    lifetimes: tuple[Lifetime, ...] = ()
    max_breakpoints: int = 0
    has_key: bool = False
    writes_unasked: bool = False
    refreshed_on_read: bool = False
    storage_usd_per_mtok_hour: Decimal | None = None
    calls_per_minute_per_key: int | None = None
    source: str = ""
    checked: str = ""
    effective_from: str = ""
    disagreements: tuple[Disagreement, ...] = ()
    match: tuple[str, ...] = ("*",)

    def cached(self, prefix_tokens: int) -> int:
        """How many tokens of a prefix are kept: none below the minimum, else whole steps above it."""
        if self.min_tokens is None or prefix_tokens < self.min_tokens:
            return 0
        return self.min_tokens + (prefix_tokens - self.min_tokens) // self.step_tokens * self.step_tokens


def rules_for(model: str, provider: str | None = None, *, on: date | None = None) -> CacheRules | None:
    """The rules for a model on a day.

    Args:
        model: its name in any usual form, such as `"anthropic:claude-sonnet-5"`.
        provider: who serves it, as LangChain (`ls_provider`) or the price list names it; the name decides if not given.
        on: the day; today if not given.

    Returns:
        The rules, or `None` where none are known; a `min_tokens` of `None` says that only the minimum is not known.

    Example:
        >>> rules_for("claude-haiku-4-5", "anthropic").min_tokens, rules_for("gpt-4o").step_tokens
        (4096, 128)
        >>> print(rules_for("some-model", "groq"))
        None
    """
    if is_not_openais(model, provider):
        return None
    day = (on or datetime.now(UTC).date()).isoformat()
    if provider is not None and provider.strip().lower() in _LLAMA_CPP:
        provider = "llama_cpp"
    for place in candidates(model, catalogue_provider(provider)):
        for rules in _bundled():
            is_its_own = place.provider == rules.provider or (place.provider is None and rules.match != ("*",))
            if is_its_own and rules.effective_from <= day and _matches(rules, place.name):
                return rules
    return None


def parse_rules(raw: Mapping[str, Any], *, path: str) -> tuple[CacheRules, ...]:
    """Read a file of rules.

    Raises:
        PriceFormatError: something is missing or cannot be; the message says where.
    """
    if raw.get("schema") != SCHEMA:
        msg = f"{path}: schema {raw.get('schema')!r} is not known: this release reads {SCHEMA!r}"
        raise PriceFormatError(msg, path=path)
    return tuple(_rules(entry, f"{path}: rules[{number}]") for number, entry in enumerate(raw.get("rules", ())))


@lru_cache(maxsize=1)
def _bundled() -> tuple[CacheRules, ...]:
    return parse_rules(json.loads(FILE.read_text(encoding="utf-8")), path=FILE.name)


def _matches(rules: CacheRules, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in rules.match)


def _rules(raw: Mapping[str, Any], path: str) -> CacheRules:
    missing = [key for key in ("provider", "match", "control", "source", "checked") if not raw.get(key)]
    if missing:
        msg = f"{path}: {' and '.join(missing)} missing: every rule says whose it is, where it is from and when seen"
        raise PriceFormatError(msg, path=path)
    if raw["control"] not in _CONTROLS:
        msg = f"{path}.control: {raw['control']!r} is not known: choose one of {', '.join(_CONTROLS)}"
        raise PriceFormatError(msg, path=path)
    return CacheRules(
        provider=raw["provider"],
        control=raw["control"],
        min_tokens=None if raw.get("min_tokens") is None else _count(raw["min_tokens"], f"{path}.min_tokens"),
        step_tokens=_count(raw.get("step_tokens", 1), f"{path}.step_tokens"),
        lifetimes=tuple(_lifetime(one, f"{path}.lifetimes") for one in raw.get("lifetimes", ())),
        max_breakpoints=raw.get("max_breakpoints", 0),
        has_key=raw.get("has_key", False),
        writes_unasked=raw.get("writes_unasked", False),
        refreshed_on_read=raw.get("refreshed_on_read", False),
        storage_usd_per_mtok_hour=_dollars(raw.get("storage_usd_per_mtok_hour"), f"{path}.storage_usd_per_mtok_hour"),
        calls_per_minute_per_key=raw.get("calls_per_minute_per_key"),
        source=raw["source"],
        checked=raw["checked"],
        effective_from=raw.get("from", ""),
        disagreements=tuple(Disagreement(one["min_tokens"], one["source"]) for one in raw.get("disagreements", ())),
        match=tuple(raw["match"]),
    )


def _lifetime(raw: Mapping[str, Any], path: str) -> Lifetime:
    price = raw.get("write_price", _WRITE_PRICES[0])
    if price not in _WRITE_PRICES:
        msg = f"{path}.write_price: {price!r} is not known: choose one of {', '.join(_WRITE_PRICES)}"
        raise PriceFormatError(msg, path=path)
    seconds = raw.get("seconds")
    return Lifetime(str(raw["name"]), None if seconds is None else _count(seconds, f"{path}.seconds"), price)


def _count(value: object, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        msg = f"{path}: {value!r} is no number of tokens or seconds: give 1 or more, or null for 'not known'"
        raise PriceFormatError(msg, path=path)
    return value


def _dollars(value: object, path: str) -> Decimal | None:
    if value is None:
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        msg = f"{path}: {value!r} is no number: give US dollars, such as '4.50'"
        raise PriceFormatError(msg, path=path) from error
