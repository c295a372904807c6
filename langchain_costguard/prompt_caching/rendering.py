"""What a request looks like to a prompt cache: its parts in the order in which a provider reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from langchain_core.messages import convert_to_messages

from langchain_costguard.tokens.contents import as_messages
from langchain_costguard.tokens.counting import count_tokens
from langchain_costguard.tokens.schemas import as_json, schema_json, tool_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.messages import BaseMessage

PartKind = Literal["tool", "schema", "system", "message"]

_MARKS = frozenset({"cache_control", "prompt_cache_breakpoint"})


class Part(NamedTuple):
    """One piece of a request that stands or falls as a whole, or up to a character of its text."""

    kind: PartKind
    """What it is; tools and the schema of the answer are read before all messages."""
    number: int
    """The tool's place among the tools, or the message's among the messages."""
    block: int
    """The block of the message's content; tool calls come after the last one."""
    role: str
    """The message's type (`"system"`, `"human"` ...); a tool's name."""
    text: str
    """What is compared and counted."""

    @property
    def label(self) -> str:
        """How a reader finds it, such as `"message 0 (system)"`."""
        if self.kind == "schema":
            return "the answer's schema"
        place = f"{'tool' if self.kind == 'tool' else 'message'} {self.number}"
        return f"{place} ({self.role}{f', block {self.block}' if self.block else ''})"


def render(prompt: Any, tools: Sequence[Any] = (), schema: Any = None) -> tuple[Part, ...]:  # noqa: ANN401 - see PromptLike
    """The parts of a request, as a provider reads them: tools, schema, messages.

    Args:
        prompt: a text, messages in any form LangChain takes, or a `PromptValue`.
        tools: the tools that go with it.
        schema: the schema of the answer, where there is one.

    Raises:
        TypeError: it is no prompt, or a tool cannot be sent.
    """
    parts = [Part("tool", number, 0, tool_name(tool), tool_text(tool)) for number, tool in enumerate(tools)]
    if schema is not None:
        parts.append(Part("schema", 0, 0, "", schema_json(schema)))
    for number, message in enumerate(convert_to_messages(as_messages(prompt))):
        parts += _parts_of(message, number)
    return tuple(parts)


def tool_text(tool: Any) -> str:  # noqa: ANN401 - LangChain takes dicts, tools, functions and classes alike
    """A tool as it is compared: its name, description and parameters, in whichever provider's form it is given."""
    sent = json.loads(tool_json(tool))
    inner = sent.get("function", sent)
    parameters = inner.get("parameters", inner.get("input_schema"))
    if parameters is None:
        return as_json(_unmarked(sent))
    return as_json({"name": inner.get("name"), "description": inner.get("description"), "parameters": parameters})


def tool_name(tool: Any) -> str:  # noqa: ANN401 - as above
    """What a tool is called."""
    if isinstance(tool, Mapping):
        inner = tool.get("function")
        return str((inner if isinstance(inner, Mapping) else tool).get("name") or tool.get("type") or "tool")
    return str(getattr(tool, "name", None) or getattr(tool, "__name__", "tool"))


def block_text(block: Any) -> str:  # noqa: ANN401 - content is open by design
    """A block of a message's content as it is compared: its text, or the whole of it where it is something else."""
    if isinstance(block, Mapping):
        is_text = block.get("type", "text") == "text" and isinstance(block.get("text"), str)
        return block["text"] if is_text else as_json(_unmarked(block))
    return str(block)


def tokens_of(parts: Sequence[Part], model: str | None) -> int:
    """The tokens of some parts, counted as well as it can be done here."""
    return sum(count_tokens(part.text, model).tokens for part in parts)


def _parts_of(message: BaseMessage, number: int) -> Iterator[Part]:
    kind: PartKind = "system" if message.type == "system" else "message"
    content = message.content if isinstance(message.content, list) else [message.content]
    for place, block in enumerate(content):
        yield Part(kind, number, place, message.type, block_text(block))
    calls = getattr(message, "tool_calls", None)
    if calls:
        yield Part(kind, number, len(content), message.type, as_json(calls))


def _unmarked(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name not in _MARKS}
