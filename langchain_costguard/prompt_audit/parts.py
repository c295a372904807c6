"""What a prompt is made of: its texts by what they are for, and what each part costs."""

# ruff: noqa: RUF001 - Chinese has punctuation of its own

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_costguard.tokens import count_message_tokens, count_tokens
from langchain_costguard.tokens.contents import Contents
from langchain_costguard.tokens.schemas import tool_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from langchain_core.messages import BaseMessage

PartKind = Literal["system", "tools", "examples", "history", "documents", "question", "format"]
"""What a part of a prompt is for; `format` is what stands around the messages, images included."""

KINDS: Final[tuple[PartKind, ...]] = ("system", "tools", "examples", "history", "documents", "question", "format")

_OPENED: Final = re.compile(
    r"<(documents?|context|passages?|sources?|search_results?|articles?|examples?)\b[^>]{0,200}>", re.IGNORECASE
)
_HEADED: Final = re.compile(
    r"^(?:#+ *)?(?:(?P<documents>context|passages?|documents?|sources?|article|excerpts?|search results"
    r"|上下文|资料|文档|参考资料|背景)|(?P<examples>examples?|demonstrations?|示例|例子|样例))"
    r"(?: *\d+)? *[:：].*?(?=\n[ \t]*\n|\Z)",
    re.DOTALL | re.IGNORECASE | re.MULTILINE,
)
_ASKED: Final = re.compile(r"^(?:Q|Question|Input|User|问|问题|输入) *[:：]", re.MULTILINE)
_ANSWERED: Final = re.compile(r"^(?:A|Answer|Output|Assistant|答|答案|输出) *[:：] *\S", re.MULTILINE)
_BLANK_LINE: Final = re.compile(r"\n[ \t]*\n")
_EXAMPLE_TAGS: Final = ("example", "examples")


class Part(NamedTuple):
    """A part of a prompt."""

    kind: PartKind
    """What it is for."""
    where: str
    """Where it stands: `"message 1"`, `"tool search"`."""
    text: str
    """Its text; empty for the format."""
    tokens: int
    """How many tokens it has."""


def parts_of(
    messages: Sequence[BaseMessage],
    tools: Sequence[Any],
    model: str | None,
    *,
    documents: Iterable[str] = (),
    examples: Iterable[str] = (),
) -> list[Part]:
    """The parts of a request, in their order; together they have as many tokens as the request.

    Args:
        messages: the messages.
        tools: the tools that go with them.
        model: whose tokenizer counts.
        documents: texts that are known to be documents, wherever they stand.
        examples: texts that are known to be examples.
    """
    known: list[tuple[PartKind, str]] = [("documents", text) for text in documents if text.strip()]
    known += [("examples", text) for text in examples if text.strip()]
    parts = [
        Part("tools", f"tool {tool_name(tool)}", tool_json(tool), count_tokens(tool_json(tool), model).tokens)
        for tool in tools
    ]
    kinds = _kinds(messages)
    for number, (message, kind) in enumerate(zip(messages, kinds, strict=True)):
        text = "\n".join(filter(None, Contents([message]).texts))
        for piece_kind, piece in _pieces(text, kind, known):
            parts.append(Part(piece_kind, f"message {number + 1}", piece, count_tokens(piece, model).tokens))
    whole = count_message_tokens(list(messages), model, tools=list(tools) or None).tokens
    rest = whole - sum(part.tokens for part in parts)
    return [*parts, Part("format", "around the messages", "", rest)]


def tool_name(tool: Any) -> str:  # noqa: ANN401 - LangChain takes dicts, tools, functions and classes alike
    """What a tool is called."""
    if isinstance(tool, dict):
        function = tool.get("function", tool)
        return str(function.get("name") or function.get("title") or tool.get("type") or "without a name")
    return str(getattr(tool, "name", None) or getattr(tool, "__name__", None) or "without a name")


def _kinds(messages: Sequence[BaseMessage]) -> list[PartKind]:
    """What each message is for: the last of the user is the question, what was said before is history."""
    humans = [at for at, message in enumerate(messages) if isinstance(message, HumanMessage)]
    question = humans[-1] if humans else -1
    return [_kind(message, is_question=at == question) for at, message in enumerate(messages)]


def _kind(message: BaseMessage, *, is_question: bool) -> PartKind:
    if isinstance(message, SystemMessage) and not (message.name or "").startswith("example"):
        return "system"
    if getattr(message, "example", False) or (message.name or "").startswith("example"):
        return "examples"
    if isinstance(message, ToolMessage):
        return "documents"
    return "question" if is_question and not isinstance(message, AIMessage) else "history"


def _pieces(text: str, kind: PartKind, known: Sequence[tuple[PartKind, str]]) -> Iterator[tuple[PartKind, str]]:
    """A message's text cut where documents and examples begin and end."""
    if kind not in {"system", "question"}:
        if text:
            yield kind, text
        return
    reached = 0
    for start, end, found in sorted(_spans(text, known)):
        if start < reached:
            continue
        if text[reached:start].strip():
            yield kind, text[reached:start]
        yield found, text[start:end]
        reached = end
    if text[reached:].strip():
        yield kind, text[reached:]


def _spans(text: str, known: Sequence[tuple[PartKind, str]]) -> Iterator[tuple[int, int, PartKind]]:
    for kind, given in known:
        start = text.find(given)
        if start >= 0:
            yield start, start + len(given), kind
    yield from _tagged(text)
    for match in _HEADED.finditer(text):
        yield match.start(), match.end(), "documents" if match["documents"] else "examples"
    for start, end in _shots(text):
        yield start, end, "examples"


def _tagged(text: str) -> Iterator[tuple[int, int, PartKind]]:
    """Texts in tags that say what they are, the outermost ones."""
    reached, unclosed = 0, set[str]()
    for match in _OPENED.finditer(text):
        name = match[1].lower()
        if match.start() < reached or name in unclosed:
            continue
        close = re.compile(f"</{name}>", re.IGNORECASE).search(text, match.end())
        if close is None:
            unclosed.add(name)
            continue
        reached = close.end()
        yield match.start(), reached, "examples" if name in _EXAMPLE_TAGS else "documents"


def _shots(text: str) -> Iterator[tuple[int, int]]:
    """Worked examples: what begins as a question and goes on with an answer, up to the next question."""
    starts = [match.start() for match in _ASKED.finditer(text)]
    for start, following in zip(starts, [*starts[1:], None], strict=False):
        answer = _ANSWERED.search(text, start, len(text) if following is None else following)
        if answer is not None:
            last = _BLANK_LINE.search(text, answer.end()) if following is None else None
            yield start, following if following is not None else len(text) if last is None else last.start()
