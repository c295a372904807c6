"""How a prompt reads as text: for digests, and for counting tokens a provider did not report."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.tokens import count_message_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_costguard.tokens import TokenCount

_FIELD: Final = "\x1f"
_MESSAGE: Final = "\x1e"
_MAX_CACHED_TOOLS: Final = 64
_LONG: Final = 1024
_END: Final = 16_384


class ChatPrompt:
    """The messages of one chat call and the tools and schema that go with them, held by reference."""

    __slots__ = ("messages", "params")

    def __init__(self, messages: Sequence[BaseMessage], params: Mapping[str, Any] | None) -> None:
        """Hold what was sent."""
        self.messages: Sequence[BaseMessage] = messages
        self.params: Mapping[str, Any] | None = params


def chat_text(prompt: ChatPrompt) -> str:
    """A chat prompt as text: tools and schema first, as the providers order them, then message after message."""
    parts = [_message_text(message) for message in prompt.messages]
    params = prompt.params
    if params:
        for name in ("response_format", "tools"):
            if params.get(name):
                parts.insert(0, _FIXED_PARTS.text_of(params[name]))
    return _MESSAGE.join(parts)


def chat_tokens(prompt: ChatPrompt, model: str | None) -> TokenCount:
    """The tokens of a chat prompt: messages, images, tools and schema, and what frames them."""
    params = prompt.params or {}
    return count_message_tokens(
        prompt.messages, model, tools=params.get("tools"), response_format=params.get("response_format")
    )


def plain_text(prompt: str) -> str:
    """A text model's prompt is its own text."""
    return prompt


def content_text(content: str | list[Any] | Any) -> str:  # noqa: ANN401 - message content is open by design
    """The text of a message's content; media stand in it as a hash, so that they neither count nor vanish."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return _FIELD.join(_block_text(block) for block in content)
    return "" if content is None else str(content)


def _message_text(message: BaseMessage) -> str:
    content = message.content
    kind = message.type
    text = kind + _FIELD + (content if type(content) is str else content_text(content))
    if kind == "ai":
        calls = getattr(message, "tool_calls", None)
        if calls:
            text += _FIELD + _json([_name_and_args(call) for call in calls])
    return text


def _name_and_args(call: Any) -> Any:  # noqa: ANN401 - tool calls that nobody has checked are of any type
    return {"name": call.get("name"), "args": call.get("args")} if isinstance(call, dict) else call


def _block_text(block: Any) -> str:  # noqa: ANN401 - content blocks are open by design
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return str(block)
    text = block.get("text")
    if isinstance(text, str):
        return text
    kind = block.get("type")
    try:
        return _json(block if isinstance(kind, str) and kind in _TEXTUAL_BLOCKS else _without_media(block))
    except RecursionError:
        return _TOO_DEEP


def _without_media(value: Any) -> Any:  # noqa: ANN401 - content blocks are open by design
    """A block whose long strings are replaced by a hash of their length and both ends: media may be megabytes."""
    if isinstance(value, dict):
        return {name: _without_media(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_media(item) for item in value]
    if isinstance(value, str) and len(value) > _LONG:
        ends = (value[:_END] + value[-_END:]).encode("utf-8", "surrogatepass")
        return f"{len(value)}:{hashlib.sha256(ends).hexdigest()[:16]}"
    return f"{len(value)} bytes" if isinstance(value, bytes) else value


_TEXTUAL_BLOCKS: Final = frozenset({"tool_use", "tool_result", "tool_call", "thinking", "reasoning", "json"})


_TOO_DEEP: Final = "content nested deeper than Python reads"


def _json(value: Any) -> str:  # noqa: ANN401 - whatever was sent
    try:
        return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    except RecursionError:
        return _TOO_DEEP
    except (TypeError, ValueError):  # keys that cannot be sorted, or are none of JSON's; a value that holds itself
        return str(value)


class _FixedParts:
    """Remembers the text of tools and schemas, which are the same objects call after call."""

    def __init__(self) -> None:
        self._texts: OrderedDict[int, tuple[Any, str]] = OrderedDict()
        self._lock = threading.Lock()

    def text_of(self, part: Any) -> str:  # noqa: ANN401 - tools are dicts or lists, a schema may be a class
        known = self._texts.get(id(part))
        if known is not None and known[0] is part:
            return known[1]
        text = _json(part)
        with self._lock:
            self._texts[id(part)] = (part, text)
            if len(self._texts) > _MAX_CACHED_TOOLS:
                self._texts.popitem(last=False)
        return text


_FIXED_PARTS: Final = _FixedParts()
