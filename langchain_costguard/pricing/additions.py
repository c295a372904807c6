"""What we add to a price list, in a schema of our own: models, rates, uplifts and tiers, each with its source."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.compiling import Span, Tiered

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: Final = "costguard-prices/1"

_KEYS: Final = {
    "input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "audio_input": "input_audio_mtok",
    "output": "output_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_output": "output_audio_mtok",
}
"""Our names of prices and those of the list they are added to."""

_PAIR: Final = 2
_MOST_DIGITS: Final = 12
"""Before the point, behind it, and twice as many in all: no price has more, and millions would never be computed."""


class Rule(NamedTuple):
    """One addition: whom it concerns, from when on, and what it says."""

    provider: str
    match: tuple[str, ...]
    not_match: tuple[str, ...]
    since: float
    effective_from: str
    source: str
    prices: Mapping[str, Tiered]
    model: str = ""
    regions: tuple[str, ...] = ()
    factor: Decimal = Decimal(1)
    tier: str = ""
    same_as: str = ""
    batch: bool = False

    def concerns(self, provider: str | None, name: str) -> bool:
        """Whether the rule is about this model."""
        return (
            provider == self.provider
            and any(fnmatchcase(name, pattern) for pattern in self.match)
            and not any(fnmatchcase(name, pattern) for pattern in self.not_match)
        )


class Additions(NamedTuple):
    """The additions of one file."""

    name: str
    """What costs priced by it name as their source."""
    dated: str
    """The day the file was checked, `YYYY-MM-DD`."""
    list_dates: Mapping[str, str]
    """The days of the price lists it was checked with."""
    models: tuple[Rule, ...]
    """Models with their prices; of one model, the latest start first."""
    rates: tuple[Rule, ...]
    """Rates that a list lacks for models it has."""
    uplifts: tuple[Rule, ...]
    """Factors for regions."""
    tiers: tuple[Rule, ...]
    """Tiers that cost the same as another."""
    moving: tuple[Rule, ...]
    """Names that providers move from model to model."""

    def model(self, provider: str | None, name: str, *, batch: bool, tier: str) -> tuple[Rule, ...]:
        """The prices of a model, latest start first; empty if the file does not have it."""
        return tuple(
            rule for rule in self.models if rule.batch == batch and rule.tier == tier and rule.concerns(provider, name)
        )

    def has_model(self, provider: str | None, name: str) -> str | None:
        """The id of a model that the file has under this name, in whatever context."""
        return next((rule.model for rule in self.models if rule.concerns(provider, name)), None)

    def missing_rates(self, provider: str, name: str, moment: float) -> tuple[Mapping[str, Tiered], Span]:
        """The rates to add to a list's model at a moment, and while that is so."""
        rules = [rule for rule in self.rates if rule.concerns(provider, name)]
        span = Span.around(moment, [rule.since for rule in rules])
        active = next((rule for rule in rules if rule.since <= moment), None)
        return ({} if active is None else active.prices), span

    def uplift(self, provider: str, name: str, region: str, moment: float) -> tuple[Decimal, Span]:
        """The factor for a region at a moment, 1 where none is known, and while that is so."""
        rules = [
            rule
            for rule in self.uplifts
            if rule.concerns(provider, name) and any(fnmatchcase(region, pattern) for pattern in rule.regions)
        ]
        span = Span.around(moment, [rule.since for rule in rules])
        return next((rule.factor for rule in rules if rule.since <= moment), Decimal(1)), span

    def tier_as(self, provider: str | None, tier: str) -> str:
        """The tier whose price a tier has: itself, unless the file says otherwise."""
        return next((rule.same_as for rule in self.tiers if (rule.provider, rule.tier) == (provider, tier)), tier)

    def is_moving(self, provider: str | None, name: str) -> bool:
        """Whether the provider moves this name from model to model."""
        return any(rule.concerns(provider, name) for rule in self.moving)


def parse(raw: Mapping[str, Any], *, path: str) -> Additions:
    """Read a file of our schema.

    Raises:
        PriceFormatError: something is missing or is no price; `path` says where.
    """
    if raw.get("schema") != SCHEMA:
        msg = f"{path}: schema {raw.get('schema')!r} is not known: this release reads {SCHEMA!r}"
        raise PriceFormatError(msg, path=path)
    models = [
        _rule({**entry, **price}, f"{path}: models[{number}].prices[{position}]")
        for number, entry in enumerate(_entries(raw, "models", path))
        for position, price in enumerate(_entries(entry, "prices", f"{path}: models[{number}]"))
    ]
    others = {
        kind: tuple(_rule(entry, f"{path}: {kind}[{number}]") for number, entry in enumerate(_entries(raw, kind, path)))
        for kind in ("rates", "uplifts", "tiers", "moving")
    }
    return Additions(
        name=str(raw.get("name", "list")),
        dated=_day(raw.get("dated"), f"{path}: dated"),
        list_dates=_list_dates(raw, path),
        models=tuple(sorted(models, key=lambda rule: -rule.since)),
        **others,
    )


def _list_dates(raw: Mapping[str, Any], path: str) -> Mapping[str, str]:
    dates = raw.get("list_dates", {})
    if not isinstance(dates, dict):
        msg = f"{path}: list_dates must be an object of names and days"
        raise PriceFormatError(msg, path=path)
    return {name: _day(day, f"{path}: list_dates") for name, day in dates.items()}


def _entries(raw: Mapping[str, Any], key: str, path: str) -> list[Mapping[str, Any]]:
    entries = raw.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        msg = f"{path}: {key} must be a list of objects"
        raise PriceFormatError(msg, path=path)
    return entries


def _rule(raw: Mapping[str, Any], path: str) -> Rule:
    missing = [key for key in ("provider", "source", "checked") if not raw.get(key)]
    if missing:
        msg = f"{path}: {' and '.join(missing)} missing: every price says whose it is, where it is from and when seen"
        raise PriceFormatError(msg, path=path)
    start = _day(raw["from"], f"{path}.from") if "from" in raw else ""
    batch = raw.get("batch", False)
    if not isinstance(batch, bool):
        msg = f"{path}.batch: {batch!r:.60} is neither true nor false: write one of them, without quotes"
        raise PriceFormatError(msg, path=path)
    return Rule(
        provider=str(raw["provider"]).lower(),
        match=_names(raw, "match", [raw["id"]] if "id" in raw else ["*"], path),
        not_match=_names(raw, "not_match", [], path),
        since=datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp() if start else float("-inf"),
        effective_from=start,
        source=str(raw["source"]),
        prices=_prices(raw, path),
        model=str(raw.get("id", "")),
        regions=_names(raw, "region", [], path),
        factor=_number(raw.get("factor", "1"), f"{path}.factor"),
        tier=str(raw.get("tier", "")),
        same_as=str(raw.get("same_as", "")),
        batch=batch,
    )


def _names(raw: Mapping[str, Any], key: str, default: list[Any], path: str) -> tuple[str, ...]:
    """A list of names, in lower case."""
    names = raw.get(key, default)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        msg = f'{path}.{key}: {names!r:.60} is no list of names: write one such as ["gpt-4o", "gpt-4o-*"]'
        raise PriceFormatError(msg, path=f"{path}.{key}")
    return tuple(name.lower() for name in names)


def _prices(raw: Mapping[str, Any], path: str) -> dict[str, Tiered]:
    rates = raw.get("usd_per_mtok", {})
    if not isinstance(rates, dict) or not rates.keys() <= _KEYS.keys():
        msg = f"{path}.usd_per_mtok: the keys are {', '.join(_KEYS)}, each in US dollars per million tokens"
        raise PriceFormatError(msg, path=f"{path}.usd_per_mtok")
    prices = {_KEYS[key]: _tiered(value, f"{path}.usd_per_mtok.{key}") for key, value in rates.items()}
    if "usd_per_call" in raw:
        prices["requests_kcount"] = Tiered(_number(raw["usd_per_call"], f"{path}.usd_per_call") * 1000)
    return prices


def _tiered(value: object, path: str) -> Tiered:
    """A price, or `{"base": "3", "above": [[200000, "6"]]}` for one that rises with the length of the input."""
    if not isinstance(value, dict):
        return Tiered(_number(value, path))
    steps = []
    given = value.get("above", [])
    for step in given if isinstance(given, list) else [given]:
        above, price = step if isinstance(step, list) and len(step) == _PAIR else (None, None)
        if type(above) is not int or above < 0:
            msg = f'{path}.above: {step!r:.60} is no step: write input tokens and the price above them: [200000, "6"]'
            raise PriceFormatError(msg, path=path)
        steps.append((above, _number(price, path)))
    return Tiered(_number(value.get("base"), path), tuple(sorted(steps)))


def _is_short(amount: Decimal) -> bool:
    return abs(amount.adjusted()) <= _MOST_DIGITS and len(amount.as_tuple().digits) <= 2 * _MOST_DIGITS


def _number(value: object, path: str) -> Decimal:
    try:
        amount = Decimal(str(value))
    except (InvalidOperation, ValueError):  # the second for a whole number of thousands of digits
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or not _is_short(amount):
        msg = f'{path}: {value!r:.60} is no price: give US dollars, zero or more, as a string such as "2.50"'
        raise PriceFormatError(msg, path=path)
    return amount


def _day(value: object, path: str) -> str:
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        msg = f"{path}: {value!r:.60} is no day: write it as YYYY-MM-DD"
        raise PriceFormatError(msg, path=path) from error
