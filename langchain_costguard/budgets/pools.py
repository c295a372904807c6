"""Guaranteed shares of one budget: each guaranteed user has a pool, and one pool is common to all."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard.budgets.identity import escaped, text_of
from langchain_costguard.budgets.limits import Number, decimal_of

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import Any


class Pools(NamedTuple):
    """How a limit is divided; the parts never add up to more than it."""

    own: Mapping[str, int]
    """The part that only one user can spend, by the user's text as it stands in counters."""
    common: int
    """The part that everybody can spend."""


def shares_of(shares: Any) -> tuple[tuple[str, Decimal], ...]:  # noqa: ANN401 - whatever was given
    """Guaranteed shares by the text that stands for a user, in order of the text.

    Raises:
        TypeError: it is no mapping of numbers.
        ValueError: a share is not above 0, they add up to more than 1, a user is blank or is named twice.
    """
    if shares is None:
        return ()
    if not isinstance(shares, Mapping):
        msg = f"shares={shares!r} is no mapping: give shares={{'alice': '0.3', 'bob': '0.2'}}"
        raise TypeError(msg)
    found: dict[str, Decimal] = {}
    for user, share in shares.items():
        text = text_of(user)
        if text is None or text in found:
            msg = f"shares names {user!r}, which is blank, no text, or named twice: give each user once"
            raise ValueError(msg)
        found[text] = _share(share, text)
    if sum(map(Fraction, found.values())) > 1:
        msg = f"shares={dict(shares)!r} add up to more than 1: give fractions of one limit, such as '0.3' and '0.2'"
        raise ValueError(msg)
    return tuple(sorted(found.items()))


def pools_of(limit: int, shares: tuple[tuple[str, Decimal], ...]) -> Pools:
    """A limit divided by guaranteed shares, each rounded down; what is left is common.

    Raises:
        ValueError: a share is less than one unit of the limit.
    """
    own = {escaped(user): int(limit * Fraction(share)) for user, share in shares}
    if not all(own.values()):
        msg = f"shares={dict(shares)!r} leave somebody nothing of the limit: give a larger share or a larger limit"
        raise ValueError(msg)
    return Pools(own, limit - sum(own.values()))


def _share(share: Number, user: str) -> Decimal:
    number = decimal_of(share, "shares")
    if not number.is_finite() or not 0 < number <= 1:
        msg = f"shares[{user!r}]={share!r} is no share: give a fraction above 0 and at most 1, such as '0.3'"
        raise ValueError(msg)
    return number
