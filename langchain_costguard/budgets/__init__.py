"""What may be spent: budgets, their windows and scopes, and what is left of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.budgets.budget import Budget
    from langchain_costguard.budgets.contradictions import check_together
    from langchain_costguard.budgets.facts import CallFacts
    from langchain_costguard.budgets.identity import MissingIdentityError
    from langchain_costguard.budgets.scopes import Scope
    from langchain_costguard.budgets.status import BudgetStatus, statuses

__all__ = [
    "Budget",
    "BudgetStatus",
    "CallFacts",
    "MissingIdentityError",
    "Scope",
    "check_together",
    "statuses",
]

_ROOMS = {
    "budget": ("Budget",),
    "contradictions": ("check_together",),
    "facts": ("CallFacts",),
    "identity": ("MissingIdentityError",),
    "scopes": ("Scope",),
    "status": (
        "BudgetStatus",
        "statuses",
    ),
}
"""Where each name lives: a store needs the claims alone."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
