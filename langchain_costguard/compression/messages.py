"""Which texts of a conversation are compressed, for which question, and how they get back into their messages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from langchain_core.messages import HumanMessage

from langchain_costguard.compression.counting import safe_count
from langchain_costguard.compression.units import units_of
from langchain_costguard.tokens import byte_bound

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_costguard.compression.result import Compressed

Keep = Literal["system", "ai", "code", "json", "question"]
"""What is kept whole: messages of the system or the model, fenced code, texts that are JSON, and the first and last
line (or sentence) of what the user wrote, where instructions and questions stand."""
KEEPS: Final[tuple[Keep, ...]] = get_args(Keep)
_ROLE_KEPT_BY: Final[Mapping[str, Keep | None]] = {"system": "system", "ai": "ai", "human": None, "tool": None}
_QUESTION_CHARACTERS: Final = 600
"""A first or last line that is longer is no question."""
_MARGIN_TOKENS: Final = 4
"""What joining texts may add to their tokens."""


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a message that is too long."""

    message: int
    """Which message, from 0."""
    block: int | None
    """Which of its blocks; `None` where its content is a text."""
    head: str
    """What comes before the text and is kept."""
    text: str
    tail: str
    """What comes behind it and is kept."""
    most: int
    """The most tokens the text may have."""
    query: str | None
    """The question it is to serve."""


def long_parts(
    messages: Sequence[BaseMessage],
    most: int,
    keep: Collection[Keep],
    model: str | None = None,
    query: str | None = None,
    begin: int = 0,
) -> list[Part]:
    """The texts with more than `most` tokens that may be compressed.

    Each is compressed for the last question the user had asked by then, and by itself: a conversation that grows is
    compressed to the same beginning each time, so that a provider's cache still knows it.

    Args:
        messages: the conversation.
        most: the most tokens of one text.
        keep: what is kept whole.
        model: who will read it.
        query: the question; not given: the user's last one by then.
        begin: the first message that may change.
    """
    parts: list[Part] = []
    asked: str | None = None
    for at, message in enumerate(messages):
        is_human = isinstance(message, HumanMessage)
        asked = _question_in(_whole_text(message)) or asked if is_human else asked
        role_keep = _ROLE_KEPT_BY.get(message.type, "ai")
        if at < begin or role_keep in keep:
            continue
        for block, text in _texts(message):
            if (
                byte_bound(text) <= most
                or safe_count(text, model).tokens <= most
                or ("json" in keep and _is_json(text))
            ):
                continue
            head, middle, tail = _around(text) if is_human and "question" in keep else ("", text, "")
            room = most - safe_count(head, model).tokens - safe_count(tail, model).tokens - _MARGIN_TOKENS
            if head or tail:
                if room < 1:
                    continue
                parts.append(Part(at, block, head, middle, tail, room, query or asked))
            else:
                parts.append(Part(at, block, "", text, "", most, query or asked))
    return parts


def rewritten(
    messages: Sequence[BaseMessage], parts: Sequence[Part], results: Sequence[Compressed | None]
) -> list[BaseMessage]:
    """The messages with the compressed texts in them; type, id, tool calls and all else stay.

    Args:
        messages: the conversation.
        parts: its texts that were compressed.
        results: what they became; `None` for one that stays as it is.
    """
    changed = list(messages)
    for part, result in zip(parts, results, strict=True):
        if result is None or result.method is None:
            continue
        message, text = changed[part.message], part.head + result.text + part.tail
        if part.block is None:
            content: str | list[str | dict[str, object]] = text
        else:
            content = [*message.content]
            block = content[part.block]
            content[part.block] = text if isinstance(block, str) else {**block, "text": text}
        changed[part.message] = message.model_copy(update={"content": content})
    return changed


def _texts(message: BaseMessage) -> Iterator[tuple[int | None, str]]:
    """The texts of a message and the block each is in."""
    if isinstance(message.content, str):
        yield None, message.content
        return
    for at, block in enumerate(message.content):
        if isinstance(block, str):
            yield at, block
        elif block.get("type") == "text" and isinstance(block.get("text"), str):
            yield at, block["text"]


def _whole_text(message: BaseMessage) -> str:
    return "\n".join(text for _, text in _texts(message))


def _around(text: str) -> tuple[str, str, str]:
    """The first line, the rest, and the last line; a sentence in place of a line that is too long, else nothing."""
    bare = text.rstrip()
    first = bare.find("\n")
    last = bare.rfind("\n")
    if not 0 <= first <= _QUESTION_CHARACTERS or not 0 <= len(bare) - last <= _QUESTION_CHARACTERS or first == last:
        units = units_of([text])
        first, last = (units[0].end, units[-1].start) if units else (0, len(text))
    head = first if first <= _QUESTION_CHARACTERS else 0
    tail = last if len(bare) - last <= _QUESTION_CHARACTERS else len(text)
    while head < tail and text[head].isspace():
        head += 1
    while tail > head and text[tail - 1].isspace():
        tail -= 1
    return text[:head], text[head:tail], text[tail:]


def _question_in(text: str) -> str | None:
    """What a user's text asks: its last line, or its first where only that is a question; `None` if both are long."""
    if len(text) <= _QUESTION_CHARACTERS:
        return text.strip() or None
    head, _, tail = (part.strip() for part in _around(text))
    marks = ("?", "？")  # noqa: RUF001 - the Chinese question mark
    return head if head.endswith(marks) and not tail.endswith(marks) else tail or head or None


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in {"{", "["}:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):  # the second where it is nested deeper than Python reads
        return False
    return True
