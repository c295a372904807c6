"""A machine of your own: busy and idle time, what its tokens really cost, and when it beats an API."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.pricing import (
    UsageRecord,
    break_even,
    busy_time,
    gpu_cost,
    gpu_hour,
    machine_cost,
)
from langchain_costguard.usage import TokenUsage

HOUR = 3_600_000_000_000


def test_ten_gpu_hours_and_a_thousand_calls_cost_eleven_dollars() -> None:
    """The example that was asked for: 10 h x $0.1 + 1000 x $0.01 = $11, by either way to say it."""
    assert gpu_cost(10, "0.1", 1_000, "0.01") == Decimal(11)
    assert gpu_cost("10", 0.1, "1000", 0.01) == Decimal(11)  # type: ignore[arg-type] - as typed into a calculator
    assert gpu_hour("0.1", usd_per_call="0.01").cost(None, calls=1_000, busy_ns=10 * HOUR).total == Decimal(11)


def test_the_formula_is_exact_at_any_size() -> None:
    """Checked in integers: 123456789012345 x 987654321 + 3 x 10**12. No digit is lost, no exponent is printed."""
    assert str(gpu_cost("0.123456789012345", "0.987654321", 3, "0.000000000001")) == "0.121932631127827861592745"
    assert str(gpu_cost(10**14, 1_000)) == "100000000000000000"
    assert gpu_cost(0, "0.1", 0, 1) == Decimal(0)


def test_overlapping_calls_keep_a_machine_busy_once() -> None:
    """Ten calls at once are not ten machines."""
    assert busy_time([(0, 200), (100, 250), (400, 500)]) == 350
    assert busy_time([(400, 500), (0, 200), (200, 300), (210, 220)]) == 400
    assert (busy_time([]), busy_time([(5, 5)])) == (0, 0)


def test_busy_time_is_the_union_of_any_schedule() -> None:
    """100 random overlapping schedules against a count of every single nanosecond."""
    rng = random.Random(11)
    for _ in range(100):
        calls = []
        for _ in range(rng.randint(1, 40)):
            start = rng.randrange(1_000)
            calls.append((start, start + rng.randrange(120)))
        assert busy_time(calls) == len({moment for start, end in calls for moment in range(start, end)})


def test_utilisation_is_shown_and_idle_time_apart() -> None:
    """A machine that is up all day is paid all day; who manages it must see how much of it is used."""
    cost = machine_cost([(0, HOUR), (HOUR // 2, 2 * HOUR)], usd_per_gpu_hour="0.50", paid_hours=8)
    assert (cost.busy_cost, cost.idle_cost, cost.total_cost) == (Decimal(1), Decimal(3), Decimal(4))
    assert (cost.utilisation, cost.idle_share, cost.calls) == (Decimal("0.25"), Decimal("0.75"), 2)
    assert "idle      6.00  75.0 %  $3.00" in str(cost)


def test_busy_and_idle_add_up_where_they_do_not_divide() -> None:
    """A third of an hour at a price with nine decimals."""
    rng = random.Random(5)
    for _ in range(200):
        price = Decimal(rng.randrange(1, 10**10)).scaleb(-9)
        paid = rng.randrange(1, 10 * HOUR)
        cost = machine_cost([(0, rng.randrange(paid + 1))], usd_per_gpu_hour=price, window=(0, paid), gpus=3)
        assert cost.busy_cost + cost.idle_cost == cost.total_cost
        assert abs(cost.total_cost - 3 * price * paid / HOUR) <= Decimal("5.000001e-10")


def test_low_utilisation_makes_tokens_dear() -> None:
    """The same machine and the same hour: what a token costs depends on how much of it was used."""
    busy, idle = (machine_cost(busy_hours=1, usd_per_gpu_hour="2.16", paid_hours=1, tokens=n) for n in (720_000, 7_200))
    assert (busy.effective_usd_per_mtok, idle.effective_usd_per_mtok) == (Decimal(3), Decimal(300))
    assert "A million tokens cost $300.00, idle time included." in str(idle)


def test_calls_can_cost_something_on_top() -> None:
    """The formula with the idle time of a real machine."""
    cost = machine_cost(busy_hours=4, usd_per_gpu_hour="0.1", paid_hours=10, usd_per_call="0.01", call_count=1_000)
    assert (cost.total_cost, cost.calls_cost, cost.idle_cost) == (Decimal(11), Decimal(10), Decimal("0.6"))
    assert cost.effective_usd_per_call == Decimal("0.011")
    assert cost.to_dict()["total_cost"] == "11"
    assert "<td" in cost._repr_html_()


def test_what_is_not_known_stays_unknown() -> None:
    """No tokens, no price per token; no calls, no price per call."""
    cost = machine_cost(busy_hours=1, usd_per_gpu_hour=1, paid_hours=2)
    assert (cost.effective_usd_per_mtok, cost.effective_usd_per_call, cost.calls) == (None, None, None)


def test_lines_of_a_ledger_tell_when_a_machine_was_busy() -> None:
    """Two overlapping calls of a local model, half an hour together."""
    lines = [
        LedgerEntry(
            run_id=uuid4(), started_at_us=start * 10**6, latency_us=1_200 * 10**6, usage=TokenUsage(output_text=1_000)
        )
        for start in (0, 600)
    ]
    cost = machine_cost(lines, usd_per_gpu_hour=2, paid_hours=1)
    assert (cost.busy_cost, cost.idle_cost, cost.tokens, cost.calls) == (Decimal(1), Decimal(1), 2_000, 2)


def test_a_machine_is_shared_fairly_busy_time_by_use_and_idle_time_equally() -> None:
    """Fair sharing of a resource among users: by a stated rule for each part, adding up to the bill."""
    cost = machine_cost(busy_hours=1, usd_per_gpu_hour="1", paid_hours=4)
    at = datetime(2026, 1, 5, tzinfo=UTC)
    usage = [UsageRecord(at, gpu_hours="0.9", user="u1"), UsageRecord(at, gpu_hours="0.1", user="u2")]
    assert cost.share(iter(usage)) == {"u1": Decimal("2.4"), "u2": Decimal("1.6")}
    assert cost.share(usage, idle="usage") == {"u1": Decimal("3.6"), "u2": Decimal("0.4")}
    assert cost.share({"a": 2, "b": 1, "c": 4}) == {
        "a": Decimal("1.285714286"),
        "b": Decimal("1.142857143"),
        "c": Decimal("1.571428571"),
    }


def test_break_even_is_the_hourly_price_over_the_price_of_a_call() -> None:
    """$2.50 an hour against $0.004 a call: 625 calls an hour, and on either side of it the other one is cheaper."""
    found = break_even("2.50", api_usd_per_call="0.004")
    assert (found.per_hour, found.unit) == (625, "calls")
    assert 624 * Decimal("0.004") < Decimal("2.50") <= 625 * Decimal("0.004")
    assert str(found) == "The machine pays from 625 calls an hour."


def test_break_even_rounds_up_to_a_whole_call() -> None:
    """At 333 calls the API still costs less; nobody makes a third of a call."""
    assert break_even(1, api_usd_per_call="0.003").per_hour == 334
    assert break_even(1, gpus=2, api_usd_per_call="0.003").per_hour == 667


def test_break_even_by_tokens_says_whether_the_machine_can_carry_it() -> None:
    """A slow GPU never catches up with a cheap API: 60 tokens a second are 216,000 an hour."""
    slow = break_even("0.25", api_usd_per_mtok="0.60", capacity_per_hour=216_000)
    assert (slow.per_hour, slow.is_reachable) == (416_667, False)
    assert str(slow) == (
        "The machine pays from 416,667 tokens an hour, 192.9 % of what it can do: it cannot carry that."
    )
    fast = break_even("0.25", api_usd_per_mtok="0.60", capacity_per_hour=1_000_000)
    assert (fast.utilisation, fast.is_reachable) == (Decimal("0.416667"), True)


def test_a_machine_whose_calls_cost_more_than_the_api_never_pays() -> None:
    """An unknown break-even would be read as a small one."""
    for api in ("0.01", "0"):
        found = break_even(1, api_usd_per_call=api, usd_per_call="0.01")
        assert (found.per_hour, found.is_reachable) == (None, False)
        assert "never pays" in str(found)
    assert break_even(1, api_usd_per_call="0.03", usd_per_call="0.01").per_hour == 50


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gpu_cost("abc", 1), "no number of GPU-hours"),
        (lambda: gpu_cost("nan", 1), "no number of GPU-hours"),
        (lambda: gpu_cost(-1, 1), "give zero or more"),
        (lambda: gpu_cost(1, "$0.10"), "without a currency sign"),
        (lambda: gpu_cost(1, 1, 2.5), "not a whole number of calls"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: gpu_cost(1, 1, 2, "free"), "is no number"),
        (lambda: gpu_cost("1e99999999", 1), "no number of GPU-hours"),
        (lambda: busy_time([(5, 3)]), "ends at 3, before it starts at 5"),
        (lambda: busy_time([(0.5, 1.5)]), "whole nanoseconds"),
        (lambda: busy_time(["abc"]), "is no call: give (start_ns, end_ns)"),
        (lambda: busy_time([LedgerEntry(run_id=uuid4(), started_at_us=0)]), "give busy_hours= instead"),
        (lambda: machine_cost(usd_per_gpu_hour=1, paid_hours=1), "give either calls="),
        (lambda: machine_cost([], busy_hours=1, usd_per_gpu_hour=1, paid_hours=1), "give either calls="),
        (lambda: machine_cost([], usd_per_gpu_hour=1), "paid_hours= or window="),
        (lambda: machine_cost([], usd_per_gpu_hour=1, paid_hours=0), "paid for no time"),
        (lambda: machine_cost([], usd_per_gpu_hour=1, window=(5, 5)), "ends after it starts"),
        (lambda: machine_cost([], usd_per_gpu_hour=1, window=5), "give window=(start_ns, end_ns)"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: machine_cost([], usd_per_gpu_hour=1, window=("a", "b")), "in whole nanoseconds"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: machine_cost([(0, 9)], usd_per_gpu_hour=1, window=(1, 9)), "calls ran outside window=(1, 9)"),
        (lambda: machine_cost(busy_hours=2, usd_per_gpu_hour=1, paid_hours=1), "busy for 2.00 h and paid for 1.00 h"),
        (lambda: machine_cost(busy_hours=1, usd_per_gpu_hour=1, paid_hours=1, usd_per_call=1), "give call_count="),
        (lambda: machine_cost(busy_hours=1, usd_per_gpu_hour=1, paid_hours=1, gpus=0), "1 or more"),
        (lambda: break_even(1), "give the API's price once"),
        (lambda: break_even(1, api_usd_per_call=1, api_usd_per_mtok=1), "give the API's price once"),
        (lambda: break_even(1, api_usd_per_mtok=1, usd_per_call=1), "give api_usd_per_call= instead"),
        (lambda: break_even(1, api_usd_per_call=1, capacity_per_hour=0), "or leave it out"),
        (lambda: break_even(1, api_usd_per_call="cheap"), "is no number"),
    ],
)
def test_bad_input_is_refused_with_what_mends_it(make: Any, message: str) -> None:
    """Somebody types these into a calculator."""
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert message in str(caught.value)


def test_a_price_that_is_none_is_a_price_format_error() -> None:
    """One class to catch for whatever is wrong with a price."""
    with pytest.raises(PriceFormatError):
        gpu_cost(1, "one")
