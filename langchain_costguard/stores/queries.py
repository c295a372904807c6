"""How a question to the ledger is asked in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import and_, case, exists, func, literal_column, or_, select, true, tuple_

from langchain_costguard.savings import SAVED_FIELDS
from langchain_costguard.stores.daily_queries import select_daily
from langchain_costguard.stores.matching import epoch_us, padded
from langchain_costguard.stores.rows import COLUMNS, clean_text, stored_value
from langchain_costguard.stores.schema import ERASED, ledger
from langchain_costguard.stores.sums import METADATA_PREFIX, US_PER_BUCKET, LocalClock, metadata_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import ColumnElement, CompoundSelect, FromClause, Select

    from langchain_costguard.ledger import GroupKey, LedgerQuery
    from langchain_costguard.stores.backends import Backend

_c: Final = ledger.c
_BUCKET: Final = _c.started_at_us // literal_column(str(US_PER_BUCKET))
_EMPTY: Final[ColumnElement[str]] = literal_column("''")

_IS_LINE: Final = _c.status != literal_column(f"'{ERASED}'")

_SAVED: Final = tuple(f"{field}_usd" for field in SAVED_FIELDS)

_EQUAL: Final = {
    "provider": _c.provider,
    "user": _c.user_id,
    "session": _c.session_id,
    "thread": _c.thread_id,
    "status": _c.status,
}
_LISTS: Final = {"tag": _c.tags, "technique": _c.techniques}
_SINGLE: Final[dict[str, ColumnElement[Any]]] = {
    "model": func.coalesce(func.nullif(_c.request_model, _EMPTY), _c.response_model),
    "response_model": _c.response_model,
    "provider": _c.provider,
    "service_tier": _c.service_tier,
    "user": _c.user_id,
    "session": _c.session_id,
    "thread": _c.thread_id,
    "chain": func.nullif(_c.chain, _EMPTY),
    "status": _c.status,
    "kind": _c.kind,
}


def conditions(query: LedgerQuery, backend: Backend) -> list[ColumnElement[bool]]:
    """What must hold of a row for its line to be meant."""
    found = [_IS_LINE, *_plain_conditions(query)]
    for field, column in _LISTS.items():
        text = getattr(query, field)
        if text is not None:
            found.append(backend.has_string(column, clean_text(text), f"{field}_filter"))
    if query.chain is not None:
        path: ColumnElement[str] = literal_column("' > '") + _c.chain + literal_column("' > '")
        found.append(backend.text_contains(path, padded(clean_text(query.chain))))
    for index, (name, wanted) in enumerate((query.metadata or {}).items()):
        items, key = backend.each_item(_c.metadata, f"metadata_filter_{index}")
        holds = and_(key == clean_text(name), backend.item_is(items, stored_value(wanted)))
        found.append(exists(select(literal_column("1")).select_from(items).where(holds)))
    return found


def select_lines(
    where: Sequence[ColumnElement[bool]], *, after: tuple[int, str] | None, newest_first: bool, limit: int
) -> Select[Any]:
    """The rows of one page of lines.

    Args:
        where: what must hold.
        after: the beginning and the run id of the last line of the page before.
        newest_first: the order; lines that began together are ordered by run id.
        limit: how many lines at most.
    """
    order = (_c.started_at_us, _c.run_id)
    statement = select(*(_c[name] for name in COLUMNS)).where(*where).limit(limit)
    if after is not None:
        place = tuple_(*order)
        statement = statement.where(place < after if newest_first else place > after)
    return statement.order_by(*(column.desc() if newest_first else column.asc() for column in order))


def select_open() -> Select[Any]:
    """The rows of calls that have not ended, each with its owner."""
    names = (*COLUMNS, "owner_host", "owner_pid", "owner_started")
    is_open = literal_column("status") == literal_column("'open'")
    return select(*(_c[name] for name in names)).where(is_open).order_by(_c.started_at_us, _c.run_id)


class Totals(NamedTuple):
    """A question for sums, and how to read the groups of its answer."""

    statement: Select[Any] | CompoundSelect[Any]
    """Group columns first, then the sums in the order of `SUM_FIELDS`."""
    group: Callable[[Sequence[Any]], tuple[str | None, ...]]
    """Names the group of a row."""
    group_width: int
    """How many columns of a row are the group's."""


def select_totals(query: LedgerQuery, backend: Backend, *, by: Sequence[GroupKey], clock: LocalClock) -> Totals:
    """The sums over lines and over pruned days, grouped; some groups come in several rows, which the caller adds up.

    It is one statement, so that a line that is pruned meanwhile is counted once.
    """
    source: FromClause = ledger
    columns: list[ColumnElement[Any]] = []
    readers: list[Callable[[Sequence[Any]], str | None]] = []
    widths: list[int] = []
    for index, key in enumerate(by):
        source, found, read = _group(key, index, source, backend, clock)
        start = len(columns)
        columns.extend(column.label(f"group_{start + offset}") for offset, column in enumerate(found))
        readers.append(_slice_reader(read, start, start + len(found)))
        widths.append(len(found))
    statement = select(*columns, *sums()).select_from(source).where(*conditions(query, backend))
    if columns:
        statement = statement.group_by(*(literal_column(column.name) for column in columns))
    daily = select_daily(query, backend, by=by, widths=widths)
    both = statement if daily is None else statement.union_all(daily)
    return Totals(both, lambda row: tuple(read(row) for read in readers), len(columns))


def _plain_conditions(query: LedgerQuery) -> Iterator[ColumnElement[bool]]:
    if query.since is not None:
        yield _c.started_at_us >= epoch_us(query.since)
    if query.until is not None:
        yield _c.started_at_us < epoch_us(query.until)
    for name, column in _EQUAL.items():
        wanted = getattr(query, name)
        if wanted is not None:
            yield column == clean_text(wanted)
    if query.model is not None:
        model = clean_text(query.model)
        yield or_(_c.request_model == model, _c.response_model == model)
    if query.root_run_id is not None:
        yield _c.root_run_id == str(query.root_run_id)
    if query.run_id is not None:
        yield _c.run_id == str(query.run_id)


def _group(
    key: GroupKey, index: int, source: FromClause, backend: Backend, clock: LocalClock
) -> tuple[FromClause, list[ColumnElement[Any]], Callable[[Sequence[Any]], str | None]]:
    """What one group key adds: tables to join, columns to group by, and how to read them."""
    if key in {"day", "hour"}:
        return source, [_BUCKET], lambda cells: None if cells[0] is None else clock.label(key, int(cells[0]))
    if key in _SINGLE:
        return source, [_SINGLE[key]], lambda cells: cells[0]
    if key in _LISTS:
        rows, value = backend.each_string(_LISTS[key], f"{key}_{index}")
        return source.outerjoin(rows, true()), [value], lambda cells: cells[0]
    rows, name = backend.each_item(_c.metadata, f"metadata_{index}")
    joined = source.outerjoin(rows, name == clean_text(key.removeprefix(METADATA_PREFIX)))
    return joined, backend.item_columns(rows), lambda cells: metadata_label(backend.item_value(cells))


def _slice_reader(
    read: Callable[[Sequence[Any]], str | None], start: int, stop: int
) -> Callable[[Sequence[Any]], str | None]:
    return lambda row: read(row[start:stop])


def sums() -> list[ColumnElement[Any]]:
    """The sums over lines, in the order of `SUM_FIELDS`; what each means is said at `LedgerTotals`."""
    is_billed = _c.status != "cached"
    compared = and_(_c.baseline_nano_usd.is_not(None), _c.billed_nano_usd.is_not(None))
    claims = or_(_c.techniques.is_not(None), _c.status == "cached", _c.batch)
    written = _c.cache_write_5m_tokens + _c.cache_write_1h_tokens
    inputs = _c.uncached_input_tokens + _c.cache_read_tokens + written + _c.audio_input_tokens
    outputs = _c.output_text_tokens + _c.reasoning_tokens + _c.audio_output_tokens
    return [
        _sum(_c.calls),
        _count(and_(_c.billed_nano_usd.is_(None), _c.status != "open")),
        _count(_c.estimate_method.is_not(None)),
        _count(_c.status == "cached"),
        _count(_c.status.in_(("error", "cancelled", "lost"))),
        _count(_c.status == "open"),
        _sum(inputs, is_billed),
        _sum(outputs, is_billed),
        _sum(_c.cache_read_tokens, is_billed),
        _sum(written, is_billed),
        _sum(_c.reasoning_tokens, is_billed),
        _sum(_c.billed_nano_usd),
        _sum(_c.list_nano_usd),
        _sum(_c.avoided_nano_usd),
        _sum(_c.baseline_nano_usd, compared),
        _sum(_c.billed_nano_usd, compared),
        _sum(_c.latency_us),
        _count(_c.latency_us.is_not(None)),
        _sum(_c.busy_ns),
        _count(and_(claims, _c[_SAVED[0]].is_(None), _c.status != "open")),
        *(_sum(_c[name]) for name in _SAVED),
    ]


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return _sum(_c.calls, condition)


def _sum(amount: ColumnElement[Any], condition: ColumnElement[bool] | None = None) -> ColumnElement[int]:
    counted = amount if condition is None else case((condition, amount))
    return func.coalesce(func.sum(counted), 0)
