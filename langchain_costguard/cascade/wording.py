"""The text of an answer: reading it, and giving a copy of the answer another one, whatever its content is made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_core.messages import AIMessage, BaseMessage


def text_of(message: BaseMessage) -> str:
    """The text of a message, its text blocks joined; blocks of other kinds say nothing."""
    if isinstance(message.content, str):
        return message.content
    return "".join(block if isinstance(block, str) else _text_of_block(block) or "" for block in message.content)


def is_empty(answer: AIMessage) -> bool:
    """Whether an answer neither says nor calls anything."""
    return not answer.tool_calls and not answer.invalid_tool_calls and not text_of(answer).strip()


def with_text(answer: AIMessage, rewrite: Callable[[str], str]) -> AIMessage:
    """A copy of an answer whose text is rewritten; the answer itself where that changes nothing.

    Blocks are rewritten one by one where that comes to the same; otherwise the first text block takes the whole text,
    and the others go. Blocks that are not text stay.
    """
    before = text_of(answer)
    after = rewrite(before)
    if after == before:
        return answer
    if isinstance(answer.content, str):
        return answer.model_copy(update={"content": after})
    singly = [_rewritten(block, rewrite) for block in answer.content]
    copy = answer.model_copy(update={"content": singly})
    return copy if text_of(copy) == after else answer.model_copy(update={"content": _merged(answer.content, after)})


def said(answer: AIMessage) -> str:
    """What an answer says and calls, in words, for a model that is to judge it."""
    calls = [
        f"{call['name']}({json.dumps(call['args'], ensure_ascii=False, default=str)})" for call in answer.tool_calls
    ]
    return "\n".join(part for part in (text_of(answer).strip(), *calls) if part)


def _text_of_block(block: Mapping[str, Any]) -> str | None:
    """The text of a block, `None` for a block that is not text."""
    text = block.get("text")
    return text if block.get("type", "text") in {"text", "output_text"} and isinstance(text, str) else None


def _rewritten(block: str | dict[str, Any], rewrite: Callable[[str], str]) -> str | dict[str, Any]:
    if isinstance(block, str):
        return rewrite(block)
    text = _text_of_block(block)
    return block if text is None else {**block, "text": rewrite(text)}


def _merged(content: list[str | dict[str, Any]], text: str) -> list[str | dict[str, Any]]:
    """The blocks with the whole text in the first of those that are text."""
    merged: list[str | dict[str, Any]] = []
    for block in content:
        if isinstance(block, str):
            block_with_text: str | dict[str, Any] = text
        elif _text_of_block(block) is not None:
            block_with_text = {**block, "text": text}
        else:
            merged.append(block)
            continue
        if text:
            merged.append(block_with_text)
        text = ""
    return merged
