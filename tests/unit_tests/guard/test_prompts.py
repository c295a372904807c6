"""How many tokens a prompt has at most: every part of every message, the long way and the short way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_costguard.guard import prompts
from langchain_costguard.guard.prompts import InputBound, bound_beside, bound_prompt
from langchain_costguard.guard.requests import CallRequest

AROUND, EACH = 16, 8
"""Tokens around a request to gpt-4o and around each of its messages."""
TOOL = {"type": "function", "function": {"name": "act", "description": "acts", "parameters": {"type": "object"}}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}


def asked(*messages: Any, tight: bool = False) -> InputBound:
    """The bound of a chat prompt for gpt-4o."""
    return bound_prompt(CallRequest("chat", list(messages), model="gpt-4o", provider="openai"), tight=tight)


def answer(content: Any = "", **parts: Any) -> AIMessage:
    """An earlier answer of the model."""
    return AIMessage(content, **parts)


def call(name: str = "act", *, args: dict[str, Any] | None = None, call_id: str | None = "call_1") -> dict[str, Any]:
    """A tool call of an answer."""
    return {"name": name, "args": {"x": 1} if args is None else args, "id": call_id, "type": "tool_call"}


CALLED = len("act") + len(json.dumps({"x": 1}, separators=(",", ":"))) + len("call_1")


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        (HumanMessage("héllo"), 6),
        (SystemMessage(""), 0),
        (HumanMessage("hello", name="ada"), 8),
        (HumanMessage([{"type": "text", "text": "abc"}, {"type": "text", "text": "de"}]), 5),
        (ToolMessage("fine", tool_call_id="call_1"), 10),
    ],
)
def test_a_message_of_text_has_a_token_for_every_byte_and_eight_around_it(message: Any, tokens: int) -> None:
    """A token is a byte at least; the names and ids that are sent beside the text are text as well."""
    assert asked(message) == InputBound(AROUND + EACH + tokens)
    assert asked(message, message) == InputBound(AROUND + 2 * (EACH + tokens))


def test_a_tool_call_that_comes_back_is_input_by_its_name_its_arguments_and_its_id() -> None:
    """The next request sends them all again."""
    once = asked(answer(tool_calls=[call()])).tokens - AROUND - EACH
    assert once >= CALLED
    assert asked(answer(tool_calls=[call(), call("do", call_id=None)])).tokens - AROUND - EACH == (
        2 * once - len("act") + len("do") - len("call_1")
    )
    assert asked(answer("text", tool_calls=[call()])).tokens - AROUND - EACH == once + 4


def test_a_block_that_repeats_a_tool_call_counts_once_and_any_other_goes_the_long_way() -> None:
    """Anthropic's answers hold their calls twice; counted twice, agents would be refused for nothing."""
    block = {"type": "tool_use", "id": "call_1", "name": "act", "input": {"x": 1}}
    plain = asked(answer([{"type": "text", "text": "abc"}, block], tool_calls=[call()]))
    assert plain.tokens == asked(answer("abc", tool_calls=[call()])).tokens
    other = asked(answer([block], tool_calls=[call(call_id="call_2")]))
    assert other.tokens >= AROUND + EACH + 2 * len("act")


def test_reasoning_that_was_billed_is_input_again() -> None:
    """Some providers send it back with the answer it led to."""
    usage: Any = {"input_tokens": 1, "output_tokens": 90, "total_tokens": 91, "output_token_details": {"reasoning": 70}}
    flex: Any = {**usage, "output_token_details": {"flex_reasoning": 70, "audio": 5, "note": "x"}}
    none: Any = {**usage, "output_token_details": {}}
    assert asked(answer("abc", usage_metadata=usage)).tokens == AROUND + EACH + 73
    assert asked(answer("abc", usage_metadata=flex)).tokens == AROUND + EACH + 73
    assert asked(answer("abc", usage_metadata=none)).tokens == AROUND + EACH + 3
    assert asked(HumanMessage("h"), answer("abc", usage_metadata=usage), tight=True).tokens >= 70 + EACH


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content", "tool_outputs"])
def test_what_an_answer_brings_back_beside_its_text_is_input(key: str) -> None:
    """Integrations keep reasoning in a place of their own and send it back from there."""
    thought = "thinking " * 10
    bare = asked(answer("abc")).tokens
    assert asked(answer("abc", additional_kwargs={key: thought})).tokens >= bare + len(thought)
    assert asked(answer("abc", additional_kwargs={key: None})).tokens == bare
    both = asked(HumanMessage("x"), answer("abc", additional_kwargs={key: thought}), answer("d")).tokens
    assert both == asked(HumanMessage("x"), answer("abc"), answer("d")).tokens + len(json.dumps(thought))


def test_audio_of_an_earlier_answer_is_named_and_heard() -> None:
    """It is sent by its id; its tokens are dearer than text."""
    found = asked(answer("abc", additional_kwargs={"audio": {"id": "audio_1"}}))
    assert found.named == ("audio: an earlier answer of the model, by its id",)
    assert found.hears
    assert not asked(answer("abc", additional_kwargs={"audio": None})).hears


@pytest.mark.parametrize(
    ("block", "is_named"),
    [
        ({"type": "reasoning", "id": "rs_1", "summary": []}, True),
        ({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}, False),
        ({"type": "reasoning", "id": "xx_1", "summary": []}, False),
    ],
)
def test_reasoning_that_the_provider_keeps_is_named_and_what_is_sent_is_counted(
    block: dict[str, Any], *, is_named: bool
) -> None:
    """By its id alone nobody here knows how long it is."""
    said = ("reasoning: an earlier one that the provider keeps, by its id",)
    assert asked(answer([block])).named == (said if is_named else ())
    assert asked(answer("abc", additional_kwargs={"reasoning": block})).named == (said if is_named else ())


def test_a_broken_tool_call_or_a_message_of_another_form_goes_the_long_way() -> None:
    """The short way reads only what it knows; it must not leave anything out."""
    broken = {"name": "act", "args": "{not json", "id": "call_1", "error": None, "type": "invalid_tool_call"}
    assert prompts._bound_plainly([answer(invalid_tool_calls=[broken])], "gpt-4o") is None
    assert prompts._bound_plainly([("human", "hello")], "gpt-4o") is None
    assert prompts._bound_plainly([HumanMessage("h", additional_kwargs={"new": 1})], "gpt-4o") is None
    assert prompts._bound_plainly([answer(additional_kwargs={"tool_calls": [{"id": 1}]})], "gpt-4o") is None
    cached = {"type": "text", "text": "abc", "cache_control": {"type": "ephemeral"}}
    assert prompts._bound_plainly([HumanMessage([cached])], "gpt-4o") is None
    assert asked(("human", "hello")).tokens == asked(HumanMessage("hello")).tokens
    assert asked(HumanMessage([cached])).caching == {"5m"}


@pytest.mark.parametrize("texts", ["abc", ["abc"], ["ab", "héllo"], []])
def test_texts_to_embed_have_a_token_a_byte_and_four_around_each(texts: Any) -> None:
    """Every text of a batch is billed."""
    found = bound_prompt(CallRequest("embedding", texts, model="text-embedding-3-small"), tight=False)
    each = [texts] if isinstance(texts, str) else texts
    assert found == InputBound(sum(len(text.encode()) + 4 for text in each))


def test_texts_to_embed_are_counted_where_the_vocabulary_is_here() -> None:
    """The method is named only if it is the same for all."""
    request = CallRequest("embedding", ["hello world", "hello"], model="text-embedding-3-small")
    found = bound_prompt(request, tight=True)
    assert found.tokens == 3 + 2 * 4
    assert found.method.endswith("cl100k_base")
    assert bound_prompt(request._replace(prompt=[]), tight=True) == InputBound(0, "bytes")


# -- beside the prompt ----------------------------------------------------------------------------------------------


def test_nothing_beside_the_prompt_has_no_tokens() -> None:
    """The usual call pays for no look into a cache."""
    assert bound_beside((), "gpt-4o") == InputBound(0)


def test_schemas_and_instructions_are_added_to_the_tools() -> None:
    """Each is sent with every request."""
    tools = bound_beside((("tools", [TOOL]),), "gpt-4o").tokens
    text = bound_beside((("instructions", "be brief"),), "gpt-4o").tokens - bound_beside((("a", ""),), "gpt-4o").tokens
    assert tools > len(json.dumps(TOOL))
    assert text == len("be brief")
    assert bound_beside((("tools", [TOOL]), ("instructions", "be brief")), "gpt-4o").tokens >= tools + text
    assert bound_beside((("tools", [TOOL, TOOL]),), "gpt-4o").tokens > tools + len(json.dumps(TOOL))


def test_tools_that_the_provider_runs_are_counted_and_their_uses_noted() -> None:
    """Three searches: three more turns, at a cent each."""
    found = bound_beside((("tools", [TOOL, SEARCH]),), "claude-sonnet-4-5")
    assert (found.uses.turns, found.uses.nano_usd, found.uses.unbounded) == (3, 30_000_000, ())
    assert found.tokens > bound_beside((("tools", [TOOL]),), "claude-sonnet-4-5").tokens
    both = bound_beside((("tools", [SEARCH, {**SEARCH, "max_uses": 2}]),), "claude-sonnet-4-5")
    assert (both.uses.turns, both.uses.nano_usd) == (5, 50_000_000)
    kept = {**SEARCH, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert "1h" in bound_beside((("tools", [kept]),), "claude-sonnet-4-5").caching
    hour = {**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert "1h" in bound_beside((("tools", [hour]),), "claude-sonnet-4-5").caching


def test_what_is_beside_the_prompt_is_kept_by_content_and_the_memory_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service sends the same tools a million times, and a test makes a million different ones."""
    monkeypatch.setattr(prompts, "_beside", {})
    monkeypatch.setattr(prompts, "_MOST_KEPT", 2)
    for text in ("a", "a", "b", "c", "cc"):
        assert bound_beside((("x", text),), "gpt-4o") == prompts._read_beside((("x", text),), "gpt-4o")
        assert len(prompts._beside) <= 2
    first = bound_beside((("x", "zz"),), "gpt-4o")
    assert bound_beside((("x", "zz"),), "gpt-4o") is first


def test_what_cannot_be_compared_by_content_is_read_anew_each_time() -> None:
    """An object may have changed since it was read."""
    function: dict[str, Any] = {"name": "act", "description": "a", "parameters": {"default": object()}}
    sent = (("tools", [{"type": "function", "function": function}]),)
    before = bound_beside(sent, "gpt-4o").tokens
    function["description"] = "a" * 1001
    assert bound_beside(sent, "gpt-4o").tokens == before + 1000


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("hello"),
        HumanMessage([{"type": "text", "text": "hello"}]),
        SystemMessage("hello", name="ada"),
        ToolMessage("hello", tool_call_id="call_1"),
        answer("hello"),
        answer("", tool_calls=[call(), call(call_id=None)]),
        answer([{"type": "tool_use", "id": "call_1"}], tool_calls=[call()]),
        answer("hello", additional_kwargs={"tool_calls": [{"id": "call_1"}]}, tool_calls=[call()]),
    ],
)
def test_what_most_messages_are_takes_the_short_way_to_the_same_bound(message: Any) -> None:
    """The long way reads every block and takes ten times as long; an agent has a hundred messages."""
    short = prompts._bound_plainly([message], "gpt-4o")
    assert short is not None
    assert short >= AROUND + EACH
    if not isinstance(message.content, list) or message.type == "human":
        assert short == prompts._bound_contents([message], "gpt-4o", tight=False).tokens


def test_a_picture_is_bounded_or_named() -> None:
    """Its tokens do not stand in its address."""
    url = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
    found = asked(HumanMessage([{"type": "text", "text": "abc"}, url]))
    assert found.tokens >= asked(HumanMessage("abc")).tokens + 85, "what OpenAI charges for one of low detail"
    assert not found.named
    unknown = bound_prompt(CallRequest("chat", [HumanMessage([url])], model="nobody-knows"), tight=False)
    assert unknown.named == ("image: no rule is published for nobody-knows",)
