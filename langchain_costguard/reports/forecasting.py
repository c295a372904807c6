"""How the cost of days to come follows from the cost of days that were: a mean, and an interval by bootstrap."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

FEWEST_DAYS: Final = 7
"""So many full days must be known."""

WEEKDAY_DAYS: Final = 28
"""From so many full days on, each day of the week has a mean of its own."""

_DRAWS: Final = 1000
_SEED: Final = 20_260_101
_LOW: Final = _DRAWS // 10
_HIGH: Final = _DRAWS - 1 - _DRAWS // 10
_SCALE: Final = 10**6


class Expected(NamedTuple):
    """What the days up to one day will cost together, in nano-USD."""

    low: int
    """Nine in ten courses cost more."""
    mean: int
    """What they cost on average."""
    high: int
    """Nine in ten courses cost less."""


def has_weekdays(known: Mapping[date, int]) -> bool:
    """Whether the days are enough for a mean of each day of the week."""
    return len(known) >= WEEKDAY_DAYS and len({day.weekday() for day in known}) == len("MTWTFSS")


def cost_ahead(known: Mapping[date, int], ahead: Sequence[tuple[date, Fraction]]) -> list[Expected]:
    """What the days ahead will cost, each together with those before it.

    A day is expected to cost the mean of the known days, or of the known days of its weekday. How far off that may be
    is drawn 1,000 times from the distances of the known days from their means: once for each day ahead, and as often
    as there are known days for the mean itself. The same days give the same answer.

    Args:
        known: the cost of full days in nano-USD.
        ahead: the days to come in their order, with the share of each that is still to come.

    Raises:
        ValueError: no days are known.
    """
    if not known:
        msg = "known={} says nothing of the days ahead: give the cost of at least one day"
        raise ValueError(msg)
    by_weekday = has_weekdays(known)
    groups: dict[int, list[int]] = {}
    for day, nano in known.items():
        groups.setdefault(day.weekday() if by_weekday else 0, []).append(nano)
    means = {group: Fraction(sum(costs), len(costs)) for group, costs in groups.items()}
    widen = isqrt(len(known) * _SCALE**2 // max(len(known) - len(groups), 1))
    residuals = [round(nano - means[group]) * widen // _SCALE for group, costs in groups.items() for nano in costs]
    steps = [(day.weekday() if by_weekday else 0, share) for day, share in ahead]
    sizes = {group: len(costs) for group, costs in groups.items()}
    return _summed_up(means, sizes, residuals, steps)


def _summed_up(
    means: Mapping[int, Fraction], sizes: Mapping[int, int], residuals: list[int], steps: Sequence[tuple[int, Fraction]]
) -> list[Expected]:
    draw = Random(_SEED)  # noqa: S311 - a simulation, no secret
    courses: list[list[int]] = [[] for _ in steps]
    rounded = {group: round(mean) for group, mean in means.items()}
    shares = [(group, share.numerator, share.denominator) for group, share in steps]
    for _ in range(_DRAWS):
        at = {group: rounded[group] + sum(draw.choices(residuals, k=size)) // size for group, size in sizes.items()}
        total = 0
        for course, (group, part, whole), chance in zip(
            courses, shares, draw.choices(residuals, k=len(shares)), strict=True
        ):
            total += max(at[group] + chance, 0) * part // whole
            course.append(total)
    found, mean = [], Fraction(0)
    for course, (group, share) in zip(courses, steps, strict=True):
        course.sort()
        mean += means[group] * share
        expected = round(mean)
        found.append(Expected(min(course[_LOW], expected), expected, max(course[_HIGH], expected)))
    return found
