"""What compression saves in money, with the provider's cache counted in."""

from __future__ import annotations

from decimal import Decimal

import pytest

from langchain_costguard import PriceBook, per_token
from langchain_costguard.compression import ContextCompressor, net_saving

RATES = per_token(
    "3", "15", cache_read_usd_per_mtok="0.3", cache_write_usd_per_mtok="3.75", cache_write_1h_usd_per_mtok="6"
)
BOOK = PriceBook({"cached": RATES})


def test_tokens_left_out_of_an_uncached_prompt_save_their_price() -> None:
    """The simple case."""
    found = net_saving(prompt_tokens=10_000, saved_tokens=6_000, model="cached", prices=BOOK)
    assert (found.before, found.after, found.net) == (Decimal("0.03"), Decimal("0.012"), Decimal("0.018"))
    assert not found.is_loss


def test_breaking_a_cached_prefix_costs_more_than_it_saves() -> None:
    """Reading ten thousand tokens from the cache is cheaper than writing four thousand anew."""
    found = net_saving(
        prompt_tokens=10_000, saved_tokens=6_000, model="cached", cached_prefix_tokens=10_000, prices=BOOK
    )
    assert (found.before, found.after, found.net) == (Decimal("0.003"), Decimal("0.015"), Decimal("-0.012"))
    assert found.is_loss


def test_it_pays_after_enough_later_calls() -> None:
    """Each later call reads six thousand tokens less: seven of them pay for the write."""
    nets = [
        net_saving(
            prompt_tokens=10_000, saved_tokens=6_000, model="cached", cached_prefix_tokens=10_000, later_calls=calls,
            prices=BOOK,
        ).net
        for calls in (6, 7)
    ]  # fmt: skip
    assert nets == [Decimal("-0.0012"), Decimal("0.0006")]


def test_what_stands_before_the_first_change_is_still_read_from_the_cache() -> None:
    """Only what comes behind is paid again, here for an hour's writing."""
    found = net_saving(
        prompt_tokens=10_000, saved_tokens=1_000, model="cached", cached_prefix_tokens=9_000, unchanged_tokens=8_000,
        cache_lifetime="1h", prices=BOOK,
    )  # fmt: skip
    assert found.before == Decimal("0.0027") + Decimal("0.006")
    assert found.after == Decimal("0.0024") + Decimal("0.006")


def test_the_price_of_compressing_counts_and_an_unknown_one_is_not_zero() -> None:
    """A saving that forgets its own cost is a claim."""
    paid = net_saving(prompt_tokens=1000, saved_tokens=500, model="cached", compression_cost="0.002", prices=BOOK)
    assert paid.net == Decimal("-0.0005")
    assert net_saving(prompt_tokens=10, saved_tokens=5, model="nobody-knows-it", prices=BOOK).net is None
    assert net_saving(prompt_tokens=10, saved_tokens=5, model="cached", compression_cost=None, prices=BOOK).net is None


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"saved_tokens": 11}, "at most prompt_tokens=10"),
        ({"saved_tokens": -1}, "give 0 or more"),
        ({"saved_tokens": 1, "cached_prefix_tokens": 11}, "cached_prefix_tokens=11"),
        ({"saved_tokens": 1, "cache_lifetime": "2h"}, "'5m' or '1h'"),
    ],
)
def test_impossible_numbers_are_refused(numbers: dict[str, object], message: str) -> None:
    """A negative number of tokens would turn losses into savings."""
    with pytest.raises(ValueError, match=message):
        net_saving(prompt_tokens=10, model="cached", prices=BOOK, **numbers)  # type: ignore[arg-type] # what is tested


def test_a_cached_context_stays_as_it_is_where_leaving_out_loses_money() -> None:
    """The bound is given up for money only, and the result says so."""
    birds = " ".join(f"Bird {number} sings in the garden all day." for number in range(100))
    text = birds + " " + " ".join(f"Line {number} speaks of tea and of the weather." for number in range(120))
    careful = ContextCompressor(1200, for_model="cached", prices=BOOK)
    result = careful.compress(text, "What does line 7 speak of?", cached_prefix_tokens=3000)
    assert (result.text, result.saved_tokens) == (text, 0)
    assert "more than it saves" in (result.skipped_reason or "")
    assert result.net is not None
    assert result.net.is_loss
    fresh = careful.compress(text, "What does line 7 speak of?")
    assert fresh.tokens <= 1200
    assert fresh.net is not None
    assert fresh.net.net == Decimal(fresh.saved_tokens) * Decimal("0.000003")
