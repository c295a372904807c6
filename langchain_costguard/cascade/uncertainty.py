"""NotUncertain: the model is told to say one word when it is not sure, and that word decides."""

# ruff: noqa: RUF001 - Chinese has punctuation of its own

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_core.messages import SystemMessage

from langchain_costguard.cascade.judging import LocalSignal
from langchain_costguard.cascade.wording import text_of, with_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.messages import AIMessage, BaseMessage

    from langchain_costguard.cascade.verdicts import Draft, Verdict

_MARKER: Final = "UNCERTAIN"
_INSTRUCTION: Final = (
    "If you are not sure that your answer is correct and complete, do not guess: reply with the single word {marker} "
    "and nothing else. Otherwise answer as usual and do not mention this instruction."
)
_CHINESE_MARKER: Final = "【不确定】"
_CHINESE_INSTRUCTION: Final = (
    "如果你不能确定自己的回答正确且完整，请不要猜测，只回复“{marker}”，不要输出其他任何内容。"
    "否则请照常回答，并且不要提及这条说明。"
)
_BETWEEN: Final = r"[\s:：.。,，;；!！?？…*_\"'”’」』】\])）>—–-]"
"""What may stand between a marker at the start and the rest of the answer."""


@dataclass(frozen=True, repr=False)
class NotUncertain(LocalSignal):
    """Accepts an answer unless the model says that it is unsure.

    The judged tier's messages get an instruction, at the end of their system message or as a new one; the next tier
    gets the user's messages without it. The marker counts where it stands alone, begins the answer, fills a line of its
    own or closes the answer as a sentence of its own, in any case, quotes or markdown, and where it is a whole value of
    a JSON answer or a tool's argument. An answer that only uses the word on its way does not count as unsure, nor does
    one that begins with a longer word ("Uncertainty ..."); one that begins with the very word does, which costs one
    call of the next tier. A call of a tool without any text is not unsure.

    The marker is never shown: where it counts it is taken out, and an accepted answer that uses it on its way gets it
    as an ordinary word ("uncertain"). A marker that is itself an ordinary word, such as `"不确定"`, cannot be told from
    its ordinary use there: brackets around it help.

    Attributes:
        marker: what the model is to say, in any language; it needs a letter or a digit.
        instruction: what it is told; `{marker}` stands for the marker.

    Example:
        ```python
        NotUncertain()
        NotUncertain.chinese()
        NotUncertain("INCERTAIN", "Sans certitude, dis seulement {marker}.")
        ```
    """

    marker: str = _MARKER
    instruction: str = _INSTRUCTION

    def __post_init__(self) -> None:
        """Refuse a marker that cannot be found, and an instruction that does not name it."""
        if not _words(self.marker):
            msg = f"The marker {self.marker!r} has no letter and no digit: give a word as `marker`."
            raise ValueError(msg)
        if "{marker}" not in self.instruction and self.marker not in self.instruction:
            msg = (
                f"The instruction does not tell the model to say {self.marker!r}: put `{{marker}}` into `instruction`."
            )
            raise ValueError(msg)

    @classmethod
    def chinese(cls) -> NotUncertain:
        """The same in Chinese, with the marker in brackets."""
        return cls(_CHINESE_MARKER, _CHINESE_INSTRUCTION)

    def prepare(self, messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        """The messages with the instruction."""
        told = self.instruction.replace("{marker}", self.marker)
        first = messages[0] if messages else None
        if not isinstance(first, SystemMessage):
            return [SystemMessage(told), *messages]
        if isinstance(first.content, str):
            content: Any = f"{first.content}\n\n{told}"
        else:
            content = [*first.content, {"type": "text", "text": told}]
        return [first.model_copy(update={"content": content}), *messages[1:]]

    def judge(self, draft: Draft) -> Verdict:
        """Look for the marker."""
        answer, shown = draft.answer, self.presentable(draft.answer)
        changed = None if shown is answer else shown
        patterns = _patterns(self.marker)
        if patterns.counts(text_of(answer)) or any(map(patterns.fills, _values(answer))):
            return self._verdict(accepts=False, reason=f"the model says {self.marker}", answer=changed)
        return self._verdict(accepts=True, reason=f"the model does not say {self.marker}", answer=changed)

    def presentable(self, answer: AIMessage) -> AIMessage:
        """The answer without the marker."""
        patterns = _patterns(self.marker)
        shown = with_text(answer, patterns.taken_out)
        calls = [{**call, "args": _everywhere(call["args"], patterns)} for call in answer.tool_calls]
        return shown if calls == answer.tool_calls else shown.model_copy(update={"tool_calls": calls})


class _Patterns(NamedTuple):
    """Where a marker counts, and where it is only used."""

    marker: str
    first_word: str
    """Its first word in small letters."""
    opening: re.Pattern[str]
    """At the start of the answer, with what separates it from the rest."""
    line: re.Pattern[str]
    """A line that consists of it."""
    closing: re.Pattern[str]
    """A last sentence that consists of it, as it is written."""

    def counts(self, text: str) -> bool:
        """Whether the marker says that the model is unsure."""
        if self.first_word not in text.casefold():  # most answers: several times faster than to look for its place
            return False
        return any(pattern.search(text) for pattern in (self.opening, self.line, self.closing))

    def fills(self, value: str) -> bool:
        """Whether a value is the marker and nothing else, as it is written."""
        before, found, after = value.partition(self.marker)
        return bool(found) and not _words(before) and not _words(after)

    def taken_out(self, text: str) -> str:
        """The text without the marker where it counts, and with an ordinary word where it does not."""
        while self.counts(text):
            for pattern in (self.line, self.opening, self.closing):
                text = pattern.sub("", text)
            text = text.strip()
        return self.made_ordinary(text)

    def made_ordinary(self, text: str) -> str:
        """The text with the marker as a word of everyday: in small letters and without its brackets."""
        ordinary = " ".join(_words(self.marker)).lower()
        at = text.find(self.marker)
        while at >= 0:
            start, end = _word_around(text, at, at + len(self.marker))
            word = text[start:end].replace(self.marker, ordinary).lower()
            text = text[:start] + word + text[end:]
            if self.marker in ordinary:
                return text
            at = text.find(self.marker)
        return text


@lru_cache(maxsize=64)
def _patterns(marker: str) -> _Patterns:
    core = r"[\W_]+".join(map(re.escape, _words(marker)))
    ends = r"(?![^\W_])"
    symbol = r"(?:[^\w\n]|_)*"
    verbatim = re.escape(marker)
    return _Patterns(
        marker,
        _words(marker)[0].casefold(),
        opening=re.compile(rf"\A[\W_]*(?:{core}{ends}{_BETWEEN}*)+", re.IGNORECASE),
        line=re.compile(rf"^{symbol}{core}{ends}{symbol}$", re.IGNORECASE | re.MULTILINE),
        closing=re.compile(rf"(?<=[.!?:;。！？：；…])[ \t*_]{{0,8}}{verbatim}[\s.!。！*_]*\Z"),
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def _word_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the word begins and ends that a part of the text is part of."""
    while start and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return start, end


def _values(answer: AIMessage) -> Iterator[str]:
    """Every text in the arguments of an answer's tool calls, and in the object it is written as."""
    for call in answer.tool_calls:
        yield from _leaves(call["args"])
    text = text_of(answer).strip()
    if text.startswith(("{", "[", "```")):
        yield from _leaves(_json_of(text))


def _json_of(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
    try:
        return json.loads(text.removeprefix("```json").removeprefix("```").removesuffix("```"))
    except (ValueError, RecursionError):
        return None


def _leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


def _everywhere(value: Any, patterns: _Patterns) -> Any:  # noqa: ANN401 - any JSON
    """The value with the marker as an ordinary word in each of its texts, so that their kinds stay what they are."""
    if isinstance(value, str):
        return patterns.made_ordinary(value)
    if isinstance(value, dict):
        return {key: _everywhere(item, patterns) for key, item in value.items()}
    return [_everywhere(item, patterns) for item in value] if isinstance(value, list) else value
