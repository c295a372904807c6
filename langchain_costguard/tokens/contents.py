"""What a request is made of, as far as it makes tokens: its texts, schemas and images, and what it only names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.tokens.image_sizes import Size, size_of
from langchain_costguard.tokens.images import Image
from langchain_costguard.tokens.schemas import as_json, is_server_tool, schema_json, server_tool_name, tool_json

if TYPE_CHECKING:
    from collections.abc import Callable

PromptLike = Any
"""A text, messages in any form LangChain takes (`BaseMessage`, `(role, text)`, dict, text), or a `PromptValue`."""
SchemaLike = Any
"""What `with_structured_output` takes: a Pydantic class, a `TypedDict` or a dict."""

_MEDIA: Final = frozenset(
    {"audio", "input_audio", "audio_url", "video", "video_url", "file", "input_file", "document", "media"}
    | {"image_file", "container_upload", "item_reference"}
)
"""Content whose tokens nobody knows before the provider has read it."""

_TOOL_CALLS: Final = frozenset({"tool_use", "tool_call", "tool_call_chunk", "function_call"})
_MESSAGE_PARTS: Final = frozenset({"content", "tool_calls", "function_call"})
"""What a dict has at least one of if it is a message, and not an item of OpenAI's Responses API."""

_GENERIC_ROLES: Final = frozenset({"human", "user", "ai", "assistant", "system", "developer", "tool", "function"})


class Contents:
    """The parts of one request.

    Args:
        prompt: see `PromptLike`.
        tools: the tools that go with it.
        response_format: the schema of the answer that goes with it.

    Raises:
        TypeError: the prompt, a tool or the schema is nothing that could be sent.
    """

    def __init__(
        self, prompt: PromptLike, tools: Sequence[Any] | None = None, response_format: SchemaLike = None
    ) -> None:
        """Walk through the request once."""
        self.texts: list[str] = []
        self.ids: list[str] = []
        """Names of tool calls, which some providers show the model."""
        self.schemas: list[str] = []
        self.images: list[Image] = []
        self.unbounded: list[str] = []
        self.messages: int = 0
        self.names: int = 0
        self.answers: int = 0
        """Messages that answer a tool call."""
        self.has_tools: bool = bool(tools)
        self.cache_lifetimes: set[str] = set()
        """The lifetimes, `"5m"` or `"1h"`, of what the request asks Anthropic to keep in its prompt cache."""
        for message in as_messages(prompt):
            self._add_message(message)
        for tool in tools or ():
            if is_server_tool(tool):
                self.unbounded.append(f"tool {server_tool_name(tool)}: the provider runs it and adds what it finds")
            self._note_caching(tool)
            self.schemas.append(tool_json(tool))
        if response_format is not None:
            self.schemas.append(schema_json(response_format))

    def _add_message(self, message: Any) -> None:  # noqa: ANN401 - any form LangChain takes
        if isinstance(message, str):
            message = {"role": "user", "content": message}
        elif isinstance(message, tuple | list):
            message = _from_pair(message)
        self.messages += 1
        read = _reader_of(message)
        role, name, answered = read("role"), read("name"), read("tool_call_id")
        if isinstance(role, str) and role not in _GENERIC_ROLES:
            self.texts.append(role)
        if isinstance(name, str):
            self.names += 1
            self.texts.append(name)
        if isinstance(answered, str):
            self.answers += 1
            self.ids.append(answered)
        called = self._add_calls(read)
        if isinstance(message, Mapping) and _MESSAGE_PARTS.isdisjoint(message):
            self._add_block(message)
        content = read("content")
        for block in content if isinstance(content, list | tuple) else [content]:
            if not (isinstance(block, Mapping) and block.get("type") in _TOOL_CALLS and _id_of(block) in called):
                self._add_block(block)

    def _add_calls(self, read: Callable[[str], Any]) -> set[str]:
        """Add the tool calls of a message, each once, and return their ids."""
        called: set[str] = set()
        extra = read("additional_kwargs")
        extra = extra if isinstance(extra, Mapping) else {}
        known = [*(read("tool_calls") or ()), *(read("invalid_tool_calls") or ())]
        for call in known or extra.get("tool_calls") or ():
            self._add_call(call.get("function", call))
            called.add(_id_of(call))
        if read("function_call") or extra.get("function_call"):
            self._add_call(read("function_call") or extra["function_call"])
        self.ids += called
        return called

    def _add_call(self, call: Mapping[str, Any]) -> None:
        self.texts.append(str(call.get("name") or ""))
        arguments = call.get("arguments", call.get("args", call.get("input")))
        self.texts.append(arguments if isinstance(arguments, str) else as_json(arguments))

    def _add_block(self, block: Any) -> None:  # noqa: ANN401 - content is open by design
        if block is None:
            return
        if not isinstance(block, Mapping):
            self.texts.append(str(block))
            return
        self._note_caching(block)
        kind = block.get("type")
        image = image_in(block)
        if image is not None:
            self.images.append(image)
        elif isinstance(block.get("text"), str):
            self.texts.append(block["text"])
        elif kind == "tool_result":
            content = block.get("content")
            for part in content if isinstance(content, list | tuple) else [content]:
                self._add_block(part)
        elif kind in _MEDIA:
            self._add_document(block)
        else:
            self.texts.append(as_json(block))

    def _note_caching(self, part: Any) -> None:  # noqa: ANN401 - a block or a tool
        control = part.get("cache_control") if isinstance(part, Mapping) else None
        if isinstance(control, Mapping):
            self.cache_lifetimes.add("1h" if control.get("ttl") == "1h" else "5m")

    def _add_document(self, block: Mapping[str, Any]) -> None:
        source = block.get("source")
        if isinstance(source, Mapping) and source.get("type") == "text":
            self.texts += [str(block.get(key) or "") for key in ("title", "context")] + [str(source.get("data"))]
        else:
            self.unbounded.append(f"{block.get('type')}: its tokens are not known before the provider has read it")


def as_messages(prompt: PromptLike) -> Sequence[Any]:
    """The messages of a prompt, each in the form it was given.

    Raises:
        TypeError: it is no prompt.
    """
    if isinstance(prompt, str | Mapping) or hasattr(prompt, "content"):
        return [prompt]
    if hasattr(prompt, "to_messages"):
        prompt = prompt.to_messages()
    if isinstance(prompt, Sequence) and not isinstance(prompt, bytes | bytearray):
        return prompt
    msg = f"messages={prompt!r:.60} is no prompt: give a text, a list of messages, or what a prompt template returns"
    raise TypeError(msg)


def image_in(block: Mapping[str, Any]) -> Image | None:
    """The image a block of content holds or names, in the forms of LangChain, OpenAI, Anthropic and Google."""
    kind = block.get("type")
    inner = block.get("image_url", block.get("source"))
    holder: Mapping[str, Any] = inner if isinstance(inner, Mapping) else block
    is_typed = str(block.get("mime_type") or holder.get("media_type") or "").startswith("image/")
    if not (kind in {"image_url", "input_image", "image"} or (kind in {"media", "file"} and is_typed)):
        return None
    data = next((holder[key] for key in ("data", "base64") if holder.get(key)), None)
    address = inner if isinstance(inner, str) else holder.get("url")
    if data is None and isinstance(address, str) and address.startswith("data:"):
        data = address.partition(",")[2]
    detail = holder.get("detail", block.get("detail"))
    size = _stated_size(holder) or _stated_size(block)
    if size is None and isinstance(data, str | bytes):
        size = size_of(data)
    return Image(size, detail if isinstance(detail, str) else None)


def _stated_size(holder: Mapping[str, Any]) -> Size | None:
    width, height = holder.get("width"), holder.get("height")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        return width, height
    return None


def _reader_of(message: Any) -> Callable[[str], Any]:  # noqa: ANN401 - any form LangChain takes
    """Read a field of a message by its name; `None` if there is no such field."""
    if isinstance(message, Mapping) and ("role" in message or "type" in message):
        return message.get
    if hasattr(message, "content"):
        return lambda name: getattr(message, name, None)
    msg = f"{message!r:.60} is no message: give a BaseMessage, (role, content), a dict or a text"
    raise TypeError(msg)


def _id_of(call: Mapping[str, Any]) -> str:
    return str(call.get("id") or call.get("call_id") or "")


def _from_pair(pair: Sequence[Any]) -> Mapping[str, Any]:
    if len(pair) == len(("role", "content")) and isinstance(pair[0], str):
        return {"role": pair[0], "content": pair[1]}
    msg = f"{pair!r:.60} is no message: give (role, content); for several prompts, ask once for each"
    raise TypeError(msg)
