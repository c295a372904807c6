"""How much of something, in words: a number with its noun, or an amount in the unit of a budget or a plan."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

_CENTS: Final = 2
_NOUNS: Final = {"tokens": "token", "calls": "call", "gpu_hours": "GPU-hour"}


def counted(number: Decimal | int, noun: str, plural: str | None = None) -> str:
    """A number and its noun.

    Args:
        number: how many.
        noun: what they are, when it is one.
        plural: what they are otherwise, where that is not the noun with an s.

    Example:
        >>> counted(1, "call"), counted(1200, "call")
        ('1 call', '1,200 calls')
    """
    figure = f"{number:,f}" if isinstance(number, Decimal) else f"{number:,}"
    return f"{figure} {noun if number == 1 else plural or noun + 's'}"


def in_unit(amount: Decimal | int, unit: str) -> str:
    """An amount in its unit, with the digits it has and no others.

    Args:
        amount: how much; US dollars for `"usd"`.
        unit: `"usd"`, `"tokens"`, `"calls"` or `"gpu_hours"`.

    Example:
        >>> in_unit(Decimal("0.05"), "usd"), in_unit(1, "tokens"), in_unit(Decimal("2.5"), "gpu_hours")
        ('$0.05', '1 token', '2.5 GPU-hours')
    """
    if unit != "usd":
        return counted(amount, _NOUNS[unit])
    dollars = Decimal(amount)
    return f"{'-' if dollars < 0 else ''}${dollars.copy_abs():f}"


def money(amount: Decimal, *, places: int = _CENTS) -> str:
    """An amount in US dollars with all of its digits.

    Args:
        amount: how much.
        places: at least so many decimals are shown.

    Example:
        >>> money(Decimal("-1200.5")), money(Decimal("0.00021"))
        ('-$1,200.50', '$0.00021')
    """
    whole, _, fraction = f"{abs(amount):,f}".partition(".")
    fraction = fraction.rstrip("0").ljust(places, "0")
    return f"{'-' if amount < 0 else ''}${whole}{'.' if fraction else ''}{fraction}"


def volume(amount: Decimal | int, unit: str) -> str:
    """An amount in its unit, money at least to the cent.

    Args:
        amount: how much; US dollars for `"usd"`.
        unit: `"usd"`, `"tokens"`, `"calls"` or `"gpu_hours"`.

    Example:
        >>> volume(20, "usd"), volume(2000, "calls")
        ('$20.00', '2,000 calls')
    """
    return money(Decimal(amount)) if unit == "usd" else in_unit(amount, unit)
