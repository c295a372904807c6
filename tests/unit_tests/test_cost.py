"""Money: exact sums, one rounding, and Decimal faces."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.cost import (
    NANO_PER_USD,
    PICO_PER_USD,
    Cost,
    PriceSource,
    nano_half_even,
    nano_up,
    to_usd,
)

amounts = st.integers(0, 10**24)


def test_a_cost_shows_exact_dollars() -> None:
    """No float, no exponent, no trailing noise."""
    assert Cost(7_500_000_000).total == Decimal("0.0075")
    assert str(Cost(7_500_000_000).total) == "0.0075"
    assert str(Cost(11 * PICO_PER_USD).total) == "11"
    assert str(Cost(100 * PICO_PER_USD).total) == "100"
    assert Cost(1).total == Decimal("0.000000000001")


def test_costs_add_up_and_keep_their_list_price() -> None:
    """A sum of discounted calls still knows what the list would have said."""
    both = Cost(6, list_pico_usd=10) + Cost(5)
    assert (both.pico_usd, both.list_pico_usd) == (11, 15)
    assert both.source is None
    assert sum([Cost(1), Cost(2)], Cost.zero()) == Cost(3)


def test_a_cost_does_not_add_to_other_things() -> None:
    """A number without a unit is no money."""
    with pytest.raises(TypeError):
        Cost(1) + 1  # type: ignore[operator]  # wrong on purpose


def test_costs_compare_by_amount_owed_and_listed() -> None:
    """Where they come from does not matter, what they are does."""
    assert Cost(5, source=PriceSource("a", "1", "p", "m")) == Cost(5)
    assert hash(Cost(5)) == hash(Cost(5))
    assert Cost(5) != Cost(5, list_pico_usd=6)
    assert Cost(5) != 5


def test_the_zero_cost_is_known_and_free() -> None:
    """Unknown is None, not this."""
    assert Cost.zero().total == Decimal(0)
    assert Cost.zero().breakdown == ()
    assert repr(Cost.zero()) == "Cost(0 USD)"


@pytest.mark.parametrize(("pico", "nano"), [(499, 0), (500, 0), (501, 1), (1500, 2), (2500, 2), (2501, 3)])
def test_a_call_is_booked_half_to_even(pico: int, nano: int) -> None:
    """Once per call; half up would overcharge the sum."""
    assert nano_half_even(pico) == nano
    assert Cost(pico).nano_usd == nano
    assert Cost(0, list_pico_usd=pico).list_nano_usd == nano


@pytest.mark.parametrize(("pico", "nano"), [(0, 0), (1, 1), (1000, 1), (1001, 2)])
def test_a_call_is_reserved_rounded_up(pico: int, nano: int) -> None:
    """A reservation below the bill would let a budget overrun."""
    assert nano_up(pico) == nano


@given(amounts)
def test_dollars_lose_nothing_for_any_amount(amount: int) -> None:
    """Decimal's default context would round at 28 digits."""
    assert to_usd(amount, PICO_PER_USD).scaleb(12) == amount
    assert to_usd(amount, NANO_PER_USD).scaleb(9) == amount


@pytest.mark.parametrize("digits", [29, 47, 48, 49, 61, 200, 5_000])
def test_an_absurd_amount_is_still_exact_dollars(digits: int) -> None:
    """A broken price or token count must show as what it is, not break the report of every other call."""
    for amount in (10**digits, 10**digits + 1, -(10**digits) - 1):
        dollars = to_usd(amount, PICO_PER_USD)
        assert dollars.as_integer_ratio() == Fraction(amount, PICO_PER_USD).as_integer_ratio()


def test_exact_dollars_do_not_depend_on_the_callers_decimal_context() -> None:
    """A notebook that sets six digits for its own figures must not round, or refuse, a bill."""
    with localcontext(prec=6):
        assert Cost(123_456_789 * PICO_PER_USD).total == Decimal(123456789)


@given(st.lists(amounts, max_size=30))
def test_sums_are_exact_in_any_order(pico: list[int]) -> None:
    """Reports and budgets add the same lines in different orders."""
    total = sum((Cost(amount) for amount in pico), Cost.zero())
    backwards = sum((Cost(amount) for amount in reversed(pico)), Cost.zero())
    assert total == backwards == Cost(sum(pico))


@given(amounts)
def test_what_is_reserved_is_never_less_than_what_is_booked(pico: int) -> None:
    """The invariant of hard budgets rests on it."""
    assert nano_half_even(pico) <= nano_up(pico)
