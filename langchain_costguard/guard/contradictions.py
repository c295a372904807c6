"""Whether budgets of several handlers that are kept under one key count the same, so that one counter serves both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from langchain_costguard.budgets import Budget

_CALENDAR: Final = frozenset({"minute", "hour", "day", "week", "month"})
"""Windows that depend on the time zone."""


def contradict(first: Budget, second: Budget) -> bool:
    """Whether two budgets of one key differ in anything but their limits, modes and alerts.

    The stricter of two that count the same decides for both. If they do not, neither says what the other does: one of
    dollars and one of calls, say, or one for everybody and one for each user.
    """
    if first is second or first == second:
        return False
    charges_alike = not (first.refuses and second.refuses) or first.on_unknown == second.on_unknown
    return not charges_alike or _rules(first) != _rules(second)


def _rules(budget: Budget) -> tuple[object, ...]:
    scope = None if budget.scope is None else budget.scope.key
    zone = budget.tz if budget.per in _CALENDAR else ""
    return budget.unit, budget.per, zone, scope, budget.each, budget.on_missing, budget.shares
