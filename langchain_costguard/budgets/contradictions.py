"""Whether budgets can be in force together: each once, and no two that would keep one counter by different rules."""

from __future__ import annotations

from collections.abc import Iterable

from langchain_costguard.budgets.budget import Budget


def check_together(budgets: Budget | Iterable[Budget]) -> tuple[Budget, ...]:
    """Budgets that are in force together, in the order given, equal ones once.

    Args:
        budgets: one, or several.

    Raises:
        ValueError: two would share their counters and differ in limit, mode or another rule.
        TypeError: something else than a `Budget` is among them.
    """
    by_key: dict[str, Budget] = {}
    for budget in _listed(budgets):
        if not isinstance(budget, Budget):
            raise TypeError(_no_budget(budget))
        known = by_key.setdefault(budget.key, budget)
        if known != budget:
            msg = (
                f"{known!r} and {budget!r} contradict: both are kept under {budget.key!r}. "
                "Leave one out, or give one a name="
            )
            raise ValueError(msg)
    return tuple(by_key.values())


def _listed(budgets: object) -> Iterable[object]:
    if isinstance(budgets, Budget):
        return (budgets,)
    if isinstance(budgets, str | bytes) or not isinstance(budgets, Iterable):
        raise TypeError(_no_budget(budgets))
    return budgets


def _no_budget(value: object) -> str:
    amount = value if isinstance(value, int | float) and not isinstance(value, bool) else 2
    return f"{value!r} is no budget: give Budget({amount!r}, per='day'), or a list of budgets"
