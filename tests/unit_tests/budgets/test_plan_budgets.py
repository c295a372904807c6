"""Plans as budgets: credit that runs down once, an allowance that resets, and what a budget cannot say."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from langchain_costguard import Budget, PayAsYouGo, Prepaid, Subscription
from langchain_costguard.pricing import Credit

JANUARY, MAY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


def test_prepaid_credit_is_a_limit_that_only_a_purchase_raises() -> None:
    """What is bought later is not there yet; the counter is the same before and after."""
    plan = Prepaid([Credit("10.50", JANUARY), Credit(5, MAY, price=0)], name="credit")
    assert Budget.from_plan(plan, at=JANUARY) == Budget("10.50", name="credit")
    assert Budget.from_plan(plan, at=MAY) == Budget("15.5", per="total", name="credit")
    assert Budget.from_plan(plan, at=JANUARY).key == Budget.from_plan(plan).key


@pytest.mark.parametrize(
    ("plan", "budget"),
    [
        (Subscription(20, allowance=30, name="s"), Budget(30, per="month", name="s")),
        (Subscription(20, "day", allowance=30, unit="calls", name="s"), Budget(calls=30, per="day", name="s")),
        (
            Subscription(20, "week", allowance=9, unit="tokens", renews=date(2026, 1, 5), name="s"),
            Budget(tokens=9, per="week", name="s"),
        ),
        (Subscription(20, allowance=30, renews=date(2026, 2, 1), name="s"), Budget(30, per="month", name="s")),
    ],
)
def test_an_allowance_resets_with_its_period(plan: Subscription, budget: Budget) -> None:
    """Where the plan's period is the calendar's."""
    assert Budget.from_plan(plan) == budget


def test_further_arguments_are_those_of_a_budget() -> None:
    """A plan says nothing of a scope or a time zone."""
    budget = Budget.from_plan(Subscription(20, allowance=30), mode="soft", tz="Europe/Zurich", name=None)
    assert budget == Budget(30, per="month", mode="soft", tz="Europe/Zurich")
    assert Budget.from_plan(Subscription(20, allowance=30)).name == "subscription ($20.00 a month)"


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Prepaid([Credit(10, JANUARY, MAY)]), "credit that expires"),
        (Prepaid([Credit(10, MAY)]), "has no credit at 2026-01-01"),
        (Subscription(20), "give it an allowance="),
        (Subscription(20, allowance=5, unit="gpu_hours"), "counts gpu_hours"),
        (Subscription(20, "year", allowance=5), "does not renew with the calendar's"),
        (Subscription(20, allowance=5, renews=date(2026, 1, 31)), "does not renew with the calendar's"),
        (Subscription(20, "week", allowance=5, renews=date(2026, 1, 6)), "does not renew with the calendar's"),
        (Subscription(20, allowance=0), "is no limit"),
    ],
)
def test_what_a_budget_cannot_say_is_refused(plan: Any, said: str) -> None:
    """A limit that resets on another day than the plan lets money through that nobody pays for."""
    with pytest.raises(ValueError, match=said):
        Budget.from_plan(plan, at=JANUARY)


@pytest.mark.parametrize("plan", [PayAsYouGo(), 20, None])
def test_what_has_no_limit_is_refused(plan: Any) -> None:
    """Pay as you go ends with the money."""
    with pytest.raises(TypeError, match="is no plan with a limit"):
        Budget.from_plan(plan)
