"""From which volume on which plan is the cheapest: found by bisection on whole numbers, so that it is exact."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_costguard.pricing.amounts import Exact

FURTHEST: Final = 1000
"""Up to so many times today's volume is looked at."""

_STEP: Final = Fraction(5, 4)


class Stretch(NamedTuple):
    """A range of volumes in which one plan is the cheapest."""

    plan: int
    """Which plan, by its number."""
    above: int
    """The plan is the cheapest above this volume."""
    up_to: int | None
    """The last volume at which it is; `None` for the last stretch that was looked at."""


def cheapest_by_volume(costs: Sequence[Callable[[int], Exact]], today: int) -> list[Stretch]:
    """Which plan is the cheapest at which volume, from the least to `FURTHEST` times today's.

    A plan stays the cheapest as long as none costs less. Volumes are looked at in steps of a quarter; where the
    cheapest plan changes between two steps, the last volume before the change is found exactly. Which plan is the
    cheapest where nothing is used is not asked: a stretch of no volume at all is none.

    Args:
        costs: for each plan what a whole volume costs.
        today: today's volume, 1 or more.
    """
    search = _Search(costs)
    plan, above, stretches = search.cheapest(1), 0, []
    low = 1
    for high in _steps(today):
        while not search.holds(plan, high):
            low = search.last(plan, low, high)
            stretches.append(Stretch(plan, above, low))
            plan, above, low = search.cheapest(low + 1), low, low + 1
        low = high
    return [*stretches, Stretch(plan, above, None)]


class _Search:
    def __init__(self, costs: Sequence[Callable[[int], Exact]]) -> None:
        self._costs = costs
        self._known: dict[int, list[Exact]] = {}

    def holds(self, plan: int, volume: int) -> bool:
        """Whether no plan costs less at this volume."""
        costs = self._at(volume)
        return costs[plan] <= min(costs)

    def cheapest(self, volume: int) -> int:
        """The first of the cheapest plans."""
        costs = self._at(volume)
        return costs.index(min(costs))

    def last(self, plan: int, low: int, high: int) -> int:
        """The last volume at which a plan that is the cheapest at `low`, and is not at `high`, still is."""
        while high - low > 1:
            middle = (low + high) // 2
            if self.holds(plan, middle):
                low = middle
            else:
                high = middle
        return low

    def _at(self, volume: int) -> list[Exact]:
        if volume not in self._known:
            self._known[volume] = [cost(volume) for cost in self._costs]
        return self._known[volume]


def _steps(today: int) -> list[int]:
    """Whole volumes around today's, smallest first."""
    steps, factor = {1, today}, Fraction(1)
    while factor < FURTHEST:
        factor *= _STEP
        steps |= {max(1, int(today / factor)), int(today * factor)}
    return sorted(steps)
