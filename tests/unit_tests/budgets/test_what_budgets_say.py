"""How budgets show themselves, what they refuse by which argument, and where a moment lies in their windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import Budget
from langchain_costguard.budgets import Scope
from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.budgets.windows import Place, window

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60_000_000
NOON = 1_774_785_600_000_000
"""12:00 UTC of 29 March 2026, the day on which Europe's clocks go forward."""


@pytest.mark.parametrize(
    "shown",
    [
        "Budget(2)",
        "Budget('0.5', per='day')",
        "Budget(tokens=10)",
        "Budget(calls=10, mode='soft')",
        "Budget(2, mode='soft', on_unknown='reserved')",
        "Budget(2, on_unknown='estimate')",
        "Budget(2, alerts_at=(0.5,))",
        "Budget(2, each='user', on_missing='shared')",
        "Budget(2, per='day', tz='Europe/Zurich', name='team')",
    ],
)
def test_a_budget_shows_the_shortest_call_that_makes_it(shown: str) -> None:
    """It stands in every refusal: defaults nobody gave would hide what was given."""
    assert repr(eval(shown)) == shown  # noqa: S307 - the text is our own


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Budget(2, alerts_at=("often",)), "alerts_at='often' is no number"),
        (lambda: Budget(2, name=""), "name='' is blank: give a short name without '|', such as name='checkout'"),
        (lambda: Budget(2, name="a|b"), "give a short name without '|', such as name='checkout'"),
        (lambda: Budget(2, each=" "), "each=' ' is blank: give a metadata key, such as each='user'"),
        (lambda: Scope.provider(3), "provider"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Scope.tag(3), "tag"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: Budget(2, each="user", shares={"ada": "much"}), "shares='much' is no number"),
        (lambda: Budget(2, mode="firm"), "mode='firm' is not known: give mode='hard' or 'soft'"),  # type: ignore[arg-type]  # wrong
    ],
)
def test_a_budget_is_refused_by_the_argument_that_mends_it(make: Callable[[], object], said: str) -> None:
    """A budget that is not made protects nothing; its error is read in a hurry."""
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert said in str(caught.value)


def test_a_rolling_window_is_sixty_slots_of_which_the_present_one_is_charged() -> None:
    """Each slot holds for a sixtieth of the window, and sixty before it count."""
    place = window("60min").at(NOON + 1)
    assert place == Place(NOON, NOON + MINUTE, NOON, NOON - 60 * MINUTE, None)
    assert window("60min").at(NOON + MINUTE).slot_us == NOON + MINUTE


def test_a_calendar_window_lies_in_whole_microseconds() -> None:
    """Slots are compared for equality: a float would begin a counter of its own."""
    for per in ("minute", "hour", "day", "week", "month"):
        place = window(per, "Europe/Zurich").at(NOON)
        assert {type(value) for value in place} == {int}
        assert place.start_us == place.slot_us == place.since_us <= NOON < place.end_us == place.resets_at_us


def test_a_guaranteed_share_and_what_is_common_are_asked_for_the_same_amount() -> None:
    """The second is tried where the first is full, for the same call."""
    budget = Budget(10, each="user", shares={"ada": "0.3"})
    claims = budget.claims(CallFacts(metadata={"user": "ada"}), 77, NOON)
    assert [(claim.amount, claim.limit) for claim in claims] == [(77, 3 * 10**9), (77, 7 * 10**9)]
    (common,) = budget.claims(CallFacts(metadata={"user": "bob"}), 77, NOON)
    assert common == claims[1]


def test_a_budget_that_no_call_can_meet_twice_has_a_counter_for_each_run() -> None:
    """The run stands in it, so that one run's spending is not the next one's."""
    facts: Any = CallFacts(root_run_id="r1", metadata={"user": "ada"})
    (claim,) = Budget(1, per="run", each="user").claims(facts, 5, NOON)
    assert claim.counter == f"{claim.budget}|user=ada|run=r1"


@pytest.mark.parametrize("per", ["minute", "hour", "day", "week", "month"])
def test_a_window_of_the_calendar_bears_its_time_zone(per: str) -> None:
    """Days of two cities are two windows, and share no counter."""
    assert Budget(1, per=per, tz="Europe/Zurich").key == f"usd/{per}@Europe/Zurich"
    assert Budget(1, per=per).key == f"usd/{per}"
    assert Budget(1, per="24h", tz="Europe/Zurich").key == "usd/24h"
