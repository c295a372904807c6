"""The loopback provider speaks Anthropic's protocol: what `ChatAnthropic` asks it answers and bills."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import anthropic
import pytest
from langchain_core.tools import tool
from pydantic import BaseModel

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider


class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return city


def test_an_answer_is_billed_by_the_usage_it_reports(provider: LoopbackProvider) -> None:
    """1,000 words in at 1 dollar per million, 100 out at 5."""
    provider.next(text="word " * 99 + "word")
    answer = provider.anthropic_model().invoke("word " * 993 + "word")
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (1000, 100)
    assert answer.response_metadata["stop_reason"] == "end_turn"
    assert answer.response_metadata["model_name"] == "claude-haiku-4-5-20251001"
    assert provider.billed == Decimal("0.0015")


def test_a_stream_says_the_same_and_costs_the_same(provider: LoopbackProvider) -> None:
    """A user switches between the two without looking at the bill."""
    model = provider.anthropic_model()
    whole = model.invoke("hello")
    once = provider.billed
    chunks = list(model.stream("hello"))
    assert len(chunks) > 3
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    assert total.text == whole.text
    assert total.usage_metadata == whole.usage_metadata
    assert provider.billed == 2 * once


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_structured_output_comes_as_asked(provider: LoopbackProvider, method: str) -> None:
    """Both ways of LangChain end in the object, without a script."""
    found = provider.anthropic_model().with_structured_output(City, method=method).invoke("Oslo?")
    assert isinstance(found, City)


def test_tools_are_called_by_script(provider: LoopbackProvider) -> None:
    """An agent's first turn."""
    provider.next(tool_calls=[("weather", {"city": "Oslo"})])
    answer = provider.anthropic_model().bind_tools([weather]).invoke("The weather of Oslo?")
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Oslo"})
    assert answer.response_metadata["stop_reason"] == "tool_use"


def test_an_answer_that_is_too_long_is_cut(provider: LoopbackProvider) -> None:
    """The stop reason says so, in Anthropic's words."""
    answer = provider.anthropic_model(max_tokens=2).invoke("hello")
    assert answer.response_metadata["stop_reason"] == "max_tokens"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 2


def test_errors_have_anthropics_form(provider: LoopbackProvider) -> None:
    """The real client tells them apart by it."""
    client = anthropic.Anthropic(base_url=provider.base_url.removesuffix("/v1"), api_key="loopback", max_retries=0)
    asked = {"max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
    with pytest.raises(anthropic.NotFoundError, match="not_found_error"):
        client.messages.create(model="claude-0", **asked)
    provider.script(429)
    with pytest.raises(anthropic.RateLimitError, match="rate_limit_error"):
        client.messages.create(model="claude-haiku-4-5", **asked)
    provider.script(529)
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        client.messages.create(model="claude-haiku-4-5", **asked)
    assert provider.billed == 0
