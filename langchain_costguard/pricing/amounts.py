"""How money, quantities and moments are read for a bill: exactly, or refused with what mends them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

from langchain_costguard.cost import NANO_PER_USD
from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing.quotes import Dollars, dollars

Exact = int | Fraction
"""A number that no arithmetic rounds."""

_NANO_DIGITS: Final = 9
_MOST: Final = Decimal(10) ** 15
_FINEST: Final = -30
_WIDE: Final = Context(prec=250)
_YEARS: Final = range(1900, 9000)


def usd(value: Dollars, name: str) -> Decimal:
    """Zero or more US dollars, exactly.

    Raises:
        PriceFormatError: it is negative, no number, carries a currency sign, or is beyond all bounds.
    """
    return _bounded(dollars(value, name), name)


def nano_usd(value: Dollars, name: str) -> int:
    """Zero or more US dollars as whole nano-USD, the unit in which bills are settled.

    Raises:
        PriceFormatError: see `usd`, or it is finer than a nano-dollar.
    """
    nano = usd(value, name).scaleb(_NANO_DIGITS, _WIDE)
    if nano != int(nano):
        msg = f"{name}={value} is finer than a nano-dollar (1e-9), and bills are not: round it to 9 decimal places"
        raise PriceFormatError(msg, path=name)
    return int(nano)


def quantity(value: Dollars, name: str, unit: str) -> Decimal:
    """Zero or more of something that is measured, such as GPU-hours.

    Args:
        value: how much; floats are read by their shortest decimal form.
        name: the argument it was given for.
        unit: what is counted, for the error.

    Raises:
        PriceFormatError: it is negative, infinite, no number, or beyond all bounds.
    """
    try:
        return _bounded(dollars(value, name), name)
    except PriceFormatError as error:
        msg = f"{name}={value!r} is no number of {unit}: give zero or more, as an int, a str or a Decimal such as '2.5'"
        raise PriceFormatError(msg, path=name) from error


def whole(value: Dollars, name: str, unit: str) -> int:
    """Zero or more of something that is counted, such as calls.

    Raises:
        PriceFormatError: see `quantity`, or it is not a whole number.
    """
    amount = quantity(value, name, unit)
    if amount != int(amount):
        msg = f"{name}={value} is not a whole number of {unit}: round it"
        raise PriceFormatError(msg, path=name)
    return int(amount)


def moment(value: object, name: str) -> datetime:
    """A moment in UTC.

    Args:
        value: a `datetime` that knows its time zone.
        name: the argument it was given for.

    Raises:
        ValueError: it is no `datetime`, has no time zone, or lies outside the years 1900 to 8999.
    """
    if not isinstance(value, datetime):
        msg = f"{name}={value!r} is no moment: give a datetime with a time zone, as datetime(2026, 1, 31, tzinfo=UTC)"
        raise ValueError(msg)  # noqa: TRY004 - a value the user typed, like the others here
    if value.tzinfo is None:
        msg = f"{name}={value.isoformat()} has no time zone: give one, such as {name}.replace(tzinfo=timezone.utc)"
        raise ValueError(msg)
    if value.year not in _YEARS:
        msg = f"{name}={value.isoformat()} is outside the years 1900 to 8999: give the moment of a real bill"
        raise ValueError(msg)
    return value.astimezone(UTC)


def exact(amount: Decimal | None, scale: int = 1) -> Exact:
    """So many times a number (nothing for `None`) for exact arithmetic: an integer where it is one, for speed."""
    scaled = Fraction(amount or 0) * scale
    return scaled.numerator if scaled.denominator == 1 else scaled


def half_even(amount: Exact) -> int:
    """A whole number, rounded half to even: how a line of a bill is settled."""
    return round(amount)


def unrounded(amount: Exact) -> Exact:
    """The amount itself: for comparing, not for billing."""
    return amount


def decimal_of(amount: Exact, places: int | None = None) -> Decimal:
    """The number as a `Decimal` without trailing noise.

    Args:
        amount: the number.
        places: round half to even to so many decimals; `None` for numbers that are finite decimals anyway.
    """
    if places is not None:
        amount = Fraction(round(amount * 10**places), 10**places)
    value = _WIDE.divide(Decimal(amount.numerator), Decimal(amount.denominator))
    return tidy(value)


def tidy(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent."""
    return value.quantize(Decimal(1), context=_WIDE) if value == int(value) else value.normalize(_WIDE)


def sum_of_products(*pairs: tuple[Decimal, Decimal]) -> Decimal:
    """`a * b + c * d + ...`, exactly."""
    total = Decimal(0)
    for one, other in pairs:
        total = _WIDE.add(total, _WIDE.multiply(one, other))
    return tidy(total)


def nano_of(amount: Decimal) -> int:
    """An amount of US dollars as it is booked: nano-USD, rounded half to even."""
    return half_even(Fraction(amount) * NANO_PER_USD)


def _bounded(amount: Decimal, name: str) -> Decimal:
    if amount >= _MOST:
        msg = f"{name}={amount} is more than any bill: give less than 10**15"
        raise PriceFormatError(msg, path=name)
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent < _FINEST:
        msg = f"{name}={amount} has more than 30 decimal places: round it"
        raise PriceFormatError(msg, path=name)
    return amount
