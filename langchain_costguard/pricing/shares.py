"""Who pays how much of a shared cost: by usage, by agreed weights or equally, and to the last nano-dollar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.pricing.amounts import Exact, nano_usd, quantity
from langchain_costguard.pricing.plans.usage import MEASURES, Usage, UsageRecord, usage_records

if TYPE_CHECKING:
    from decimal import Decimal

    from langchain_costguard.pricing.quotes import Dollars

ShareRule = Literal["usage", "weights", "equal"]
"""How a cost is shared: by what each used, by weights that were agreed on, or in equal parts."""

_RULES: Final = ("usage", "weights", "equal")

Names = Mapping[str | None, Exact]
"""How much each pays for, by name."""


def share_cost(
    total: Dollars,
    among: Mapping[str, Dollars] | Mapping[str | None, Dollars] | Iterable[str] | Usage,
    rule: ShareRule = "usage",
    *,
    by: Literal["user", "tag"] = "user",
    measure: Literal["usd", "tokens", "calls", "gpu_hours"] = "usd",
    spread_unknown: bool = False,
) -> dict[str | None, Decimal]:
    """Share a cost that nobody caused alone: a subscription's fee, a machine's busy and idle time.

    Args:
        total: the cost in US dollars.
        among: how much each used or weighs, by name; or usage (`UsageRecord`s, ledger lines, a handler, a store), which
            is summed up; for `rule="equal"` names will do.
        rule: `"usage"` shares in proportion to usage, `"weights"` in proportion to weights that were agreed on (a
            mapping; they need not add up to 1), `"equal"` gives everybody the same.
        by: what usage is summed by: its user, or its tags. Usage with several tags counts in equal parts for each.
        measure: what usage is counted in: `"usd"` (list price), `"tokens"`, `"calls"` or `"gpu_hours"`.
        spread_unknown: whether the part of usage whose user or tag is not known is borne by the others; otherwise it
            has a share of its own, under `None`.

    Returns:
        Each one's share in US dollars. The shares add up to `total` exactly: what does not divide goes, a nano-dollar
        each, to those with the largest remainder, and among equal remainders by name.

    Raises:
        PriceFormatError: the total or a weight is negative, no number, or the total is finer than a nano-dollar.
        ValueError: the rule is not known, there is nobody to share among, nobody used anything, or usage has no known
            price while it is to be shared by `"usd"`.

    Example:
        >>> share_cost(10, {"u1": 1, "u2": 1, "u3": 1})
        {'u1': Decimal('3.333333334'), 'u2': Decimal('3.333333333'), 'u3': Decimal('3.333333333')}
    """
    if rule not in _RULES:
        msg = f"rule={rule!r} is not known: give 'usage', 'weights' or 'equal'"
        raise ValueError(msg)
    if by not in {"user", "tag"} or measure not in MEASURES:
        msg = (
            f"by={by!r}, measure={measure!r} is not known: give by='user' or 'tag', and measure='usd', 'tokens', "
            "'calls' or 'gpu_hours'"
        )
        raise ValueError(msg)
    weights = _weights(among, rule, by, measure)
    if spread_unknown and len(weights) > 1:
        weights.pop(None, None)
    if rule == "equal":
        weights = dict.fromkeys(weights, 1)
    return {name: to_usd(nano, NANO_PER_USD) for name, nano in split(nano_usd(total, "total"), weights).items()}


def split(total: int, weights: Names) -> dict[str | None, int]:
    """Split a whole number in proportion to weights; the parts add up to it.

    Args:
        total: what is split, zero or more.
        weights: each one's weight, zero or more.

    Raises:
        ValueError: there is nobody, or all weights are zero.
    """
    whole = sum(weights.values())
    if not whole:
        msg = (
            "there is nobody to share among: give at least one name"
            if not weights
            else "nobody has used anything, so nothing says who pays: share with rule='equal'"
        )
        raise ValueError(msg)
    exact = {name: Fraction(total * weight) / whole for name, weight in weights.items()}
    parts = {name: int(part) for name, part in exact.items()}
    largest_first = sorted(exact, key=lambda name: (parts[name] - exact[name], name is None, name or ""))
    for name in largest_first[: total - sum(parts.values())]:
        parts[name] += 1
    return parts


def _weights(among: object, rule: str, by: str, measure: str) -> dict[str | None, Exact]:
    """Each one's weight, by name."""
    if isinstance(among, Mapping):
        return {name: Fraction(quantity(weight, f"among[{name!r}]", "parts")) for name, weight in among.items()}
    if rule == "weights":
        msg = "rule='weights' needs the weights: give a mapping such as {'u1': 2, 'u2': 1}"
        raise ValueError(msg)
    if isinstance(among, Iterable) and not isinstance(among, str | bytes):
        among = list(among)
        if all(name is None or isinstance(name, str) for name in among):
            return _names(among, rule)
    return _summed(usage_records(among), by, measure, needs_amounts=rule == "usage")


def _names(names: list[str | None], rule: str) -> dict[str | None, Exact]:
    if rule != "equal" and names:
        msg = "names alone do not say how much each used: give rule='equal', or a mapping such as {'u1': 2, 'u2': 1}"
        raise ValueError(msg)
    if len(set(names)) < len(names):
        msg = f"among={names!r} names somebody twice: give each name once, or weights as a mapping"
        raise ValueError(msg)
    return dict.fromkeys(names, 1)


def _summed(records: list[UsageRecord], by: str, measure: str, *, needs_amounts: bool) -> dict[str | None, Exact]:
    """Usage by user or by tag."""
    sums: dict[str | None, Exact] = {}
    unknown = 0
    for record in records:
        amount = record.measured(measure)
        unknown += amount is None
        names = (record.user,) if by == "user" else record.tags or (None,)
        for name in names:
            sums[name] = sums.get(name, 0) + Fraction(amount or 0) / len(names)
    if unknown and needs_amounts:
        what = "price" if measure == "usd" else "number of tokens"
        msg = (
            f"{unknown} of {len(records)} uses have no known {what}, and unknown is not zero: share by another measure "
            "such as measure='calls', or give the models a price (PriceBook overrides, free(), gpu_hour())"
        )
        raise ValueError(msg)
    return sums
