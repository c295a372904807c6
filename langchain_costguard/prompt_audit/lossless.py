"""The edits that change nothing a prompt says: white space, pretty-printed JSON, passages that stand there twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from langchain_costguard.prompt_audit.fences import outside_fences
from langchain_costguard.prompt_audit.json_text import json_spans, minified
from langchain_costguard.tokens import count_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

EditKind = Literal["white space", "JSON", "repeated passage"]
"""What an edit takes away."""

SHORTEST_PASSAGE: Final = 80
"""So many characters a paragraph has at least to be taken away where it stands a second time."""

_INDENT: Final = 4
"""So many blanks, at the beginning of a line or in it, are there on purpose; as are two runs of blanks in one line."""
_RUNS: Final = re.compile(r"(?<=\S) {2,}(?=\S)")
_BETWEEN_SENTENCES: Final = re.compile(r"(?<=[^\W\d_][.!?。！？]) {2,}(?=\S)")  # noqa: RUF001 - Chinese has signs of its own
_LINE_BREAK: Final = "  "
"""At the end of a line, Markdown's sign that the next one is not to be joined to it."""
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_PARAGRAPHS: Final = re.compile(r"(\n\n+)")


class Edit(NamedTuple):
    """One lossless edit of a text."""

    kind: EditKind
    """What was taken away."""
    saved_tokens: int
    """How many tokens, above zero."""


class Slimmed(NamedTuple):
    """A text after its lossless edits."""

    text: str
    """The text; as it was where nothing was to be saved."""
    edits: tuple[Edit, ...]
    """What was done to it, and what that saved."""


def slim_text(
    text: str, model: str | None = None, *, seen: set[str] | None = None, keep_repeats: bool = False
) -> Slimmed:
    """Take from a text what says nothing; the text itself comes back where that would not save tokens.

    Outside of fenced code: JSON of several lines loses the white space between its parts (numbers, escapes and the
    order of keys stay as they are written); lines lose white space at their ends, but for the two blanks that are
    Markdown's line break, and doubled blanks between sentences, unless they look like code, a quotation or a table;
    more than one blank line becomes one; a paragraph of 80 characters or more goes where it has stood before, word for
    word.

    Args:
        text: the text.
        model: whose tokenizer decides whether an edit saves anything.
        seen: the paragraphs that earlier texts had; this one's are added. `None` looks at this text alone.
        keep_repeats: whether paragraphs stay that stood there before.
    """
    edits: list[Edit] = []
    known = set[str]() if seen is None else seen
    steps: tuple[tuple[EditKind, Callable[[str], str]], ...] = (
        ("JSON", _with_small_json),
        ("white space", _with_less_space),
        ("repeated passage", lambda part: _without_repeats(part, known)),
    )
    tokens = count_tokens(text, model).tokens
    for kind, step in steps:
        if kind == "repeated passage" and keep_repeats:
            continue
        shorter = outside_fences(text, step)
        left = count_tokens(shorter, model).tokens if shorter != text else tokens
        if left < tokens:
            edits.append(Edit(kind, tokens - left))
            text, tokens = shorter, left
    return Slimmed(text, tuple(edits))


def _with_small_json(text: str) -> str:
    for start, end in reversed(json_spans(text)):
        text = text[:start] + minified(text[start:end]) + text[end:]
    return text


def _with_less_space(text: str) -> str:
    lines = text.replace("\r\n", "\n").split("\n")
    tidied = [_tidied(line, following) for line, following in zip(lines, [*lines[1:], ""], strict=True)]
    return _BLANK_LINES.sub("\n\n", "\n".join(tidied))


def _tidied(line: str, following: str) -> str:
    stripped = line.rstrip()
    tail = line[len(stripped) :]
    runs = _RUNS.findall(stripped)
    says_more = len(runs) != 1 or len(runs[0]) >= _INDENT or any(sign in stripped for sign in '|\t`"')
    if not says_more and not stripped.startswith(" " * _INDENT):
        stripped = _BETWEEN_SENTENCES.sub(" ", stripped)
    is_break = tail == _LINE_BREAK and stripped and following.strip()
    return stripped + tail if is_break else stripped


def _without_repeats(text: str, known: set[str]) -> str:
    """The text without paragraphs that stood before; those that are new are added to the known ones."""
    kept: list[str] = []
    pieces = _PARAGRAPHS.split(text)
    for at in range(0, len(pieces), 2):
        paragraph = pieces[at].strip()
        if len(paragraph) >= SHORTEST_PASSAGE and paragraph in known:
            if kept and not kept[-1].strip():
                kept.pop()  # the blank lines before it
            kept += pieces[at + 1 : at + 2] or ["\n" * pieces[at].endswith("\n")]  # a fence begins a line of its own
            continue
        known.add(paragraph)
        kept += pieces[at : at + 2]
    return "".join(kept)
