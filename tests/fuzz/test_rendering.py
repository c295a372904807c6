"""Hostile names in every report and export: escaped in HTML, defused in tables, one line each, and never dropped."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.exports.cells import FORMULA_STARTS, as_json, row
from langchain_costguard.reports import CostReport
from langchain_costguard.stores import InMemoryStore
from tests.fuzz.strategies import entries_of, fuzz, texts, values

if TYPE_CHECKING:
    from langchain_costguard.ledger import LedgerEntry

NAMES: Final = texts | st.sampled_from(
    ['"><img src=x onerror=alert(1)>', "</td><script>x</script>", "<style>*{}</style>", "javascript:alert(1)"]
)
_TAGS: Final = frozenset({"script", "img", "iframe", "object", "embed"})

lines: Final = entries_of(
    NAMES,
    counts=st.integers(0, 10**12),
    response_model=NAMES,
    provider=NAMES,
    unpriced_reason=st.none() | NAMES,
    billed_nano=st.none() | st.integers(0, 10**16),
)


class _Tags(HTMLParser):
    """Which elements and which handlers of events a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.handlers: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = dict(attrs).get("src") or ""
        if not (tag == "img" and source.startswith("data:image/png;base64,")):  # the report's own figures
            self.found.add(tag)
        self.handlers |= {name for name, _ in attrs if name.startswith("on")}


@fuzz(5)
@given(entries=st.lists(lines, min_size=1, max_size=4, unique_by=lambda line: line.run_id))
def test_no_name_becomes_a_part_of_a_page(entries: list[LedgerEntry]) -> None:
    """A model's name comes from whoever answers, and a page of costs is opened by whoever pays."""
    store = InMemoryStore()
    for entry in entries:
        store.append(entry)
    found = CostReport(store)
    with TemporaryDirectory() as folder:
        page = found.save_html(Path(folder) / "a.html", by=["model", "chain", "user", "tag"]).read_bytes().decode()
    for html in (page, found._repr_html_()):
        tags = _Tags()
        tags.feed(html)
        assert not tags.handlers
        assert not tags.found & _TAGS
    str(found)


@fuzz(120)
@given(cells=st.lists(NAMES | st.integers() | st.none() | st.booleans(), min_size=1, max_size=4))
def test_a_row_of_a_table_is_one_line_that_computes_nothing(cells: list[Any]) -> None:
    """A spreadsheet runs what begins like a formula, and a terminal obeys escape codes."""
    text = row(cells)
    assert text.count("\n") == 1
    if text == "\n":  # one cell that is not known
        return
    (read,) = csv.reader(io.StringIO(text))
    assert len(read) == len(cells)
    for cell, given_cell in zip(read, cells, strict=True):
        if isinstance(given_cell, str):
            assert not cell.lstrip(" ").startswith(FORMULA_STARTS)
            assert "\x1b" not in cell
            assert "\x00" not in cell


@fuzz(60)
@given(value=st.lists(values, max_size=3) | st.dictionaries(texts, values, max_size=3))
def test_a_list_in_a_cell_can_be_printed(value: Any) -> None:
    """It is shown in a terminal and in a table."""
    text = as_json(value)
    assert text is None or text.isprintable()
