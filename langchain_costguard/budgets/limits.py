"""What a limit is: dollars, tokens or calls as one whole number, and the shares of it that are reported."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from langchain_costguard.budgets.claims import PPM
from langchain_costguard.cost import NANO_PER_USD, to_usd

if TYPE_CHECKING:
    from langchain_costguard.budgets.claims import Unit

Number = int | str | Decimal | float
"""A number a user states. Floats are read by their shortest decimal form, so that `0.1` means one tenth."""

_MOST: Final = {"usd": Decimal("9223372036.854775807"), "tokens": Decimal(2**63 - 1), "calls": Decimal(2**63 - 1)}
"""What 63 bits hold of each unit."""

_DIGITS: Final = 60
_EXACT: Final = Context(prec=2 * _DIGITS)


def amount_of(value: Number, unit: Unit, argument: str) -> int:
    """A limit in whole units: nano-USD, tokens or calls.

    Args:
        value: US dollars, or how many.
        unit: what is counted.
        argument: the argument it was given for, for the error.

    Raises:
        TypeError: it is no number.
        ValueError: it is not finite, not above zero, finer than a unit, or has more than 63 bits.
    """
    number = decimal_of(value, argument)
    scale = NANO_PER_USD if unit == "usd" else 1
    if not number.is_finite() or number <= 0:
        msg = f"{argument}={value!r} is no limit: give a number above zero, or leave the budget out for no limit"
        raise ValueError(msg)
    if number > _MOST[unit]:
        msg = f"{argument}={value!r} is more than can be counted: leave the budget out for no limit"
        raise ValueError(msg)
    if not _is_whole(number, scale):
        raise ValueError(_too_fine(value, unit, argument))
    return int(_EXACT.multiply(number, Decimal(scale)))


def outside(amount: int, unit: Unit) -> Decimal | int:
    """An amount as people read it: US dollars, or how many."""
    return to_usd(amount, NANO_PER_USD) if unit == "usd" else amount


def alerts_of(shares: Iterable[Number]) -> tuple[int, ...]:
    """The shares of a limit at which spending is reported, in parts per million, ascending, each once.

    Raises:
        TypeError: they are no collection of numbers.
        ValueError: one is not above 0 and at most 1, or finer than a part per million.
    """
    if isinstance(shares, str) or not isinstance(shares, Iterable):
        msg = f"alerts_at={shares!r} is no collection of shares: give alerts_at=(0.5, 0.8, 1.0)"
        raise TypeError(msg)
    return tuple(sorted({_ppm(share) for share in shares}))


def decimal_of(value: Number, argument: str) -> Decimal:
    """A number as a `Decimal`, exactly.

    Raises:
        TypeError: it is no number.
        ValueError: it is a text that is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal | float):
        msg = f"{argument}={value!r} is no number: give {argument} as an int, a str or a Decimal, such as '2.50'"
        raise TypeError(msg)
    try:
        return Decimal(repr(float(value)) if isinstance(value, float) else value)
    except InvalidOperation as error:
        msg = f"{argument}={value!r} is no number: give {argument} without signs and words, such as '2.50'"
        raise ValueError(msg) from error


def _ppm(share: Number) -> int:
    number = decimal_of(share, "alerts_at")
    if not number.is_finite() or not 0 < number <= 1:
        msg = f"alerts_at has {share!r}, which is no share of a limit: give shares above 0 and at most 1, such as 0.8"
        raise ValueError(msg)
    if not _is_whole(number, PPM):
        msg = f"alerts_at has {share!r}, which is finer than a millionth: round it to 6 decimal places"
        raise ValueError(msg)
    return int(_EXACT.multiply(number, Decimal(PPM)))


def _is_whole(number: Decimal, scale: int) -> bool:
    """Whether so many times a number is a whole number of at least one."""
    if len(number.as_tuple().digits) > _DIGITS:
        return False
    scaled = _EXACT.multiply(number, Decimal(scale))
    return scaled >= 1 and scaled == scaled.to_integral_value()


def _too_fine(value: Number, unit: Unit, argument: str) -> str:
    if unit == "usd":
        return (
            f"{argument}={value!r} is finer than a nano-dollar (1e-9), and budgets are not: "
            "round it to 9 decimal places, and give at least '0.000000001'"
        )
    return f"{argument}={value!r} is not a whole number of {unit}: round it"
