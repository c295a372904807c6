"""Conversations keep their shape: only long texts of users and tools are shortened."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompt_values import ChatPromptValue

from langchain_costguard.compression import ContextCompressor
from langchain_costguard.tokens import count_message_tokens, count_tokens

FACT = "The bridge was opened in 1932 by Jack Lang."
NOISE = " ".join(f"Line {number} speaks of the weather and of tea." for number in range(60))
LONG = f"{NOISE} {FACT} {NOISE}"
QUESTION = "When was the bridge opened?"
COMPRESSOR = ContextCompressor(max_tokens=80)


def conversation() -> list[Any]:
    """A turn with a tool."""
    call = {"name": "search", "args": {"query": LONG}, "id": "call1"}
    return [
        SystemMessage(LONG, id="s"),
        HumanMessage(QUESTION, id="h"),
        AIMessage("", tool_calls=[call], id="a"),
        ToolMessage(LONG, tool_call_id="call1", id="t"),
    ]


async def test_a_tools_long_answer_is_shortened_for_the_users_question() -> None:
    """Tool results are where the tokens are."""
    given = conversation()
    for found in (COMPRESSOR.compress_messages(given), await COMPRESSOR.acompress_messages(given)):
        assert found.messages[:3] == given[:3]
        tool = found.messages[3]
        assert isinstance(tool, ToolMessage)
        assert (tool.id, tool.tool_call_id) == ("t", "call1")
        assert FACT in tool.text
        assert count_tokens(tool.text).tokens <= 80
        assert found.saved_tokens == count_tokens(LONG).tokens - count_tokens(tool.text).tokens
    assert given == conversation(), "the caller's messages are his"


def test_what_the_user_asks_stays_whole_around_a_long_context() -> None:
    """A compressor that drops the instruction has broken the task."""
    text = f"Answer in one word.\n\n{LONG}\n\nQuestion: {QUESTION}"
    (message,) = COMPRESSOR.compress_messages([HumanMessage(text)]).messages
    assert message.text.startswith("Answer in one word.\n\n")
    assert message.text.endswith(f"\n\nQuestion: {QUESTION}")
    assert FACT in message.text
    assert count_tokens(message.text).tokens <= 80


def test_system_and_ai_messages_are_shortened_only_when_asked() -> None:
    """A shortened system prompt is another program."""
    given = [SystemMessage(LONG), HumanMessage(QUESTION), AIMessage(LONG)]
    assert COMPRESSOR.compress_messages(given).messages == given
    asked = ContextCompressor(80, keep=("code",)).compress_messages(given, QUESTION).messages
    assert all(count_tokens(message.text).tokens <= 80 for message in asked)


def test_json_stays_valid() -> None:
    """Sentences taken out of JSON are no JSON."""
    given = [HumanMessage(QUESTION), ToolMessage(json.dumps([LONG, LONG]), tool_call_id="c")]
    assert COMPRESSOR.compress_messages(given).messages == given


def test_code_that_does_not_fit_leaves_the_message_as_it_is() -> None:
    """In the middle of a conversation an error would be worse than a long prompt."""
    given = [HumanMessage(QUESTION), ToolMessage(NOISE + "\n```\n" + "x = 1\n" * 200 + "```\n", tool_call_id="c")]
    found = COMPRESSOR.compress_messages(given)
    assert found.messages == given
    assert "code blocks" in (found.skipped_reason or "")


def test_blocks_that_are_no_text_stay() -> None:
    """An image beside a text is part of the question."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    given = HumanMessage([{"type": "text", "text": f"{LONG}\n{QUESTION}"}, image])
    (message,) = COMPRESSOR.compress_messages([given]).messages
    assert message.content[1] == image
    assert FACT in message.text


def test_a_growing_conversation_is_compressed_to_the_same_beginning() -> None:
    """Otherwise each turn would break the prefix that the provider has cached."""
    first = conversation()
    second = [*first, AIMessage("In 1932."), HumanMessage("And what of the weather in line 7?")]
    assert COMPRESSOR.compress_messages(second).messages[:4] == COMPRESSOR.compress_messages(first).messages


def test_a_cached_prefix_is_left_alone_where_touching_it_loses_money() -> None:
    """Rewriting cached history was measured to raise bills two to seven times."""
    given = [
        *conversation(),
        AIMessage("In 1932."),
        HumanMessage("Thanks, and line 5?"),
        ToolMessage(LONG, tool_call_id="d"),
    ]
    cached = count_message_tokens(given[:4]).tokens
    careful = ContextCompressor(400, for_model="claude-sonnet-4-5")
    kept = careful.compress_messages(given, cached_prefix_tokens=cached)
    assert kept.messages[:4] == given[:4]
    assert count_tokens(kept.messages[6].text).tokens <= 400, "what is not cached yet is shortened"
    assert "more than it saves" in (kept.skipped_reason or "")
    with pytest.raises(ValueError, match="for_model="):
        COMPRESSOR.compress_messages(given, cached_prefix_tokens=3000)


async def test_the_runnable_gives_what_it_was_given() -> None:
    """In a chain, the next step expects the same kind of thing."""
    assert FACT in COMPRESSOR.invoke(LONG, query=QUESTION)
    assert any(FACT in text for text in COMPRESSOR.invoke([NOISE, LONG], query=QUESTION))
    assert FACT in (await COMPRESSOR.ainvoke({"passages": LONG, "query": QUESTION}))
    assert isinstance(COMPRESSOR.invoke(ChatPromptValue(messages=conversation())), ChatPromptValue)
    assert FACT in COMPRESSOR.invoke([("human", QUESTION), ("human", f"{LONG}\n{QUESTION}")])[1].text
    assert COMPRESSOR.batch(["short", "also short"]) == ["short", "also short"]
    with pytest.raises(TypeError, match="'passages' and 'query'"):
        COMPRESSOR.invoke({"question": QUESTION})
    with pytest.raises(TypeError, match="no list of messages"):
        COMPRESSOR.invoke([1, 2])


async def test_documents_keep_id_and_metadata_and_say_where_they_were_cut() -> None:
    """A citation needs its source."""
    documents = [
        Document(NOISE, id="1", metadata={"source": "a"}),
        Document(LONG, id="2", metadata={"source": "b", "title": "The bridge"}),
    ]
    for found in (
        COMPRESSOR.compress_documents(documents, QUESTION),
        await COMPRESSOR.acompress_documents(documents, QUESTION),
        COMPRESSOR.invoke(documents, query=QUESTION),
    ):
        bridge = next(document for document in found if document.id == "2")
        assert bridge.metadata["source"] == "b"
        spans = bridge.metadata["kept_spans"]
        assert bridge.page_content == " ".join(LONG[start:end] for start, end in spans)
        assert FACT in bridge.page_content
        assert sum(count_tokens(document.page_content).tokens for document in found) <= 80
    assert "kept_spans" not in documents[1].metadata
