"""How lines are pruned into daily sums and erased, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, delete, insert, literal_column, null, or_, select, update

from langchain_costguard.ledger import FINAL_STATUSES
from langchain_costguard.stores.daily import US_PER_DAY
from langchain_costguard.stores.queries import sums
from langchain_costguard.stores.rows import clean_text
from langchain_costguard.stores.schema import DAILY_GROUP, ERASED, daily_totals, ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Executable

    from langchain_costguard.stores.daily import Cutoff

_LATE: Final = ("cancelled", "lost")
_KEPT_OF_ERASED: Final = frozenset({"run_id", "started_at_us", "kind", "status", "chain", "batch", "calls"})
"""The columns of an erased call that are not emptied, because they cannot be; a chain can be an empty text."""

_c: Final = ledger.c


class Retention(NamedTuple):
    """Statements to run in one transaction."""

    statements: Sequence[Executable]
    """In their order."""
    counted: Sequence[int]
    """Which of them say how many lines are gone."""


def pruning(old: Cutoff) -> Retention:
    """Add lines to the daily sums and delete them.

    Args:
        old: which lines.
    """
    final = and_(_c.started_at_us < old.final_us, _c.status.in_(sorted(FINAL_STATUSES)))
    late = and_(_c.started_at_us < old.late_us, _c.status.in_(_LATE))
    concerned = or_(final, late)
    group = [_c.started_at_us // literal_column(str(US_PER_DAY)), *(_c[name] for name in DAILY_GROUP[1:])]
    summed = select(*group, *sums()).where(concerned).group_by(*group)
    return Retention(
        [
            insert(daily_totals).from_select([column.name for column in daily_totals.columns], summed),
            delete(ledger).where(concerned),
            delete(ledger).where(_c.status == ERASED, _c.started_at_us < old.late_us),
        ],
        counted=(1,),
    )


def erasing(user: str) -> Retention:
    """Delete a user's lines; of calls that may still end, leave what keeps their end out.

    Args:
        user: whose.
    """
    theirs = _c.user_id == clean_text(user)
    emptied = {column.name: null() for column in ledger.columns if column.name not in _KEPT_OF_ERASED}
    may_end = _c.status.in_(("open", *_LATE))
    return Retention(
        [
            update(ledger).where(theirs, may_end).values(**emptied, status=ERASED, chain="", calls=0),
            delete(ledger).where(theirs),
        ],
        counted=(0, 1),
    )
