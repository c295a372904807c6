"""Whether an answer was cut off, in the words of each provider."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from langchain_costguard.output_limits import is_truncated
from langchain_costguard.output_limits.truncation import has_ended, partial_answer, would_fit_with_more


@pytest.mark.parametrize(
    ("metadata", "truncated"),
    [
        ({"finish_reason": "length"}, True),
        ({"finish_reason": "lengthlength"}, True),
        ({"finish_reason": "stop"}, False),
        ({"finish_reason": "tool_calls"}, False),
        ({"stop_reason": "max_tokens"}, True),
        ({"stop_reason": "end_turn"}, False),
        ({"stopReason": "max_tokens"}, True),
        ({"done_reason": "length"}, True),
        ({"done_reason": "stop"}, False),
        ({"finish_reason": "MAX_TOKENS"}, True),
        ({"finish_reason": "FinishReason.MAX_TOKENS"}, True),
        ({"finish_reason": "token_limit"}, True),
        ({"finish_reason": "time_limit"}, False),
        ({"finish_reason": "maximum_tokens"}, True),
        ({"finish_reason": 2}, True),
        ({"finish_reason": 1}, False),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, True),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, False),
        ({"status": "completed", "incomplete_details": None}, False),
        ({"stop_reason": "model_context_window_exceeded"}, True),
        ({}, False),
    ],
)
def test_each_provider_has_a_word_for_it(metadata: dict[str, Any], *, truncated: bool) -> None:
    """An answer that is taken for whole though it is cut is a silent loss of quality."""
    answer = AIMessage("x", response_metadata=metadata)
    assert is_truncated(answer) is truncated
    assert has_ended(answer) is bool(metadata)


def test_a_full_context_window_is_not_helped_by_a_larger_limit() -> None:
    """A second try would cost as much and end at the same place."""
    answer = AIMessage("x", response_metadata={"stop_reason": "model_context_window_exceeded"})
    assert is_truncated(answer)
    assert not would_fit_with_more(answer)


def test_any_other_error_holds_no_answer() -> None:
    """Only the one error of a structured answer that was cut off is taken apart."""
    assert partial_answer(ValueError("x")) is None
    error = type("LengthFinishReasonError", (Exception,), {})()
    error.completion = SimpleNamespace(
        choices=[SimpleNamespace(message=SimpleNamespace(content='{"a'))], usage=None, model="gpt-4o"
    )
    answer = partial_answer(error)
    assert answer is not None
    assert (answer.content, is_truncated(answer)) == ('{"a', True)
