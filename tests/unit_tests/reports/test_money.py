"""How money is written for people."""

from __future__ import annotations

from decimal import Decimal

import pytest

from langchain_costguard.reports.money import dollar_column, dollars, plain, short_dollars


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("0.000435"), "$0.000435"),
        (Decimal("0.000000001"), "$0.000000001"),
        (Decimal("1E-9"), "$0.000000001"),
        (Decimal("1E+3"), "$1,000.00"),
        (Decimal("1234567.5"), "$1,234,567.50"),
        (Decimal("12.345678901"), "$12.345678901"),
        (Decimal("0.0750"), "$0.075"),
        (Decimal(0), "$0.00"),
        (Decimal("-0.1"), "-$0.10"),
        (None, "unknown"),
    ],
)
def test_dollars_show_every_digit_and_no_exponent(amount: Decimal | None, text: str) -> None:
    """A nano-dollar that is rounded away, or an `1E-9`, is a sum the reader cannot check."""
    assert dollars(amount) == text


def test_amounts_in_a_column_have_the_same_decimals() -> None:
    """Points that stand below one another let the eye compare."""
    assert dollar_column([Decimal("0.04"), None, Decimal("0.000435")]) == ["$0.040000", "unknown", "$0.000435"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("0.0012345"), "$0.00123"),
        (Decimal("1234.567"), "$1,234.57"),
        (Decimal("0.5"), "$0.5"),
        (Decimal(3), "$3"),
        (Decimal(0), "$0"),
    ],
)
def test_the_axis_of_a_figure_shows_three_digits(amount: Decimal, text: str) -> None:
    """An axis needs round figures; the tables have the exact ones."""
    assert short_dollars(amount) == text


def test_control_characters_are_spelled_out() -> None:
    """A model name must not clear the terminal it is printed in."""
    assert plain("a\x1b[2Jb\nc") == r"a\x1b[2Jb\nc"
