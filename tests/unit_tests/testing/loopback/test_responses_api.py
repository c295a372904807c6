"""The Responses API of the loopback provider, asked by the real ChatOpenAI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider


class City(BaseModel):
    """A city."""

    name: str
    people: int


def test_an_answer_carries_usage_with_its_details(provider: LoopbackProvider) -> None:
    """This API has no llm_output: usage stands on the message alone."""
    provider.next(text="Paris.", reasoning_tokens=40)
    answer = provider.chat_model(model="o3", use_responses_api=True).invoke("Which city?")
    assert answer.text == "Paris."
    assert answer.usage_metadata == {
        "input_tokens": 10,
        "output_tokens": 43,
        "total_tokens": 53,
        "input_token_details": {"cache_read": 0},
        "output_token_details": {"reasoning": 40},
    }
    assert answer.response_metadata["model_name"] == "o3-2025-04-16"


def test_a_stream_says_the_same_and_always_reports_usage(provider: LoopbackProvider) -> None:
    """Unlike chat completions, nobody has to ask for usage here."""
    provider.next(text="one, two", reasoning_tokens=5)
    model = provider.chat_model(model="gpt-5", use_responses_api=True)
    first, *others = model.stream("q")
    for chunk in others:
        first += chunk
    assert first.text == "one, two"
    assert first.usage_metadata is not None
    assert first.usage_metadata["output_tokens"] == 8


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_parses(provider: LoopbackProvider, method: Any) -> None:
    """Both ways to a schema have another wire format than in chat completions."""
    model = provider.chat_model(use_responses_api=True)
    assert model.with_structured_output(City, method=method).invoke("q") == City(name="text", people=1)


def test_tool_calls_arrive_whole_and_streamed(provider: LoopbackProvider) -> None:
    """Agents on this API send and receive items, not messages."""
    model = provider.chat_model(use_responses_api=True).bind_tools([City], tool_choice="any")
    whole = model.invoke("q").tool_calls
    first, *others = model.stream("q")
    for chunk in others:
        first += chunk
    assert [call["args"] for call in whole] == [call["args"] for call in first.tool_calls]
    assert whole[0]["args"] == {"name": "text", "people": 1}


def test_a_truncated_answer_says_so(provider: LoopbackProvider) -> None:
    """It has another word for it than chat completions."""
    answer = provider.chat_model(use_responses_api=True, max_tokens=2).invoke("q")
    assert answer.response_metadata["status"] == "incomplete"
    assert answer.response_metadata["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_conversation_that_is_only_named_is_billed_again(provider: LoopbackProvider) -> None:
    """`previous_response_id` sends one line and is billed for the whole history: no byte bound of the request holds."""
    model = provider.chat_model(use_responses_api=True)
    first = model.invoke("A long story. " * 100)
    model.invoke("And then?", previous_response_id=first.response_metadata["id"])
    told, named = (request.tokens for request in provider.requests)
    assert named.input_tokens > told.input_tokens + told.output_tokens
