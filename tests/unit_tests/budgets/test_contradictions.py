"""Budgets together: each once, none against another, and nothing that is no budget."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_costguard import Budget
from langchain_costguard.budgets import check_together

DAY = Budget(2, per="day")


def test_equal_budgets_count_once_in_the_order_given() -> None:
    """Two handlers may name the same budget."""
    month = Budget(20, per="month")
    assert check_together([month, DAY, Budget("2.0", per="day")]) == (month, DAY)
    assert check_together(DAY) == (DAY,)
    assert check_together(budget for budget in ()) == ()


@pytest.mark.parametrize(
    "other", [Budget(3, per="day"), Budget(2, per="day", mode="soft"), Budget(2, per="day", on_unknown="estimate")]
)
def test_two_rules_for_one_counter_are_refused(other: Budget) -> None:
    """Which one holds would depend on which came first."""
    with pytest.raises(
        ValueError, match=r"contradict: both are kept under 'usd/day'\. Leave one out, or give one a name="
    ):
        check_together([DAY, other])


def test_a_name_tells_two_budgets_apart_and_does_not_make_two_of_one_name() -> None:
    """A name is the key."""
    assert len(check_together([DAY, Budget(3, per="day", name="strict")])) == 2
    with pytest.raises(ValueError, match="contradict"):
        check_together([Budget(3, name="strict"), Budget(3, per="day", name="strict")])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (2, r"Budget\(2, per='day'\)"),
        (0.5, r"Budget\(0\.5, per='day'\)"),
        ("usd/day", r"'usd/day' is no budget"),
        (None, r"None is no budget: give Budget\(2"),
        ([DAY, 5], r"Budget\(5, per='day'\)"),
        ([True], r"True is no budget: give Budget\(2"),
        ([[DAY]], "is no budget"),
    ],
)
def test_what_is_no_budget_is_refused_with_one_that_is(given: Any, said: str) -> None:
    """`budgets=2` is the first thing that is tried."""
    with pytest.raises(TypeError, match=said):
        check_together(given)
