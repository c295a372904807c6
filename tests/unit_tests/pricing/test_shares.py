"""Sharing a cost among users or tags: fair by a stated rule, and exact to the last nano-dollar."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from langchain_costguard.pricing import UsageRecord, share_cost


def used(user: str | None, cost: str | None = "1", **amounts: Any) -> UsageRecord:
    """Usage of one user."""
    return UsageRecord(datetime(2026, 1, 5, tzinfo=UTC), cost, user=user, **amounts)


def test_a_shared_cost_is_split_fairly_by_usage() -> None:
    """Who caused three quarters of the use pays three quarters of the fee."""
    usage = [used("u1", "2"), used("u2"), used("u1")]
    assert share_cost(20, usage) == {"u1": Decimal(15), "u2": Decimal(5)}


@pytest.mark.parametrize(("measure", "share"), [("usd", "10"), ("tokens", "15"), ("calls", "4"), ("gpu_hours", "16")])
def test_usage_can_be_measured_in_any_unit(measure: Any, share: str) -> None:
    """What is fair depends on what is shared: a machine by its time, a subscription to calls by calls."""
    usage = [
        used("u1", "1", tokens=300, calls=1, gpu_hours="0.8"),
        used("u2", "1", tokens=100, calls=4, gpu_hours="0.2"),
    ]
    assert share_cost(20, usage, measure=measure)["u1"] == Decimal(share)


def test_the_shares_add_up_to_the_bill_to_the_last_nano_dollar() -> None:
    """Three equal parts of ten dollars are not equal, and nothing is lost or invented."""
    shares = share_cost(10, ["u3", "u1", "u2"], "equal")
    assert sum(shares.values()) == Decimal(10)
    assert shares["u1"] == Decimal("3.333333334")
    assert shares["u2"] == shares["u3"] == Decimal("3.333333333")


def test_random_shares_add_up_and_are_within_a_nano_dollar_of_fair() -> None:
    """No mix of weights and totals may break the sum, and nobody is rounded by more than a nano-dollar."""
    rng = random.Random(3)
    for _ in range(500):
        total = Decimal(rng.randrange(10**12)).scaleb(-9)
        weights = {f"u{number}": rng.choice((0, 1, 7, rng.randrange(10**9))) for number in range(rng.randint(1, 9))}
        weights["last"] = 1
        shares = share_cost(total, weights, "weights")
        assert sum(shares.values()) == total
        for name, weight in weights.items():
            assert abs(shares[name] - total * weight / sum(weights.values())) < Decimal("1.000001e-9")


def test_who_gets_the_odd_nano_dollar_does_not_depend_on_the_order() -> None:
    """Two runs of the same bill must give the same figures."""
    names = ["b", "a", "c"]
    shares = [share_cost("0.000000002", order, "equal") for order in (names, names[::-1])]
    assert shares[0] == shares[1] == {"a": Decimal("1e-9"), "b": Decimal("1e-9"), "c": Decimal(0)}


def test_agreed_weights_need_not_add_up_to_one() -> None:
    """Teams agree on two to one, not on 0.6666."""
    assert share_cost(30, {"search": 2, "chat": "1"}, "weights") == {"search": Decimal(20), "chat": Decimal(10)}


def test_equal_parts_are_equal_whatever_was_used() -> None:
    """The rule is the one that was stated."""
    usage = [used("u1", "99"), used("u2", None)]
    assert share_cost(20, usage, "equal") == {"u1": Decimal(10), "u2": Decimal(10)}


def test_one_user_pays_all_and_a_user_without_use_nothing() -> None:
    """The simple cases are the ones that are checked by eye."""
    assert share_cost("7.77", [used("u1", "0.001")]) == {"u1": Decimal("7.77")}
    assert share_cost(5, {"u1": 3, "u2": 0}) == {"u1": Decimal(5), "u2": Decimal(0)}
    assert share_cost(0, {"u1": 3}) == {"u1": Decimal(0)}


def test_usage_of_nobody_in_particular_has_a_share_of_its_own() -> None:
    """Hidden among the others it would look like their use; on request they bear it."""
    usage = [used("u1"), used(None, "2"), used("u2")]
    assert share_cost(20, usage) == {"u1": Decimal(5), None: Decimal(10), "u2": Decimal(5)}
    assert share_cost(20, usage, spread_unknown=True) == {"u1": Decimal(10), "u2": Decimal(10)}
    assert share_cost(20, [used(None)], spread_unknown=True) == {None: Decimal(20)}


def test_usage_with_two_tags_counts_half_for_each() -> None:
    """Counted in full for both it would outweigh the usage that has one."""
    usage = [used("u1", tags=("search", "beta")), used("u1", tags=["search"]), used("u1")]
    assert share_cost(30, usage, by="tag") == {"search": Decimal(15), "beta": Decimal(5), None: Decimal(10)}


def test_usage_without_a_price_is_not_shared_as_if_it_were_free() -> None:
    """Its user would pay nothing because we do not know a price."""
    usage = [used("u1"), used("u2", None, calls=3)]
    with pytest.raises(ValueError, match=r"1 of 2 uses have no known price.*measure='calls'"):
        share_cost(20, usage)
    assert share_cost(20, usage, measure="calls") == {"u1": Decimal(5), "u2": Decimal(15)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: share_cost("nan", {"u1": 1}), "give zero or more US dollars"),
        (lambda: share_cost(-1, {"u1": 1}), "give zero or more US dollars"),
        (lambda: share_cost("$5", {"u1": 1}), "without a currency sign"),
        (lambda: share_cost("0.0000000001", {"u1": 1}), "round it to 9 decimal places"),
        (lambda: share_cost(5, {"u1": -1}), "among['u1']=-1"),
        (lambda: share_cost(5, {"u1": "abc"}), "no number of parts"),
        (lambda: share_cost(5, {"u1": 0, "u2": 0}), "share with rule='equal'"),
        (lambda: share_cost(5, [used("u1", "0")]), "share with rule='equal'"),
        (lambda: share_cost(5, {}), "give at least one name"),
        (lambda: share_cost(5, []), "give at least one name"),
        (lambda: share_cost(5, ["u1", "u1"], "equal"), "give each name once"),
        (lambda: share_cost(5, ["u1", "u2"]), "give rule='equal', or a mapping"),
        (lambda: share_cost(5, [used("u1")], "weights"), "give a mapping such as"),
        (lambda: share_cost(5, {"u1": 1}, "fairly"), "give 'usage', 'weights' or 'equal'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: share_cost(5, {"u1": 1}, by="team"), "give by='user' or 'tag'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: share_cost(5, {"u1": 1}, measure="words"), "measure='usd', 'tokens'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: share_cost(5, "u1"), "is no usage"),
        (lambda: share_cost(5, 7), "is no usage"),
    ],
)
def test_bad_input_is_refused_with_what_mends_it(make: Any, message: str) -> None:
    """A share that is wrong in silence is somebody's money."""
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert message in str(caught.value)
