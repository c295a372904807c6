"""The course of a question: every way it can take, without any model."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from langchain_costguard.cascade.legs import usage_in
from langchain_costguard.cascade.steps import Rules

if TYPE_CHECKING:
    from langchain_costguard.cascade.steps import State

OUTCOMES = ["accepted", "rejected", "unpresentable", "failed", "refused"]


def advance(state: State, outcome: str) -> State:
    """Tell a state what became of its tier."""
    if outcome == "failed":
        return state.failed(ValueError("down"))
    if outcome == "refused":
        return state.refused(RuntimeError("no budget"))
    state = state.answered()
    if state.do == "judge":
        state = state.judged(accepts=outcome == "accepted", presentable=outcome != "unpresentable")
    return state


@pytest.mark.parametrize("tiers", [0, 1])
def test_fewer_than_two_tiers_are_refused(tiers: int) -> None:
    """There is nowhere to escalate to."""
    with pytest.raises(ValueError, match="two or more models as `tiers`"):
        Rules(tiers)


def test_an_accepted_answer_is_given() -> None:
    """The cheap way: one tier, one judgement."""
    state = Rules(3).begin().answered().judged(accepts=True)
    assert (state.do, state.tier, state.ending) == ("give", 0, "accepted")


def test_the_last_tier_is_taken_as_it_is() -> None:
    """There is nobody left to ask, so nobody need judge."""
    state = Rules(2).begin().answered().judged(accepts=False).answered()
    assert (state.do, state.tier, state.ending) == ("give", 1, "exhausted")


@pytest.mark.parametrize("accepts", [True, False])
def test_a_last_tier_that_is_judged_is_given_whatever_the_verdict(accepts: bool) -> None:
    """It is judged for the record."""
    state = Rules(2, is_last_judged=True).begin().answered().judged(accepts=False).answered()
    assert state.do == "judge"
    assert state.judged(accepts=accepts).tier == 1
    assert state.judged(accepts=accepts).do == "give"


def test_the_best_answer_so_far_is_that_of_the_highest_tier() -> None:
    """The highest tier that answered is the best model that was paid."""
    state = Rules(3).begin().answered().judged(accepts=False).answered().judged(accepts=False)
    given = state.refused(RuntimeError())
    assert (given.do, given.tier, given.ending) == ("give", 1, "refused")


def test_what_is_no_answer_is_not_given_as_the_best() -> None:
    """A draft that consists of the marker says nothing to the user."""
    state = Rules(2).begin().answered().judged(accepts=False, presentable=False).refused(RuntimeError("no"))
    assert state.do == "raise"
    assert str(state.error) == "no"


def test_a_refused_first_tier_raises() -> None:
    """Dearer tiers are not tried when there is no money for the cheapest."""
    assert Rules(2).begin().refused(RuntimeError()).do == "raise"


def test_each_state_is_told_only_what_it_asked_for() -> None:
    """A driver that mixes up questions must not get an answer."""
    with pytest.raises(RuntimeError, match="'try'"):
        Rules(2).begin().judged(accepts=True)


@pytest.mark.parametrize("tiers", [2, 3, 4])
@pytest.mark.parametrize("on_refused", ["best", "raise"])
@pytest.mark.parametrize("on_error", ["escalate", "raise"])
def test_every_way_ends_with_an_answer_that_was_given_or_an_error(tiers: int, on_refused: str, on_error: str) -> None:
    """No way through the machine loops, skips a tier, or gives what no tier has answered."""
    for outcomes in product(OUTCOMES, repeat=tiers):
        state = Rules(tiers, on_refused=on_refused, on_error=on_error).begin()  # type: ignore[arg-type]  # drawn from all there are
        tried = []
        while not state.is_over:
            tried.append(outcomes[state.tier])
            state = advance(state, outcomes[state.tier])
        assert tried == list(outcomes[: len(tried)])
        assert all(outcome != "accepted" for outcome in tried[:-1])
        if state.do == "give":
            assert outcomes[state.tier] in {"accepted", "rejected", "unpresentable"}
            assert state.ending in {"accepted", "exhausted", "refused"}
        else:
            assert state.error is not None
            assert tried[-1] in {"failed", "refused"}


@pytest.mark.parametrize(
    "own",
    [
        "a word",
        {"of": "the provider"},
        {"legs": "three"},
        {"legs": [3]},
        {"legs": []},
        {"legs": [{"input_tokens": 12}]},
        {"legs": [{"purpose": "walk", "input_tokens": "12"}]},
        None,
    ],
)
def test_what_a_provider_says_under_the_same_name_is_not_taken_for_a_cascades_own(own: object) -> None:
    """An answer's `response_metadata` is of any kind."""
    usage = UsageMetadata(input_tokens=3, output_tokens=2, total_tokens=5)
    assert usage_in(AIMessage("x", usage_metadata=usage, response_metadata={"cascade": own})) == usage
    legs = {
        "legs": [
            {"purpose": "draft", "input_tokens": 10, "output_tokens": 1},
            {"purpose": "answer", "input_tokens": 20},
        ]
    }
    inner = usage_in(AIMessage("x", usage_metadata=usage, response_metadata={"cascade": legs}))
    assert inner == {"input_tokens": 30, "output_tokens": 1, "total_tokens": 31}
