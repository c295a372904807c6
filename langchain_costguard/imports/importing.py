"""How an export of another system comes into a ledger: checked to its end first, then priced line by line."""

from __future__ import annotations

import csv
import gzip
import os
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal, NamedTuple, NoReturn, Protocol, TypeAlias, cast, get_args

from langchain_costguard._progress import watched
from langchain_costguard.exports import import_entries, read_jsonl
from langchain_costguard.imports.anthropic_usage import AnthropicUsage
from langchain_costguard.imports.calls import is_possible, line_of
from langchain_costguard.imports.faults import ForeignFormatError, RowFault, UnreadableRow
from langchain_costguard.imports.langfuse import LangfuseExport
from langchain_costguard.imports.langsmith import LangSmithExport
from langchain_costguard.imports.litellm import LiteLLMSpendLogs
from langchain_costguard.imports.openai_usage import OpenAIUsage
from langchain_costguard.imports.records import LONGEST_RECORD, Layout, Record, records
from langchain_costguard.pricing import PriceBook
from langchain_costguard.recorder import LineMaker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from langchain_costguard.exports.files import Place
    from langchain_costguard.imports.calls import ForeignCall
    from langchain_costguard.imports.cells import Row
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.stores import LedgerStore

ImportSource = Literal["langfuse", "langsmith", "openai", "anthropic", "litellm", "jsonl"]
"""Whose export a file is; `"jsonl"` is this package's own."""

SOURCES: Final = get_args(ImportSource)
"""The names `import_from` knows."""

Lines: TypeAlias = "Iterable[str] | Iterable[bytes]"
"""An open file, or the lines of one."""

_SPOOL_BYTES: Final = 64 * 1024 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_FAULTS_KEPT: Final = 10


class ImportResult(NamedTuple):
    """What became of the rows of a foreign export."""

    source: str
    """Whose export it was."""
    new: int
    """Calls that the ledger did not have."""
    known: int
    """Calls that it had already, from this file or from before; they were left as they are."""
    pruned: int = 0
    """Calls from before the end of the newest day that the ledger has pruned; they were left out."""
    skipped: int = 0
    """Rows that are no model call: spans, chains, tools, buckets in which nothing was used."""
    unreadable: int = 0
    """Rows that could not be read, and were left out."""
    faults: tuple[RowFault, ...] = ()
    """The first ten of them."""
    unpriced: int = 0
    """Lines among the readable calls whose cost is not known; they are booked without one."""
    unpriced_models: Mapping[str, int] = {}
    """The models of those lines, and how many lines each has; `""` where the row names none."""
    doubts: Mapping[str, int] = {}
    """What rows left open and how it was settled, and how many rows each concerns."""


class _Export(Layout, Protocol):
    """A source's export: what it looks like, and how its rows are read."""

    def read(self, row: Row) -> ForeignCall | None:
        """The call of a row, `None` where the row is none."""


_EXPORTS: Final[Mapping[str, Callable[[], _Export]]] = {
    "langfuse": LangfuseExport,
    "langsmith": LangSmithExport,
    "openai": OpenAIUsage,
    "anthropic": AnthropicUsage,
    "litellm": LiteLLMSpendLogs,
}


def import_from(
    source: ImportSource,
    path_or_lines: Place | Lines,
    store: LedgerStore,
    *,
    prices: PriceBook | None = None,
    strict: bool = False,
) -> ImportResult:
    """Write the calls of another system's export into a ledger; doing it again changes nothing.

    The whole file is read once before the first line is written: a file that is damaged, or none of that system, is
    refused whole. Rows that cannot be read are left out and counted. Each call is priced by the price book at the
    moment it began; the source's own figure is kept as metadata (`imported_cost_usd`) and never booked. Where prompts
    are in the file, only their digests are kept. Times without a zone are UTC.

    Args:
        source: whose export it is.
        path_or_lines: its path (CSV, JSON, JSON lines; or one of them with gzip), an open file, or its lines.
        store: the ledger to write into.
        prices: the price book; the bundled list if not given. Lines of `"jsonl"` keep the costs they have.
        strict: whether a row that cannot be read refuses the whole file.

    Returns:
        How many calls were new, known and left out, what could not be read, and what has no price.

    Raises:
        ForeignFormatError: the file is empty, damaged or no export of that source; with `strict`, a row is.
        LedgerFormatError: a line of `"jsonl"` is damaged.
        OSError: the file cannot be read.
        StoreError: the ledger cannot be written; lines before that one are in it.
        ValueError: the source is not known.

    Example:
        ```python
        done = import_from("langfuse", "observations.jsonl", open_store("sqlite:///costs.db"))
        ```
    """
    if source not in SOURCES:
        msg = f"source={source!r} is not known: choose one of {', '.join(map(repr, SOURCES))}"
        raise ValueError(msg)
    if source == "jsonl":
        own = path_or_lines if isinstance(path_or_lines, str | os.PathLike) else _spooled(path_or_lines)
        return ImportResult(source, *import_entries(store, read_jsonl(own)))
    with checked_export(source, path_or_lines, strict=strict) as write:
        return write(store, prices or PriceBook())


@contextmanager
def checked_export(
    source: ImportSource, path_or_lines: Place | Lines, *, strict: bool = False
) -> Iterator[Callable[[LedgerStore, PriceBook], ImportResult]]:
    """Read another system's export to its end before there need be a ledger; arguments and errors as `import_from`.

    Yields:
        What writes its calls into a ledger.
    """
    export = _EXPORTS[source]
    with _rewindable(path_or_lines) as file, _long_cells():
        _check(file, export(), strict=strict)
        file.seek(0)
        yield lambda store, prices: _write(file, export, store, prices, strict=strict)


class _Tally:
    """What is counted while rows are read."""

    def __init__(self) -> None:
        self.skipped: int = 0
        self.unreadable: int = 0
        self.faults: list[RowFault] = []
        self.models: Counter[str] = Counter()
        self.doubts: Counter[str] = Counter()

    def refuse(self, number: int, reason: str) -> None:
        """Count a row that cannot be read."""
        self.unreadable += 1
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(RowFault(number, reason))


def _check(file: IO[bytes], export: _Export, *, strict: bool) -> None:
    """Read the file to its end.

    Raises:
        ForeignFormatError: it is damaged; no row can be read; with `strict`, one cannot.
    """
    tally, readable = _Tally(), 0
    for record in watched(records(file, export), "checking rows"):
        readable += _call_of(record, export, tally) is not None
        if strict and tally.faults:
            break
    if tally.faults and (strict or not (readable or tally.skipped)):
        _refuse(export, tally, "" if strict else f"; none of its {tally.unreadable} rows can be read")


def _check_costs(file: IO[bytes], export: _Export, maker: LineMaker) -> None:
    """Price the file to its end before the first line of it is written.

    Raises:
        ForeignFormatError: a row would cost more than any call can.
    """
    tally = _Tally()
    for _ in _entries(file, export, maker, tally):
        pass
    if tally.faults:
        _refuse(export, tally, "")


def _refuse(export: _Export, tally: _Tally, rest: str) -> NoReturn:
    number, reason = tally.faults[0]
    said = f"Row {number} of this {export.title} cannot be read ({reason}){rest}"
    msg = f"{said}: mend or remove it, or {export.advice}"
    raise ForeignFormatError(msg, source=export.source, row=number)


def _write(
    file: IO[bytes], make: Callable[[], _Export], store: LedgerStore, prices: PriceBook, *, strict: bool
) -> ImportResult:
    maker = LineMaker(prices, digest_key=lambda: store.digest_key)
    if strict:
        _check_costs(file, make(), maker)
        file.seek(0)
    export, tally = make(), _Tally()
    done = import_entries(store, _entries(file, export, maker, tally))
    return ImportResult(
        export.source,
        *done,
        tally.skipped,
        tally.unreadable,
        tuple(tally.faults),
        sum(tally.models.values()),
        dict(tally.models.most_common()),
        dict(tally.doubts.most_common()),
    )


def _entries(file: IO[bytes], export: _Export, maker: LineMaker, tally: _Tally) -> Iterator[LedgerEntry]:
    for record in records(file, export):
        call = _call_of(record, export, tally)
        if call is None:
            continue
        entry = line_of(call, maker)
        if not is_possible(entry):
            tally.refuse(record.number, "it would cost more than any call can")
            continue
        tally.doubts.update(call.doubts)
        if not entry.is_priced:
            tally.models[call.model or ""] += 1
        yield entry


def _call_of(record: Record, export: _Export, tally: _Tally) -> ForeignCall | None:
    """The call of a record, counted where it is none."""
    if record.fault:
        tally.refuse(record.number, record.fault)
        return None
    try:
        call = export.read(record.values)
    except UnreadableRow as error:
        tally.refuse(record.number, str(error))
        return None
    tally.skipped += call is None
    return call


@contextmanager
def _rewindable(given: Place | Lines) -> Iterator[IO[bytes]]:
    """The file, unpacked, from its beginning; it can be rewound."""
    with ExitStack() as closing:
        file = closing.enter_context(_opened(given))
        is_packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        yield cast("IO[bytes]", closing.enter_context(gzip.open(file))) if is_packed else file


def _opened(given: Place | Lines) -> IO[bytes]:
    return Path(given).open("rb") if isinstance(given, str | os.PathLike) else _spooled(given)


def _spooled(lines: Lines) -> IO[bytes]:
    """A copy of what can be read once only: in memory, or on disk when it is large."""
    copy = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - whoever reads it closes it
    for line in lines:
        data = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        copy.write(data if data.endswith(b"\n") or not isinstance(line, str) else data + b"\n")
    copy.seek(0)
    return copy


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let CSV cells hold whole prompts; the limit is the process's own, so it is put back."""
    before = csv.field_size_limit(LONGEST_RECORD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
