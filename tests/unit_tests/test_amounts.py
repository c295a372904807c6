"""How much of something, in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from langchain_costguard._amounts import counted, in_unit, money


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 calls"),
        (1, "1 call"),
        (1200, "1,200 calls"),
        (Decimal(1), "1 call"),
        (Decimal("1E+3"), "1,000 calls"),
        (Decimal("0.5"), "0.5 calls"),
    ],
)
def test_one_call_is_singular(number: Decimal | int, text: str) -> None:
    """A report that says `1 calls` looks careless about numbers."""
    assert counted(number, "call") == text


def test_a_plural_of_its_own_is_given() -> None:
    """Not every noun takes an s."""
    assert [counted(number, "miss", "misses") for number in (1, 2)] == ["1 miss", "2 misses"]


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        (Decimal("0.05"), "usd", "$0.05"),
        (Decimal("1E-9"), "usd", "$0.000000001"),
        (Decimal("-0.1"), "usd", "-$0.1"),
        (Decimal(0), "usd", "$0"),
        (1, "tokens", "1 token"),
        (2000, "calls", "2,000 calls"),
        (Decimal(1), "gpu_hours", "1 GPU-hour"),
    ],
)
def test_amounts_show_the_digits_they_have(amount: Decimal | int, unit: str, text: str) -> None:
    """A refusal names a nano-dollar, which no cents could show."""
    assert in_unit(amount, unit) == text


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$0.00"), ("-1.5", "-$1.50"), ("1234.5", "$1,234.50"), ("0.0001", "$0.0001"), ("2.10", "$2.10")],
)
def test_money_is_shown_with_all_of_its_digits_and_at_least_the_cents(amount: str, shown: str) -> None:
    """A refund has its sign before the dollar."""
    assert money(Decimal(amount)) == shown
