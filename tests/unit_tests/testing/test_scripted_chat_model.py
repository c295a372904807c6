"""The scripted chat model: what tests of users, and ours, rely on."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.runnables.base import RunnableBinding
from pydantic import BaseModel

from langchain_costguard.testing import Reply, ScriptedChatModel

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.outputs import LLMResult

DETAILED: UsageMetadata = {
    "input_tokens": 2000,
    "output_tokens": 300,
    "total_tokens": 2300,
    "input_token_details": {"cache_read": 1024},
    "output_token_details": {"reasoning": 128},
}


class City(BaseModel):
    """A city."""

    name: str
    people: int


class Ends(BaseCallbackHandler):
    """Keeps what models ended with."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.results: list[LLMResult] = []
        self.errors: list[BaseException] = []

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """Keep a result."""
        self.results.append(response)

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        """Keep an error."""
        self.errors.append(error)


def merged(model: ScriptedChatModel) -> AIMessageChunk:
    """The stream of a model as one message, as LangChain merges it."""
    whole: AIMessageChunk | None = None
    for chunk in model.stream("q"):
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return whole


def test_one_response_answers_for_ever() -> None:
    """Most tests need one answer, however often the chain asks."""
    model = ScriptedChatModel(responses="Paris")
    assert [model.invoke("q").content for _ in range(3)] == ["Paris"] * 3


def test_responses_come_in_order_and_then_the_script_says_it_is_over() -> None:
    """A call too many must be noticed, not answered with something old."""
    model = ScriptedChatModel(responses=["a", AIMessage("b"), Reply("c")])
    assert [model.invoke("q").content for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(LookupError, match=r"3 responses.*cycle=True"):
        model.invoke("q")


def test_a_script_can_cycle() -> None:
    """Long runs need few responses."""
    model = ScriptedChatModel(responses=["a", "b"], cycle=True)
    assert [model.invoke("q").content for _ in range(4)] == ["a", "b", "a", "b"]


def test_a_script_can_be_a_function_of_the_messages() -> None:
    """Tests of chains want answers that depend on the question."""
    model = ScriptedChatModel(responses=lambda messages: messages[-1].text.upper())
    assert model.invoke("loud").content == "LOUD"


def test_usage_and_its_details_are_reported_in_invoke_and_in_a_stream() -> None:
    """Core's fakes drop usage when they stream, so nothing that counts cost could be tested with them."""
    model = ScriptedChatModel(responses=Reply("one two three", usage=DETAILED), model="gpt-4o", provider="openai")
    assert model.invoke("q").usage_metadata == DETAILED
    whole = merged(model)
    assert whole.usage_metadata == DETAILED
    assert whole.content == "one two three"
    assert whole.response_metadata["model_name"] == "gpt-4o"


def test_usage_is_counted_when_the_script_does_not_give_it() -> None:
    """The same question and answer must always cost the same."""
    model = ScriptedChatModel(responses="Paris it is")
    assert model.invoke("Which city?").usage_metadata == model.invoke("Which city?").usage_metadata
    assert model.invoke("Which city?").usage_metadata == {"input_tokens": 4, "output_tokens": 4, "total_tokens": 8}


def test_a_provider_that_reports_no_usage_can_be_played() -> None:
    """Ollama and many gateways report none; our estimate begins there."""
    model = ScriptedChatModel(responses=Reply("x", usage=None))
    assert model.invoke("q").usage_metadata is None
    assert merged(model).usage_metadata is None


def test_a_stream_without_usage_can_be_played() -> None:
    """ChatOpenAI with a custom address reports usage in invoke and none in a stream."""
    model = ScriptedChatModel(responses=Reply("a b c", usage=DETAILED), stream_usage="missing")
    assert model.invoke("q").usage_metadata == DETAILED
    assert merged(model).usage_metadata is None


def test_a_stream_with_running_totals_can_be_played() -> None:
    """Some integrations repeat cumulative usage in every chunk, and LangChain's merge adds it all up."""
    model = ScriptedChatModel(responses=Reply("a b c", usage=DETAILED), stream_usage="cumulative")
    usages = [chunk.usage_metadata for chunk in model.stream("q") if chunk.usage_metadata]
    assert [usage["output_tokens"] for usage in usages] == [100, 200, 300]
    assert [usage["input_tokens"] for usage in usages] == [2000, 2000, 2000]
    assert [usage["total_tokens"] for usage in usages] == [2100, 2200, 2300]


def test_a_model_name_in_every_chunk_can_be_played() -> None:
    """LangChain joins repeated strings: a price look-up must survive the doubled name."""
    model = ScriptedChatModel(responses="a b", model="gpt-4o", stream_model_name="every")
    assert merged(model).response_metadata["model_name"] == "gpt-4ogpt-4ogpt-4o"


def test_several_answers_repeat_the_usage_of_the_request() -> None:
    """With n > 1 OpenAI puts the whole usage on each generation and the model's name into llm_output only."""
    ends = Ends()
    model = ScriptedChatModel(responses=["a", "b c", "d"], model="gpt-4o")
    result = model.generate([[HumanMessage("q")]], n=3, callbacks=[ends])
    first, *others = [generation.message for generation in result.generations[0]]
    assert [first.content, *(other.content for other in others)] == ["a", "b c", "d"]
    assert {other.usage_metadata["output_tokens"] for other in [first, *others]} == {4}
    assert "model_name" not in first.response_metadata
    assert ends.results[0].llm_output == {
        "token_usage": {
            "prompt_tokens": 1,
            "completion_tokens": 4,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "model_name": "gpt-4o",
    }


def test_a_bound_model_is_a_binding_and_calls_the_forced_tool() -> None:
    """Agents and structured output go through `bind_tools`; LangChain wants a RunnableBinding."""
    bound = ScriptedChatModel(responses="irrelevant").bind_tools([City], tool_choice="any")
    assert isinstance(bound, RunnableBinding)
    assert bound.invoke("q").tool_calls == [
        {"name": "City", "args": {"name": "text", "people": 1}, "id": "call_0", "type": "tool_call"}
    ]


def test_structured_output_takes_the_scripts_arguments_or_the_plainest_ones() -> None:
    """A test of structured output should need no tool-call boilerplate."""
    given = ScriptedChatModel(responses='{"name": "Paris", "people": 2102650}')
    assert given.with_structured_output(City).invoke("q") == City(name="Paris", people=2102650)
    assert ScriptedChatModel().with_structured_output(City).invoke("q") == City(name="text", people=1)


def test_a_streamed_tool_call_is_merged_again() -> None:
    """Agents stream: the pieces of a call must add up to the call."""
    model = ScriptedChatModel(responses=Reply(tool_calls=[("add", {"a": 1}), ("add", {"a": 2})]))
    whole = merged(model)
    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [("add", {"a": 1}), ("add", {"a": 2})]
    assert whole.response_metadata["finish_reason"] == "tool_calls"


def test_a_tool_that_is_not_bound_is_refused() -> None:
    """A typing error in a test must not look like an answer."""
    with pytest.raises(ValueError, match="names none of the bound tools"):
        ScriptedChatModel().bind_tools([City], tool_choice="Town").invoke("q")


def test_log_probabilities_have_openais_form() -> None:
    """Confidence signals read them from `response_metadata`, streamed or not."""
    model = ScriptedChatModel(responses=Reply("yes indeed", logprobs=[-0.1, -2.5]))
    for message in (model.invoke("q"), merged(model)):
        rows = message.response_metadata["logprobs"]["content"]
        assert [(row["token"], row["logprob"]) for row in rows] == [("yes", -0.1), (" indeed", -2.5)]


def test_the_output_limit_and_stop_sequences_cut_the_text() -> None:
    """Truncation is a signal that caches and cascades must see."""
    cut = ScriptedChatModel(responses="one two three", max_tokens=2).invoke("q")
    assert (cut.content, cut.response_metadata["finish_reason"]) == ("one two", "length")
    assert ScriptedChatModel(responses="one. two").invoke("q", stop=["."]).content == "one"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_scripted_error_is_raised_and_ends_the_run(streamed: bool) -> None:
    """Retries and fallbacks are tested with models that fail and then answer."""
    ends = Ends()
    model = ScriptedChatModel(responses=[TimeoutError("slow"), "fine"])
    with pytest.raises(TimeoutError, match="slow"):
        list(model.stream("q", {"callbacks": [ends]})) if streamed else model.invoke("q", {"callbacks": [ends]})
    assert [type(error) for error in ends.errors] == [TimeoutError]
    assert model.invoke("q").content == "fine"


def test_a_stream_can_break_in_the_middle() -> None:
    """The tokens before the break are billed, and nobody reports them."""
    received: list[AIMessageChunk] = []
    stream = ScriptedChatModel(responses=Reply("a b c d", fail_after_chunks=2)).stream("q")
    with pytest.raises(ConnectionError, match="after 2 chunks"):
        received.extend(stream)
    assert [chunk.content for chunk in received] == ["a", " b"]


def test_the_same_error_can_be_raised_for_ever_without_growing() -> None:
    """A long run over one scripted error must not collect tracebacks."""
    error = TimeoutError()
    model = ScriptedChatModel(responses=error)

    def depth() -> int:
        with pytest.raises(TimeoutError):
            model.invoke("q")
        frames, traceback = 0, error.__traceback__
        while traceback is not None:
            frames, traceback = frames + 1, traceback.tb_next
        return frames

    assert depth() == depth()


async def test_async_calls_stay_on_the_event_loop_and_overlap() -> None:
    """A fake that hops to threads would hide what our callbacks do on the loop."""
    model = ScriptedChatModel(responses=Reply("x", latency_seconds=0.01))
    answers = await asyncio.gather(*(model.ainvoke("q") for _ in range(20)))
    assert [answer.content for answer in answers] == ["x"] * 20
    assert [chunk.content async for chunk in model.astream("q")] == ["x", ""]
    assert {call.method for call in model.calls} == {"agenerate", "astream"}


async def test_a_slow_call_can_be_cancelled() -> None:
    """Cancelled calls are the ones LangChain forgets to end: tests must be able to make them."""
    model = ScriptedChatModel(responses=Reply("x", latency_seconds=3600))
    task = asyncio.create_task(model.ainvoke("q"))
    for _ in range(20):
        await asyncio.sleep(0)  # lets others run
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(model.calls) == 1


def test_threads_share_a_script_and_every_response_is_given_once() -> None:
    """Core's list fake serialises batches and so hides races."""
    model = ScriptedChatModel(responses=[str(number) for number in range(200)])
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: model.invoke("q").content, range(200)))
    assert sorted(answers, key=int) == [str(number) for number in range(200)]
    assert len(model.calls) == 200


def test_the_call_log_says_what_was_asked() -> None:
    """Tests of prompts and of bound arguments look here."""
    model = ScriptedChatModel(responses="x", model="mini")
    model.invoke("hello", stop=["."], model="full", max_tokens=5)
    (call,) = model.calls
    assert (call.method, call.model_name, call.stop) == ("generate", "full", (".",))
    assert [message.content for message in call.input] == ["hello"]
    assert call.kwargs["max_tokens"] == 5


def test_two_models_do_not_share_a_cache_key() -> None:
    """Core's fakes share one key for all instances, so one model's answer is served for another's."""
    keys = {
        ScriptedChatModel(responses=response, model=model)._get_llm_string()
        for response in ("a", "b")
        for model in ("mini", "full")
    }
    assert len(keys) == 4


def test_tracing_sees_the_provider_and_model_the_test_gave() -> None:
    """Prices are looked up by `ls_provider` and `ls_model_name`."""
    model = ScriptedChatModel(model="claude-sonnet-4-5", provider="anthropic", temperature=0.5, max_tokens=9)
    assert model._get_ls_params() == {
        "ls_provider": "anthropic",
        "ls_model_name": "claude-sonnet-4-5",
        "ls_model_type": "chat",
        "ls_temperature": 0.5,
        "ls_max_tokens": 9,
    }
