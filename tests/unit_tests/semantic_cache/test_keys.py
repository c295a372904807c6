"""What a question is to the cache: its hard partition, its words, and the text that is compared by meaning."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, create_model

from langchain_costguard.semantic_cache.identity import RunIdentity
from langchain_costguard.semantic_cache.keys import (
    MAX_TEXT_CHARS,
    ChatPrompt,
    Question,
    chat_question,
    read_chat_prompt,
    text_question,
)

LLM = '{"id": ["langchain", "ChatX"], "kwargs": {"model_name": "x", "max_retries": 2}, "lc": 1}---[(\'stop\', None)]'


def parsed(*messages: Any) -> ChatPrompt:
    """A prompt as LangChain hands it to a cache, taken apart."""
    prompt = read_chat_prompt(dumps(list(messages)))
    assert prompt is not None
    return prompt


def identity(**changed: Any) -> RunIdentity:
    """What the start of a run says."""
    facts: dict[str, Any] = {
        "params": {"model": "gpt-4o", "_type": "openai-chat"},
        "options": {"stop": None},
        "metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o"},
        "serialized": {"type": "constructor"},
        "shapes": set(),
    }
    return RunIdentity(**{**facts, **changed})


def question(*messages: Any, llm_string: str = LLM, **given: Any) -> Question:
    """The question of some messages."""
    run = given.pop("identity", identity())
    return chat_question(parsed(*messages), llm_string, run, **given)


class Part:
    """An object that reads as its address."""


ASKED = HumanMessage("How do I reset my password?")
PLAIN = question(ASKED)


def test_the_text_that_is_compared_is_the_last_human_message_alone() -> None:
    """Embedding LangChain's JSON, or the system prompt with it, makes all questions look alike."""
    asked = question(SystemMessage("You are kind. " * 20), HumanMessage("Hi"), AIMessage("Hello"), ASKED)

    assert asked.text == "How do I reset my password?"


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([SystemMessage("Answer in French."), ASKED], id="system prompt"),
        pytest.param([HumanMessage("I use Linux."), AIMessage("Good."), ASKED], id="earlier turns"),
        pytest.param([HumanMessage(ASKED.content, name="alice")], id="name"),
        pytest.param(
            [HumanMessage([{"type": "text", "text": ASKED.content}, {"type": "image", "url": "a"}])], id="image"
        ),
        pytest.param([ASKED, AIMessage("{")], id="begun answer"),
    ],
)
def test_everything_around_the_question_keeps_it_apart(messages: list[Any]) -> None:
    """An answer given in one conversation is wrong in another."""
    assert question(*messages).partition != PLAIN.partition


def test_two_images_never_share_a_partition() -> None:
    """`What is on this picture?` has one answer per picture."""
    seen = {
        question(
            HumanMessage(
                [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
                ]
            )
        ).partition
        for data in ("AAAA", "AAAB")
    }

    assert len(seen) == 2


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"metadata": {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}}, id="model"),
        pytest.param({"metadata": {"ls_provider": "azure", "ls_model_name": "gpt-4o"}}, id="provider"),
        pytest.param({"params": {"model": "gpt-4o", "_type": "openai-chat", "max_tokens": 5}}, id="parameter"),
        pytest.param({"params": {"model": "gpt-4o", "_type": "openai-chat", "tools": [{"name": "t"}]}}, id="tools"),
        pytest.param({"options": {"stop": ["\n"]}}, id="stop"),
        pytest.param({"serialized": {"type": "not_implemented", "repr": "ChatY(base_url='b')"}}, id="settings"),
    ],
)
def test_models_and_their_parameters_keep_questions_apart(changed: dict[str, Any]) -> None:
    """LangChain's own key is the same in each of these cases."""
    assert question(ASKED, identity=identity(**changed)).partition != PLAIN.partition


def test_a_tenant_and_a_namespace_keep_questions_apart() -> None:
    """Nobody reads another one's answers, also where one name imitates two."""
    seen = {
        question(ASKED, tenant=tenant, namespace=namespace).partition
        for tenant, namespace in [(None, ""), ("alice", ""), ("bob", ""), ("", "alice"), (None, "alice")]
    }

    assert len(seen) == 5


@pytest.mark.parametrize("setting", ["max_retries", "request_timeout", "streaming", "stream_usage"])
def test_settings_that_change_no_answer_split_nothing(setting: str) -> None:
    """A longer timeout is no reason to pay again."""
    other = LLM.replace('"max_retries": 2', f'"{setting}": 9')

    assert question(ASKED, llm_string=other).partition == question(ASKED, llm_string=LLM).partition


def test_two_models_that_read_the_same_but_for_an_address_are_two_models() -> None:
    """What cannot be described can be anything: an address tells two parts apart, and the next part may get it."""
    described = identity(serialized={"type": "not_implemented", "repr": "M(x=<X at 0x7f00>)"})
    one, other = Part(), Part()

    seen = [question(ASKED, identity=described, model=model).partition for model in (one, other, None, None)]

    assert len(set(seen)) == 4
    assert question(ASKED, identity=described, model=one).partition == seen[0]


def test_answers_that_a_provider_keeps_are_told_apart_by_their_ids() -> None:
    """Where a conversation is sent by the id of its last answer, the same words may mean another conversation."""
    seen = {
        question(AIMessage("OK", response_metadata={"id": name}), ASKED).partition
        for name in ("resp_1", "resp_2", "chatcmpl-1", "chatcmpl-2")
    }

    assert len(seen) == 3


def test_a_text_llm_that_asks_for_variety_is_matched_by_its_words_only() -> None:
    """Its temperature is only in LangChain's description of it."""
    warm, cold = "[('model', 'x'), ('temperature', 0.7)]", "[('model', 'x'), ('temperature', 0.0)]"

    assert text_question("How are you?", warm).text is None
    assert text_question("How are you?", warm, max_temperature=None).text == "How are you?"
    assert text_question("How are you?", cold).text == "How are you?"


def test_two_schemas_of_one_name_are_two_schemas() -> None:
    """LangChain's key holds the name of a class only: an answer in the old fields breaks the caller."""
    seen = set()
    for fields in ({"city": (str, ...)}, {"town": (str, ...)}):
        schema: type[BaseModel] = create_model("Out", **fields)
        run = identity(params={"model": "gpt-4o", "response_format": schema})
        seen.add(question(ASKED, identity=run).partition)

    assert len(seen) == 2


def test_turns_with_tools_are_matched_by_their_words_only() -> None:
    """Serving a near tool call sends an agent in circles."""
    called = AIMessage("", tool_calls=[{"name": "t", "args": {}, "id": "1"}])
    with_tools = identity(params={"model": "gpt-4o", "tools": [{"name": "t"}]})

    assert question(ASKED, called, ToolMessage("5", tool_call_id="1")).text is None
    assert question(ASKED, identity=with_tools).text is None
    assert question(ASKED, identity=with_tools).why_exact == "a turn with tools is matched by its words only"


def test_a_long_text_is_matched_by_its_words_only() -> None:
    """What two long texts share outweighs the one number that tells them apart."""
    assert question(HumanMessage("x" * MAX_TEXT_CHARS)).text is not None
    assert question(HumanMessage("x" * (MAX_TEXT_CHARS + 1))).text is None


def test_a_temperature_asks_for_variety() -> None:
    """Who sets one wants another wording; who leaves it to the provider has not asked for it."""
    warm = identity(params={"model": "gpt-4o", "temperature": 0.7})

    assert question(ASKED, identity=warm).text is None
    assert question(ASKED, identity=warm, max_temperature=None).text is not None
    assert question(ASKED, identity=identity(params={"model": "gpt-4o", "temperature": 0})).text is not None


def test_ids_and_usage_of_earlier_turns_do_not_matter() -> None:
    """They differ in every run, and no model reads them: a conversation would never be found again."""
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    one = AIMessage("Hello", id="a", response_metadata={"took": 1}, usage_metadata=usage)
    other = AIMessageChunk("Hello", id="b", response_metadata={"took": 2}, chunk_position="last")

    first, second = (question(HumanMessage("Hi"), turn, ASKED) for turn in (one, other))

    assert (first.partition, first.exact) == (second.partition, second.exact)


def test_other_words_are_another_digest_in_the_same_partition() -> None:
    """Only so can they be compared at all."""
    other = question(HumanMessage("How can I reset my password?"))

    assert other.partition == PLAIN.partition
    assert other.exact != PLAIN.exact


@pytest.mark.parametrize(
    "prompt",
    [
        "Sample prompt for testing.",
        "[{",
        '[{"lc": 1, "type": "constructor", "id": ["x", "Evil"], "kwargs": {}}]',
        '[{"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]}]',
        '[{"role": "user"}]',
    ],
)
def test_anything_but_known_messages_is_a_text(prompt: str) -> None:
    """No class is made from what stands in a prompt."""
    assert read_chat_prompt(prompt) is None


def test_a_text_llm_is_known_by_its_description() -> None:
    """Its lookup happens before its run begins: there is nothing else to go by."""
    one = text_question("Hi there", "[('_type', 'openai'), ('model_name', 'davinci')]")
    other = text_question("Hi there", "[('_type', 'openai'), ('model_name', 'babbage')]")

    assert one.partition != other.partition
    assert (one.model, one.text, one.is_chat) == ("davinci", "Hi there", False)


def test_what_has_no_json_still_has_a_digest() -> None:
    """A request may carry any object; the cache must not fail over it, nor take two of them for one."""
    seen = {
        question(ASKED, identity=identity(params={"model": "m", "extra": extra})).partition
        for extra in (b"a", b"b", {1: 2, "x": 3}, frozenset({"a"}))
    }

    assert len(seen) == 4


def test_a_prompt_nested_too_deep_is_compared_by_its_words() -> None:
    """A lookup that raises would stop a chain for a cache."""
    assert read_chat_prompt('[{"a":' + "[" * 100_000) is None
