"""Where a marker stands in an answer: where it says that the model is unsure, where it must stay."""

# ruff: noqa: RUF001 - Chinese has punctuation of its own

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import BaseModel

from langchain_costguard.cascade.wording import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.messages import AIMessage

_BETWEEN: Final = r"[\s:：.。,，;；!！?？…*_\"'”’」』】\])）>—–-]"
"""What may stand between a marker at the start and the rest of the answer."""
_FENCES: Final = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`", re.DOTALL)
_LETTERS: Final = re.compile(r"\w")
_SIGNS: Final = re.compile(r"[^\w\n]*")
_BEFORE: Final = r"(?<![^\W_])(?<![^\W_][_./$-])(?<!::)"
_AFTER: Final = r"(?![^\W_]|[_/.$-][^\W_]|\(|[ \t]*=)"
"""What tells a word from a part of an identifier."""
_LABEL: Final = re.compile(r"(?:\A|\n)[^\n]*[:：][\s*_]*\Z")
"""A last line that announces what is no longer there."""
_SHORT: Final = 80
"""So many characters an answer may have to count as short."""


class Unsure(NamedTuple):
    """Where one marker counts, and where it is only used."""

    marker: str
    first_word: str
    """Its first word in small letters."""
    alone: re.Pattern[str]
    """The whole of a text."""
    counting: tuple[re.Pattern[str], ...]
    """Where it says that the model is unsure, in a text of any length."""
    concluding: tuple[re.Pattern[str], ...]
    """Where it is what a sentence comes to, as it is written."""
    ending: re.Pattern[str]
    """At the end of a short answer, as it is written."""
    used: re.Pattern[str]
    """As a word of its own."""

    def counts(self, text: str) -> bool:
        """Whether the marker says that the model is unsure."""
        if self.first_word not in text.casefold():  # most answers: several times faster than to look for its place
            return False
        return self.alone.fullmatch(text) is not None or bool(self._spans(text))

    def taken_out(self, text: str) -> str:
        """The text without the marker where it counts, and with an ordinary word where it is only used."""
        while self.counts(text):
            if self.alone.fullmatch(text):
                return ""
            for start, end in reversed(self._spans(text)):
                text = text[:start] + text[end:]
            text = _LABEL.sub("", _without_half_a_fence(text.strip())).strip()
        return self._made_ordinary(text)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """The places where it counts, in order and apart from each other."""
        prose = _FENCES.sub(self._hidden, text)
        concluding = (*self.concluding, self.ending) if len(text.strip()) <= _SHORT else self.concluding
        found = [match.span() for pattern in self.counting for match in pattern.finditer(prose)]
        found += [_sentence_around(prose, *match.span()) for one in concluding for match in one.finditer(prose)]
        found.sort()
        apart: list[tuple[int, int]] = []
        for start, end in found:
            if apart and start < apart[-1][1]:
                apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
            else:
                apart.append((start, end))
        return apart

    def _hidden(self, code: re.Match[str]) -> str:
        """Code as it is searched: its words are hidden, unless it is the marker and nothing else."""
        return code[0] if self.alone.fullmatch(code[0]) else _LETTERS.sub("x", code[0])

    def _made_ordinary(self, text: str) -> str:
        """The text with the marker as a word of everyday, in small letters and without its brackets; code stays."""
        ordinary = " ".join(words(self.marker)).lower()
        if self.marker not in text or self.marker in ordinary or _object_of(text) is not None:
            return text
        pieces, end = [], 0
        for code in _CODE.finditer(text):
            pieces += [self._in_prose(text[end : code.start()], ordinary), code[0]]
            end = code.end()
        return "".join((*pieces, self._in_prose(text[end:], ordinary)))

    def _in_prose(self, text: str, ordinary: str) -> str:
        changed = self.used.sub(ordinary, text)
        return changed if changed == text else self._in_prose(changed, ordinary)


@lru_cache(maxsize=64)
def unsure(marker: str) -> Unsure:
    """Where a marker counts."""
    core = r"[\W_]+".join(map(re.escape, words(marker)))
    exact = re.escape(marker)
    before = _BEFORE if marker[0].isalnum() else ""
    after = _AFTER if marker[-1].isalnum() else ""
    symbol = r"(?:[^\w\n#]|_)*"
    no_item = r"(?![ \t]*(?:[-*+•‣–]|#+)[ \t])"
    folded = re.IGNORECASE
    return Unsure(
        marker,
        words(marker)[0].casefold(),
        alone=re.compile(rf"(?:[\W_]*{core}(?![^\W_]))+[\W_]*", folded),
        counting=(
            re.compile(rf"\A\s*{no_item}(?:[^\w#]|_)*(?:{core}{_AFTER}{_BETWEEN}*)+", folded),
            re.compile(rf"\A\s*#+[ \t]*(?:{exact}{after}{_BETWEEN}*)+"),
            re.compile(rf"(?:\A|(?<=\n\n)){no_item}{symbol}{core}(?![^\W_]){symbol}(?=\n[ \t]*\n|\s*\Z)", folded),
            re.compile(rf"^{no_item}{symbol}{before}{exact}{after}{symbol}$", re.MULTILINE),
            re.compile(rf"(?:(?<=[。！？：；…])|(?<=[.!?:;])(?=[\s*_`]))[\s*_`]{{0,8}}{exact}[\s.!。！*_`]*\Z"),
        ),
        concluding=(
            re.compile(rf"\\boxed\{{\s*(?:\\text\w*\{{\s*)?{exact}[\s.]*\}}+"),
            re.compile(rf"<([A-Za-z][\w-]*)>\s*{exact}[\s.]*</\1>"),
        ),
        ending=re.compile(rf"(?<!`){before}{exact}[\s.!。！*_\"'”’)]*\Z"),
        used=re.compile(f"{before}{exact}{after}"),
    )


def _sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    """From where a place's sentence begins to the last sign after it."""
    begin = 1 + max(text.rfind(sign, 0, start) for sign in ".!?\n。！？")
    return begin, _SIGNS.match(text, end).end()  # type: ignore[union-attr] # it matches nothing at all as well


def _without_half_a_fence(text: str) -> str:
    """A text without the end of a fence whose beginning went with the marker."""
    return text.removeprefix("```").lstrip() if text.count("```") % 2 else text


def words(text: str) -> list[str]:
    """The words of a text."""
    return re.findall(r"[^\W_]+", text)


def texts_in(answer: AIMessage) -> Iterator[str]:
    """Every text in the arguments of an answer's calls, in its parsed form, and in the object it is written as."""
    for call in answer.tool_calls:
        yield from leaves(call["args"])
    for broken in answer.invalid_tool_calls:
        yield broken.get("args") or ""
    yield from leaves(answer.additional_kwargs.get("parsed"))
    yield from leaves(_object_of(text_of(answer)))


def leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever a parser makes
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from leaves(list(value.values()))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, Enum):
        yield from leaves(value.value)
    elif isinstance(value, BaseModel):
        yield from leaves({**value.__dict__, **(value.model_extra or {})})
    elif is_dataclass(value) and not isinstance(value, type):
        yield from leaves([getattr(value, field.name) for field in fields(value)])


def without_values(answer: AIMessage) -> AIMessage:
    """An answer of which nothing may be seen: neither its text nor what it calls."""
    empty: Sequence[Any] = []
    return answer.model_copy(
        update={"content": "", "tool_calls": empty, "invalid_tool_calls": empty, "additional_kwargs": {}}
    )


def _object_of(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
    """The object a text is written as, with or without a fence; `None` where it is something else."""
    bare = text.strip()
    if not bare.startswith(("{", "[", "```")):
        return None
    try:
        return json.loads(bare.removeprefix("```json").removeprefix("```").removesuffix("```"))
    except (ValueError, RecursionError):
        return None
