"""Headroom: how long an answer the budgets allow, before anything is asked of them."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_costguard import Budget, InMemoryStore, PriceBook
from langchain_costguard.budgets.claims import BudgetChange
from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.guard.admission import Candidate
from langchain_costguard.guard.bound import CallRequest, bound_call
from langchain_costguard.guard.guard import BudgetGuard
from langchain_costguard.guard.headroom import Headroom, headroom
from langchain_costguard.pricing import per_token
from langchain_costguard.testing.claims import make_reservation, settlement

PRICES = PriceBook({"mine": per_token(1, 2)})
REQUEST = CallRequest("chat", [], {"max_tokens": 1000}, model="mine")
BOUND = bound_call(REQUEST, PRICES)
INPUT = BOUND.input_tokens or 0
NOW_US = 1_774_742_400_000_000


def asked(
    *budgets: Budget,
    facts: CallFacts | None = None,
    request: CallRequest = REQUEST,
    spent_at_us: int = NOW_US,
    **held: tuple[int, int],
) -> Headroom:
    """The headroom of a call whose budgets, by their names, have spent and reserved so much."""
    clock = [spent_at_us]
    store = InMemoryStore(clock=lambda: clock[0])
    for budget in budgets:
        spent, reserved = held.get(budget.name or "", (0, 0))
        for amount, is_settled in ((spent, True), (reserved, False)):
            if amount:
                (claim,) = budget.claims(CallFacts(metadata={"user": "ada"}), amount, spent_at_us)
                reservation = make_reservation(claim)
                assert store.reserve(reservation).is_admitted
                if is_settled:
                    store.settle(settlement(reservation, amount))
        if f"{budget.name}_limit" in held:
            store.change(BudgetChange(budget.key, "set", 1, "ops", held[f"{budget.name}_limit"][0]))
    clock[0] = NOW_US
    facts = CallFacts(metadata={"user": "ada"}) if facts is None else facts
    return headroom(Candidate(request, facts, None, lambda _: None), [BudgetGuard(budgets, store, PRICES)])


def test_what_is_left_in_dollars_buys_an_answer_beside_the_input() -> None:
    """By hand: a token of input costs 1,000 nano-USD and one of output 2,000, of 2,500,000 with 1,500,000 spent."""
    budget = Budget("0.0025", name="money")
    fits = (1_000_000 - 1_000 * INPUT) // 2_000
    assert asked(budget, money=(1_500_000, 0)) == Headroom(fits, fits)


def test_what_is_reserved_is_free_again_after_waiting() -> None:
    """A call that fits once another has ended is worth waiting for; one that never will is not."""
    room = asked(Budget("0.0025", name="money"), money=(1_000_000, 1_000_000))
    assert room.output_tokens == (500_000 - 1_000 * INPUT) // 2_000
    assert room.after_waiting == (1_500_000 - 1_000 * INPUT) // 2_000


def test_where_everything_fits_nothing_limits_the_answer() -> None:
    """`None` is no limit; a number would shorten an answer for nothing."""
    assert asked(Budget(1, name="money")) == Headroom(None, None)
    assert asked() == Headroom(None, None)
    exactly = Budget(tokens=BOUND.tokens, name="tokens")
    assert asked(exactly) == Headroom(None, None)
    assert asked(exactly, tokens=(1, 0)) == Headroom(999, 999)


def test_tokens_leave_what_the_input_does_not_take() -> None:
    """The limit of tokens counts both; below zero there is no room even for the input."""
    assert asked(Budget(tokens=INPUT + 40, name="tokens")) == Headroom(40, 40)
    assert asked(Budget(tokens=INPUT + 40, name="tokens"), tokens=(30, 5)) == Headroom(5, 10)
    assert asked(Budget(tokens=INPUT + 40, name="tokens"), tokens=(0, INPUT + 40)) == Headroom(-INPUT, 40)


def test_every_attempt_needs_its_share_of_the_tokens() -> None:
    """A retry sends the input again."""
    retried = REQUEST._replace(params={"max_tokens": 1000, "max_retries": 1})
    assert asked(Budget(tokens=2 * INPUT + 81, name="tokens"), request=retried) == Headroom(40, 40)


def test_calls_limit_no_answer_until_none_is_left() -> None:
    """A call is a call, however long."""
    assert asked(Budget(calls=2, name="calls"), calls=(1, 0)) == Headroom(None, None)
    assert asked(Budget(calls=2, name="calls"), calls=(1, 1)) == Headroom(-1, None)


def test_dollars_that_do_not_even_pay_the_input_leave_less_than_nothing() -> None:
    """Zero would mean that an empty answer fits."""
    assert asked(Budget("0.000001", name="money")) == Headroom(-1, -1)


def test_the_tightest_hard_budget_that_means_the_call_decides() -> None:
    """Soft ones refuse nothing, and a budget for others has no say."""
    tight, wide = Budget(tokens=INPUT + 40, name="tight"), Budget(tokens=INPUT + 90, name="wide")
    soft = Budget(tokens=1, mode="soft", name="soft")
    others = Budget(tokens=1, scope={"user": "bob"}, name="others")
    assert asked(wide, soft, others, tight) == Headroom(40, 40)
    assert asked(soft, others) == Headroom(None, None)


def test_what_an_operator_has_set_is_the_limit() -> None:
    """The figure in the code is then history."""
    raised: Any = {"tokens_limit": (INPUT + 70, 0)}
    assert asked(Budget(tokens=INPUT + 40, name="tokens"), **raised) == Headroom(70, 70)


def test_a_call_that_names_no_user_is_refused_elsewhere() -> None:
    """The error of the admission says what is missing; a shorter answer would not help."""
    budget = Budget(tokens=INPUT + 40, each="user", name="each")
    assert asked(budget, facts=CallFacts()) == Headroom(None, None)
    assert asked(budget) == Headroom(40, 40)


def test_only_the_users_own_counter_is_read() -> None:
    """Another user's spending is not this one's."""
    budget = Budget(tokens=INPUT + 40, each="user", name="each")
    bob = CallFacts(metadata={"user": "bob"})
    assert asked(budget, each=(30, 0)) == Headroom(10, 10)
    assert asked(budget, facts=bob, each=(30, 0)) == Headroom(40, 40)


@pytest.mark.parametrize(("window", "left"), [("total", 10), ("day", 40)])
def test_the_window_of_now_is_read(window: str, left: int) -> None:
    """What a window before it has spent is over."""
    budget, yesterday = Budget(tokens=INPUT + 40, per=window, name="tokens"), NOW_US - 86_400_000_000
    assert asked(budget, tokens=(30, 0)) == Headroom(10, 10)
    assert asked(budget, spent_at_us=yesterday, tokens=(30, 0)) == Headroom(left, left)
