"""A price list of one's own that is wrong is refused with the place, and never priced by what it does not say."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing import Catalog, PriceBook
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from pathlib import Path

MODEL: dict[str, Any] = {
    "provider": "openai",
    "id": "own",
    "match": ["own"],
    "prices": [{"usd_per_mtok": {"input": "3"}}],
    "source": "a contract",
    "checked": "2026-11-21",
}


def catalog_of(path: Path, text: str) -> Catalog:
    """The catalogue of a file with this text."""
    path.write_text(text, encoding="utf-8")
    return Catalog.from_file(path)


def listed(path: Path, **changed: Any) -> Catalog:
    """The catalogue of a file with one model."""
    own = {"schema": "costguard-prices/1", "dated": "2026-11-21", "models": [MODEL | changed]}
    return catalog_of(path, json.dumps(own))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"match": "own-*"}, "match: 'own-\\*' is no list of names"),
        ({"match": 5}, "match: 5 is no list of names"),
        ({"not_match": None}, "not_match: None is no list of names"),
        ({"region": "us"}, "region: 'us' is no list of names"),
        ({"batch": "false"}, "batch: 'false' is neither true nor false"),
        ({"prices": [{"usd_per_mtok": {"input": "1e400"}}]}, "'1e400' is no price"),
        ({"prices": [{"usd_per_mtok": {"input": "1e-99999999"}}]}, "'1e-99999999' is no price"),
        ({"prices": [{"usd_per_call": "1e999999"}]}, "'1e999999' is no price"),
        ({"prices": [{"usd_per_call": "2." + "1" * 5000}]}, "'2.1111111111.* is no price"),
        ({"prices": [{"usd_per_mtok": {"input": {"base": "3", "above": 5}}}]}, "5 is no step"),
        ({"prices": [{"usd_per_mtok": {"input": {"base": "3", "above": [["a", "6"]]}}}]}, "is no step"),
        ({"prices": [{"usd_per_mtok": {"input": {"base": "3", "above": [[True, "6"]]}}}]}, "is no step"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    """A text in the place of a list was read as its letters, and matched nothing or everything."""
    with pytest.raises(PriceFormatError, match=message):
        listed(tmp_path / "prices.json", **changed)


def test_a_list_that_begins_with_a_mark_of_its_encoding_is_read(tmp_path: Path) -> None:
    """Editors of Windows write it."""
    own = {"schema": "costguard-prices/1", "dated": "2026-11-21", "models": [MODEL]}
    book = PriceBook(catalog=catalog_of(tmp_path / "prices.json", "\ufeff" + json.dumps(own)))
    cost = book.price(TokenUsage(1_000_000), model="own", provider="openai")
    assert cost is not None
    assert cost.total == Decimal(3)


def test_a_list_nested_too_deep_is_refused(tmp_path: Path) -> None:
    """No error but ours leaves a reader of files."""
    with pytest.raises(PriceFormatError, match="is not JSON"):
        catalog_of(tmp_path / "prices.json", "[" * 100_000)


@pytest.mark.parametrize("prices", [[], [{"prices": {"input_mtok": -2}}], {"input_mtok": "-2"}])
def test_a_list_of_genai_prices_without_prices_or_below_zero_is_refused(prices: Any, tmp_path: Path) -> None:
    """It was taken, and ended in an error, or in money back, at the first call."""
    model = {"id": "own", "match": {"equals": "own"}, "prices": prices}
    provider = {"id": "openai", "name": "OpenAI", "api_pattern": "openai", "models": [model]}
    with pytest.raises(PriceFormatError, match="is not a price list"):
        catalog_of(tmp_path / "prices.json", json.dumps([provider]))
