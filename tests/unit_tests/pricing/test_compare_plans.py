"""Which plan is the cheapest for which usage, and from which volume on another one is."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.pricing import (
    Credit,
    PayAsYouGo,
    Prepaid,
    Subscription,
    UsageRecord,
    compare_plans,
    usage_records,
)
from langchain_costguard.pricing.plans.crossover import FURTHEST, cheapest_by_volume
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.usage import TokenUsage

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)


def on(day: int, cost: Any = "1", *, month: int = 1, hour: int = 12, **amounts: Any) -> UsageRecord:
    """Usage at noon of a day of 2026."""
    return UsageRecord(datetime(2026, month, day, hour, tzinfo=UTC), cost, **amounts)


def steady(cost: str, **amounts: Any) -> list[UsageRecord]:
    """The same usage on every day of January."""
    return [on(day, cost, **amounts) for day in range(1, 32)]


# --- comparing -------------------------------------------------------------------------------------------------------


def test_plans_are_ranked_by_what_the_same_usage_costs() -> None:
    """Advice which plan suits which use begins with the bill of each."""
    plans = [
        Subscription(20, allowance=3_000, unit="calls", overage="0.02"),
        PayAsYouGo(),
        Prepaid([Credit(100, JANUARY, price=90)]),
    ]
    compared = compare_plans(steady("1", calls=100), plans)
    assert [(row.plan, row.cost) for row in compared.ranked] == [
        ("subscription ($20.00 a month)", Decimal(22)),
        ("prepaid", Decimal("27.9")),
        ("pay as you go", Decimal(31)),
    ]
    assert compared.ranked[1].remaining_credit == Decimal(69)


@pytest.mark.parametrize(("unit", "crossover", "step"), [("usd", "20", "0.000000001"), ("calls", "2000", "1")])
def test_the_crossover_is_exact_on_either_side(unit: str, crossover: str, step: str) -> None:
    """At $20 of pay as you go the flat rate costs the same; one step above it is cheaper, one below dearer."""
    compared = compare_plans(steady("0.25", calls=25), [PayAsYouGo(), Subscription(20)], volume_in=unit)
    assert compared.crossovers == (Decimal(crossover),)
    for volume, best in ((Decimal(crossover), "pay as you go"), (Decimal(crossover) + Decimal(step), "subscription")):
        usage = [on(1, volume if unit == "usd" else volume / 100, calls=volume if unit == "calls" else 1)]
        assert compare_plans(usage, [PayAsYouGo(), Subscription(20)]).best.plan.startswith(best)


def test_the_crossover_is_found_from_either_side() -> None:
    """Whoever uses little learns when to subscribe; whoever uses much learns when to stop."""
    for cost in ("0.01", "0.64", "0.65", "3", "90"):
        compared = compare_plans(steady(cost), [Subscription(20), PayAsYouGo()])
        assert compared.crossovers == (Decimal(20),)
        assert [each.plan for each in compared.ranges] == ["pay as you go", "subscription ($20.00 a month)"]


def test_a_plan_can_be_the_cheapest_in_the_middle_only() -> None:
    """A subscription with dear overage: worth it between 2,000 and 2,750 calls a month, not above."""
    plans = [PayAsYouGo(usd_per_call="0.01"), Subscription(20, allowance=2_500, unit="calls", overage="0.03")]
    compared = compare_plans([on(1, "1", calls=1_450)], plans, volume_in="calls")
    assert compared.crossovers == (Decimal(2000), Decimal(2750))
    assert [each.plan for each in compared.ranges] == [plans[0].name, plans[1].name, plans[0].name]


def test_the_crossover_of_three_plans_names_each_in_turn() -> None:
    """Pay as you go, then the small subscription, then the large one."""
    plans = [PayAsYouGo(), Subscription(20, allowance=50), Subscription(100)]
    compared = compare_plans(steady("2"), plans)
    assert compared.crossovers == (Decimal(20), Decimal(130))
    assert compared.best.plan == "subscription ($20.00 a month)"
    assert "Up to $20.00 a month: pay as you go." in compared.advice
    assert "Above $130.00 a month: subscription ($100.00 a month)." in compared.advice


def test_credit_that_expires_pays_only_above_its_price() -> None:
    """Ninety dollars for a hundred that lapse at the end of the month: worth it above $90 of use."""
    compared = compare_plans(steady("1"), [PayAsYouGo(), Prepaid([Credit(100, JANUARY, FEBRUARY, price=90)])])
    assert compared.crossovers == (Decimal(90),)


def test_a_plan_is_not_called_the_cheapest_for_no_use_at_all() -> None:
    """Both cost nothing where nothing is used: "cheapest up to $0.00 a month" tells nobody anything."""
    compared = compare_plans(steady("1"), [PayAsYouGo(), Prepaid([Credit(100, JANUARY, price=90)])])
    assert [(each.plan, str(each)) for each in compared.ranges] == [("prepaid", "any volume")]
    assert compared.crossovers == ()


def test_fees_compare_by_the_part_of_their_period() -> None:
    """A year's fee against one month's use counts a month of it."""
    compared = compare_plans(steady("1"), [Subscription(365, "year"), Subscription(7, "week")])
    assert {row.plan: row.cost for row in compared.ranked} == {
        "subscription ($365.00 a year)": Decimal(31),
        "subscription ($7.00 a week)": Decimal(31),
    }


def test_several_months_compare_by_the_month() -> None:
    """Volumes and crossovers are per month, however long the usage lasted."""
    usage = [on(10, "25", month=month) for month in (1, 2, 3)]
    compared = compare_plans(usage, [PayAsYouGo(), Subscription(20)])
    assert (compared.monthly_volume, compared.best.cost, compared.best.monthly_cost) == (
        Decimal(25),
        Decimal(60),
        Decimal(20),
    )
    assert compared.crossovers == (Decimal(20),)


def test_a_comparison_says_what_could_not_be_priced() -> None:
    """A plan that looks cheap because it left calls out must say so."""
    compared = compare_plans([on(1, "5"), on(2, None, calls=4)], [PayAsYouGo(), Subscription(20)])
    assert {row.plan: row.unpriced_calls for row in compared.ranked}["pay as you go"] == 4
    assert "no known price" in compared.advice


def test_advice_says_which_plan_suits_which_use() -> None:
    """A table of figures is not advice; a sentence is."""
    advice = compare_plans(steady("0.10"), [PayAsYouGo(), Subscription(20)]).advice
    assert advice == (
        "At $3.10 a month, pay as you go is the cheapest: $3.10 a month, "
        "$16.90 less than subscription ($20.00 a month). "
        "It suits use that is small, irregular or hard to foresee. Up to $20.00 a month: pay as you go. "
        "Above $20.00 a month: subscription ($20.00 a month)."
    )


def test_plans_that_cost_the_same_are_said_to() -> None:
    """Nobody should change plans for a saving of nothing."""
    compared = compare_plans(steady("1"), {"a": PayAsYouGo(), "b": PayAsYouGo()})
    assert [row.plan for row in compared.ranked] == ["a", "b"]
    assert "as is b" in compared.advice
    assert str(compared.ranges[0]) == "any volume"


def test_a_comparison_shows_itself() -> None:
    """As text, as HTML with foreign words escaped, and as plain values."""
    compared = compare_plans(steady("1"), {"<b>": PayAsYouGo(), "flat": Subscription(20)})
    assert "up to $20.00 a month" in str(compared)
    assert "&lt;b&gt;" in compared._repr_html_()
    assert "<b>" not in compared._repr_html_()
    assert compared.to_dict()["ranges"] == [
        {"plan": "<b>", "above": "0", "up_to": "20"},
        {"plan": "flat", "above": "20", "up_to": None},
    ]


def test_a_bill_shows_itself() -> None:
    """As text, as HTML, and as plain values without a float."""
    bill = Prepaid([Credit(5, JANUARY, name="<gift>", price=0)]).bill([on(1, "1.5")])
    assert "$3.50 of credit is left." in str(bill)
    assert "credit of $5.00 &lt;gift&gt;" in bill._repr_html_()
    shown = bill.to_dict()
    assert (shown["billed_cost"], shown["effective_cost"], shown["remaining_credit"]) == ("0", "0", "3.5")
    assert shown["lines"][1]["quantity"] == "1.5"


def test_the_search_finds_every_change_between_its_steps_exactly() -> None:
    """Against trying every volume, with plans that cross at 25 and at 61."""
    costs = [lambda volume: volume * 3, lambda volume: 111 + 0 * volume, lambda volume: 50 + volume]
    stretches = cheapest_by_volume(costs, today=40)
    for stretch in stretches:
        for volume in range(stretch.above + 1, min(stretch.up_to or 200, 200) + 1):
            assert costs[stretch.plan](volume) == min(cost(volume) for cost in costs)
    assert [(each.plan, each.up_to) for each in stretches] == [(0, 25), (2, 61), (1, None)]
    assert FURTHEST == 1000


# --- usage out of a ledger -------------------------------------------------------------------------------------------


def entry(**fields: Any) -> LedgerEntry:
    """A ledger's line of 5 January."""
    at = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp()) * 1_000_000
    return LedgerEntry(run_id=uuid4(), started_at_us=at, **fields)


def test_a_ledger_can_be_compared_as_it_is() -> None:
    """Lines, a store, or anything with `entries()`: what is billed is the list price of what a provider served."""
    store = InMemoryStore()
    used = TokenUsage(uncached_input=900, output_text=100)
    lines = [
        entry(usage=used, billed_nano=800_000_000, list_nano=1_000_000_000, user="u1", tags=("a",)),
        entry(usage=used, billed_nano=None),
        entry(usage=used, billed_nano=0, list_nano=0, status="cached"),
        entry(status="open"),
        entry(kind="adjustment", calls=0, billed_nano=-5, list_nano=-5),
        entry(kind="manual", calls=0, busy_ns=36 * 10**11, billed_nano=100_000_000),
    ]
    for each in lines:
        store.append(each)
    for source in (lines, store, iter(lines)):
        compared = compare_plans(source, [PayAsYouGo()])
        assert (compared.best.cost, compared.best.unpriced_calls) == (Decimal("1.1"), 1)
    first, second, machine = usage_records(lines)
    assert (first.cost, first.tokens, first.calls, first.user, first.tags) == (Decimal(1), 1_000, 1, "u1", ("a",))
    assert (second.cost, machine.calls, machine.gpu_hours) == (None, 0, Decimal(1))
