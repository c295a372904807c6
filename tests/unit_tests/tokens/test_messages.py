"""Counting a whole request: what LangChain's own counter says for plain messages, and everything it leaves out."""

from __future__ import annotations

import socket
from typing import Any, TypedDict

import pytest
import tiktoken
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

from langchain_costguard.tokens import (
    TokenCount,
    UnboundedInputError,
    bound_message_tokens,
    byte_bound,
    count_message_tokens,
    vocabularies,
)

CONVERSATION: list[BaseMessage] = [
    SystemMessage("You are brief."),
    HumanMessage("Wie wird das Wetter in Zürich? 天气怎么样", name="ada"),
    AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Zürich"}, "id": "call_1"}]),
    ToolMessage("18 °C, sunny", tool_call_id="call_1"),
    AIMessage("It will be 18 °C and sunny."),
]


class City(BaseModel):
    """Where to look."""

    name: str = Field(description="the name of the city")
    country: str = Field(description="its country")


class Answer(TypedDict):
    """What is wanted."""

    degrees: int


@tool
def weather(city: str) -> str:
    """Say how the weather is in a city."""
    return city


def lookup(city: str) -> str:
    """Look a city up.

    Args:
        city: its name.
    """
    return city


def openai_count(messages: list[BaseMessage]) -> int:
    """What LangChain's OpenAI integration counts, with the real tiktoken."""
    return ChatOpenAI(model="gpt-4o", api_key="none").get_num_tokens_from_messages(messages)


@pytest.mark.parametrize("length", range(1, len(CONVERSATION) + 1))
def test_a_conversation_counts_as_openai_documents_it(length: int) -> None:
    """Names, tool calls and their answers all have a price."""
    messages = CONVERSATION[:length]
    assert count_message_tokens(messages, "gpt-4o").tokens == openai_count(messages)


def test_every_form_of_a_message_counts_the_same() -> None:
    """A user must not have to convert messages in order to know what they cost."""
    text = "Why is the sky blue?"
    forms: list[Any] = [
        text,
        [text],
        [HumanMessage(text)],
        HumanMessage(text),
        [("human", text)],
        [["user", text]],
        [{"role": "user", "content": text}],
        {"role": "user", "content": [{"type": "text", "text": text}]},
        ChatPromptTemplate.from_messages([("human", "{question}")]).invoke({"question": text}),
    ]
    assert {count_message_tokens(form, "gpt-4o").tokens for form in forms} == {openai_count([HumanMessage(text)])}


@pytest.mark.parametrize(
    "messages", [None, 3, 1.5, b"text", object(), [None], [3], [("a", "b", "c")], [[("human", "x")]]]
)
def test_what_is_no_prompt_is_refused_with_what_would_be_one(messages: Any) -> None:
    """A count of the text 'None' would look like an answer."""
    with pytest.raises(TypeError, match="give"):
        count_message_tokens(messages, "gpt-4o")


def test_a_dict_that_is_no_message_is_refused() -> None:
    """The state of a graph holds messages and is none: it would count as nothing."""
    with pytest.raises(TypeError, match="is no message: give a BaseMessage"):
        count_message_tokens({"messages": [HumanMessage("hello")]}, "gpt-4o")


def test_items_of_the_responses_api_count_as_their_text() -> None:
    """They have no content of their own, and must not count as nothing."""
    item = {"type": "function_call_output", "call_id": "c1", "output": "word " * 100}
    assert 100 < count_message_tokens([item], "gpt-4o").tokens < 150
    assert bound_message_tokens([item], "gpt-4o").tokens > 500
    with pytest.raises(UnboundedInputError, match="item_reference"):
        bound_message_tokens([{"type": "item_reference", "id": "i1"}], "gpt-4o")


def test_a_tool_call_counts_once_where_content_repeats_it() -> None:
    """Anthropic's messages carry each call twice: in the content and as `tool_calls`."""
    call = {"name": "weather", "args": {"city": "Bern"}, "id": "t1"}
    plain = AIMessage("", tool_calls=[call])
    block = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}
    repeated = AIMessage([block], tool_calls=[call])
    assert count_message_tokens([repeated], "gpt-4o").tokens == count_message_tokens([plain], "gpt-4o").tokens
    assert count_message_tokens([{"role": "assistant", "content": [block]}], "gpt-4o").tokens > 10


def test_raw_openai_messages_count_like_langchains() -> None:
    """The dicts of OpenAI's own API are a form LangChain takes too."""
    raw = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Zürich"}'}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [raw]},
        {"role": "tool", "content": "18 °C, sunny", "tool_call_id": "call_1"},
    ]
    assert count_message_tokens(messages, "gpt-4o").tokens == openai_count(CONVERSATION[2:4])
    legacy = AIMessage("", additional_kwargs={"function_call": raw["function"]})
    unparsed = AIMessage("", invalid_tool_calls=[{"name": "weather", "args": '{"city": "Zürich"}', "id": "1"}])
    expected = openai_count([CONVERSATION[2]])
    assert [count_message_tokens([message], "gpt-4o").tokens for message in (legacy, unparsed)] == [expected] * 2


def test_results_of_tools_and_unknown_blocks_count_as_their_text() -> None:
    """Content is open by design: what is not known is still sent, and billed."""
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "hello world"}]}
    thought = {"type": "thinking", "thinking": "hello world"}
    document = {"type": "document", "source": {"type": "text", "data": "hello world"}}
    alone = count_message_tokens("hello world", "gpt-4o").tokens
    assert count_message_tokens([("user", [result])], "gpt-4o").tokens == alone
    assert count_message_tokens([("user", [document])], "gpt-4o").tokens == alone
    assert count_message_tokens([("user", [thought])], "gpt-4o").tokens > alone
    assert count_message_tokens([("user", ["hello", " world"])], "gpt-4o").tokens == alone
    assert count_message_tokens([ChatMessage("hello world", role="judge")], "gpt-4o").tokens == alone + 1


@pytest.mark.parametrize(
    "given", [weather, lookup, City, {"type": "function", "function": {"name": "f", "parameters": {}}}]
)
def test_tools_of_every_kind_count(given: Any) -> None:
    """LangChain's own counter ignores tools, which are often the largest part of an agent's request."""
    alone, bound = count_message_tokens("hi", "gpt-4o"), bound_message_tokens("hi", "gpt-4o")
    count = count_message_tokens("hi", "gpt-4o", tools=[given])
    assert count.tokens > alone.tokens + 10
    assert count.notes == (f"tools and schema: {count.tokens - alone.tokens:,} tokens, as JSON",)
    assert bound_message_tokens("hi", "gpt-4o", tools=[given]).tokens > bound.tokens + (count.tokens - alone.tokens)


@pytest.mark.parametrize("schema", [City, Answer, {"title": "A", "type": "object", "properties": {}}])
def test_output_schemas_count(schema: Any) -> None:
    """A schema is sent with every request."""
    alone = count_message_tokens("hi", "gpt-4o").tokens
    count = count_message_tokens("hi", "gpt-4o", response_format=schema).tokens
    assert alone + 10 < count < bound_message_tokens("hi", "gpt-4o", response_format=schema).tokens


def test_claudes_hidden_tool_prompt_counts() -> None:
    """Anthropic documents 346 tokens of its own for a request with tools."""
    without = count_message_tokens("hi", "claude-sonnet-4-5", tools=[]).tokens
    as_json = count_message_tokens("hi", "gpt-4o", tools=[weather]).tokens - count_message_tokens("hi", "gpt-4o").tokens
    assert count_message_tokens("hi", "claude-sonnet-4-5", tools=[weather]).tokens == without + as_json + 346


def test_a_strict_schema_stays_below_the_bound() -> None:
    """Strict mode closes every object and repeats every name, after the bound was asked for."""
    from langchain_core.utils.function_calling import convert_to_openai_tool

    names = {f"p{i}": {"type": "object", "properties": {f"q{i}": {"type": "string"}}} for i in range(50)}
    loose = {"title": "t", "description": "d", "type": "object", "properties": names}
    strict = str(convert_to_openai_tool(loose, strict=True))
    text_of_bound = bound_message_tokens("", "text-embedding-3-small", response_format=loose).tokens
    assert byte_bound(strict) <= text_of_bound


@pytest.mark.parametrize("wrong", [3, "get_weather", None])
def test_what_is_no_tool_is_refused(wrong: Any) -> None:
    """A tool that cannot be sent must not be counted as if it could."""
    with pytest.raises(TypeError, match=r"^tools: .* cannot be sent: give a dict, a BaseTool, a function or a class$"):
        count_message_tokens("hi", "gpt-4o", tools=[wrong])


@pytest.mark.parametrize(
    ("messages", "tools", "part"),
    [
        ([("user", [{"type": "input_audio", "input_audio": {"data": "AAAA"}}])], None, "input_audio"),
        ([("user", [{"type": "file", "file_id": "f1"}])], None, "file"),
        ([("user", [{"type": "document", "source": {"type": "base64", "data": "AA"}}])], None, "document"),
        ("hi", [{"type": "web_search"}], "tool web_search"),
    ],
)
def test_what_only_a_provider_can_count_has_no_bound(messages: Any, tools: Any, part: str) -> None:
    """A hard budget must refuse what it cannot bound, not guess."""
    with pytest.raises(UnboundedInputError, match=part) as caught:
        bound_message_tokens(messages, "gpt-4o", tools=tools)
    assert len(caught.value.parts) == 1
    assert f"{caught.value.parts[0]}: not counted" in count_message_tokens(messages, "gpt-4o", tools=tools).notes


def test_anthropics_custom_tools_are_bounded() -> None:
    """A tool with a schema of its own is run by the user, whatever it is called."""
    mine = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
    assert bound_message_tokens("hi", "claude-sonnet-4-5", tools=[mine]).tokens < 1_500


def test_the_tight_bound_is_the_count_plus_a_frame(token_vocabularies: object) -> None:
    """A long English prompt must not reserve four times its price where it can be counted."""
    text = "The quick brown fox jumps over the lazy dog. " * 3_000
    counted = count_message_tokens(text, "gpt-4o").tokens
    tight = bound_message_tokens(text, "gpt-4o", tight=True)
    assert counted <= tight.tokens <= counted + 24
    assert tight.method.endswith(":o200k_base")
    assert bound_message_tokens(text, "gpt-4o") == TokenCount(24 + len(text), "bytes")
    assert bound_message_tokens(text, "claude-sonnet-4-5", tight=True).method == "bytes"
    assert bound_message_tokens("x" * 120_000, "gpt-4o", tight=True) == TokenCount(24 + 120_000, "bytes")
    assert bound_message_tokens("a\ud800", "gpt-4o", tight=True).method == "bytes"


def test_an_open_models_template_fits_into_the_frame() -> None:
    """Harmony, the format of gpt-oss, begins with a system message of its own; Llama 3 with a date."""
    harmony = (
        "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
        "Knowledge cutoff: 2024-06\nCurrent date: 2026-11-21\n\nReasoning: medium\n\n"
        "# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>"
        "<|start|>user<|message|>hi<|end|><|start|>assistant"
    )
    tokens = len(tiktoken.get_encoding("o200k_base").encode_ordinary(harmony))
    assert tokens <= bound_message_tokens("hi", "gpt-oss-20b").tokens


def test_embeddings_have_nothing_around_their_text() -> None:
    """An embedding of one word must not be billed as a chat of ten."""
    assert count_message_tokens("hello world", "text-embedding-3-small").tokens == 2
    assert bound_message_tokens("hello world", "text-embedding-3-small").tokens == 11


def test_nothing_is_asked_of_a_network(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a vocabulary nor an image may be fetched in the middle of somebody's call."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        message = "a socket was opened"
        raise AssertionError(message)

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(vocabularies, "find_spec", lambda _name: None)
    monkeypatch.setattr(vocabularies, "_encoders", {})
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", {})
    vocabularies._offline_encoder.cache_clear()
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    url = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    count = count_message_tokens([("user", [url, "hello"])], "gpt-4o", tools=[weather])
    assert count.method == "bytes/3.6"
    assert bound_message_tokens([("user", [url, "hello"])], "gpt-4o", tools=[weather]).tokens > count.tokens
    vocabularies._offline_encoder.cache_clear()
