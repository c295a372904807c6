"""What a refusal says: the last words are something that helps."""

from __future__ import annotations

from typing import Any

import pytest

from langchain_costguard import Budget, BudgetExceededError, track_costs
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import ScriptedChatModel


def refusal(budget: Budget, *, calls: int = 2, **settings: Any) -> str:
    """What the last of so many calls is told."""
    model: Any = ScriptedChatModel(responses=["It is."] * calls, model="gpt-4o", provider="openai")
    with track_costs(InMemoryStore(), budgets=[budget]) as costs:
        for _ in range(calls - 1):
            model.invoke("hello", max_tokens=10)
        with pytest.raises(BudgetExceededError) as caught:
            model.invoke("hello", max_tokens=10, **settings)
        assert costs.calls == calls - 1
    return str(caught.value)


def test_nobody_is_told_to_wait_for_a_window_that_never_comes() -> None:
    """A total has one window."""
    assert refusal(Budget(calls=1)).endswith("raise the limit")


def test_whoever_may_wait_is_told_for_what() -> None:
    """A rolling window has no next one, and a day has."""
    assert "or wait for the next window; the window ends" in refusal(Budget(calls=1, per="day"))
    assert refusal(Budget(calls=1, per="24h")).endswith("or wait until earlier spending has left the window")


def test_a_call_that_no_window_has_room_for_is_not_told_to_wait() -> None:
    """Tomorrow it is refused again."""
    assert "wait" not in refusal(Budget(tokens=5, per="day"), calls=1)


def test_input_that_is_only_named_is_said_to_be_what_takes_the_room() -> None:
    """The whole context window was reserved, and no smaller answer mends that."""
    text = refusal(Budget("0.01"), calls=1, previous_response_id="resp_1")
    assert "only names previous_response_id, for which the context window was taken (128,000 tokens)" in text
    assert text.endswith("leave that out of the call, or raise the limit")
