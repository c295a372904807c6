"""What a prompt could do without: found, priced in tokens, and told apart by whether taking it away loses anything."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from langchain_core.messages import AIMessage

from langchain_costguard.prompt_audit.fences import fenced_blocks, outside_fences
from langchain_costguard.prompt_audit.fillers import without_fillers
from langchain_costguard.prompt_audit.json_text import minified
from langchain_costguard.prompt_audit.lossless import SHORTEST_PASSAGE
from langchain_costguard.prompt_audit.parts import tool_name
from langchain_costguard.tokens import count_tokens
from langchain_costguard.tokens.schemas import tool_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_costguard.prompt_audit.slimming import SlimmedPrompt

FindingKind = Literal["white space", "JSON", "repeated passage", "filler", "unused tool"]
"""What was found."""

_SENTENCES: Final = re.compile(r"(?<=[.!?。！？])\s+|\n+")  # noqa: RUF001 - Chinese has punctuation of its own
_FENCED_JSON: Final = re.compile(r"\A\s*(?:```|~~~)(?:json)?\s*\n(.*?)\n\s*(?:```|~~~)\s*\Z", re.DOTALL)


class Finding(NamedTuple):
    """Something that a prompt could do without."""

    kind: FindingKind
    """What it is."""
    where: str
    """Where it stands."""
    text: str
    """It, or its beginning; empty for white space."""
    saved_tokens: int
    """How many tokens go with it."""
    is_lossless: bool
    """Whether the prompt says the same without it: then it is applied, else it is only shown."""
    advice: str
    """What to do about it, or why it can usually go."""


def lossless_findings(slimmed: SlimmedPrompt) -> list[Finding]:
    """The edits that were applied."""
    advice = {
        "white space": "trimmed",
        "JSON": "written without line breaks and indents",
        "repeated passage": "said once",
    }
    return [
        Finding(edit.kind, f"message {number + 1}", "", edit.saved_tokens, is_lossless=True, advice=advice[edit.kind])
        for number, edit in slimmed.edits
    ]


def lossy_findings(
    messages: Sequence[BaseMessage], tools: Sequence[Any], called: set[str] | None, model: str | None
) -> list[Finding]:
    """What could go as well, if whoever wrote the prompt agrees.

    Args:
        messages: the prompt, after its lossless edits.
        tools: the tools that go with it.
        called: the tools that answers have called; `None` where there are no answers to tell.
        model: whose tokenizer counts.
    """
    found = [*_fillers(messages, model), *_fenced_json(messages, model), *_repeats(messages, model)]
    if called is not None:
        for tool in tools:
            if tool_name(tool) not in called:
                tokens = count_tokens(tool_json(tool), model).tokens
                advice = "no answer has called it: give it only where it is needed"
                found.append(
                    Finding("unused tool", f"tool {tool_name(tool)}", "", tokens, is_lossless=False, advice=advice)
                )
    return sorted(found, key=lambda finding: -finding.saved_tokens)


def without_filler(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages without fillers: what a shorter prompt could look like."""

    def shorter(text: str) -> str:
        return outside_fences(text, lambda part: without_fillers(part)[0]) or text

    return [
        message.model_copy(update={"content": shorter(message.content)})
        if isinstance(message.content, str) and not isinstance(message, AIMessage)
        else message
        for message in messages
    ]


def _fillers(messages: Sequence[BaseMessage], model: str | None) -> Iterator[Finding]:
    for where, text in _said(messages):
        plain = outside_fences(text, lambda part: part)
        for block in fenced_blocks(text):
            plain = plain.replace(block, "\n")
        for words, filler in without_fillers(plain)[1]:
            tokens = count_tokens(words, model).tokens
            yield Finding("filler", where, words, tokens, is_lossless=False, advice=filler.why)


def _fenced_json(messages: Sequence[BaseMessage], model: str | None) -> Iterator[Finding]:
    """JSON in fences may be there to show the form of an answer: it is not touched."""
    for where, text in _said(messages):
        for block in fenced_blocks(text):
            match = _FENCED_JSON.match(block)
            try:
                shorter = minified(match[1]) if match else None
            except (ValueError, RecursionError):  # no JSON, or deeper than anybody writes
                continue
            if match and shorter is not None:
                saved = count_tokens(match[1], model).tokens - count_tokens(shorter, model).tokens
                if saved > 0:
                    advice = "without line breaks and indents, unless it shows the form of an answer"
                    yield Finding("JSON", where, match[1], saved, is_lossless=False, advice=advice)


def _repeats(messages: Sequence[BaseMessage], model: str | None) -> Iterator[Finding]:
    """Sentences that stand in the prompt more than once."""
    first: dict[str, str] = {}
    times: Counter[str] = Counter()
    for where, text in _said(messages):
        for sentence in _SENTENCES.split(text):
            said = " ".join(sentence.split())
            if len(said) >= SHORTEST_PASSAGE:
                times[said] += 1
                first.setdefault(said, where)
    for said, count in times.items():
        if count > 1:
            tokens = count_tokens(said, model).tokens * (count - 1)
            yield Finding(
                "repeated passage",
                first[said],
                said,
                tokens,
                is_lossless=False,
                advice=f"said {count} times: once may do",
            )


def _said(messages: Sequence[BaseMessage]) -> Iterator[tuple[str, str]]:
    """What the system, the user and tools said, with its place."""
    for number, message in enumerate(messages):
        if not isinstance(message, AIMessage):
            yield f"message {number + 1}", str(message.text)
