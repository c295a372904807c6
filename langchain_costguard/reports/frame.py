"""Which columns a frame of ledger lines has: one row per call, money as `Decimal`, unknown as `None`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._optional import require
from langchain_costguard.reports.rows import FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pandas import DataFrame

    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.reports.rows import ReportRow

_PLAIN: Final = (
    "status",
    "kind",
    "chain",
    "provider",
    "request_model",
    "response_model",
    "service_tier",
    "batch",
    "user",
    "session",
    "thread",
    "tags",
    "techniques",
)
_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read", "cache_creation", "reasoning")
_MONEY: Final = ("billed_cost", "list_cost", "avoided_cost", "baseline_cost")
_MORE: Final = ("estimate_method", "unpriced_reason", "baseline_model", "latency_ms", "time_to_first_token_ms", "error")
COLUMNS: Final = (
    "run_id",
    "parent_run_id",
    "root_run_id",
    "started_at_utc",
    *_PLAIN,
    *_TOKENS,
    *_MONEY,
    "price_list",
    *_MORE,
    "metadata",
)


def frame_of(lines: Iterable[LedgerEntry]) -> DataFrame:
    """One row per call.

    Token counts are pandas' nullable `Int64`. Money stays `Decimal` in columns of objects, so that sums are exact:
    `frame["billed_cost"].sum()` leaves unknown costs out, as the report does.

    Raises:
        OptionalDependencyError: pandas is not installed.
    """
    pandas = require("pandas", extra="notebook", purpose="to_pandas()")
    rows = [_row(line) for line in lines]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(COLUMNS)}
    whole = {name: pandas.array(columns[name], dtype="Int64") for name in _TOKENS}
    exact = {name: pandas.Series(columns[name], dtype=object) for name in (*_MONEY, "tags", "techniques", "metadata")}
    moments = {"started_at_utc": pandas.to_datetime(columns["started_at_utc"], utc=True)}
    frame: DataFrame = pandas.DataFrame(columns | whole | exact | moments, columns=list(COLUMNS))
    return frame


def frame_of_rows(rows: Iterable[ReportRow]) -> DataFrame:
    """One row per group: its keys, counts, and money as `Decimal`.

    Raises:
        OptionalDependencyError: pandas is not installed.
    """
    pandas = require("pandas", extra="notebook", purpose="to_pandas()")
    records = [
        dict(zip(row.keys, row.group, strict=True)) | {name: getattr(row, name) for name in FIGURES} for row in rows
    ]
    frame: DataFrame = pandas.DataFrame(records)
    return frame


def _row(line: LedgerEntry) -> tuple[Any, ...]:
    price = line.price
    return (
        *(None if run is None else str(run) for run in (line.run_id, line.parent_run_id, line.root_run_id)),
        line.started_at_utc,
        *(getattr(line, name) for name in _PLAIN),
        *(None if line.usage is None else getattr(line.usage, name) for name in _TOKENS),
        *(getattr(line, name) for name in _MONEY),
        None if price is None else f"{price.source} {price.version}".rstrip(),
        *(getattr(line, name) for name in _MORE),
        dict(line.metadata),
    )
