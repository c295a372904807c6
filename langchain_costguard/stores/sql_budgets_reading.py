"""What is shown of budgets: counters, what operators have set and when, and settlements that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from langchain_costguard.budgets.claims import BudgetChange, BudgetSetting, CounterState
from langchain_costguard.stores.schema import budget_changes, budget_settings, counters, outbox
from langchain_costguard.stores.sql_budgets_statements import keyed, unkeyed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Executable


def select_counters(budgets: Sequence[str] | None, since_us: int) -> Executable:
    """The rows of some budgets' counters, or of all, oldest first."""
    question = select(counters).where(counters.c.slot_us >= since_us)
    if budgets is not None:
        question = question.where(counters.c.budget.in_([keyed(budget) for budget in budgets]))
    return question.order_by(counters.c.slot_us, counters.c.counter)


def to_state(row: Sequence[Any]) -> CounterState:
    """A row of `select_counters`."""
    counter, slot_us, budget, unit, *figures, frozen, crossed = row
    told = (word for word in crossed.split(",") if word.isdigit())
    crossed_ppm = tuple(sorted(int(word) for word in told))
    return CounterState._make((unkeyed(budget), unkeyed(counter), slot_us, unit, *figures, frozen, crossed_ppm))


def select_settings() -> Executable:
    """What operators have set."""
    return select(budget_settings)


def to_setting(row: Sequence[Any]) -> BudgetSetting:
    """A row of `select_settings`."""
    return BudgetSetting(unkeyed(row[0]), row[1], row[2])


def select_changes(budget: str | None) -> Executable:
    """Operators' changes of one budget or of all, oldest first."""
    question = select(budget_changes).order_by(budget_changes.c.number)
    return question if budget is None else question.where(budget_changes.c.budget == keyed(budget))


def to_change(row: Sequence[Any]) -> BudgetChange:
    """A row of `select_changes`."""
    _, budget, action, at_us, by, limit, note = row
    return BudgetChange(unkeyed(budget), action, at_us, by, limit, note)


def select_outbox() -> Executable:
    """Settlement, location, time and owner of what waits, oldest first."""
    return select(
        outbox.c.settlement,
        outbox.c.location,
        outbox.c.written_at_us,
        outbox.c.owner_host,
        outbox.c.owner_pid,
        outbox.c.owner_started,
    ).order_by(outbox.c.written_at_us)
