"""Reservations of which nobody knows whether the database has them: they are released once that can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard.budgets.claims import Settlement
from langchain_costguard.stores.sql_budgets_ends import settling
from langchain_costguard.stores.sql_budgets_statements import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.budgets.claims import Claim, Settled
    from langchain_costguard.stores.sql_budgets_statements import BudgetStatements
    from langchain_costguard.stores.sql_budgets_step import Step


class Doubt(NamedTuple):
    """A reservation whose call is not made, and which the database may hold all the same."""

    reservation_id: str
    counters: tuple[str, ...]
    """What it claims."""
    run_id: str | None = None
    """The line that was opened with it."""


def doubt_of(reservation_id: str, claims: Iterable[Claim], run_id: str | None = None) -> Doubt:
    """The doubt about a reservation of these claims."""
    return Doubt(reservation_id, tuple(sorted({claim.counter for claim in claims})), run_id)


def releasing(doubt: Doubt, sql: BudgetStatements) -> Step[Settled]:
    """Release the reservation if it is there, and take back its opening line; nothing if it is not.

    Its counters are locked, so that a transaction that makes it and is not at its end yet is waited for.
    """
    line = () if doubt.run_id is None else (Statement(sql.forget_opening, (doubt.run_id,)),)
    return settling(Settlement(doubt.reservation_id, ()), sql, line)._replace(locks=doubt.counters)
