"""How the daily sums of pruned lines are asked for in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, literal_column, null, or_, select, true

from langchain_costguard.stores.daily import US_PER_DAY, asks_what_is_forgotten
from langchain_costguard.stores.matching import epoch_us
from langchain_costguard.stores.rows import clean_text
from langchain_costguard.stores.schema import DAILY_GROUP, daily_totals
from langchain_costguard.stores.sums import US_PER_BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Select

    from langchain_costguard.ledger import GroupKey, LedgerQuery
    from langchain_costguard.stores.backends import Backend

_c: Final = daily_totals.c
_NOON_US: Final = _c.epoch_day * literal_column(str(US_PER_DAY)) + literal_column(str(US_PER_DAY // 2))
_EMPTY: Final[ColumnElement[str]] = literal_column("''")
_KEPT: Final[dict[str, ColumnElement[Any]]] = {
    "day": _NOON_US // literal_column(str(US_PER_BUCKET)),
    "model": func.coalesce(func.nullif(_c.request_model, _EMPTY), _c.response_model),
    "response_model": _c.response_model,
    "provider": _c.provider,
    "service_tier": _c.service_tier,
    "status": _c.status,
    "kind": _c.kind,
}
"""The group keys of which a daily sum has one value; it may have several of `technique`, and knows no other."""


def select_daily(
    query: LedgerQuery, backend: Backend, *, by: Sequence[GroupKey], widths: Sequence[int]
) -> Select[Any] | None:
    """The daily sums that match, grouped and summed as `queries.select_totals` groups and sums lines.

    Args:
        query: the conditions.
        backend: the database.
        by: the group keys.
        widths: how many columns each of them has.

    Returns:
        The question; `None` where no daily sum can match.
    """
    if asks_what_is_forgotten(query):
        return None
    source: Any = daily_totals
    columns: list[ColumnElement[Any]] = []
    known: list[ColumnElement[Any]] = []
    for index, (key, width) in enumerate(zip(by, widths, strict=True)):
        if key == "technique":
            rows, column = backend.each_string(_c.techniques, f"daily_technique_{index}")
            source = source.outerjoin(rows, true())
        elif key in _KEPT:
            column = _KEPT[key]
        else:
            columns.extend([null()] * width)
            continue
        known.append(literal_column(f"daily_{len(columns)}"))
        columns.append(column)
    labelled = [column.label(f"daily_{place}") for place, column in enumerate(columns)]
    sums = [func.coalesce(func.sum(column), 0) for column in list(_c)[len(DAILY_GROUP) :]]
    statement = select(*labelled, *sums).select_from(source).where(*_conditions(query, backend))
    return statement.group_by(*known).having(func.count() > 0)


def select_newest_day() -> Select[Any]:
    """The newest day that has a sum, in days since 1970-01-01 UTC; one row, with `NULL` where there is none."""
    return select(func.max(_c.epoch_day))


def _conditions(query: LedgerQuery, backend: Backend) -> Iterator[ColumnElement[bool]]:
    if query.since is not None:
        yield epoch_us(query.since) <= _NOON_US
    if query.until is not None:
        yield epoch_us(query.until) > _NOON_US
    if query.provider is not None:
        yield _c.provider == clean_text(query.provider)
    if query.status is not None:
        yield _c.status == query.status
    if query.model is not None:
        model = clean_text(query.model)
        yield or_(_c.request_model == model, _c.response_model == model)
    if query.technique is not None:
        yield backend.has_string(_c.techniques, clean_text(query.technique), "daily_technique_filter")
