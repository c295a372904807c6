"""A plan says what it knows, says so when it does not, and refuses what it cannot be made of."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from langchain_costguard import PriceBook, free
from langchain_costguard.prompt_caching import CachePlan, CacheRules, Lifetime
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = timedelta(hours=1)


def test_a_plan_that_is_worth_it_says_what_it_saves(plan: Callable[..., CachePlan]) -> None:
    """The share of the bill, not the discount on the tokens that were cached."""
    of_input, of_bill = plan(), plan(output_tokens=500)
    assert of_input.worth_it is True
    assert of_input.forecast is not None
    assert of_bill.forecast is not None
    assert of_input.forecast.saved == of_bill.forecast.saved
    assert of_input.forecast.saved_share is not None
    assert of_bill.forecast.saved_share is not None
    assert of_input.forecast.saved_share > 0.8 > of_bill.forecast.saved_share
    assert "of the bill" in of_bill.reason
    assert "worth it" in str(of_input)


def test_a_free_model_costs_as_much_with_caching_as_without(plan: Callable[..., CachePlan]) -> None:
    """A share of nothing is no zero, and nothing saved is no loss."""
    rules = CacheRules(
        provider="own", control="automatic", min_tokens=16, step_tokens=16, lifetimes=(Lifetime("block", None),)
    )
    made = plan("own-model", rules=rules, prices=PriceBook({"own-model": free()}))
    assert made.forecast is not None
    assert (made.forecast.saved, made.forecast.saved_share) == (Decimal(0), None)
    assert "costs as much with caching as without" in made.reason


@pytest.mark.parametrize("model", ["anthropic:claude-haiku-4-5", "google:gemini-2.5-pro"])
def test_below_the_minimum_it_is_not_worth_it(plan: Callable[..., CachePlan], model: str) -> None:
    """No provider says that a prefix is too short: both counters stay at zero."""
    made = plan(model)
    assert made.worth_it is False
    assert "caches from 4,096 on" in made.reason
    assert made.breakpoints == ()


@pytest.mark.parametrize(
    "model", ["groq:llama-3.3-70b-versatile", "anthropic:claude-opus-5-5", "mistral:mistral-large"]
)
def test_what_is_not_known_is_none(plan: Callable[..., CachePlan], model: str) -> None:
    """A guess in a plan is an invoice later."""
    made = plan(model)
    assert made.worth_it is None
    assert made.forecast is None
    assert "not known" in str(made)
    assert "rules=CacheRules(...)" in made.reason


def test_rules_of_your_own_are_taken(plan: Callable[..., CachePlan]) -> None:
    """A gateway's cache is known to whoever runs it."""
    rules = CacheRules(
        provider="own", control="automatic", min_tokens=16, step_tokens=16, lifetimes=(Lifetime("block", None),)
    )
    made = plan("own-model", rules=rules)
    assert made.worth_it is True
    assert "computing time" in made.reason


def test_one_call_is_never_worth_a_write(plan: Callable[..., CachePlan]) -> None:
    """A quarter more for nothing."""
    made = plan(reuse=0)
    assert made.worth_it is False
    assert made.forecast is not None
    assert made.forecast.saved < 0


def test_an_empty_prompt_is_not_worth_it(plan: Callable[..., CachePlan]) -> None:
    """There is nothing to read."""
    made = plan(examples=["", ""])
    assert (made.worth_it, made.prefix_tokens) == (False, 0)


def test_a_chain_brings_its_template_and_its_model(handbook: str) -> None:
    """Nobody should render prompts by hand to have them looked at."""
    chain = ChatPromptTemplate([("system", handbook), ("human", "{question}")]) | ScriptedChatModel(
        responses=(), model="claude-sonnet-5", provider="anthropic"
    )
    made = CachePlan.from_examples(chain, [{"question": "a"}, {"question": "b"}], reuse=50, within=HOUR)
    assert (made.model, made.provider, made.worth_it) == ("claude-sonnet-5", "anthropic", True)
    assert [part.role for part in made.stable] == ["system"]


def test_a_growing_conversation_is_marked_at_its_end_when_its_gap_is_known(
    plan: Callable[..., CachePlan], requests: list[Any]
) -> None:
    """The next turn reads what this one wrote, if it comes in time."""
    grown = [requests[0], [*requests[0], ("ai", "On its way."), ("human", "Since when?")]]
    asked, fast, slow = (plan(examples=grown, turn_gap=gap) for gap in (None, timedelta(minutes=1), HOUR))
    assert (asked.marks_conversation, fast.marks_conversation, slow.marks_conversation) == (False, True, False)
    assert any("turn_gap=" in note for note in asked.notes)


def test_the_stable_beginning_of_a_part_counts(plan: Callable[..., CachePlan], handbook: str) -> None:
    """A date at the end of a system prompt costs the date, not the handbook before it."""
    made = plan(
        examples=[[("system", f"{handbook}\nToday is 2026-11-2{day}."), ("human", "Hello")] for day in range(2)]
    )
    assert made.worth_it is True
    assert made.stable[-1].text == handbook + "\n"


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"examples": [[("human", "a")]]}, ValueError, r"examples=\[a, b\]"),
        ({"examples": "one text"}, TypeError, "give a list of two or more"),
        ({"examples": [{"question": "a"}, {"question": "b"}]}, TypeError, "prompt=ChatPromptTemplate"),
        ({"model": RunnableLambda(str)}, TypeError, "holds no chat model"),
        ({"reuse": -1}, ValueError, "reuse=-1"),
        ({"within": timedelta(hours=-1)}, ValueError, "timedelta"),
        ({"tools": [[], [], [], []]}, ValueError, "4 lists for 3 examples"),
    ],
)
def test_bad_input_is_refused_with_what_to_give(
    plan: Callable[..., CachePlan], given: dict[str, Any], error: type[Exception], says: str
) -> None:
    """Before anything is sent or paid."""
    with pytest.raises(error, match=says):
        plan(**given)
