"""Ledger lines as a CSV file: one row for each line, columns that stay, money as exact decimal dollars."""

from __future__ import annotations

from operator import attrgetter
from typing import IO, TYPE_CHECKING, Final

from langchain_costguard._progress import watched
from langchain_costguard.exports.cells import as_json, row, usd
from langchain_costguard.exports.files import writable
from langchain_costguard.exports.lines import plain_metadata
from langchain_costguard.savings import Savings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_costguard.exports.cells import Cell
    from langchain_costguard.exports.files import Place
    from langchain_costguard.ledger import LedgerEntry


def write_csv(entries: Iterable[LedgerEntry], file: Place | IO[str]) -> int:
    """Write ledger lines as CSV in UTF-8, with a heading.

    Every line of the ledger is one row and one line of the file; the columns are `CSV_COLUMNS`, in that order, and
    later releases only add to their end. Money is in US dollars, exactly; a cell is empty where a figure is not known.
    No text can become a formula in a spreadsheet.

    Args:
        entries: the lines, such as `store.entries()`; they are read one by one.
        file: a path, or a text file that is open for writing. A path holds the whole export or what was there before.

    Returns:
        How many lines were written.

    Raises:
        OSError: the file cannot be written, or is a SQLite database; a file that was there is still there.

    Example:
        ```python
        write_csv(open_store("costs.db").entries(), "costs.csv")
        ```
    """
    count = 0
    with writable(file) as opened:
        opened.write(row(CSV_COLUMNS))
        for entry in watched(entries, "writing lines"):
            opened.write(row(read(entry) for read in _READERS))
            count += 1
    return count


def _started(entry: LedgerEntry) -> str:
    return entry.started_at_utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _id(name: str) -> Callable[[LedgerEntry], Cell]:
    def read(entry: LedgerEntry) -> Cell:
        value = getattr(entry, name)
        return None if value is None else str(value)

    return read


def _tokens(name: str) -> Callable[[LedgerEntry], Cell]:
    def read(entry: LedgerEntry) -> Cell:
        count: int | None = None if entry.usage is None else getattr(entry.usage, name)
        return count

    return read


def _money(name: str) -> Callable[[LedgerEntry], Cell]:
    field = attrgetter(name)
    return lambda entry: usd(field(entry))


def _saved(step: str) -> Callable[[LedgerEntry], Cell]:
    field = attrgetter(step)
    return lambda entry: None if entry.savings is None else usd(field(entry.savings))


def _price(name: str) -> Callable[[LedgerEntry], Cell]:
    field = attrgetter(name)
    return lambda entry: None if entry.price is None else field(entry.price)


_COLUMNS: Final[dict[str, Callable[[LedgerEntry], Cell]]] = {
    "run_id": _id("run_id"),
    "started_at_utc": _started,
    "kind": attrgetter("kind"),
    "status": attrgetter("status"),
    "parent_run_id": _id("parent_run_id"),
    "root_run_id": _id("root_run_id"),
    "chain": lambda entry: entry.chain or None,
    "provider": attrgetter("provider"),
    "request_model": attrgetter("request_model"),
    "response_model": attrgetter("response_model"),
    "service_tier": attrgetter("service_tier"),
    "batch": attrgetter("batch"),
    "calls": attrgetter("calls"),
    "input_tokens": _tokens("input_tokens"),
    "output_tokens": _tokens("output_tokens"),
    "cache_read_tokens": _tokens("cache_read"),
    "cache_creation_tokens": _tokens("cache_creation"),
    "reasoning_tokens": _tokens("reasoning"),
    "estimate_method": attrgetter("estimate_method"),
    "billed_usd": _money("billed_nano"),
    "list_usd": _money("list_nano"),
    "reported_usd": _money("reported_nano"),
    "avoided_usd": _money("avoided_nano"),
    "baseline_model": attrgetter("baseline_model"),
    "baseline_usd": _money("baseline_nano"),
    "techniques": lambda entry: as_json(entry.techniques),
    "saved_input_tokens": attrgetter("saved_input_tokens"),
    **{f"saved_{step}_usd": _saved(step) for step in Savings._fields},
    "price_source": _price("source"),
    "price_version": _price("version"),
    "price_model": _price("model"),
    "price_context": lambda entry: (entry.price and entry.price.context) or None,
    "unpriced_reason": attrgetter("unpriced_reason"),
    "latency_us": attrgetter("latency_us"),
    "first_token_us": attrgetter("first_token_us"),
    "user": attrgetter("user"),
    "session": attrgetter("session"),
    "thread": attrgetter("thread"),
    "tags": lambda entry: as_json(entry.tags),
    "metadata": lambda entry: as_json(plain_metadata(entry.metadata)),
    "error": attrgetter("error"),
}
"""What each column says of a line, by its heading."""

_READERS: Final = tuple(_COLUMNS.values())

CSV_COLUMNS: Final[tuple[str, ...]] = tuple(_COLUMNS)
"""The headings, in the order of the file; `*_usd` is US dollars, `*_us` microseconds, lists and mappings are JSON."""
