"""Bills add up: over periods, time zones, changing clocks and month ends, whatever was used and however it is paid."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing import Credit, PayAsYouGo, Prepaid, Subscription, UsageRecord, compare_plans
from langchain_costguard.pricing.plans.periods import Periods

if TYPE_CHECKING:
    from langchain_costguard.pricing import Bill, Plan

ZONES = ("UTC", "Europe/Zurich", "America/St_Johns", "Pacific/Apia", "Africa/Cairo", "Australia/Lord_Howe")
PERIODS = ("day", "week", "month", "year")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)

moments = st.integers(0, 400 * 24 * 60).map(lambda minutes: FIRST + timedelta(minutes=minutes))
money = st.integers(0, 3 * 10**9).map(lambda nano: Decimal(nano).scaleb(-9))
zones = st.sampled_from(ZONES)
records = st.lists(
    st.builds(
        UsageRecord,
        moments,
        st.none() | money,
        tokens=st.none() | st.integers(0, 10**6),
        calls=st.integers(0, 9),
        gpu_hours=st.integers(0, 30).map(lambda tenths: Decimal(tenths) / 10),
    ),
    max_size=15,
)
credits_ = st.builds(
    lambda amount, start, days, price: Credit(
        amount + Decimal("0.01"), start, None if days is None else start + timedelta(days=days, hours=5), price=price
    ),
    money,
    moments,
    st.none() | st.integers(0, 300),
    st.none() | money,
)
renewals = st.none() | st.dates(date(2025, 1, 1), date(2026, 12, 31))


def prepaid(lots: list[Credit], draw_first: str, period: str) -> Plan:
    """A prepaid plan, or pay as you go where the lots drawn by chance have no order."""
    try:
        return Prepaid(lots, draw_first=draw_first, period=period)  # type: ignore[arg-type]  # drawn from all there are
    except PriceFormatError:
        return PayAsYouGo(period=period)  # type: ignore[arg-type]  # drawn from all there are


plans = st.one_of(
    st.builds(PayAsYouGo, period=st.sampled_from(PERIODS)),
    st.builds(PayAsYouGo, usd_per_call=money, usd_per_gpu_hour=money, usd_per_mtok=st.sampled_from([None, "0.33"])),
    st.builds(
        prepaid,
        st.lists(credits_, min_size=1, max_size=4),
        st.sampled_from(["purchase", "expiry"]),
        st.sampled_from(PERIODS),
    ),
    st.builds(
        Subscription,
        money,
        st.sampled_from(PERIODS[1:]),
        allowance=st.none() | st.integers(0, 5),
        unit=st.sampled_from(["usd", "tokens", "calls", "gpu_hours"]),
        overage=st.sampled_from(["list", "0.07"]),
        renews=renewals,
    ),
)


def totals(bill: Bill) -> tuple[Decimal | int, ...]:
    """What two bills must agree on."""
    return (
        bill.billed_cost,
        bill.effective_cost,
        bill.list_cost,
        bill.overage_cost,
        bill.purchase_cost,
        bill.unused_cost,
        bill.unpriced_calls,
    )


@settings(max_examples=150, deadline=None)
@given(plan=plans, usage=records, start=moments, cut=st.integers(1, 6), more=st.integers(1, 6), tz=zones)
def test_bills_of_two_stretches_add_up_to_the_bill_of_both(
    plan: Plan, usage: list[UsageRecord], start: datetime, cut: int, more: int, tz: str
) -> None:
    """Cut at the boundary of a period, nothing is billed twice and nothing is forgotten."""
    periods = Periods(plan.period, tz, plan.renews)
    first = middle = periods.around(start).start
    for _ in range(cut):
        middle = periods.around(middle).end
    last = middle
    for _ in range(more):
        last = periods.around(last).end
    whole = plan.bill(usage, first, last, tz=tz)
    parts = plan.bill(usage, first, middle, tz=tz), plan.bill(usage, middle, last, tz=tz)
    assert totals(whole) == tuple(map(sum, zip(*map(totals, parts), strict=True)))
    assert whole.remaining_nano == parts[1].remaining_nano
    assert sorted(map(repr, whole.lines)) == sorted(map(repr, parts[0].lines + parts[1].lines))


@settings(max_examples=150, deadline=None)
@given(plan=plans, usage=records, start=moments, end=moments, tz=zones)
def test_the_lines_of_a_bill_are_its_total(
    plan: Plan, usage: list[UsageRecord], start: datetime, end: datetime, tz: str
) -> None:
    """To the nano-dollar, at any cut; and every call is on the bill or counted as unpriced."""
    start, end = min(start, end), max(start, end) + timedelta(minutes=1)
    bill = plan.bill(usage, start, end, tz=tz)
    assert sum((line.billed_cost for line in bill.lines), Decimal(0)) == bill.billed_cost
    assert sum((line.effective_cost for line in bill.lines), Decimal(0)) == bill.effective_cost
    assert all(start <= line.start < line.end <= end for line in bill.lines)
    assert all(line.billed_nano >= 0 and line.effective_nano >= 0 for line in bill.lines)
    inside = [record for record in usage if start <= record.at < end]
    on_it = sum(line.calls for line in bill.lines)
    assert on_it + bill.unpriced_calls >= sum(record.calls for record in inside) >= on_it


@settings(max_examples=150, deadline=None)
@given(
    lots=st.lists(credits_, min_size=1, max_size=4), usage=records, draw_first=st.sampled_from(["purchase", "expiry"])
)
def test_all_credit_is_drawn_lapsed_or_left(lots: list[Credit], usage: list[UsageRecord], draw_first: str) -> None:
    """No credit is lost and none is spent twice; what is paid is what was used, lapsed, or is still there."""
    plan = prepaid(lots, draw_first, "month")
    if not isinstance(plan, Prepaid):
        return
    end = FIRST + timedelta(days=1_000)
    bill = plan.bill(usage, FIRST, end)
    moved = {
        kind: sum((line.quantity or 0 for line in bill.lines if line.kind == kind), Decimal(0))
        for kind in ("purchase", "usage", "unused", "overage")
    }
    assert bill.remaining_credit is not None
    assert moved["purchase"] == moved["usage"] + moved["unused"] + bill.remaining_credit
    assert moved["usage"] + moved["overage"] == sum((record.cost or 0 for record in usage), Decimal(0))
    if not bill.remaining_credit:
        assert bill.effective_cost == bill.billed_cost


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(PERIODS), tz=zones, renews=renewals, at=moments)
def test_periods_follow_one_another_without_gap_or_overlap(
    name: str, tz: str, renews: date | None, at: datetime
) -> None:
    """Every moment lies in exactly one period, through changing clocks, leap days and short months."""
    periods = Periods(name, tz, renews)  # type: ignore[arg-type]  # drawn from all there are
    spans = [periods.around(at)]
    assert spans[0].start <= at < spans[0].end
    for _ in range(14):
        spans.append(periods.around(spans[-1].end))
    assert all(one.end == other.start for one, other in pairwise(spans))
    for span in spans:
        assert periods.around(span.end - timedelta(microseconds=1)) == span


@settings(max_examples=60, deadline=None)
@given(usage=records, fee=money, allowance=st.none() | st.integers(0, 5))
def test_a_comparison_of_whole_months_is_the_bill(
    usage: list[UsageRecord], fee: Decimal, allowance: int | None
) -> None:
    """Ranked figures and bills must not tell two stories."""
    if not any(record.cost for record in usage):
        return
    compared_plans = [PayAsYouGo(), Subscription(fee, allowance=allowance, overage="0.5")]
    compared = compare_plans(usage, compared_plans)
    bills = [plan.bill(usage, compared.start, compared.end) for plan in compared_plans]
    for bill in bills:
        (row,) = [row for row in compared.ranked if row.plan == bill.plan]
        assert abs(row.cost - bill.effective_cost) <= Decimal("1e-9") * len(bill.lines)
    assert compared.best.cost == min(row.cost for row in compared.ranked)


@settings(max_examples=40, deadline=None)
@given(fee=st.integers(1, 10**12), calls=st.integers(1, 10**6), price=st.integers(1, 10**9))
def test_below_a_crossover_one_plan_is_cheaper_and_above_it_the_other(fee: int, calls: int, price: int) -> None:
    """The last call at which pay as you go costs no more is the fee over the price of a call, rounded down.

    Where that is no call at all, the fee is the cheaper one at any volume and nothing is crossed. Volumes are compared
    up to a thousand times what is used: a crossover within a hundredth of that end may be seen or not.
    """
    per_call, flat = Decimal(price).scaleb(-9), Decimal(fee).scaleb(-9)
    usage = [UsageRecord(FIRST, per_call * calls, calls=calls)]
    compared = compare_plans(usage, [PayAsYouGo(usd_per_call=per_call), Subscription(flat)], volume_in="calls")
    crossed = (fee // price,)
    if abs(crossed[0] - calls * 1000) <= calls * 10:
        assert compared.crossovers in {crossed, ()}
    else:
        assert compared.crossovers == (crossed if 0 < crossed[0] < calls * 1000 else ())
