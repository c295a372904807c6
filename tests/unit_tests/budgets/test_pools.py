"""Guaranteed shares: one limit for all, of which some is kept for some, and never more than the limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard import Budget
from langchain_costguard.budgets import CallFacts

USERS = ("alice", "bob", "carol", "dave")


def admitted(budget: Budget, user: str, amount: int, spent: dict[str, int]) -> bool:
    """What a store does with a call: the first claim that fits is charged."""
    for claim in budget.claims(CallFacts(metadata={"user": user}), amount, 0):
        if spent.get(claim.counter, 0) + amount <= claim.limit:
            spent[claim.counter] = spent.get(claim.counter, 0) + amount
            return True
    return False


def test_a_guaranteed_user_spends_the_own_pool_before_the_common_one() -> None:
    """Else nothing would be left in common for whoever comes late."""
    budget = Budget(calls=10, per="day", each="user", shares={"alice": "0.3", "bob": 0.25})
    own, common = budget.claims(CallFacts(metadata={"user": "alice"}), 1, 0)
    assert (own.counter, own.budget, own.limit) == ("calls/day/shares=user|pool=alice",) * 2 + (3,)
    assert (common.counter, common.budget, common.limit) == ("calls/day/shares=user",) * 2 + (5,)
    (others,) = budget.claims(CallFacts(metadata={"user": "carol"}), 1, 0)
    assert others == common
    assert budget.keys == (
        "calls/day/shares=user",
        "calls/day/shares=user|pool=alice",
        "calls/day/shares=user|pool=bob",
    )
    assert [budget.limit_under(key) for key in budget.keys] == [5, 3, 2]


def test_a_budget_that_is_guaranteed_in_full_has_nothing_in_common() -> None:
    """Others are refused at a limit of nothing; the guaranteed are not asked twice."""
    budget = Budget(calls=10, each="user", shares={"alice": 1})
    assert len(budget.claims(CallFacts(metadata={"user": "alice"}), 1, 0)) == 1
    (claim,) = budget.claims(CallFacts(metadata={"user": "carol"}), 1, 0)
    assert claim.limit == 0


def test_whoever_has_no_name_has_no_share() -> None:
    """The shared counter of a divided budget is the common pool."""
    budget = Budget(calls=10, per="run", each="user", on_missing="shared", shares={"alice": "0.5"})
    (claim,) = budget.claims(CallFacts(root_run_id="r"), 1, 0)
    assert (claim.counter, claim.limit) == ("calls/run/shares=user|run=r", 5)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"shares": {"alice": "0.3"}}, ValueError, "say which, such as each='user'"),
        ({"shares": {"alice": "0.3"}, "each": "user", "mode": "soft"}, ValueError, "leave mode='soft' out"),
        ({"shares": {"alice": "0.6", "bob": "0.5"}, "each": "user"}, ValueError, "add up to more than 1"),
        ({"shares": {"alice": 0}, "each": "user"}, ValueError, "is no share"),
        ({"shares": {"alice": "nan"}, "each": "user"}, ValueError, "is no share"),
        ({"shares": {"alice": "0.01"}, "each": "user"}, ValueError, "leave somebody nothing"),
        ({"shares": {"": "0.5"}, "each": "user"}, ValueError, "give each user once"),
        ({"shares": {1: "0.5", "1": "0.1"}, "each": "user"}, ValueError, "give each user once"),
        ({"shares": ["alice"], "each": "user"}, TypeError, "is no mapping"),
        ({"shares": {"alice": True}, "each": "user"}, TypeError, "is no number"),
    ],
)
def test_shares_that_cannot_be_kept_are_refused(given: dict[str, Any], error: type[Exception], said: str) -> None:
    """A guarantee that does not hold is worse than none."""
    with pytest.raises(error, match=said):
        Budget(calls=10, **given)


@given(
    st.integers(1, 200),
    st.dictionaries(st.sampled_from(USERS[:3]), st.integers(1, 33), max_size=3),
    st.lists(st.tuples(st.sampled_from(USERS), st.integers(1, 20)), max_size=60),
)
def test_the_limit_holds_and_so_does_every_share(
    limit: int, percents: dict[str, int], calls: list[tuple[str, int]]
) -> None:
    """Against plain bookkeeping: never more than the limit, and a guaranteed user always gets the own part."""
    shares = {user: f"0.{percent:02}" for user, percent in percents.items() if limit * percent >= 100}
    budget = Budget(calls=limit, each="user", shares=shares)
    kept = {user: limit * percents[user] // 100 for user in shares}
    own, common, spent = dict.fromkeys(USERS, 0), 0, dict[str, int]()
    for user, amount in calls:
        if shares and own[user] + amount <= kept.get(user, 0):
            expected = True
            own[user] += amount
        elif shares:
            expected = common + amount <= limit - sum(kept.values())
            common += amount * expected
        else:
            expected = own[user] + amount <= limit
            own[user] += amount * expected
        assert admitted(budget, user, amount, spent) is expected
        assert not shares or sum(spent.values()) == sum(own.values()) + common <= limit
