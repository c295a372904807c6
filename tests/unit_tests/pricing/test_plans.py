"""Plans: what pay as you go, prepaid credit and subscriptions bill for the same usage, and which is the cheapest."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.pricing import (
    Bill,
    Credit,
    PayAsYouGo,
    Prepaid,
    Subscription,
    UsageRecord,
    compare_plans,
    share_cost,
    usage_records,
)
from langchain_costguard.pricing.plans.crossover import FURTHEST, cheapest_by_volume
from langchain_costguard.pricing.plans.periods import Periods, Span, months_in
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.usage import TokenUsage

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)


def on(day: int, cost: Any = "1", *, month: int = 1, hour: int = 12, **amounts: Any) -> UsageRecord:
    """Usage at noon of a day of 2026."""
    return UsageRecord(datetime(2026, month, day, hour, tzinfo=UTC), cost, **amounts)


def line(bill: Bill, kind: str) -> Any:
    """The only line of a kind."""
    (found,) = [line for line in bill.lines if line.kind == kind]
    return found


def steady(cost: str, **amounts: Any) -> list[UsageRecord]:
    """The same usage on every day of January."""
    return [on(day, cost, **amounts) for day in range(1, 32)]


# --- pay as you go ---------------------------------------------------------------------------------------------------


def test_cost_is_gpu_hours_times_gpu_price_plus_calls_times_call_price() -> None:
    """The formula that was asked for, with its own example: 10 h x $0.1 + 1000 x $0.01 = $11."""
    usage = [on(5, None, calls=400, gpu_hours="2.5"), on(6, None, calls=600, gpu_hours="7.5")]
    assert PayAsYouGo(usd_per_gpu_hour="0.1", usd_per_call="0.01").bill(usage).billed_cost == Decimal(11)


def test_training_and_inference_are_one_bill() -> None:
    """Forty hours of training, then calls to what was trained: one formula for both."""
    training = on(3, None, calls=0, gpu_hours=40)
    inference = [on(day, None, calls=500) for day in range(10, 20)]
    bill = PayAsYouGo(usd_per_gpu_hour="2", usd_per_call="0.001").bill([training, *inference])
    assert [line.billed_cost for line in bill.lines] == [Decimal(80), *[Decimal("0.5")] * 10]


def test_a_service_is_billed_by_its_calls() -> None:
    """Whoever sells an API bills calls, whatever their tokens cost."""
    usage = [on(1, "0.90", calls=30, user="u1"), on(2, "0.10", calls=70, user="u2")]
    bill = PayAsYouGo(usd_per_call="0.05").bill(usage)
    assert bill.billed_cost == Decimal(5)
    assert share_cost(bill.billed_cost, usage, measure="calls") == {"u1": Decimal("1.5"), "u2": Decimal("3.5")}


def test_prices_differ_by_service_and_plan() -> None:
    """The same usage on six flexible plans is six bills."""
    usage = steady("1", calls=100, tokens=1_000_000)
    plans = [
        PayAsYouGo(),
        PayAsYouGo(usd_per_call="0.005"),
        PayAsYouGo(usd_per_mtok="0.60"),
        Prepaid([Credit(40, JANUARY, FEBRUARY, price=30)]),
        Subscription(20, allowance=25),
        Subscription(5, "week", allowance=500, unit="calls", overage="0.02"),
    ]
    bills = [plan.bill(usage, JANUARY, FEBRUARY) for plan in plans]
    assert [bill.billed_cost for bill in bills] == [
        Decimal(31),
        Decimal("15.5"),
        Decimal("18.6"),
        Decimal(30),
        Decimal(26),
        Decimal(39),
    ]


def test_pay_as_you_go_is_settled_at_once() -> None:
    """Each day's use is on the bill of that day, and nothing else is."""
    bill = PayAsYouGo().bill([on(5, "0.10"), on(5, "0.02", hour=23), on(7, "0.30")])
    assert [(line.start.day, line.billed_cost) for line in bill.lines] == [(5, Decimal("0.12")), (7, Decimal("0.3"))]
    assert bill.billed_cost == bill.effective_cost == bill.list_cost == Decimal("0.42")


def test_prices_of_a_plan_replace_the_list_price() -> None:
    """A contract per million tokens has nothing to do with the list."""
    bill = PayAsYouGo(usd_per_mtok="0.50").bill([on(1, "9", tokens=3_000_000)])
    assert (bill.billed_cost, bill.list_cost) == (Decimal("1.5"), Decimal(9))


def test_the_smallest_amounts_are_not_lost() -> None:
    """A bill is the sum of many calls that cost less than a cent."""
    assert PayAsYouGo().bill([on(1, "0.000000001")] * 3).billed_cost == Decimal("0.000000003")
    assert PayAsYouGo(usd_per_mtok="0.15").bill([on(1, tokens=1)] * 1_000).billed_cost == Decimal("0.00015")


@pytest.mark.parametrize(
    ("plan", "unpriced"),
    [
        (PayAsYouGo(), 3),
        (PayAsYouGo(usd_per_call="0.01"), 0),
        (PayAsYouGo(usd_per_mtok="0.50"), 3),
        (Prepaid([Credit(10, JANUARY)]), 3),
        (Subscription(20), 0),
        (Subscription(20, allowance=10), 3),
        (Subscription(20, allowance=10, unit="calls"), 0),
        (Subscription(20, allowance=2, unit="calls"), 3),
        (Subscription(20, allowance=2, unit="calls", overage="0.01"), 0),
        (Subscription(20, allowance=10, unit="tokens"), 3),
        (Subscription(20, allowance=10, unit="gpu_hours"), 3),
    ],
    ids=repr,
)
def test_unknown_prices_are_counted_and_never_zero(plan: Any, unpriced: int) -> None:
    """A call without a known price must not look free; a plan that does not ask for it is complete."""
    bill = plan.bill([on(1, None, calls=3)])
    assert (bill.unpriced_calls, bill.is_complete) == (unpriced, unpriced == 0)
    assert ("not known" in str(bill)) == (unpriced > 0)


# --- prepaid ---------------------------------------------------------------------------------------------------------


def test_prepaid_credit_runs_down_and_the_rest_is_owed() -> None:
    """What no credit covers is not lost: it is on the bill at list price."""
    bill = Prepaid([Credit(5, JANUARY)]).bill([on(1, "3"), on(2, "4"), on(3, "0.5")])
    assert (bill.purchase_cost, bill.overage_cost, bill.billed_cost) == (Decimal(5), Decimal("2.5"), Decimal("7.5"))
    assert line(bill, "usage").quantity == Decimal(5)
    assert bill.remaining_credit == Decimal(0)


def test_the_lot_bought_first_is_drawn_on_first() -> None:
    """First in, first out: the second lot is untouched until the first is used up."""
    lots = [Credit(10, JANUARY + timedelta(days=1), price=5, name="second"), Credit(10, JANUARY, price=9)]
    bill = Prepaid(lots).bill([on(5, "10"), on(6, "4")])
    assert bill.effective_cost == Decimal(11)
    assert bill.remaining_credit == Decimal(6)


def test_the_lot_that_expires_first_can_be_drawn_on_first() -> None:
    """Drawn by purchase the gift would lapse unused; drawn by expiry it is used."""
    lots = [Credit(10, JANUARY), Credit(4, JANUARY + timedelta(days=1), datetime(2026, 1, 20, tzinfo=UTC), price=0)]
    usage = [on(5, "4"), on(25, "4")]
    assert Prepaid(lots).bill(usage).remaining_credit == Decimal(2)
    assert Prepaid(lots, draw_first="expiry").bill(usage).remaining_credit == Decimal(6)


def test_credit_that_expires_lapses_and_is_said_to() -> None:
    """At the moment of expiry nothing can be drawn any more; a microsecond before, everything."""
    expiry = datetime(2026, 1, 10, tzinfo=UTC)
    plan = Prepaid([Credit(10, JANUARY, expiry, price=8)])
    usage = [UsageRecord(expiry - timedelta(microseconds=1), 4), UsageRecord(expiry, 3)]
    bill = plan.bill(usage)
    assert (bill.overage_cost, bill.unused_cost, bill.remaining_credit) == (Decimal(3), Decimal("4.8"), Decimal(0))
    assert line(bill, "unused").quantity == Decimal(6)
    assert bill.effective_cost == bill.billed_cost == Decimal(11)


def test_a_call_may_be_paid_from_two_lots_and_the_rest_owed() -> None:
    """Lots do not end where calls do."""
    lots = [Credit(1, JANUARY), Credit(1, JANUARY + timedelta(hours=1))]
    bill = Prepaid(lots).bill([on(2, "2.5", calls=1)])
    assert (line(bill, "usage").quantity, bill.overage_cost) == (Decimal(2), Decimal("0.5"))
    assert sum(line.calls for line in bill.lines) == 1


def test_credit_bought_later_does_not_pay_for_earlier_use() -> None:
    """Nobody can spend what has not been bought."""
    bill = Prepaid([Credit(10, datetime(2026, 1, 15, tzinfo=UTC))]).bill([on(14, "2"), on(16, "3")])
    assert (bill.overage_cost, bill.remaining_credit) == (Decimal(2), Decimal(7))


def test_use_before_the_bill_has_drawn_on_its_credit() -> None:
    """February's bill starts with what January left."""
    plan = Prepaid([Credit(10, JANUARY)])
    usage = [on(5, "7"), on(5, "7", month=2)]
    bill = plan.bill(usage, FEBRUARY, datetime(2026, 3, 1, tzinfo=UTC))
    assert (bill.purchase_cost, bill.overage_cost) == (Decimal(0), Decimal(4))


def test_discounted_credit_is_used_up_to_its_price_exactly() -> None:
    """A price that does not divide must not leave a nano-dollar behind."""
    usage = [on(day, "1") for day in range(1, 4)] + [on(day, "1", month=2) for day in range(1, 5)]
    bill = Prepaid([Credit(7, JANUARY, price=5)], period="day").bill(usage)
    assert bill.effective_cost == bill.billed_cost == Decimal(5)
    assert len({line.effective_nano for line in bill.lines if line.kind == "usage"}) > 1


# --- subscription ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "allowance", "overage", "owed"),
    [
        ("usd", 5, "list", "3"),
        ("usd", 5, "0.5", "1.5"),
        ("calls", 50, "list", "3"),
        ("calls", 50, "0.02", "0.60"),
        ("tokens", 5_000_000, "0.10", "0.30"),
        ("tokens", 5_000_000, "list", "3"),
        ("gpu_hours", "2.5", "2", "3"),
        ("gpu_hours", "2.5", "list", "3"),
    ],
)
def test_a_subscription_covers_its_allowance_and_charges_what_goes_beyond(
    unit: Any, allowance: Any, overage: Any, owed: str
) -> None:
    """Eight uses of one unit each against an allowance of five, in every unit an allowance can have."""
    usage = [on(day, "1", calls=10, tokens=1_000_000, gpu_hours="0.5") for day in range(1, 9)]
    bill = Subscription(20, allowance=allowance, unit=unit, overage=overage).bill(usage)
    assert (bill.overage_cost, bill.billed_cost) == (Decimal(owed), 20 + Decimal(owed))
    assert (line(bill, "usage").quantity, bill.list_cost) == (Decimal(str(allowance)), Decimal(8))


def test_a_call_across_the_edge_of_the_allowance_is_charged_in_part() -> None:
    """Its part beyond the allowance is owed, not all of it and not nothing."""
    bill = Subscription(20, allowance=1_000, unit="tokens").bill([on(1, "0.40", tokens=1_600)])
    assert (bill.overage_cost, line(bill, "overage").quantity) == (Decimal("0.15"), Decimal(600))
    assert sum(line.calls for line in bill.lines) == 1


def test_what_an_allowance_does_not_count_is_owed_at_list_price() -> None:
    """API calls on a subscription to GPU-hours are not a present."""
    usage = [on(1, "0.50", gpu_hours=1, calls=0), on(2, "0.25", calls=1)]
    assert Subscription(20, allowance=10, unit="gpu_hours").bill(usage).overage_cost == Decimal("0.25")


def test_a_subscription_without_allowance_covers_everything() -> None:
    """A flat rate is a flat rate."""
    assert Subscription(20).bill(steady("100", calls=5)).billed_cost == Decimal(20)


def test_a_subscription_is_settled_per_period() -> None:
    """Every period has its fee and its allowance: what January leaves is of no use in February."""
    plan = Subscription(10, allowance=100, unit="calls", overage="0.10")
    bill = plan.bill([on(31, calls=60), on(1, calls=130, month=2)])
    assert [(line.start.month, line.kind, line.billed_cost, line.effective_cost) for line in bill.lines] == [
        (1, "purchase", Decimal(10), Decimal(0)),
        (1, "usage", Decimal(0), Decimal(6)),
        (1, "unused", Decimal(0), Decimal(4)),
        (2, "purchase", Decimal(10), Decimal(0)),
        (2, "usage", Decimal(0), Decimal(10)),
        (2, "overage", Decimal(3), Decimal(3)),
    ]
    assert (bill.unused_cost, bill.billed_cost) == (Decimal(4), Decimal(23))


def test_a_period_without_use_is_paid_and_lapses() -> None:
    """A subscription is owed whether it is used or not."""
    for plan in (Subscription(10), Subscription(10, allowance=5)):
        bill = plan.bill([], JANUARY, datetime(2026, 4, 1, tzinfo=UTC))
        assert (bill.billed_cost, bill.unused_cost) == (Decimal(30), Decimal(30))


def test_a_period_billed_in_part_is_paid_in_full() -> None:
    """Nobody gets half a month's fee back because the report was made in its middle."""
    bill = Subscription(10).bill([], datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC))
    assert bill.billed_cost == Decimal(20)


# --- periods ---------------------------------------------------------------------------------------------------------


def begins(periods: Periods, start: datetime, count: int, tz: str) -> list[str]:
    """The local moments at which so many periods begin."""
    spans = []
    for _ in range(count):
        spans.append(periods.around(start))
        start = spans[-1].end
    return [span.start.astimezone(ZoneInfo(tz)).isoformat() for span in spans]


def test_months_that_begin_on_the_31st_do_not_drift() -> None:
    """31 January, the last of February, and 31 March again; a leap year has its 29th."""
    periods = Periods("month", "UTC", date(2024, 1, 31))
    days = [moment[:10] for moment in begins(periods, datetime(2024, 1, 31, tzinfo=UTC), 5, "UTC")]
    assert days == ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]
    days = [moment[:10] for moment in begins(periods, datetime(2026, 2, 27, tzinfo=UTC), 3, "UTC")]
    assert days == ["2026-01-31", "2026-02-28", "2026-03-31"]


def test_a_year_that_begins_on_a_leap_day_begins_on_the_28th_of_other_years() -> None:
    """A subscription of 29 February is renewed every year."""
    days = begins(Periods("year", "UTC", date(2024, 2, 29)), datetime(2024, 3, 1, tzinfo=UTC), 5, "UTC")
    assert [day[:10] for day in days] == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


def test_a_day_is_the_day_of_the_time_zone_when_clocks_change() -> None:
    """Zurich, 2026: 29 March has 23 hours and 25 October 25."""
    periods = Periods("day", "Europe/Zurich")
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)):
        span = periods.around(datetime.fromisoformat(f"{day}T12:00:00+01:00"))
        assert (span.end - span.start).total_seconds() / 3600 == hours


def test_the_hour_that_comes_twice_belongs_to_one_day_and_one_period() -> None:
    """Both half past two of 25 October are of that day, and October ends at its local midnight."""
    early = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    late = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert Periods("day", "Europe/Zurich").around(early) == Periods("day", "Europe/Zurich").around(late)
    last, first = datetime(2026, 10, 31, 22, 59, tzinfo=UTC), datetime(2026, 10, 31, 23, 0, tzinfo=UTC)
    bill = Subscription(10).bill([UsageRecord(last, 1), UsageRecord(first, 1)], tz="Europe/Zurich")
    assert [line.start for line in bill.lines if line.kind == "purchase"] == [
        datetime(2026, 9, 30, 22, tzinfo=UTC),
        datetime(2026, 10, 31, 23, tzinfo=UTC),
    ]


def test_a_day_without_midnight_and_a_day_that_never_was_are_no_gap() -> None:
    """Cairo skips midnight in April; Samoa skipped 30 December 2011: every moment lies in exactly one day."""
    for tz, start in (("Africa/Cairo", "2026-04-22T00:00:00+00:00"), ("Pacific/Apia", "2011-12-28T00:00:00+00:00")):
        periods, moment = Periods("day", tz), datetime.fromisoformat(start)
        for _ in range(5 * 96):
            span = periods.around(moment)
            assert span.start <= moment < span.end
            assert periods.around(span.end).start == span.end
            moment += timedelta(minutes=15)


def test_weeks_begin_on_monday_or_where_they_were_told_to() -> None:
    """Calendar weeks by default; a plan bought on a Thursday renews on Thursdays."""
    assert Periods("week").around(JANUARY).start == datetime(2025, 12, 29, tzinfo=UTC)
    assert Periods("week", renews=date(2026, 1, 8)).around(JANUARY).start == JANUARY


def test_part_of_a_month_counts_by_its_part_of_the_time() -> None:
    """A volume per month is of use only if months are counted right."""
    year = Span(JANUARY, datetime(2027, 1, 1, tzinfo=UTC))
    assert Fraction(*months_in(year, "UTC")) == Fraction(*months_in(year, "Europe/Zurich")) == 12
    half = Span(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 15, tzinfo=UTC))
    assert Fraction(*months_in(half, "UTC")) == Fraction(1, 2)


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


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UsageRecord(datetime(2026, 1, 1), 1), "has no time zone: give one"),  # noqa: DTZ001 - the fault
        (lambda: UsageRecord("2026-01-01", 1), "give a datetime with a time zone"),  # type: ignore[arg-type]
        (lambda: UsageRecord(datetime.max.replace(tzinfo=UTC), 1), "outside the years"),
        (lambda: on(1, "nan"), "give zero or more US dollars"),
        (lambda: on(1, float("nan")), "give zero or more US dollars"),
        (lambda: on(1, "-1"), "give zero or more US dollars"),
        (lambda: on(1, "$5"), "without a currency sign"),
        (lambda: on(1, "abc"), "is no number"),
        (lambda: on(1, [1]), "is no amount"),
        (lambda: on(1, "1e40"), "more than any bill"),
        (lambda: on(1, "1e-40"), "round it"),
        (lambda: on(1, calls="many"), "no number of calls"),
        (lambda: on(1, calls=1.5), "not a whole number of calls: round it"),
        (lambda: on(1, tokens=-1), "no number of tokens"),
        (lambda: on(1, gpu_hours="inf"), "no number of GPU-hours"),
        (lambda: PayAsYouGo(period="hour"), "give 'day', 'week', 'month' or 'year'"),  # type: ignore[arg-type]
        (lambda: PayAsYouGo(usd_per_call="€1"), "without a currency sign"),
        (lambda: PayAsYouGo(usd_per_mtok="0.00000015"), "did you mean 0.15"),
        (lambda: Subscription("abc"), "is no number"),
        (lambda: Subscription(-20), "give zero or more US dollars"),
        (lambda: Subscription("20.0000000001"), "round it to 9 decimal places"),
        (lambda: Subscription(20, "fortnight"), "give 'day', 'week', 'month' or 'year'"),  # type: ignore[arg-type]
        (lambda: Subscription(20, allowance=5, unit="words"), "give 'usd', 'tokens'"),  # type: ignore[arg-type]
        (lambda: Subscription(20, allowance="lots"), "no number of US dollars"),
        (lambda: Subscription(20, overage="lists"), "give 'list' for the list price"),
        (lambda: Subscription(20, renews=JANUARY), "give a date"),
        (lambda: Credit(0, JANUARY), "price=0 for a gift"),
        (lambda: Credit("nan", JANUARY), "give zero or more US dollars"),
        (lambda: Credit(5, datetime(2026, 1, 1)), "has no time zone"),  # noqa: DTZ001 - the fault
        (lambda: Credit(5, FEBRUARY, JANUARY), "exchange them"),
        (lambda: Prepaid([]), "give at least one Credit"),
        (lambda: Prepaid([10]), "give Credit(amount, valid_from, expires)"),  # type: ignore[list-item]
        (lambda: Prepaid([Credit(5, JANUARY)], draw_first="newest"), "give 'purchase' or 'expiry'"),  # type: ignore[arg-type]
        (lambda: PayAsYouGo().bill([]), "give start= and end="),
        (lambda: PayAsYouGo().bill([on(1)], FEBRUARY, JANUARY), "exchange them, or give a later end"),
        (lambda: PayAsYouGo().bill([on(1)], JANUARY, JANUARY), "is not after start"),
        (lambda: PayAsYouGo().bill([on(1)], datetime(2026, 1, 1)), "start=2026-01-01T00:00:00 has no time"),  # noqa: DTZ001
        (lambda: PayAsYouGo().bill([on(1)], tz="Mars/Olympus"), "give an IANA name"),
        (lambda: PayAsYouGo().bill("costs.db"), "is no usage: give UsageRecord"),
        (lambda: PayAsYouGo().bill(7), "is no usage: give UsageRecord"),
        (lambda: PayAsYouGo().bill([7]), "is no usage: give UsageRecord"),
        (lambda: compare_plans([on(1)], "payg"), "is not a plan: give PayAsYouGo()"),  # type: ignore[arg-type]
        (lambda: compare_plans([on(1)], ["payg"]), "is not a plan: give PayAsYouGo()"),  # type: ignore[list-item]
        (lambda: compare_plans([on(1)], []), "no plans to compare"),
        (lambda: compare_plans([on(1)], [PayAsYouGo(), PayAsYouGo()]), "give one of them another name="),
        (lambda: compare_plans([on(1)], [PayAsYouGo()], volume_in="miles"), "give 'usd', 'tokens'"),
        (lambda: compare_plans([on(1, "0")], [PayAsYouGo()]), "give volume_in= another unit"),
        (lambda: compare_plans([], [PayAsYouGo()]), "give start= and end="),
    ],
)
def test_bad_input_is_refused_with_what_mends_it(make: Any, message: str) -> None:
    """A wrong bill is worse than none; an error that does not name the fix costs an hour."""
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("draw_first", ["purchase", "expiry"])
def test_lots_of_which_nobody_can_say_which_comes_first_are_refused(draw_first: Any) -> None:
    """The same purchase listed twice would double somebody's credit in silence."""
    with pytest.raises(PriceFormatError, match="listed twice"):
        Prepaid([Credit(5, JANUARY), Credit(5, JANUARY)], draw_first=draw_first)
    with pytest.raises(PriceFormatError, match="two lots are called 'x'"):
        Prepaid([Credit(5, JANUARY, name="x"), Credit(5, FEBRUARY, name="x")], draw_first=draw_first)


def test_overlapping_lots_are_fine_once_their_order_is_said() -> None:
    """Lots bought one after the other overlap as a rule; at the same moment their names or their expiry must tell."""
    soon, late = (Credit(5, JANUARY, datetime(2026, month, 1, tzinfo=UTC)) for month in (3, 9))
    with pytest.raises(PriceFormatError, match="draw_first='expiry'"):
        Prepaid([late, soon])
    assert Prepaid([late, soon], draw_first="expiry").credits == (soon, late)
    named = [Credit(5, JANUARY, name="b"), Credit(5, JANUARY, name="a")]
    assert [lot.name for lot in Prepaid(named).credits] == ["b", "a"]
    assert Prepaid([Credit(5, JANUARY, FEBRUARY), Credit(5, FEBRUARY)]).credits[0].expires == FEBRUARY
