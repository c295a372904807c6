"""Prices that users state: read exactly, and refused with the number or key that was meant."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing import free, gpu_hour, per_call, per_token
from langchain_costguard.pricing.quotes import Dollars, price_from
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from langchain_costguard.pricing import Price

USED = TokenUsage(uncached_input=1000, cache_read=1000, cache_write_5m=1000, cache_write_1h=1000, output_text=1000)


def total(price: Price, usage: TokenUsage | None = USED, **measured: int) -> Decimal:
    """What a price charges."""
    cost = price.cost(usage, **measured)
    assert cost is not None
    return cost.total


@pytest.mark.parametrize("input_price", ["0.1", Decimal("0.1"), 0.1])
def test_dollars_are_read_exactly_whatever_their_type(input_price: Dollars) -> None:
    """`0.1` as a float means one tenth, not its binary neighbour."""
    assert total(per_token(input_price), TokenUsage(uncached_input=10)) == Decimal("0.000001")


def test_prices_not_given_follow_the_price_they_are_a_kind_of() -> None:
    """A cache read is input, thinking is output: never zero because it was not named."""
    assert total(per_token(2, 8)) == Decimal("0.016")
    assert total(per_token(2, 8, cache_write_usd_per_mtok=3)) == Decimal("0.018")
    assert total(per_token(2, 8, cache_write_usd_per_mtok=3, cache_write_1h_usd_per_mtok=4)) == Decimal("0.019")


def test_a_model_without_an_output_price_has_no_cost_for_output() -> None:
    """An embedding price applied to a chat answer must not give it away."""
    assert per_token("0.02").cost(USED) is None


def test_a_price_per_token_is_refused_with_the_price_per_million() -> None:
    """Pasting another library's $0.0000025 would make every report a million times too low."""
    with pytest.raises(PriceFormatError, match=r"did you mean 2\.5\?"):
        per_token(0.0000025, 10)
    with pytest.raises(PriceFormatError, match=r"output_usd_per_mtok=0\.00001 looks like .* did you mean 10\?"):
        per_token(2.5, "0.00001")


def test_a_price_far_above_any_model_is_refused() -> None:
    """A price in millionths of a dollar would make every report a million times too high."""
    with pytest.raises(PriceFormatError, match=r"did you mean 2\.5\?"):
        per_token(2_500_000, 10)


def test_an_explicit_zero_is_a_price() -> None:
    """Zero means free, and is not mistaken for a small price per token."""
    assert total(per_token(0, 0)) == Decimal(0)


@pytest.mark.parametrize("wrong", [-1, "-0.5", "NaN", "inf", "2,50", "$2.50", "", None, True, [1], float("nan")])
def test_what_is_no_price_is_refused(wrong: object) -> None:
    """Bad input is an error at the door, never a silent zero later."""
    with pytest.raises(PriceFormatError, match="usd_per_call"):
        per_call(wrong)


def test_free_is_an_explicit_zero_even_without_usage() -> None:
    """Free is known; unknown is None."""
    assert total(free()) == Decimal(0)
    assert total(free(), None) == Decimal(0)


def test_gpus_multiply_the_hourly_price() -> None:
    """A machine of eight costs eight times the price of one."""
    assert total(gpu_hour("2.5", gpus=8), None, busy_ns=3600 * 10**9) == Decimal(20)


@pytest.mark.parametrize("gpus", [0, -1])
def test_a_machine_without_gpus_is_refused(gpus: int) -> None:
    """It would be free."""
    with pytest.raises(PriceFormatError, match="1 or more"):
        gpu_hour(1, gpus=gpus)


def test_a_price_finer_than_a_pico_dollar_is_refused() -> None:
    """Rounding it silently would lose it."""
    with pytest.raises(PriceFormatError, match="12 decimal places"):
        gpu_hour("0.0000000000001")


def test_a_mapping_uses_the_keyword_names() -> None:
    """Prices may come from a JSON file of the user's."""
    card = price_from({"input_usd_per_mtok": "2", "output_usd_per_mtok": "8"}, path="p")
    assert total(card) == Decimal("0.016")
    assert total(price_from({"usd_per_call": "0.01"}, path="p"), None) == Decimal("0.01")
    hourly = price_from({"usd_per_gpu_hour": 1, "usd_per_call": 2}, path="p")
    assert total(hourly, None, busy_ns=3600 * 10**9) == Decimal(3)


@pytest.mark.parametrize(
    ("mapping", "hint"),
    [
        ({"input": 2.5}, "'input_usd_per_mtok'"),
        ({"output": 10}, "'output_usd_per_mtok'"),
        ({"input_per_1k": "0.0025"}, r"'input_usd_per_mtok', in US dollars per million tokens: 2\.5$"),
        ({"input_cost_per_token": 2.5e-06}, r"'input_usd_per_mtok', in US dollars per million tokens: 2\.5$"),
        ({"output_cost_per_token": "0.00001"}, r"'output_usd_per_mtok', in US dollars per million tokens: 10$"),
        ({"cache_read_input_token_cost": 1}, "'cache_read_usd_per_mtok'"),
        ({"usd_per_gpuhour": 1}, "'usd_per_gpu_hour'"),
        ({"output_usd_per_mtok": 1}, "input_usd_per_mtok is missing"),
        ({"usd_per_gpu_hour": 1, "input_usd_per_mtok": 1}, "not both"),
        ({}, "empty mapping"),
    ],
)
def test_a_mapping_in_another_unit_is_refused_with_the_key_that_was_meant(mapping: dict[str, Any], hint: str) -> None:
    """The unit is the mistake everybody makes; the message does the conversion."""
    with pytest.raises(PriceFormatError, match=hint):
        price_from(mapping, path="overrides['m']")


@pytest.mark.parametrize("wrong", [2.5, "2.5", None, (1, 2)])
def test_a_bare_number_is_no_price(wrong: object) -> None:
    """It does not say for what."""
    with pytest.raises(PriceFormatError, match=r"per_token\(input_usd_per_mtok, output_usd_per_mtok\)"):
        price_from(wrong, path="overrides['m']")
