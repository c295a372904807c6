"""Price lists from files: refused with the place that is wrong, or priced exactly and never below zero."""

# ruff: noqa: PT017 - mutated data may be refused or taken; what a refusal says is checked where it comes up

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from genai_prices import data_snapshot
from hypothesis import given

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing import Catalog, PriceBook
from langchain_costguard.usage import TokenUsage
from tests.fuzz.strategies import fuzz, json_files, values

if TYPE_CHECKING:
    from pathlib import Path

OWN: Final[dict[str, Any]] = {
    "schema": "costguard-prices/1",
    "name": "ours",
    "dated": "2026-11-21",
    "list_dates": {"genai-prices 0.2.3": "2026-11-09"},
    "models": [
        {
            "provider": "openai",
            "id": "own-model",
            "match": ["own-model", "own-*"],
            "prices": [
                {"from": "2025-04-14", "usd_per_mtok": {"input": "3", "cache_read": "0.75", "output": "12"}},
                {"usd_per_mtok": {"input": {"base": "3", "above": [[200000, "6"]]}}, "usd_per_call": "0.01"},
            ],
            "source": "a contract",
            "checked": "2026-11-21",
        }
    ],
    "rates": [
        {
            "provider": "openai",
            "match": ["gpt-4o*"],
            "from": "2024-10-01",
            "usd_per_mtok": {"audio_input": "100"},
            "source": "a page",
            "checked": "2026-11-21",
        }
    ],
    "uplifts": [
        {
            "provider": "openai",
            "match": ["own-*"],
            "not_match": ["own-x"],
            "region": ["us"],
            "factor": "1.1",
            "source": "a page",
            "checked": "2026-11-21",
        }
    ],
    "tiers": [{"provider": "groq", "tier": "flex", "same_as": "standard", "source": "a page", "checked": "2026-11-21"}],
    "moving": [{"provider": "mistral", "match": ["*-latest"], "source": "a page", "checked": "2026-11-21"}],
}
"""A list in our own schema that says something of everything."""

GENAI: Final[list[Any]] = [
    {
        "id": "openai",
        "name": "OpenAI",
        "pricing_urls": ["https://example.com"],
        "api_pattern": "https://api\\.openai\\.com",
        "model_match": {"contains": "gpt"},
        "provider_match": {"contains": "openai"},
        "extractors": [],
        "models": [
            {
                "id": "own-model",
                "name": "Own",
                "match": {"or": [{"equals": "own-model"}, {"starts_with": "own-"}, {"regex": "own.*"}]},
                "context_window": 128000,
                "prices": [
                    {"constraint": {"start_date": "2025-01-01"}, "prices": {"input_mtok": 2, "output_mtok": 8}},
                    {"prices": {"input_mtok": {"base": 3, "tiers": [{"start": 200000, "price": 6}]}}},
                ],
            }
        ],
    }
]
"""A list in the form of genai-prices."""


def check_price(catalog: Catalog) -> None:
    """Whatever the list says, a call has an exact price from zero, or none."""
    book = PriceBook(catalog=catalog)
    for region, batch in ((None, False), ("us", True)):
        usage = TokenUsage(uncached_input=300_000, cache_read=5, output_text=7, audio_input=1)
        cost = book.price(usage, model="own-model", provider="openai", region=region, batch=batch)
        assert cost is None or (type(cost.nano_usd) is int and cost.total >= 0)


@fuzz(120)
@given(data=json_files(OWN) | json_files(GENAI))
def test_a_list_is_read_or_refused(data: bytes, tmp_path: Path) -> None:
    """A wrong price is charged to every call until somebody looks."""
    file = tmp_path / "prices.json"
    file.write_bytes(data)
    try:
        catalog = Catalog.from_file(file)
    except PriceFormatError as error:
        assert "prices.json" in str(error)
        return
    check_price(catalog)


def test_the_lists_that_are_mutated_are_valid(tmp_path: Path) -> None:
    """A list that was refused from the start would test nothing."""
    for valid in (OWN, GENAI):
        file = tmp_path / "prices.json"
        file.write_text(json.dumps(valid), encoding="utf-8")
        book = PriceBook(catalog=Catalog.from_file(file))
        assert book.price(TokenUsage(uncached_input=100), model="own-model", provider="openai") is not None


@fuzz(60)
@given(model=values, provider=values, tier=values, region=values)
def test_any_name_has_a_price_or_a_reason(model: Any, provider: Any, tier: Any, region: Any) -> None:
    """Names come from whoever answers; the longest and oddest of them end at once."""
    named = [value if isinstance(value, str) else None for value in (provider, tier, region)]
    book = BOOK
    cost = book.price(TokenUsage(5), model=str(model), provider=named[0], service_tier=named[1], region=named[2])
    if cost is None:
        assert book.why_unpriced(str(model), named[0], service_tier=named[1], region=named[2])


BOOK: Final = PriceBook()


def test_the_bundled_list_is_read() -> None:
    """It is foreign data too, and comes with each release of its package."""
    assert data_snapshot.get_snapshot().providers
    assert Catalog.bundled().providers
