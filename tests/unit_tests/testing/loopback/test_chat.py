"""Chat completions of the loopback provider, asked by the real ChatOpenAI."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

    from langchain_costguard.testing import LoopbackProvider


class City(BaseModel):
    """A city."""

    name: str
    people: int


class Weather(TypedDict):
    """The weather."""

    celsius: float


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    """A stream as one message."""
    first, *others = chunks
    for chunk in others:
        first += chunk
    return first


def test_an_answer_carries_text_usage_and_the_dated_model(provider: LoopbackProvider) -> None:
    """Everything a cost callback reads must be there, where the real provider puts it."""
    provider.next(text="Paris.")
    answer = provider.chat_model(model="gpt-4o").invoke("Which city?")
    assert answer.content == "Paris."
    assert answer.usage_metadata == {
        "input_tokens": 10,
        "output_tokens": 3,
        "total_tokens": 13,
        "input_token_details": {"audio": 0, "cache_read": 0},
        "output_token_details": {"audio": 0, "reasoning": 0},
    }
    assert answer.response_metadata["model_name"] == "gpt-4o-2024-08-06"
    assert answer.response_metadata["service_tier"] == "default"


async def test_async_calls_are_answered_too(provider: LoopbackProvider) -> None:
    """The async client is another one."""
    provider.script("one", "two")
    model = provider.chat_model()
    assert (await model.ainvoke("q")).content == "one"
    assert "".join([chunk.text async for chunk in model.astream("q")]) == "two"


@pytest.mark.parametrize("asked_for_usage", [True, False])
def test_a_stream_says_the_same_and_reports_usage_only_if_asked(
    provider: LoopbackProvider, asked_for_usage: bool
) -> None:
    """ChatOpenAI with a custom address does not ask, and then nobody reports what the stream cost."""
    provider.next(text="one, two, three")
    whole = merged(list(provider.chat_model(stream_usage=asked_for_usage).stream("q")))
    assert whole.content == "one, two, three"
    assert (whole.usage_metadata is not None) == asked_for_usage
    assert provider.requests[0].tokens.output_tokens == 6
    if whole.usage_metadata is not None:
        assert whole.usage_metadata["output_tokens"] == 6


def test_a_batch_is_served_in_parallel(provider: LoopbackProvider) -> None:
    """Keep-alive connections of many threads must not be mixed up."""
    provider.script(*(f"answer {number}" for number in range(40)))
    answers = provider.chat_model().batch(["q"] * 40, {"max_concurrency": 8})
    assert {answer.content for answer in answers} == {f"answer {number}" for number in range(40)}
    assert len(provider.requests) == 40


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_parses(provider: LoopbackProvider, method: Any) -> None:
    """A schema that is asked for is filled, in every way ChatOpenAI asks for it."""
    if method == "json_mode":
        provider.next(text='{"name": "Rome", "people": 1}')
        assert provider.chat_model().with_structured_output(City, method=method).invoke("q") == City(
            name="Rome", people=1
        )
    else:
        assert provider.chat_model().with_structured_output(City, method=method).invoke("q") == City(
            name="text", people=1
        )


def test_structured_output_as_a_dict_parses(provider: LoopbackProvider) -> None:
    """TypedDict schemas take another path than pydantic ones."""
    assert provider.chat_model().with_structured_output(Weather).invoke("q") == {"celsius": 1}


def test_a_forced_tool_is_called_and_its_schema_is_billed(provider: LoopbackProvider) -> None:
    """Tools cost input tokens: a bound that forgets them is too low."""
    model = provider.chat_model()
    model.invoke("q")
    (call,) = model.bind_tools([add], tool_choice="add").invoke("q").tool_calls
    assert (call["name"], call["args"]) == ("add", {"a": 1, "b": 1})
    plain, with_tool = (request.tokens.input_tokens for request in provider.requests)
    assert with_tool > plain


def test_a_scripted_tool_call_arrives_whole_and_streamed(provider: LoopbackProvider) -> None:
    """An agent loop is scripted by the calls its model makes."""
    model = provider.chat_model().bind_tools([add])
    for _ in range(2):
        provider.next(tool_calls=[("add", {"a": 2, "b": 3})])
    whole = model.invoke("q")
    streamed = merged(list(model.stream("q")))
    for message in (whole, streamed):
        assert [(call["name"], call["args"]) for call in message.tool_calls] == [("add", {"a": 2, "b": 3})]
        assert message.response_metadata["finish_reason"] == "tool_calls"


def test_a_model_that_may_choose_answers_in_words(provider: LoopbackProvider) -> None:
    """Bound tools alone force nothing."""
    assert provider.chat_model().bind_tools([add]).invoke("q").tool_calls == []


def test_log_probabilities_are_given_with_their_alternatives(provider: LoopbackProvider) -> None:
    """Confidence cascades read them; half of all providers have none, this one has."""
    for _ in range(2):
        provider.next(text="yes sir", logprob=-0.25)
    model = provider.chat_model(logprobs=True, top_logprobs=2)
    for message in (model.invoke("q"), merged(list(model.stream("q")))):
        rows = message.response_metadata["logprobs"]["content"]
        assert [(row["token"], row["logprob"]) for row in rows] == [("yes", -0.25), (" sir", -0.25)]
        assert [other["logprob"] for other in rows[0]["top_logprobs"]] == [-0.25, -1.25]


def test_each_token_can_have_its_own_log_probability_and_alternatives(provider: LoopbackProvider) -> None:
    """A judge that reads the least sure token, or the probability of a no, needs answers that differ in them."""
    for _ in range(2):
        provider.next(text="yes sir no", logprob=[-0.25, -2.0], alternatives=["no"])
    model = provider.chat_model(logprobs=True, top_logprobs=3)
    for message in (model.invoke("q"), merged(list(model.stream("q")))):
        rows = message.response_metadata["logprobs"]["content"]
        assert [row["logprob"] for row in rows] == [-0.25, -2.0, -2.0]
        assert [(other["token"], other["logprob"]) for other in rows[0]["top_logprobs"]] == [
            ("yes", -0.25),
            ("no", -1.25),
            ("yes''", -2.25),
        ]


def test_several_choices_are_answered_and_billed(provider: LoopbackProvider) -> None:
    """With n > 1 the input is billed once and every answer's output."""
    provider.next(text=["a", "b c", "d"])
    result = provider.chat_model(n=3).generate([[HumanMessage("q")]])
    assert [generation.text for generation in result.generations[0]] == ["a", "b c", "d"]
    assert provider.requests[0].tokens.output_tokens == 4


def test_the_output_limit_counts_thinking_first(provider: LoopbackProvider) -> None:
    """A reasoning model can spend its whole allowance before it says a word."""
    cut = provider.chat_model(max_tokens=2).invoke("q")
    assert (cut.content, cut.response_metadata["finish_reason"]) == ("An answ", "length")
    silent = provider.chat_model(model="o3", max_tokens=50).invoke("q")
    assert (silent.content, silent.response_metadata["finish_reason"]) == ("", "length")
    assert provider.requests[1].tokens[2:] == (50, 50)


def test_a_stop_sequence_ends_the_text(provider: LoopbackProvider) -> None:
    """LangChain's `stop` must reach the provider and be honoured."""
    provider.next(text="one. two")
    assert provider.chat_model().invoke("q", stop=["."]).content == "one"


@pytest.mark.parametrize(
    ("model", "tier", "usd"),
    [("gpt-5", "priority", "0.00141750"), ("gpt-5", "flex", "0.000354375"), ("o3", "flex", "0.00028700")],
)
def test_a_tier_renames_the_details_of_usage(provider: LoopbackProvider, model: str, tier: str, usd: str) -> None:
    """LangChain marks flex and priority in the names of the details: a reader of `reasoning` sees nothing."""
    provider.next(text="Paris.", reasoning_tokens=67)
    usage = provider.chat_model(model=model, service_tier=tier).invoke("q").usage_metadata
    assert usage is not None
    assert usage["output_token_details"][f"{tier}_reasoning"] == 67
    assert usage["input_token_details"][f"{tier}_cache_read"] == 0
    assert provider.billed == Decimal(usd)


def test_a_tier_can_be_refused_to_a_request_that_asked_for_it(provider: LoopbackProvider) -> None:
    """A busy provider serves flex as default, at the default price, and says so only in the response."""
    provider.next(text="Paris.", service_tier="default", reasoning_tokens=0)
    answer = provider.chat_model(model="o3", service_tier="flex").invoke("q")
    assert answer.response_metadata["service_tier"] == "default"
    assert provider.requests[0].service_tier == "default"
