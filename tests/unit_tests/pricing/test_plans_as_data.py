"""Bills and comparisons as plain values and as words: every figure under its name, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from langchain_costguard.pricing import Credit, PayAsYouGo, Prepaid, Subscription, UsageRecord, compare_plans
from langchain_costguard.pricing.plans import layout

START, END = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "subscription ($20.00 a month)"
PLAN = Subscription(20, allowance=3_000, unit="calls", overage="0.02")


def on(day: int, cost: Any = "1", **amounts: Any) -> UsageRecord:
    """Usage at noon of a day of January."""
    return UsageRecord(datetime(2026, 1, day, 12, tzinfo=UTC), cost, **amounts)


USAGE = [on(day, calls=100) for day in range(1, 32)]
"""A dollar and a hundred calls a day: 3,100 calls, of which 100 go beyond the allowance, at two cents each."""


def test_a_bill_is_data_with_every_line_of_it() -> None:
    """It goes into spreadsheets and other programs, which look for these names."""
    line: dict[str, Any] = {"start": START, "end": END}
    assert PLAN.bill(USAGE).to_dict() == {
        "plan": NAME,
        "start": START,
        "end": END,
        "tz": "UTC",
        "billed_cost": "22",
        "effective_cost": "22",
        "list_cost": "31",
        "remaining_credit": None,
        "unpriced_calls": 0,
        "calls_only_in_sums": 0,
        "list_cost_only_in_sums": "0",
        "is_complete": True,
        "lines": [
            {
                **line,
                "kind": "purchase",
                "text": "fee, a month",
                "calls": 0,
                "quantity": None,
                "unit": None,
                "list_cost": "0",
                "billed_cost": "20",
                "effective_cost": "0",
            },
            {
                **line,
                "kind": "usage",
                "text": "covered by 3,000 calls",
                "calls": 3_000,
                "quantity": "3000",
                "unit": "calls",
                "list_cost": "30",
                "billed_cost": "0",
                "effective_cost": "20",
            },
            {
                **line,
                "kind": "overage",
                "text": "beyond the allowance",
                "calls": 100,
                "quantity": "100",
                "unit": "calls",
                "list_cost": "1",
                "billed_cost": "2",
                "effective_cost": "2",
            },
        ],
    }


def test_a_comparison_is_data_with_every_plan_and_every_range() -> None:
    """The advice is in words, and everything it says is there as a figure."""
    told = compare_plans(USAGE, [PLAN, PayAsYouGo()]).to_dict()
    advice = told.pop("advice")
    assert advice.startswith(
        f"At $31.00 a month, {NAME} is the cheapest: $22.00 a month, $9.00 less than pay as you go."
    )
    assert told == {
        "start": START,
        "end": END,
        "unit": "usd",
        "monthly_volume": "31",
        "calls_only_in_sums": 0,
        "list_cost_only_in_sums": "0",
        "is_complete": True,
        "plans": [
            {
                "plan": NAME,
                "cost": "22",
                "monthly_cost": "22",
                "remaining_credit": None,
                "unpriced_calls": 0,
                "suits": "steady use that comes near its allowance in every period",
            },
            {
                "plan": "pay as you go",
                "cost": "31",
                "monthly_cost": "31",
                "remaining_credit": None,
                "unpriced_calls": 0,
                "suits": "use that is small, irregular or hard to foresee",
            },
        ],
        "ranges": [
            {"plan": "pay as you go", "above": "0", "up_to": "20"},
            {"plan": NAME, "above": "20", "up_to": "40"},
            {"plan": "pay as you go", "above": "40", "up_to": None},
        ],
    }


def test_ranges_are_said_in_words() -> None:
    """A range from nothing on has no lower end to name."""
    ranges = compare_plans(USAGE, [PLAN, PayAsYouGo()]).ranges
    assert [str(each) for each in ranges] == [
        "up to $20.00 a month",
        "$20.00 to $40.00 a month",
        "above $40.00 a month",
    ]
    assert [str(each) for each in compare_plans(USAGE, [PayAsYouGo()]).ranges] == ["any volume"]


def test_usage_shows_what_is_known_of_it() -> None:
    """Unknown is said, and not shown as nothing."""
    assert repr(on(1)) == "UsageRecord(2026-01-01T12:00:00+00:00, $1, 1 call, tokens unknown, user=None)"
    assert repr(on(1, None, tokens=5, gpu_hours=2, user="ada")) == (
        "UsageRecord(2026-01-01T12:00:00+00:00, cost unknown, 1 call, 5 tokens, 2 GPU-hours, user='ada')"
    )


def test_days_are_local_and_the_last_one_is_included() -> None:
    """A month of Zurich begins on the last evening of the month before in UTC."""
    zurich = ZoneInfo("Europe/Zurich")
    start, end = datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert layout.days(start, end, zurich) == "2026-01-01 to 2026-01-31"
    assert layout.days(start, datetime(2026, 1, 1, 23, tzinfo=UTC), zurich) == "2026-01-01"


def test_credit_that_expires_is_lost_and_only_what_is_drawn_is_left_out_of_the_rest() -> None:
    """By hand: ten of the first twenty dollars are used in ten days and ten expire; then 21 of a hundred are used."""
    bought = [
        Credit(20, JANUARY, price=18, expires=datetime(2026, 1, 11, tzinfo=UTC)),
        Credit(100, datetime(2026, 1, 5, tzinfo=UTC), price=90),
    ]
    bill = Prepaid(bought).bill(USAGE)
    assert (bill.billed_cost, bill.list_cost, bill.remaining_credit) == (Decimal(108), Decimal(31), Decimal(79))


def test_usage_without_a_cost_counts_its_calls_as_unpriced() -> None:
    """A record of no calls is still one thing whose cost nobody knows."""
    bill = PayAsYouGo().bill([on(1, None, calls=3), on(2, None, calls=0), on(3)])
    assert bill.unpriced_calls == 4


def test_usage_without_a_cost_is_covered_by_an_allowance_and_adds_nothing_to_the_list() -> None:
    """Its calls are counted; what they would have cost is not known, and not a dollar."""
    bill = Subscription(20, allowance=100, unit="calls").bill([on(1, None, calls=5), on(2, "1.5", calls=5)])
    assert (bill.list_cost, bill.billed_cost, bill.unpriced_calls) == (Decimal("1.5"), Decimal(20), 0)
