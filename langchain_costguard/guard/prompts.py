"""How many tokens the input of a request has at most: its prompt, and what is sent beside it."""

from __future__ import annotations

import marshal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.guard.server_tools import Uses, uses_of
from langchain_costguard.tokens.contents import Contents, as_messages
from langchain_costguard.tokens.counting import byte_bound, tight_bound
from langchain_costguard.tokens.images import image_bound
from langchain_costguard.tokens.messages import bound_of
from langchain_costguard.tokens.schemas import as_json, is_server_tool, schema_bound, schema_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_costguard.guard.requests import CallRequest

_TOOLS: Final = "tools"
_PLAIN: Final = frozenset({"human", "system", "ai", "tool"})
_KNOWN_EXTRAS: Final = frozenset({"tool_calls", "refusal"})
"""What stands in `additional_kwargs` beside `tool_calls`, where it is not sent."""
_HEARD: Final = frozenset({"audio", "input_audio", "audio_url", "media", "video", "video_url"})
_AROUND_A_TEXT: Final = 4
"""Tokens that a tokenizer may put around a text to embed."""
_NONE: Final[frozenset[str]] = frozenset()


class InputBound(NamedTuple):
    """The most input tokens of a request, as far as the request holds its input."""

    tokens: int
    method: str = "bytes"
    named: tuple[str, ...] = ()
    """What the request only names: of this nothing is in `tokens`."""
    caching: frozenset[str] = _NONE
    """The lifetimes of what the provider is asked to keep in its prompt cache."""
    hears: bool = False
    """Whether there is audio or video in what is named."""
    uses: Uses = Uses()
    """What tools that the provider runs add."""


def bound_prompt(request: CallRequest, *, tight: bool) -> InputBound:
    """The most tokens of the prompt alone.

    Args:
        request: the call.
        tight: whether to count text with the model's own tokenizer, where it is on this machine.
    """
    prompt, model = request.prompt, request.model
    if request.kind == "embedding":
        return _bound_texts([prompt] if isinstance(prompt, str) else prompt, model, tight=tight)
    if not tight and request.kind == "chat" and type(prompt) in _LISTS:
        tokens = _bound_plainly(prompt, model)
        if tokens is not None:
            return InputBound(tokens)
    return _bound_contents(prompt, model, tight=tight)


_LISTS: Final = frozenset({list, tuple})


def _bound_plainly(messages: Sequence[Any], model: str | None) -> int | None:
    """The bound of messages that are text and tool calls, without reading further; `None` for any others."""
    around, each = _frame_of(model)
    tokens = around + each * len(messages)
    try:
        for message in messages:
            kind, content, extra = message.type, message.content, message.additional_kwargs
            if kind not in _PLAIN or (extra and not _KNOWN_EXTRAS.issuperset(extra)):
                return None
            calls = message.tool_calls if kind == "ai" else ()
            text = byte_bound(content) if type(content) is str else _text_in(content, calls)
            called = _called_in(message) if kind == "ai" else 0
            if text is None or called is None or (extra.get("tool_calls") and not calls):
                return None
            tokens += text + called
            if message.name is not None:
                tokens += byte_bound(message.name)
            if kind == "tool":
                tokens += byte_bound(message.tool_call_id)
    except AttributeError:  # another form of message
        return None
    return tokens


def _text_in(blocks: Sequence[Any], calls: Sequence[Mapping[str, Any]]) -> int | None:
    """The tokens of blocks that are text, or repeat a tool call of the message; `None` if there are any others."""
    tokens = 0
    for block in blocks:
        kind = block.get("type") if type(block) is dict and "cache_control" not in block else None
        if kind == "text" and type(block.get("text")) is str:
            tokens += byte_bound(block["text"])
        elif kind != "tool_use" or all(block.get("id") != call["id"] for call in calls):
            return None
    return tokens


def _called_in(message: Any) -> int | None:  # noqa: ANN401 - LangChain is not imported here
    """The tokens of an answer's tool calls and of its reasoning, which may come back; `None` if a call is broken."""
    if message.invalid_tool_calls:
        return None
    tokens = 0
    for call in message.tool_calls:
        tokens += byte_bound(call["name"]) + byte_bound(as_json(call["args"])) + byte_bound(call["id"] or "")
    return tokens + (_reasoned(message.usage_metadata) if message.usage_metadata else 0)


def _reasoned(usage: Mapping[str, Any]) -> int:
    details = usage.get("output_token_details") or {}
    return sum(value for key, value in details.items() if key.endswith("reasoning") and type(value) is int)


@lru_cache(maxsize=1024)
def _frame_of(model: str | None) -> tuple[int, int]:
    """The tokens around a request and around each of its messages."""
    around = bound_of(Contents(()), model, tight=False).tokens
    return around, bound_of(Contents([{"role": "user", "content": ""}]), model, tight=False).tokens - around


def _bound_texts(texts: Sequence[str], model: str | None, *, tight: bool) -> InputBound:
    if tight:
        counts = [tight_bound(text, model) for text in texts]
        methods = {count.method for count in counts}
        method = methods.pop() if len(methods) == 1 else "bytes"
        return InputBound(sum(count.tokens + _AROUND_A_TEXT for count in counts), method)
    return InputBound(sum(map(byte_bound, texts)) + _AROUND_A_TEXT * len(texts))


def _bound_contents(prompt: Any, model: str | None, *, tight: bool) -> InputBound:  # noqa: ANN401 - see `PromptLike`
    contents = Contents(prompt)
    named = contents.unbounded
    images, contents.images = contents.images, []
    for image in images:
        most, note = image_bound(image, model)
        if most is None:
            named.append(note)
        else:
            contents.images.append(image)
    contents.unbounded = []
    hidden = 0
    for message in as_messages(prompt):
        tokens, unseen = _hidden_in(message)
        hidden += tokens
        named += unseen
    count = bound_of(contents, model, tight=tight)
    return InputBound(
        count.tokens + hidden,
        count.method,
        tuple(named),
        frozenset(contents.cache_lifetimes),
        any(part.partition(":")[0] in _HEARD for part in named),
    )


def _hidden_in(message: Any) -> tuple[int, list[str]]:  # noqa: ANN401 - any form LangChain takes
    """What an earlier answer brings back that is not among its texts: reasoning the provider keeps, audio by its id."""
    extra = getattr(message, "additional_kwargs", None) or {}
    tokens = sum(
        byte_bound(as_json(extra[key])) for key in ("reasoning", "reasoning_content", "tool_outputs") if extra.get(key)
    )
    named = ["audio: an earlier answer of the model, by its id"] if extra.get("audio") else []
    reasoned = _reasoned(getattr(message, "usage_metadata", None) or {})
    if reasoned:
        return tokens + reasoned, named
    content = getattr(message, "content", None)
    blocks = content if isinstance(content, list) else ()
    if any(_is_kept_reasoning(block) for block in (*blocks, extra.get("reasoning"))):
        named.append("reasoning: an earlier one that the provider keeps, by its id")
    return tokens, named


def _is_kept_reasoning(block: object) -> bool:
    """Whether a block names reasoning of OpenAI's Responses API without holding it."""
    return (
        isinstance(block, dict) and str(block.get("id") or "").startswith("rs_") and not block.get("encrypted_content")
    )


_beside: dict[tuple[object, ...], InputBound] = {}
_MOST_KEPT: Final = 256


def bound_beside(sent: tuple[tuple[str, Any], ...], model: str | None) -> InputBound:
    """The most tokens of what is sent beside the prompt: tools, schemas, instructions.

    Kept by content, so that tools that are changed in place are seen; what cannot be compared by content is read anew.

    Args:
        sent: the settings that are part of the input, by name.
        model: the model that would read them.
    """
    if not sent:
        return _NOTHING
    try:
        key = (model, *(value if isinstance(value, type) else marshal.dumps((name, value), 2) for name, value in sent))
    except ValueError:  # something in it is neither data nor a class
        return _read_beside(sent, model)
    known = _beside.get(key)
    if known is None:
        if len(_beside) >= _MOST_KEPT:
            _beside.clear()
        known = _beside[key] = _read_beside(sent, model)
    return known


_NOTHING: Final = InputBound(0)


def _read_beside(sent: tuple[tuple[str, Any], ...], model: str | None) -> InputBound:
    tools = [tool for name, value in sent if name == _TOOLS for tool in value or ()]
    served: list[Mapping[str, Any]] = [tool for tool in tools if is_server_tool(tool)]
    contents = Contents((), [tool for tool in tools if not is_server_tool(tool)])
    tokens = bound_of(contents, model, tight=False).tokens + sum(schema_bound(as_json(tool)) for tool in served)
    tokens += sum(_size(value) for name, value in sent if name != _TOOLS)
    lifetimes = contents.cache_lifetimes | Contents((), served).cache_lifetimes
    return InputBound(tokens, caching=frozenset(lifetimes), uses=uses_of(served))


def _size(value: object) -> int:
    try:
        return schema_bound(schema_json(value) if isinstance(value, type) else as_json(value))
    except TypeError:  # a class that is no schema is not sent
        return 0
