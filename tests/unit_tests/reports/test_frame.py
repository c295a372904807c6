"""The lines as a frame of pandas."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.exceptions import OptionalDependencyError
from langchain_costguard.reports import CostReport
from langchain_costguard.reports.frame import COLUMNS

if TYPE_CHECKING:
    from langchain_costguard.stores.memory import InMemoryStore
    from tests.unit_tests.reports.conftest import Book


def test_every_line_comes_back_as_it_was_booked(store: InMemoryStore, book: Book) -> None:
    """A frame is where people check us."""
    line = book(cost="0.0075", tokens=(2000, 250), user="ann", tags=("a", "b"), metadata={"team": "shop"})
    frame = CostReport(store).to_pandas()
    assert tuple(frame.columns) == COLUMNS
    row = frame.iloc[0]
    assert row["run_id"] == str(line.run_id)
    assert row["started_at_utc"] == line.started_at_utc
    assert (row["request_model"], row["user"], row["tags"], row["metadata"]) == (
        "gpt-4o",
        "ann",
        ("a", "b"),
        {"team": "shop"},
    )
    assert (row["input_tokens"], row["output_tokens"], row["billed_cost"]) == (2000, 250, Decimal("0.0075"))
    assert row["price_list"] == "genai-prices 0.2.3"


def test_sums_of_a_frame_are_exact_and_skip_the_unknown(store: InMemoryStore, book: Book) -> None:
    """Ten dimes in floats are not a dollar."""
    for _ in range(10):
        book(cost="0.1")
    book(cost=None)
    frame = CostReport(store).to_pandas()
    assert frame["billed_cost"].sum() == Decimal(1)
    assert frame["billed_cost"].isna().sum() == 1
    by_model = frame.groupby("request_model")["billed_cost"].sum()
    assert by_model["gpt-4o"] == Decimal(1)


def test_unknown_tokens_are_missing_and_not_zero(store: InMemoryStore, book: Book) -> None:
    """A mean over invented zeros is a wrong mean."""
    book(tokens=(10, 1), at="2026-03-02T12:00")
    book(cost=None, tokens=None, at="2026-03-02T12:01")
    frame = CostReport(store).to_pandas()
    assert str(frame["input_tokens"].dtype) == "Int64"
    assert frame["input_tokens"].isna().tolist() == [False, True]


def test_an_empty_frame_has_the_same_columns(store: InMemoryStore) -> None:
    """Code that reads a column must not fail on a quiet day."""
    frame = CostReport(store).to_pandas()
    assert tuple(frame.columns) == COLUMNS
    assert str(frame["started_at_utc"].dtype).startswith("datetime64[")


def test_without_pandas_the_error_names_the_extra(store: InMemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is the way out."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(OptionalDependencyError, match=r"langchain-costguard\[notebook\]"):
        CostReport(store).to_pandas()
