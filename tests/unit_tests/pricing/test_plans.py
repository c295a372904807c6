"""Plans: what pay as you go, prepaid credit and subscriptions bill for the same usage, and what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing import (
    Bill,
    Credit,
    PayAsYouGo,
    Prepaid,
    Subscription,
    UsageRecord,
    compare_plans,
    share_cost,
)

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


def test_credit_that_expires_at_the_end_of_a_bill_lapses_in_it_and_only_there() -> None:
    """The end of January is no part of February: what lapses with it stands on January's last line."""
    plan, usage = Prepaid([Credit(10, JANUARY, FEBRUARY)], period="day"), [on(1, "4")]
    january, february = plan.bill(usage, JANUARY, FEBRUARY), plan.bill(usage, FEBRUARY, FEBRUARY + timedelta(days=5))
    assert (january.unused_cost, january.remaining_credit, february.unused_cost) == (Decimal(6), Decimal(0), Decimal(0))
    assert line(january, "unused").start == datetime(2026, 1, 31, tzinfo=UTC)


def test_the_end_of_a_bill_is_no_part_of_it() -> None:
    """Use at midnight of the first belongs to the month that begins then."""
    usage = [UsageRecord(FEBRUARY, 5, calls=1)]
    for plan in (PayAsYouGo(), Prepaid([Credit(1, JANUARY)]), Subscription(0, allowance=0)):
        january, february = (
            plan.bill(usage, JANUARY, FEBRUARY),
            plan.bill(usage, FEBRUARY, datetime(2026, 3, 1, tzinfo=UTC)),
        )
        assert (january.list_cost, february.list_cost) == (Decimal(0), Decimal(5))


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


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UsageRecord(datetime(2026, 1, 1), 1), "has no time zone: give one"),  # noqa: DTZ001 - the fault
        (lambda: UsageRecord("2026-01-01", 1), "give a datetime with a time zone"),  # type: ignore[arg-type]  # wrong on purpose
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
        (lambda: on(1, tags=5), "give texts, such as tags=('search', 'beta')"),
        (lambda: on(1, tags=[["search"]]), "give texts, such as tags=('search', 'beta')"),
        (lambda: PayAsYouGo(period="hour"), "give 'day', 'week', 'month' or 'year'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: PayAsYouGo(usd_per_call="€1"), "without a currency sign"),
        (lambda: PayAsYouGo(usd_per_mtok="0.00000015"), "did you mean 0.15"),
        (lambda: Subscription("abc"), "is no number"),
        (lambda: Subscription(-20), "give zero or more US dollars"),
        (lambda: Subscription("20.0000000001"), "round it to 9 decimal places"),
        (lambda: Subscription(20, "fortnight"), "give 'day', 'week', 'month' or 'year'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Subscription(20, allowance=5, unit="words"), "give 'usd', 'tokens'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Subscription(20, allowance="lots"), "no number of US dollars"),
        (lambda: Subscription(20, overage="lists"), "give 'list' for the list price"),
        (lambda: Subscription(20, renews=JANUARY), "give a date"),
        (lambda: Credit(0, JANUARY), "price=0 for a gift"),
        (lambda: Credit("nan", JANUARY), "give zero or more US dollars"),
        (lambda: Credit(5, datetime(2026, 1, 1)), "has no time zone"),  # noqa: DTZ001 - the fault
        (lambda: Credit(5, FEBRUARY, JANUARY), "exchange them"),
        (lambda: Prepaid([]), "give at least one Credit"),
        (lambda: Prepaid([10]), "give Credit(amount, valid_from, expires)"),  # type: ignore[list-item]  # wrong on purpose
        (lambda: Prepaid([Credit(5, JANUARY)], draw_first="newest"), "give 'purchase' or 'expiry'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: PayAsYouGo().bill([]), "give start= and end="),
        (lambda: PayAsYouGo().bill([on(1)], FEBRUARY, JANUARY), "exchange them, or give a later end"),
        (lambda: PayAsYouGo().bill([on(1)], JANUARY, JANUARY), "is not after start"),
        (lambda: PayAsYouGo().bill([on(1)], datetime(2026, 1, 1)), "start=2026-01-01T00:00:00 has no time"),  # noqa: DTZ001 - that is the fault
        (lambda: PayAsYouGo().bill([on(1)], tz="Mars/Olympus"), "give an IANA name"),
        (lambda: PayAsYouGo().bill("costs.db"), "is no usage: give UsageRecord"),
        (lambda: PayAsYouGo().bill(7), "is no usage: give UsageRecord"),
        (lambda: PayAsYouGo().bill([7]), "is no usage: give UsageRecord"),
        (lambda: compare_plans([on(1)], "payg"), "is not a plan: give PayAsYouGo()"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: compare_plans([on(1)], 5), "5 is not a plan: give PayAsYouGo()"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: compare_plans([on(1)], ["payg"]), "is not a plan: give PayAsYouGo()"),  # type: ignore[list-item]  # wrong on purpose
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
