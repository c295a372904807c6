"""Asking for a short answer: an instruction at the end of the system message, of which nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue

if TYPE_CHECKING:
    from collections.abc import Sequence

CONCISE: Final = "Answer concisely: only what was asked for, without introduction, repetition or closing remarks."
"""The instruction of `concise=True`."""

CONCISE_CHINESE: Final = "请简洁回答：只给出所问的内容，不要开场白、重复或结束语。"  # noqa: RUF001 - Chinese has punctuation of its own
"""The same in Chinese, for `concise=CONCISE_CHINESE`."""


def messages_of(given: Any) -> list[BaseMessage]:  # noqa: ANN401 - whatever a chat model takes
    """What a chat model takes, as messages.

    Raises:
        TypeError: it is none of it.
    """
    if isinstance(given, str):
        return [HumanMessage(given)]
    if isinstance(given, PromptValue):
        return given.to_messages()
    if isinstance(given, list | tuple):
        return convert_to_messages(given)
    msg = f"{type(given).__name__} is no prompt: give a text, messages, or what a prompt template returns"
    raise TypeError(msg)


def with_instruction(messages: Sequence[BaseMessage], instruction: str) -> list[BaseMessage]:
    """The messages with an instruction at the end of the last leading system message, or in one of its own."""
    leading = 0
    while leading < len(messages) and isinstance(messages[leading], SystemMessage):
        leading += 1
    if not leading:
        return [SystemMessage(instruction), *messages]
    system = messages[leading - 1]
    extended = system.model_copy(update={"content": _extended(system.content, instruction)})
    return [*messages[: leading - 1], extended, *messages[leading:]]


def _extended(content: str | list[Any], instruction: str) -> str | list[Any]:
    if isinstance(content, str):
        return f"{content}\n\n{instruction}" if content else instruction
    return [*content, {"type": "text", "text": instruction}]  # behind any block that ends a cached prefix
