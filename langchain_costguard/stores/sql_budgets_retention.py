"""What of the budgets is forgotten when lines are pruned or a user is erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete

from langchain_costguard.budgets.identity import escaped
from langchain_costguard.stores.schema import counters, reservations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Executable

    from langchain_costguard.stores.backends import Backend
    from langchain_costguard.stores.daily import Cutoff


def pruning_budgets(old: Cutoff) -> Sequence[Executable]:
    """Forget the reservations that a late settlement may no longer correct; what they were charged stays charged.

    Args:
        old: which lines are pruned; late ends count until its later moment.
    """
    return [delete(reservations).where(reservations.c.state != "open", reservations.c.lease_until_us < old.late_us)]


def erasing_budgets(user: str, backend: Backend) -> Sequence[Executable]:
    """Delete the counters and the reservations that are named after a user (`Budget(each="user")`).

    Args:
        user: whose.
        backend: the database.
    """
    part = f"|user={escaped(user)}|"
    return [
        delete(table).where(backend.text_contains(table.c.counter + "|", part)) for table in (reservations, counters)
    ]
