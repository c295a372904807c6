"""Where a request is marked for caching: as many marks as the provider allows, in its order, none of them twice."""

# ruff: noqa: ANN401 - tools and blocks are of any kind

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.prompt_caching.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_costguard.prompt_caching.rendering import Part

CACHE_CONTROL: Final = "cache_control"
BREAKPOINT: Final = "prompt_cache_breakpoint"

_LONG: Final = "1h"
_UNMARKABLE: Final = frozenset({"thinking", "redacted_thinking", "tool_use", "tool_call", "non_standard"})
_OPENAI_ROLES: Final = frozenset({"system", "human"})

Spot = tuple[int, int, int]
"""Where a mark stands, in the order in which a provider reads: `(0, tool, 0)` or `(1, message, block)`."""
_THE_END: Final[Spot] = (2, 0, 0)
"""Behind all of them."""


class Wanted(NamedTuple):
    """What is to be marked, and how."""

    key: str
    """The name of the mark in a block or a tool."""
    mark: Mapping[str, str]
    """The mark of the stable prefix."""
    ends: tuple[int, ...]
    """After which of the stable parts, the longest prefix last."""
    most: int
    """How many marks a request may have."""
    tail: Mapping[str, str] | None = None
    """The mark of the end of the conversation, where that is cached too."""


class Marked(NamedTuple):
    """A request with its marks; nothing that was given is changed."""

    messages: list[BaseMessage]
    """The messages; where one was marked, a copy of it."""
    tools: list[Any]
    """The tools; where one was marked, a copy of it."""
    is_ours: bool
    """Whether the request begins with any of the stable parts that a mark belongs behind."""


def mark_request(
    messages: Sequence[BaseMessage],
    tools: Sequence[Any],
    stable: Sequence[Part],
    wanted: Wanted,
    *,
    outside: Any = None,
) -> Marked:
    """Mark a request where it is the same as the plan's examples.

    Args:
        messages: what is sent.
        tools: the tools that go with it, as they are sent.
        stable: the plan's stable parts.
        wanted: what is to be marked.
        outside: the mark that is set beside messages and tools, Anthropic's for the end of the whole request.
    """
    parts = render(list(messages), tools)
    matching = _matching(parts, stable)
    spots = [(_spot(stable[end]), stable[end]) for end in wanted.ends if end < matching]
    there = dict(_marks_there(messages, tools, wanted.key)) | ({_THE_END: outside} if outside else {})
    room = wanted.most - len(there)
    work = _Work(list(messages), list(tools), wanted.key)
    for spot, part in reversed(spots):  # the longest prefix first, should there not be room for all
        if room > 0 and spot not in there and work.put(spot, part.text, _fitting(wanted.mark, spot, there)):
            room -= 1
    if wanted.tail is not None and spots and room > 0 and not outside:
        work.put_last(wanted.tail)
    return Marked(work.messages, work.tools, bool(spots))


def matches(messages: Sequence[BaseMessage], tools: Sequence[Any], stable: Sequence[Part], end: int) -> bool:
    """Whether a request begins with the stable parts up to one of them."""
    return _matching(render(list(messages), tools), stable) > end


class _Work:
    """Copies of what is marked."""

    def __init__(self, messages: list[BaseMessage], tools: list[Any], key: str) -> None:
        self.messages = messages
        self.tools = tools
        self.key = key

    def put(self, spot: Spot, text: str, mark: Mapping[str, str]) -> bool:
        """Put a mark at a spot, behind so much of its text; whether that was possible."""
        kind, index, block = spot
        if kind:
            return self._put_in_message(index, block, text, mark)
        tool = self.tools[index]
        if self.key != CACHE_CONTROL or not isinstance(tool, Mapping):
            return False
        self.tools[index] = {**tool, self.key: dict(mark)}
        return True

    def put_last(self, mark: Mapping[str, str]) -> None:
        """Put a mark at the end of the last message, unless it has one."""
        index = len(self.messages) - 1
        content = self.messages[index].content
        last = content[-1] if isinstance(content, list) and content else content
        if content and not (isinstance(last, Mapping) and self.key in last):
            self._put_in_message(index, len(content) - 1 if isinstance(content, list) else 0, None, mark)

    def _put_in_message(self, index: int, block: int, text: str | None, mark: Mapping[str, str]) -> bool:
        message = self.messages[index]
        content = [message.content] if isinstance(message.content, str) else list(message.content)
        if block >= len(content) or (self.key == BREAKPOINT and message.type not in _OPENAI_ROLES):
            return False
        pieces = _cut(content[block], text)
        if pieces is None or self.key in pieces[0]:
            return False
        marked: list[Any] = [*content[:block], {**pieces[0], self.key: dict(mark)}, *pieces[1:], *content[block + 1 :]]
        self.messages[index] = message.model_copy(update={"content": marked})
        return True


def _cut(block: Any, text: str | None) -> list[dict[str, Any]] | None:
    """A block of content as one that can be marked, and what is behind the mark; `None` where it cannot be marked."""
    if isinstance(block, str):
        block = {"type": "text", "text": block}
    if not isinstance(block, Mapping) or block.get("type") in _UNMARKABLE or block.get("text") == "":
        return None
    whole = block.get("text")
    if text is None or not isinstance(whole, str) or whole == text:
        return [dict(block)]
    return [{**block, "text": text}, {**block, "text": whole[len(text) :]}]


def _matching(parts: Sequence[Part], stable: Sequence[Part]) -> int:
    """How many of the stable parts a request begins with; the last of them may be the beginning of a longer one."""
    for number, known in enumerate(stable):
        if number >= len(parts) or (parts[number].kind, parts[number].role) != (known.kind, known.role):
            return number
        is_last = number == len(stable) - 1 and known.kind != "tool"
        text = parts[number].text
        if not (text == known.text or (is_last and text.startswith(known.text))):
            return number
    return len(stable)


def _spot(part: Part) -> Spot:
    return (0, part.number, 0) if part.kind == "tool" else (1, part.number, part.block)


def _marks_there(messages: Sequence[BaseMessage], tools: Sequence[Any], key: str) -> Iterator[tuple[Spot, Any]]:
    """The marks that a request has already."""
    for number, tool in enumerate(tools):
        if isinstance(tool, Mapping) and tool.get(key):
            yield (0, number, 0), tool[key]
    for number, message in enumerate(messages):
        content = message.content if isinstance(message.content, list) else ()
        for place, block in enumerate(content):
            if isinstance(block, Mapping) and block.get(key):
                yield (1, number, place), block[key]


def _fitting(mark: Mapping[str, str], spot: Spot, there: Mapping[Spot, Any]) -> Mapping[str, str]:
    """A mark whose lifetime suits those around it: Anthropic refuses a longer one behind a shorter one."""
    if mark.get("type") != "ephemeral":
        return mark
    if any(other > spot and _ttl(its) == _LONG for other, its in there.items()):
        return {**mark, "ttl": _LONG}
    if any(other < spot and _ttl(its) != _LONG for other, its in there.items()):
        return {name: value for name, value in mark.items() if name != "ttl"}
    return mark


def _ttl(mark: Any) -> str:
    return str(mark.get("ttl", "5m")) if isinstance(mark, Mapping) else "5m"
