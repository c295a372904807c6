"""How money is written for people: every digit that is known, never an exponent, and "unknown" instead of zero."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from langchain_costguard._amounts import money

UNKNOWN: Final = "unknown"
"""What stands where an amount is not known."""

_CENTS: Final = 2
_SIGNIFICANT: Final = 3


def dollars(amount: Decimal | None, *, places: int = _CENTS) -> str:
    """An amount in US dollars with all of its digits.

    Args:
        amount: US dollars; `None` when unknown.
        places: at least so many decimals.

    Returns:
        Such as `"$1,234.50"`, `"$0.000435"`, `"-$0.10"` or `"unknown"`.
    """
    if amount is None:
        return UNKNOWN
    return money(amount, places=places)


def dollar_column(amounts: list[Decimal | None]) -> list[str]:
    """Amounts that stand below one another: all with the decimals of the longest, so that their points align."""
    places = max((len(dollars(amount).partition(".")[2]) for amount in amounts if amount is not None), default=_CENTS)
    return [dollars(amount, places=places) for amount in amounts]


def short_dollars(amount: Decimal) -> str:
    """An amount rounded to three digits, for the axis of a figure; zero is `"$0"`."""
    if not amount:
        return "$0"
    places = max(_CENTS, _SIGNIFICANT - 1 - amount.adjusted())
    return dollars(amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN), places=0)


def plain(text: str) -> str:
    """Text that came from outside; what could steer a terminal is spelled out, such as an escape as `x1b`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
