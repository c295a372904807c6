"""The 60 hand-priced cases: exact to the nano-dollar where there is a list price, unknown where there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from langchain_costguard.pricing import PriceBook

BATTERY = json.loads((Path(__file__).parents[2] / "data" / "battery.json").read_text(encoding="utf-8"))["cases"]
PRICED_ON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOVING_ALIASES = {"58", "59"}


def as_usage_metadata(usage: dict[str, int]) -> dict[str, Any]:
    """The case's usage as LangChain's integrations report it: Anthropic's lifetimes zero `cache_creation`."""
    inputs = {"cache_read": usage["cache_read"], "audio": usage["audio_input"]}
    if usage["cache_creation_5m"] or usage["cache_creation_1h"]:
        inputs["cache_creation"] = 0
        inputs["ephemeral_5m_input_tokens"] = usage["cache_creation_5m"]
        inputs["ephemeral_1h_input_tokens"] = usage["cache_creation_1h"]
    else:
        inputs["cache_creation"] = usage["cache_creation"]
    return {
        "input_tokens": usage["input_tokens"],
        "output_tokens": usage["output_tokens"],
        "total_tokens": usage["input_tokens"] + usage["output_tokens"],
        "input_token_details": inputs,
        "output_token_details": {"reasoning": usage["reasoning"], "audio": usage["audio_output"]},
    }


def price_of(case: dict[str, Any], book: PriceBook) -> Decimal | None:
    """What the book says the case costs on the day the battery was priced."""
    cost = book.price(
        as_usage_metadata(case["usage"]),
        model=case["model"],
        provider=case["provider"],
        service_tier=case["service_tier"],
        batch=case["batch"],
        at=PRICED_ON,
    )
    return None if cost is None else cost.total


@pytest.fixture(scope="module")
def book() -> PriceBook:
    """One book for all cases, as a process has."""
    return PriceBook()


@pytest.mark.parametrize("case", BATTERY, ids=lambda case: f"{case['id']} {case['name']}")
def test_a_hand_priced_case_costs_what_the_provider_bills(case: dict[str, Any], book: PriceBook) -> None:
    """These are the calls on which every rival is wrong somewhere; a wrong price here is a wrong bill."""
    if case["id"] in MOVING_ALIASES:
        assert price_of(case, book) is None or book.resolve(case["model"], case["provider"]).source.effective_from
    elif case["expected_usd"] is None:
        assert price_of(case, book) is None
    else:
        assert price_of(case, book) == Decimal(case["expected_usd"])


def test_the_battery_is_whole() -> None:
    """A lost case would pass silently: 60 cases, of which 54 have a list price."""
    assert len(BATTERY) == 60
    assert sum(case["expected_usd"] is not None for case in BATTERY) == 54


def test_every_case_without_a_price_says_what_would_give_it_one(book: PriceBook) -> None:
    """An unpriced call is only honest if the user learns how to price it."""
    for case in BATTERY:
        if case["expected_usd"] is None:
            assert "give" in book.why_unpriced(case["model"], case["provider"])
