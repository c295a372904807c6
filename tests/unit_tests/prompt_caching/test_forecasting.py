"""What caching costs and saves is exact arithmetic on the prices of the day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from langchain_costguard import PriceBook, per_token
from langchain_costguard.prompt_caching import break_even_uses, rules_for
from langchain_costguard.prompt_caching.forecasting import Request, Traffic, forecast, read_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.prompt_caching import CachePlan
    from langchain_costguard.usage import TokenUsage

BOOK = PriceBook()


@pytest.mark.parametrize(
    ("write", "read", "uses"),
    [("1.25", "0.1", 2), ("2", "0.1", 3), ("1", "0.5", 2), ("2", "0.025", 3), ("1.25", "1", None), ("0", "0.1", 1)],
)
def test_break_even_is_the_first_use_that_pays(write: str, read: str, uses: int | None) -> None:
    """The second use within five minutes pays at Anthropic, and only the third within an hour."""
    assert break_even_uses(Fraction(write), Fraction(read)) == uses


def test_the_saving_of_the_facts_example_is_27_per_cent_of_the_bill() -> None:
    """Half price for 2,000 of 2,500 input tokens, with 300 of output, is no half of a bill."""
    plain = cost(BOOK, {"input_tokens": 2500, "output_tokens": 300})
    read = cost(BOOK, {"input_tokens": 2500, "output_tokens": 300, "input_token_details": {"cache_read": 2000}})
    assert (plain, read) == (Decimal("0.00925"), Decimal("0.00675"))
    assert round(1 - read / plain, 2) == Decimal("0.27")


def cost(book: PriceBook, usage: dict[str, object]) -> Decimal:
    """What gpt-4o charges."""
    found = book.price(usage, model="gpt-4o", provider="openai", at=datetime(2026, 11, 22, tzinfo=UTC))
    assert found is not None
    return found.total


def price_of(model: str, provider: str) -> Callable[[TokenUsage], int | None]:
    """Prices of a model."""

    def price(usage: TokenUsage) -> int | None:
        found = BOOK.price(usage, model=model, provider=provider, at=datetime(2026, 11, 22, tzinfo=UTC))
        return None if found is None else found.pico_usd

    return price


def test_back_to_back_calls_cost_one_write_and_the_rest_reads() -> None:
    """1 write at 2.50 and 9 reads at 0.20 dollars a million, and 10 times 100 other tokens at 2."""
    rules = rules_for("claude-sonnet-5", "anthropic")
    assert rules is not None
    made = forecast(
        Request(prefix_tokens=10_000, other_tokens=100),
        Traffic(calls=10, seconds=0),
        rules.lifetimes[0],
        rules,
        price_of("claude-sonnet-5", "anthropic"),
    )
    assert made is not None
    assert made.cost_with == Decimal("0.025") + 9 * Decimal("0.002") + 10 * Decimal("0.0002")
    assert made.cost_without == Decimal("0.202")
    assert (made.reads, made.writes) == (9.0, 1.0)


def test_gemini_pays_for_storage_by_the_hour() -> None:
    """Ten thousand tokens kept for two hours at 4.50 a million and hour are nine cents, whether read or not."""
    rules = rules_for("gemini-2.5-pro", "google_genai")
    assert rules is not None
    made = forecast(
        Request(prefix_tokens=10_000, other_tokens=0),
        Traffic(calls=2, seconds=2 * 3600),
        rules.lifetimes[0],
        rules,
        price_of("gemini-2.5-pro", "google"),
    )
    assert made is not None
    assert made.cost_with == Decimal("0.0125") + Decimal("0.00125") + Decimal("0.09")
    assert made.saved < 0


def test_calls_that_come_at_random_find_fewer_prefixes_than_a_metronome_would() -> None:
    """With a gap of four minutes on average, three in ten calls come after more than five."""
    share = float(read_share(300, 240, is_refreshed=True))
    assert round(share, 3) == 0.713
    assert float(read_share(300, 240, is_refreshed=False)) < share
    assert read_share(None, 240, is_refreshed=False) == read_share(300, 0, is_refreshed=True) == 1


def test_the_lifetime_follows_the_gap_between_calls(plan: Callable[..., CachePlan]) -> None:
    """Five minutes where calls come every half minute, an hour where they come every ten minutes."""
    often, seldom = plan(reuse=120, within=timedelta(hours=1)), plan(reuse=60, within=timedelta(hours=10))
    assert often.lifetime is not None
    assert seldom.lifetime is not None
    assert (often.lifetime.name, often.break_even_uses) == ("5m", 2)
    assert (seldom.lifetime.name, seldom.break_even_uses) == ("1h", 3)


def test_calls_further_apart_than_any_lifetime_are_not_worth_it(plan: Callable[..., CachePlan]) -> None:
    """Every call would pay for a write, and hardly one read."""
    made = plan(reuse=7, within=timedelta(days=7))
    assert made.worth_it is False
    assert made.forecast is not None
    assert made.forecast.saved < 0
    assert "1440 min apart" in made.reason


def test_your_own_prices_decide(plan: Callable[..., CachePlan]) -> None:
    """Where reading is no cheaper than sending again, nothing pays."""
    made = plan("gpt-4o", prices=PriceBook({"gpt-4o": per_token("2.5", 10)}))
    assert made.worth_it is False
    assert made.break_even_uses is None
