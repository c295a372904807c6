"""Prices a user states: per token, per call, by the GPU-hour, free; dollars are read exactly, wrong units refused."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from langchain_costguard.cost import PriceSource
from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.rates import PICO_DIGITS, GpuHourCard, Price, RateCard, card_of

Dollars = int | str | Decimal | float
"""An amount of US dollars. Floats are read by their shortest decimal form, so that `0.1` means one tenth."""

OVERRIDE: Final = PriceSource("override", "", "", "")
_LOWEST_USD_PER_MTOK: Final = Decimal("0.0005")
_HIGHEST_USD_PER_MTOK: Final = Decimal(10_000)
_MOST_DIGITS: Final = 60
"""Before the point, behind it, and in all: a quotient of decimals has 28, and millions would never be computed."""
_PER_MILLION: Final = Decimal(1_000_000)

_TOKEN_KEYS: Final = (
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "cache_read_usd_per_mtok",
    "cache_write_usd_per_mtok",
    "cache_write_1h_usd_per_mtok",
    "audio_input_usd_per_mtok",
    "audio_output_usd_per_mtok",
    "reasoning_usd_per_mtok",
)
_KEYS: Final = (*_TOKEN_KEYS, "usd_per_call", "usd_per_gpu_hour")


def per_token(
    input_usd_per_mtok: Dollars,
    output_usd_per_mtok: Dollars | None = None,
    *,
    cache_read_usd_per_mtok: Dollars | None = None,
    cache_write_usd_per_mtok: Dollars | None = None,
    cache_write_1h_usd_per_mtok: Dollars | None = None,
    audio_input_usd_per_mtok: Dollars | None = None,
    audio_output_usd_per_mtok: Dollars | None = None,
    reasoning_usd_per_mtok: Dollars | None = None,
    usd_per_call: Dollars = 0,
) -> RateCard:
    """A price per token, stated as price lists state it: in US dollars per million tokens.

    Args:
        input_usd_per_mtok: the price of a million input tokens.
        output_usd_per_mtok: the price of a million output tokens; `None` for a model without output (embeddings).
        cache_read_usd_per_mtok: input read from the prompt cache; the input price if not given.
        cache_write_usd_per_mtok: input written to the prompt cache; the input price if not given.
        cache_write_1h_usd_per_mtok: written for one hour; the other cache-write price if not given.
        audio_input_usd_per_mtok: audio in the input; the input price if not given.
        audio_output_usd_per_mtok: audio in the output; the output price if not given.
        reasoning_usd_per_mtok: thinking; the output price if not given.
        usd_per_call: the price of each call on top.

    Returns:
        The price, to give to `PriceBook(overrides={"my-model": per_token("0.2", "0.6")})`.

    Raises:
        PriceFormatError: a price is negative, no number, or plainly in another unit than dollars per million tokens.

    Example:
        >>> from langchain_costguard.usage import TokenUsage
        >>> per_token("2.5", 10).cost(TokenUsage(uncached_input=1000, output_text=500)).total
        Decimal('0.0075')
    """
    given = {
        "input_usd_per_mtok": input_usd_per_mtok,
        "output_usd_per_mtok": output_usd_per_mtok,
        "cache_read_usd_per_mtok": cache_read_usd_per_mtok,
        "cache_write_usd_per_mtok": cache_write_usd_per_mtok,
        "cache_write_1h_usd_per_mtok": cache_write_1h_usd_per_mtok,
        "audio_input_usd_per_mtok": audio_input_usd_per_mtok,
        "audio_output_usd_per_mtok": audio_output_usd_per_mtok,
        "reasoning_usd_per_mtok": reasoning_usd_per_mtok,
    }
    usd = {key: None if value is None else usd_per_mtok(value, key) for key, value in given.items()}
    price_of_input, price_of_output = usd["input_usd_per_mtok"], usd["output_usd_per_mtok"]
    price_of_write = _first(usd["cache_write_usd_per_mtok"], price_of_input)
    return card_of(
        (
            price_of_input,
            _first(usd["cache_read_usd_per_mtok"], price_of_input),
            price_of_write,
            _first(usd["cache_write_1h_usd_per_mtok"], price_of_write),
            _first(usd["audio_input_usd_per_mtok"], price_of_input),
            price_of_output,
            _first(usd["reasoning_usd_per_mtok"], price_of_output),
            _first(usd["audio_output_usd_per_mtok"], price_of_output),
        ),
        usd_per_call=dollars(usd_per_call, "usd_per_call"),
        source=OVERRIDE._replace(context="per token"),
    )


def per_call(usd_per_call: Dollars) -> RateCard:
    """A price per call, whatever its tokens.

    Args:
        usd_per_call: the price of one call in US dollars.

    Raises:
        PriceFormatError: the price is negative or no number.
    """
    return card_of(
        _FREE, usd_per_call=dollars(usd_per_call, "usd_per_call"), source=OVERRIDE._replace(context="per call")
    )


def gpu_hour(usd_per_gpu_hour: Dollars, *, gpus: int = 1, usd_per_call: Dollars = 0) -> GpuHourCard:
    """A price by the GPU-hour, for models you serve yourself: GPU-hours times their price, plus the calls.

    The hours are busy time, shared among the calls that ran at once; `BusyClock` measures it.

    Args:
        usd_per_gpu_hour: the price of one hour of one GPU in US dollars.
        gpus: how many GPUs the machine has that serves the model.
        usd_per_call: the price of each call on top, in US dollars.

    Raises:
        PriceFormatError: a price is negative or no number, or there is no GPU.

    Example:
        >>> ten_hours_ns = 10 * 3600 * 10**9
        >>> gpu_hour("0.1", usd_per_call="0.01").cost(None, calls=1000, busy_ns=ten_hours_ns).total
        Decimal('11')
    """
    if gpus < 1:
        msg = f"gpus={gpus} serve nothing: give the number of GPUs of the machine, 1 or more"
        raise PriceFormatError(msg, path="gpus")
    hourly = dollars(usd_per_gpu_hour, "usd_per_gpu_hour") * gpus
    return GpuHourCard(
        pico_usd_per_hour=_pico(hourly, "usd_per_gpu_hour"),
        pico_usd_per_call=_pico(dollars(usd_per_call, "usd_per_call"), "usd_per_call"),
        source=OVERRIDE._replace(context="GPU-hour"),
    )


def free() -> RateCard:
    """An explicit zero: the model costs nothing. Zero means free; unknown is `None`."""
    return card_of(_FREE, source=OVERRIDE._replace(context="free"))


def price_from(value: object, *, path: str) -> Price:
    """An override as a user writes it: a price, or a mapping with the keyword names of `per_token` and its siblings.

    Args:
        value: what was given.
        path: where it was given, for the error.

    Raises:
        PriceFormatError: it is neither; the message names the key that was meant.
    """
    if isinstance(value, RateCard | GpuHourCard):
        return value
    if not isinstance(value, Mapping):
        msg = (
            f"{path}={value!r} is not a price: give per_token(input_usd_per_mtok, output_usd_per_mtok), "
            "per_call(usd), gpu_hour(usd) or free()"
        )
        raise PriceFormatError(msg, path=path)
    for key in value:
        if key not in _KEYS:
            raise _wrong_key(str(key), value[key], path)
    try:
        return _price_from_keys(value, path)
    except PriceFormatError as error:
        msg = f"{path}: {error}"
        raise PriceFormatError(msg, path=path) from error


def dollars(value: Dollars, name: str) -> Decimal:
    """An amount of US dollars, exactly.

    Args:
        value: the amount; floats are read by their shortest decimal form.
        name: the argument it was given for, for the error.

    Raises:
        PriceFormatError: it is negative, infinite, no number, or one of hundreds of digits.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal | float):
        msg = f"{name}={value!r} is no amount: give US dollars as an int, a str or a Decimal, such as '2.50'"
        raise PriceFormatError(msg, path=name)
    try:
        amount = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation as error:
        msg = f"{name}={value!r} is no number: give US dollars without a currency sign, such as '2.50'"
        raise PriceFormatError(msg, path=name) from error
    if not amount.is_finite() or amount < 0:
        msg = f"{name}={value!r} is no price: give zero or more US dollars, or leave the model out for 'unknown'"
        raise PriceFormatError(msg, path=name)
    if abs(amount.adjusted()) > _MOST_DIGITS or len(amount.as_tuple().digits) > _MOST_DIGITS:
        msg = f"{name}={value!r:.60} has more digits than money has: round it, such as to 12 decimal places"
        raise PriceFormatError(msg, path=name)
    return amount


def usd_per_mtok(value: Dollars, name: str) -> Decimal:
    """A price in US dollars per million tokens; one that is plainly in another unit is refused.

    Raises:
        PriceFormatError: see `dollars`, or the unit is wrong; the message names the number that was meant.
    """
    amount = dollars(value, name)
    if 0 < amount < _LOWEST_USD_PER_MTOK:
        msg = (
            f"{name}={value} looks like a price per token; prices are US dollars per million tokens: "
            f"did you mean {_plain(amount * _PER_MILLION)}?"
        )
        raise PriceFormatError(msg, path=name)
    if amount > _HIGHEST_USD_PER_MTOK:
        msg = (
            f"{name}={value} is more than any model costs; prices are US dollars per million tokens: "
            f"did you mean {_plain(amount / _PER_MILLION)}?"
        )
        raise PriceFormatError(msg, path=name)
    return amount


_FREE: Final = (Decimal(0),) * 8


def _price_from_keys(value: Mapping[str, Any], path: str) -> Price:
    if not value:
        msg = "an empty mapping is no price: give input_usd_per_mtok and output_usd_per_mtok, or free()"
        raise PriceFormatError(msg, path=path)
    if "usd_per_gpu_hour" in value:
        if any(key in value for key in _TOKEN_KEYS):
            msg = "a price is by the GPU-hour or by the token, not both: leave one of them out"
            raise PriceFormatError(msg, path=path)
        return gpu_hour(value["usd_per_gpu_hour"], usd_per_call=value.get("usd_per_call", 0))
    if set(value) == {"usd_per_call"}:
        return per_call(value["usd_per_call"])
    if "input_usd_per_mtok" not in value:
        msg = "input_usd_per_mtok is missing: give the price of a million input tokens (0 if they are free)"
        raise PriceFormatError(msg, path=path)
    return per_token(**value)


def _wrong_key(key: str, value: object, path: str) -> PriceFormatError:
    """The error for a key that is not ours; other libraries' keys carry other units, so the number is converted."""
    lowered = key.lower()
    side = next((name for part, name in _SIDES if part in lowered), None)
    if side is None:
        near = difflib.get_close_matches(lowered, _KEYS, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(_KEYS)}"
        return PriceFormatError(f"{path}: unknown key {key!r}: {hint}", path=f"{path}.{key}")
    factor = next((factor for part, factor in _UNITS if part in lowered), None)
    meant = f"{side}_usd_per_mtok"
    if factor is None:
        return PriceFormatError(
            f"{path}: the key {key!r} does not say its unit: use {meant!r}, in US dollars per million tokens",
            path=f"{path}.{key}",
        )
    amount = dollars(value, key) * factor if isinstance(value, int | str | Decimal | float) else value
    shown = _plain(amount) if isinstance(amount, Decimal) else repr(amount)
    return PriceFormatError(
        f"{path}: the key {key!r} is in another unit: use {meant!r}, in US dollars per million tokens: {shown}",
        path=f"{path}.{key}",
    )


_SIDES: Final = (
    ("cache_creation", "cache_write"),
    ("cache_write", "cache_write"),
    ("cache", "cache_read"),
    ("reason", "reasoning"),
    ("audio_out", "audio_output"),
    ("audio", "audio_input"),
    ("completion", "output"),
    ("output", "output"),
    ("prompt", "input"),
    ("input", "input"),
)
_UNITS: Final = (
    ("1k", Decimal(1000)),
    ("ktok", Decimal(1000)),
    ("thousand", Decimal(1000)),
    ("mtok", Decimal(1)),
    ("1m", Decimal(1)),
    ("million", Decimal(1)),
    ("per_token", _PER_MILLION),
)


def _first(*prices: Decimal | None) -> Decimal | None:
    return next((price for price in prices if price is not None), None)


def _pico(amount: Decimal, name: str) -> int:
    pico = amount.scaleb(PICO_DIGITS)
    if pico != int(pico):
        msg = f"{name}={amount} is finer than a pico-dollar (1e-12): round it to 12 decimal places"
        raise PriceFormatError(msg, path=name)
    return int(pico)


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
