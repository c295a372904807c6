"""Rate cards: exact integers, cliffs, missing rates, and what explains a cost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from langchain_costguard.cost import CostLine, PriceSource
from langchain_costguard.pricing import PriceBook
from langchain_costguard.pricing.rates import GpuHourCard, RateCard, card_of, divide_half_even
from langchain_costguard.usage import TokenUsage

SOURCE = PriceSource("test", "1", "acme", "model")
LONG = SOURCE._replace(context="input>200000")


def usd(*prices: str | None) -> tuple[Decimal | None, ...]:
    """Prices per million tokens, one per bucket."""
    return tuple(None if price is None else Decimal(price) for price in prices)


FLAT = card_of(usd("3", "0.3", "3.75", "6", "3", "15", "15", "15"), source=SOURCE)
CLIFF = card_of(
    usd(*["1.25"] * 5, *["10"] * 3), source=SOURCE, steps=((200_000, usd(*["2.5"] * 5, *["15"] * 3), LONG),)
)


def total(card: RateCard, **tokens: int) -> Decimal:
    """What the card charges for these tokens."""
    cost = card.cost(TokenUsage(**tokens))
    assert cost is not None
    return cost.total


def test_each_bucket_is_charged_at_its_own_rate() -> None:
    """A cache write for an hour costs 60 % more than one for five minutes; mixing them up is the rivals' error."""
    assert total(FLAT, uncached_input=1000) == Decimal("0.003")
    assert total(FLAT, cache_read=1000) == Decimal("0.0003")
    assert total(FLAT, cache_write_5m=1000) == Decimal("0.00375")
    assert total(FLAT, cache_write_1h=1000) == Decimal("0.006")
    assert total(FLAT, output_text=500, reasoning=500) == Decimal("0.015")


def test_the_threshold_itself_still_has_the_lower_rate() -> None:
    """Providers say 'more than 200k tokens'; one token decides over double the price."""
    assert total(CLIFF, uncached_input=200_000) == Decimal("0.25")
    assert total(CLIFF, uncached_input=200_001) == Decimal("0.5000025")


def test_beyond_the_threshold_all_tokens_cost_more_output_included() -> None:
    """The cliff re-rates the whole call, not the tokens above it."""
    assert total(CLIFF, uncached_input=100_000, cache_read=200_000, output_text=1000) == Decimal("0.765")


def test_a_cost_beyond_the_threshold_names_it_as_its_source() -> None:
    """A line must explain why it is dearer than its neighbour."""
    cost = CLIFF.cost(TokenUsage(uncached_input=200_001))
    assert cost is not None
    assert cost.source == LONG


def test_the_highest_of_several_thresholds_wins() -> None:
    """Steps are given in any order."""
    steps = tuple((above, usd(*[price] * 8), SOURCE) for above, price in ((100, "2"), (300, "4"), (200, "3")))
    card = card_of(usd(*["1"] * 8), source=SOURCE, steps=steps)
    assert [total(card, uncached_input=count) for count in (100, 101, 201, 301)] == [
        Decimal("0.0001"),
        Decimal("0.000202"),
        Decimal("0.000603"),
        Decimal("0.001204"),
    ]


def test_a_used_bucket_without_a_rate_has_no_cost_instead_of_none_of_it() -> None:
    """Zero would say free; the list said nothing."""
    embedding = card_of(usd("0.02", "0.02", "0.02", "0.02", "0.02", None, None, None), source=SOURCE)
    assert total(embedding, uncached_input=1000) == Decimal("0.00002")
    assert embedding.cost(TokenUsage(uncached_input=1000, output_text=1)) is None


def test_prices_with_many_decimals_stay_exact() -> None:
    """Resellers list prices with 18 decimals; the scale of the card grows until they are whole."""
    card = card_of(usd(*["0.100000000000000001"] * 8), source=SOURCE)
    assert card.rates[0] == 100000000000000001
    assert total(card, uncached_input=10**6) == Decimal("0.1")
    assert total(card, uncached_input=5 * 10**12) == Decimal("500000.000000000005")


def test_a_total_is_rounded_once_and_half_to_even() -> None:
    """Rounding each bucket would drift; rounding half up would lean to one side."""
    card = card_of(usd(*["0.0000005"] * 8), source=SOURCE)
    assert [total(card, uncached_input=count) for count in (1, 2, 3)] == [
        Decimal(0),
        Decimal("0.000000000001"),
        Decimal("0.000000000002"),
    ]
    assert total(card, uncached_input=1, output_text=1) == Decimal("0.000000000001")


@pytest.mark.parametrize(("amount", "rounded"), [(5, 0), (6, 1), (15, 2), (25, 2), (26, 3), (35, 4), (0, 0)])
def test_halves_go_to_the_even_neighbour(amount: int, rounded: int) -> None:
    """The one rounding rule of all money here."""
    assert divide_half_even(amount, 10) == rounded


def test_calls_are_charged_beside_tokens() -> None:
    """Perplexity and the user's own API bill both."""
    card = card_of(usd(*["1"] * 8), source=SOURCE, usd_per_call=Decimal("0.005"))
    cost = card.cost(TokenUsage(uncached_input=1000), calls=2)
    assert cost is not None
    assert cost.total == Decimal("0.011")


def test_usage_that_is_not_known_has_no_cost_unless_only_calls_are_charged() -> None:
    """A token price cannot be applied to nothing; a price per call can."""
    assert FLAT.cost(None) is None
    per_call = card_of(usd(*["0"] * 8), source=SOURCE, usd_per_call=Decimal("0.01"))
    cost = per_call.cost(None, calls=3)
    assert cost is not None
    assert cost.total == Decimal("0.03")


def test_the_breakdown_lists_used_buckets_and_adds_up_to_the_total() -> None:
    """Whoever doubts a figure can recompute it."""
    cost = CLIFF.cost(TokenUsage(uncached_input=100_000, cache_read=200_000, reasoning=10))
    assert cost is not None
    assert [line.bucket for line in cost.breakdown] == ["uncached_input", "cache_read", "reasoning"]
    assert cost.breakdown[0] == CostLine("uncached_input", 100_000, "token", Decimal("0.0000025"), Decimal("0.25"))
    assert sum(line.amount for line in cost.breakdown) == cost.total


def test_gpu_hours_and_calls_make_the_example_of_the_requirements() -> None:
    """10 hours at $0.1 and 1,000 calls at $0.01 are $11."""
    card = GpuHourCard(pico_usd_per_hour=10**11, pico_usd_per_call=10**10, source=SOURCE)
    cost = card.cost(None, calls=1000, busy_ns=10 * 3600 * 10**9)
    assert cost is not None
    assert cost.total == Decimal(11)
    assert [(line.bucket, line.quantity, line.amount) for line in cost.breakdown] == [
        ("gpu_hour", Decimal(10), Decimal(1)),
        ("call", 1000, Decimal(10)),
    ]


def test_gpu_hours_without_a_measured_time_have_no_cost() -> None:
    """A machine was used; calling that free would be false."""
    assert GpuHourCard(pico_usd_per_hour=10**11, source=SOURCE).cost(TokenUsage(output_text=5)) is None


def test_the_dearest_rates_of_a_card_include_its_long_context() -> None:
    """An upper bound that forgets the cliff is none."""
    assert CLIFF.dearest() == (2_500_000,) * 5 + (15_000_000,) * 3


def test_the_usage_of_several_calls_is_long_only_where_their_mean_is() -> None:
    """Ten calls of 100,000 tokens in one bucket of a provider's report are not one call of a million."""
    book = PriceBook()
    million = TokenUsage(uncached_input=1_000_000)
    of_ten, of_one, of_two = (book.price(million, model="gpt-5.4", calls=calls) for calls in (10, 1, 2))
    assert of_ten is not None
    assert of_one is not None
    assert of_two is not None
    assert (of_ten.total, of_one.total, of_two.total) == (Decimal("2.5"), Decimal(5), Decimal(5))
    assert sum(line.amount for line in of_ten.breakdown) == of_ten.total
