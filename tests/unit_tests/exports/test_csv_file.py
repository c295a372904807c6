"""A CSV export is read by others: every figure as it was, and nothing in it is executed."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.exceptions import StoreError
from langchain_costguard.exports import CSV_COLUMNS, export_entries, write_csv, write_focus, write_jsonl
from langchain_costguard.exports.cells import FORMULA_STARTS, row
from langchain_costguard.savings import Savings
from langchain_costguard.stores import InMemoryStore, SQLStore
from langchain_costguard.testing.lines import full_entry, make_entry, random_lines
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from langchain_costguard.ledger import LedgerEntry

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "＝1+1",  # noqa: RUF001 - the full-width form
    "a;=1+1",
    'a","=1+1',
    "a\r\n=1+1",
    "\x1b[2J\x1b]0;owned\x07",
    "<script>alert(1)</script>",
    "'; DROP TABLE lines; --",
    "nul\x00nul",
    "half\ud800",
    "Zürich 東京",
]


def rows_of(*entries: LedgerEntry) -> list[dict[str, str]]:
    """The rows as the standard library reads them."""
    file = io.StringIO()
    assert write_csv(entries, file) == len(entries)
    return list(csv.DictReader(io.StringIO(file.getvalue()), strict=True))


def test_every_figure_of_a_line_is_in_its_row() -> None:
    """Finance adds up what is there, to the last digit."""
    (found,) = rows_of(full_entry())
    assert tuple(found) == CSV_COLUMNS
    assert Decimal(found["billed_usd"]) == Decimal("0.000000011")
    assert Decimal(found["list_usd"]) == Decimal("0.000000012")
    assert Decimal(found["reported_usd"]) == Decimal("0.000000013")
    assert Decimal(found["avoided_usd"]) == Decimal("0.000000014")
    assert Decimal(found["baseline_usd"]) == Decimal("0.000000015")
    assert Decimal(found["saved_cascade_usd"]) == Decimal("-0.000000025")
    assert (found["input_tokens"], found["output_tokens"], found["cache_read_tokens"]) == ("15", "21", "2")
    assert (found["saved_input_tokens"], found["baseline_model"]) == ("21", "gpt-4-turbo")
    assert json.loads(found["techniques"]) == ["cascade", "cache"]
    assert json.loads(found["tags"]) == ["a", "b"]
    assert json.loads(found["metadata"]) == {"text": "x", "whole": 1, "part": 0.1, "flag": True}
    assert (found["started_at_utc"], found["batch"], found["error"]) == (
        "2026-03-29T08:00:00.123456Z",
        "true",
        "RateLimitError",
    )
    assert {f"saved_{step}_usd" for step in Savings._fields} < set(found)


def test_pandas_reads_numbers_as_numbers_and_the_unknown_as_missing(tmp_path: Path) -> None:
    """A quoted number or a zero for the unknown would make a wrong sum without a word."""
    path, lines = tmp_path / "costs.csv", random_lines(300)
    write_csv(lines, path)
    frame = pd.read_csv(path, parse_dates=["started_at_utc"])
    assert len(frame) == 300
    known = [line.billed_nano for line in lines if line.billed_nano is not None]
    assert frame["billed_usd"].isna().sum() == 300 - len(known) > 0
    assert frame["billed_usd"].sum() == pytest.approx(sum(known) / 1e9)
    exact = pd.read_csv(path, dtype={"billed_usd": str})["billed_usd"].dropna()
    assert sum(map(Decimal, exact)) == Decimal(sum(known)) / 10**9
    assert frame["input_tokens"].isna().sum() == sum(line.usage is None for line in lines)
    assert frame["started_at_utc"].dt.tz is not None
    assert [*frame["run_id"]] == [str(line.run_id) for line in lines]


def test_unknown_and_free_stay_apart() -> None:
    """An empty cell is not a zero."""
    unknown, free = rows_of(make_entry(billed_nano=None, usage=None), make_entry(billed_nano=0, usage=TokenUsage()))
    assert (unknown["billed_usd"], unknown["input_tokens"]) == ("", "")
    assert (free["billed_usd"], free["input_tokens"]) == ("0", "0")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_a_formula_or_an_escape(text: str) -> None:
    """Whoever names a tag must not run a command on the accountant's machine."""
    line = make_entry(user=text, chain=text, request_model=text, tags=(text,), metadata={text: text}, thread=text)
    file = io.StringIO()
    write_csv([line], file)
    assert file.getvalue().count("\n") == 2
    assert file.getvalue().replace("\n", "").isprintable()
    (found,) = rows_of(line)
    assert [name for name, cell in found.items() if cell.lstrip(" ").startswith(FORMULA_STARTS)] == []
    assert found["billed_usd"] == "0.00021"
    file.getvalue().encode("utf-8")


def test_lists_stay_json_where_letters_are_spelled_out() -> None:
    """A no-break space in a tag, spelled as Python does, is an escape that JSON does not know."""
    tags = ("10\xa0USD", "a\x7fb", "\u2028", "\U000e0067", "naïve 漢")
    store = InMemoryStore()
    store.append(make_entry(tags=tags, metadata={"k\xad": "v\n"}))
    file = io.StringIO()
    write_csv(store.entries(), file)
    (cells,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert json.loads(cells["tags"]) == list(tags)
    assert json.loads(cells["metadata"]) == {"k\xad": "v\n"}
    assert cells["tags"].isprintable()
    assert "naïve 漢" in cells["tags"]


def test_a_cell_that_a_semicolon_splits_elsewhere_is_one_cell_in_quotes() -> None:
    """Spreadsheets of half of Europe split at semicolons: what stands behind one would be a cell of its own."""
    assert row(["a;=1+1"]) == '"a;=1+1"\n'
    assert next(csv.reader(io.StringIO(row(["a;=1+1"])), delimiter=";")) == ["a;=1+1"]


def test_negative_amounts_stay_numbers() -> None:
    """An apostrophe in front of a refund would leave it out of the sum."""
    line = make_entry(kind="adjustment", calls=0, usage=None, billed_nano=-1_500_000_000)
    (found,) = rows_of(line)
    assert found["billed_usd"] == "-1.5"


@given(st.lists(st.text() | st.sampled_from(HOSTILE), min_size=1))
def test_each_row_is_read_back_with_as_many_cells(texts: list[str]) -> None:
    """One cell too many shifts a column of money under another heading."""
    line = row(texts)
    (cells,) = csv.reader(io.StringIO(line), strict=True)
    assert len(cells) == len(texts)
    assert line.count("\n") == 1


def test_an_empty_ledger_is_a_heading_alone(tmp_path: Path) -> None:
    """A reader finds the columns even where nothing was called."""
    path = tmp_path / "costs.csv"
    assert write_csv([], path) == 0
    assert [*pd.read_csv(path).columns] == list(CSV_COLUMNS)


def test_lines_are_written_as_they_come() -> None:
    """A ledger of a million lines does not fit into memory twice."""
    file = io.StringIO()

    def entries() -> Iterator[LedgerEntry]:
        for number in range(3):
            assert file.getvalue().count("\n") == number + 1
            yield make_entry()

    assert write_csv(entries(), file) == 3


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_focus])
def test_a_store_that_disappears_leaves_what_was_there_and_no_half_file(
    write: Callable[..., Any], tmp_path: Path
) -> None:
    """A half month that looks like a whole one is the worst export of all."""

    def breaking() -> Iterator[LedgerEntry]:
        yield from random_lines(50)
        msg = "the database does not answer"
        raise StoreError(msg)

    path = tmp_path / "costs"
    with pytest.raises(StoreError, match="does not answer"):
        write(breaking(), path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("last month")
    with pytest.raises(StoreError, match="does not answer"):
        write(breaking(), path)
    assert path.read_text() == "last month"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_csv, write_jsonl, write_focus])
def test_a_path_that_cannot_be_written_is_an_error_and_a_ledger_is_spared(
    write: Callable[..., Any], tmp_path: Path
) -> None:
    """A mistyped path is said, and one suffix away from it is the ledger itself."""
    with pytest.raises(FileNotFoundError):
        write([make_entry()], tmp_path / "nowhere" / "costs")
    with SQLStore(tmp_path / "costs.db") as store:
        store.append(make_entry())
        with pytest.raises(FileExistsError, match="it is a SQLite database"):
            write(store.entries(), tmp_path / "costs.db")
        assert len(list(store.entries())) == 1


def test_the_two_forms_of_one_ledger_say_the_same(tmp_path: Path) -> None:
    """JSON lines are the archive, and CSV is what people see of it."""
    store = InMemoryStore()
    for line in random_lines(100):
        store.append(line)
    export_entries(store, tmp_path / "costs.jsonl")
    write_csv(store.entries(), tmp_path / "costs.csv")
    archived = [json.loads(text) for text in (tmp_path / "costs.jsonl").read_text().splitlines()]
    with (tmp_path / "costs.csv").open(newline="") as file:
        shown = list(csv.DictReader(file))
    for one, other in zip(archived, shown, strict=True):
        nano = one.get("billed_nano_usd")
        assert other["billed_usd"] == ("" if nano is None else f"{Decimal(nano) / 10**9:f}")
        saved = one.get("savings_nano_usd")
        total = sum((Decimal(other[f"saved_{step}_usd"] or 0) for step in Savings._fields), Decimal())
        assert total == Decimal(sum(saved.values()) if saved else 0) / 10**9
