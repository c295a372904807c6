"""Status: what is left in the present window, of which counter, and when it will be used up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from langchain_costguard import Budget, BudgetStatus
from langchain_costguard.budgets import statuses
from langchain_costguard.budgets.claims import BudgetSetting, CounterState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


def us(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def state(
    budget: Budget, spent: int, *, counter: str | None = None, slot: datetime = MIDNIGHT, reserved: int = 0
) -> CounterState:
    """What a counter of the budget holds."""
    slot_us = 0 if budget.per in {"run", "total"} else us(slot)
    return CounterState(budget.key, counter or budget.key, slot_us, budget.unit, spent, reserved, 5, 6, 7, None)


def only(budget: Budget, *counters: CounterState, settings: tuple[BudgetSetting, ...] = ()) -> BudgetStatus:
    """The one status there is at noon."""
    (status,) = statuses(budget, counters, settings, us(NOON))
    return status


def test_a_status_says_what_the_counter_holds_in_dollars() -> None:
    """Every figure of a counter is read by somebody."""
    budget = Budget(2, per="day", tz="Europe/Zurich")
    status = only(budget, state(budget, 500_000_000, slot=MIDNIGHT - timedelta(hours=1), reserved=250_000_000))
    assert (status.limit, status.spent, status.reserved, status.remaining) == (
        Decimal(2),
        Decimal("0.5"),
        Decimal("0.25"),
        Decimal("1.25"),
    )
    assert (status.unsettled, status.overrun, status.refused) == (Decimal("5e-9"), Decimal("6e-9"), 7)
    assert (status.started_at, status.resets_at) == (
        MIDNIGHT - timedelta(hours=1),
        MIDNIGHT + timedelta(hours=23),
    )
    assert status.share_spent == Decimal("0.25")
    assert (status.name, status.each_value, status.frozen, status.covers) == (budget.key, None, None, "every call")


def test_an_unused_budget_has_a_status() -> None:
    """Nothing spent is an answer too."""
    status = only(Budget(tokens=100))
    assert (status.spent, status.remaining, status.started_at, status.resets_at) == (0, 100, None, None)
    assert statuses(Budget(2, per="run"), [], [], us(NOON)) == []
    assert statuses(Budget(2, each="user"), [], [], us(NOON)) == []


def test_only_the_present_window_of_this_budget_counts() -> None:
    """Yesterday is spent, and another budget's counter is not this one's."""
    budget = Budget(calls=9, per="day")
    yesterday = state(budget, 5, slot=MIDNIGHT - timedelta(days=1))
    assert only(budget, yesterday, state(budget, 2), state(Budget(calls=9, per="day", name="x"), 1)).spent == 2


def test_a_rolling_window_is_the_sum_of_its_slots() -> None:
    """Those that have left it do not count."""
    budget = Budget(calls=9, per="1h")
    ago = [state(budget, 1, slot=NOON - timedelta(minutes=minutes)) for minutes in (0, 30, 60, 61, 90)]
    status = only(budget, *ago)
    assert (status.spent, status.refused, status.resets_at) == (3, 21, None)


def test_each_user_has_a_status_by_the_users_own_name() -> None:
    """People read names, not escapes; the counter of those without a name has none."""
    budget = Budget(calls=9, per="run", each="user", on_missing="shared")
    counters = [f"{budget.key}|user=a%7Cb|run=1", f"{budget.key}|user|run=2"]
    found = statuses(budget, [state(budget, 1, counter=counter) for counter in counters], [], us(NOON))
    assert {status.counter: status.each_value for status in found} == dict(zip(counters, ["a|b", None], strict=True))


def test_shares_are_shown_apart_each_with_its_own_limit() -> None:
    """A guaranteed user wants to know what is guaranteed."""
    budget = Budget(calls=10, per="day", each="user", shares={"alice": "0.3"})
    pool = budget.keys[1]
    counted = state(budget, 2)._replace(budget=pool, counter=pool)
    found = statuses(budget, [counted], [BudgetSetting(pool, 4, None)], us(NOON))
    assert [(status.each_value, status.limit, status.spent) for status in found] == [(None, 7, 0), ("alice", 4, 2)]


def test_what_an_operator_set_is_in_force() -> None:
    """The limit in the code is not the one that decides; a limit below what is spent leaves nothing."""
    budget = Budget(2, per="day", name="ours")
    status = only(budget, state(budget, 500_000_000), settings=(BudgetSetting("ours", 400_000_000, "audit"),))
    assert (status.limit, status.remaining, status.frozen) == (Decimal("0.4"), Decimal(0), "audit")
    assert status.share_spent == Decimal("1.25")
    frozen = state(budget, 1)._replace(frozen="overrun")
    assert only(budget, frozen, settings=(BudgetSetting("ours", None, None),)).frozen == "overrun"
    assert only(budget, settings=(BudgetSetting("ours", 0, None),)).share_spent == 1


def test_a_status_is_one_line_for_people() -> None:
    """It stands in logs and terminals."""
    budget = Budget(2, per="day", each="user")
    status = only(budget, state(budget, 500_000_000, counter=f"{budget.key}|user=alice", reserved=4_000_000))
    assert str(status) == (
        "usd/day/each=user (alice): $0.50 of $2.00 spent (25%), $0.004 reserved, $1.496 left, 7 refused, "
        "resets 2026-01-02 00:00 UTC"
    )
    calls = Budget(calls=2_000, name="calls of the team")
    assert str(only(calls, settings=(BudgetSetting("calls of the team", None, "audit"),))) == (
        "calls of the team: 0 calls of 2,000 calls spent (0%), 2,000 calls left, frozen: audit"
    )


@pytest.mark.parametrize(
    ("spent", "reached"),
    [
        (0, None),
        (500_000_000, None),  # at midnight it is half spent again
        (1_000_000_000, None),  # at midnight, when it starts anew
        (1_500_000_000, NOON + timedelta(hours=4)),
        (2_000_000_000, NOON),
        (2_500_000_000, NOON),
    ],
)
def test_the_forecast_goes_on_at_the_average_rate_of_the_window(spent: int, reached: datetime | None) -> None:
    """Half the day is gone at noon, so three quarters spent means the last quarter is gone at four."""
    budget = Budget(2, per="day")
    assert only(budget, state(budget, spent)).forecast(NOON) == reached


def test_a_forecast_needs_a_beginning() -> None:
    """A total does not know its own, and a rolling window loses as much as it gains."""
    total, rolling = Budget(calls=3), Budget(calls=3, per="24h")
    status = only(total, state(total, 1))
    assert status.forecast(NOON) is None
    assert status.forecast(NOON, since=NOON - timedelta(days=1)) == NOON + timedelta(days=2)
    assert status.forecast(NOON, since=NOON) is None
    assert only(rolling, state(rolling, 1)).forecast(NOON) is None
    never = Budget(tokens=2**62)
    assert only(never, state(never, 1)).forecast(NOON, since=MIDNIGHT) is None
    with pytest.raises(ValueError, match="has no time zone"):
        status.forecast(NOON.replace(tzinfo=None))
