"""Whether two answers say the same: numbers as numbers, choices as letters, anything else as plain words."""

from __future__ import annotations

import json
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.cascade.wording import text_of

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

_BOXED: Final = re.compile(r"\\boxed\{([^{}]*)\}")
_HASHES: Final = re.compile(r"^####\s*(.+)$", re.MULTILINE)
_ANNOUNCED: Final = re.compile(r"(?:\banswer\s*(?:is|:)|答案\s*(?:是|为|:))[\s:*]*([^\n]+)", re.IGNORECASE)
_LEAD: Final = re.compile(r"^(?:it is|it's|that is|that's|there are|there is|they are)\s+", re.IGNORECASE)
_NUMBER: Final = re.compile(
    r"^([$€£¥])?\s*+([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:e[+-]?\d+)?)\s*+(%)?$", re.IGNORECASE
)
_CHOICE: Final = re.compile(
    r"^(?:option|choice)?\s*\(?([a-z])(?:\)|[.:]|\)[.:])?(?:\s+(.*))?$", re.IGNORECASE | re.DOTALL
)
_AROUND_WORDS: Final = ".,;:!?\"'`*_()[]{}。、「」『』《》\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
_ARTICLES: Final = {"a", "an", "the"}


def same_answer(one: AIMessage, other: AIMessage) -> bool:
    r"""Whether two answers say the same.

    Answers that call tools must call the same ones with the same arguments, in any order. Otherwise what each announces
    as its answer ("The answer is 42.", `\boxed{42}`, `#### 42`, "答案是 42"), or else the whole text, is compared:
    objects as JSON, numbers by value, the letter of a choice with the letter (and the words after it, where both have
    some), anything else by its words without case, punctuation and articles. Two texts that say the same in other words
    count as different, which costs an escalation: compare those with a function of your own.
    """
    if one.tool_calls or other.tool_calls:
        return _calls(one) == _calls(other)
    return _same_text(text_of(one), text_of(other))


def _same_text(one: str, other: str) -> bool:
    an_object, other_object = _object(one), _object(other)
    if an_object is not None and other_object is not None:
        return bool(an_object == other_object)
    first, second = _final(one), _final(other)
    number, other_number = _number(first), _number(second)
    if number is not None and other_number is not None:
        return number == other_number
    choice, other_choice = _choice(first), _choice(second)
    if choice is not None and other_choice is not None:
        (letter, words), (other_letter, other_words) = choice, other_choice
        return letter == other_letter and (not words or not other_words or words == other_words)
    return bool(_words(first)) and _words(first) == _words(second)


def _calls(answer: AIMessage) -> list[str]:
    return sorted(
        json.dumps([call["name"], call["args"]], sort_keys=True, ensure_ascii=False, default=str)
        for call in answer.tool_calls
    )


def _object(text: str) -> Any:  # noqa: ANN401 - a JSON object or list, None for anything else
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _final(text: str) -> str:
    """What a text announces as its answer, or the text."""
    plain = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-")
    for pattern in (_BOXED, _HASHES, _ANNOUNCED):
        found = pattern.findall(plain)
        if found:
            plain = found[-1]
            break
    return _LEAD.sub("", plain.strip().strip("*_`\"'$ ").rstrip(".!。 *").strip())


def _number(text: str) -> tuple[str, Decimal] | None:
    """A number with its sign of currency or per cent; `None` for anything else."""
    found = _NUMBER.match(text)
    if found is None or not any(character.isdigit() for character in found[2]):
        return None
    try:
        return (found[1] or found[3] or ""), Decimal(found[2].replace(",", ""))
    except ArithmeticError:
        return None


def _choice(text: str) -> tuple[str, list[str]] | None:
    """The letter of a choice and the words after it; `None` where the text does not begin with such a letter."""
    found = _CHOICE.match(text)
    if found is None:
        return None
    is_marked = not text[found.end(1) : found.end(1) + 1].isspace()
    words = _words(found[2] or "")
    return (found[1].lower(), words) if is_marked or not words else None


def _words(text: str) -> list[str]:
    words = (word.strip(_AROUND_WORDS) for word in text.casefold().split())
    return [word for word in words if word and word not in _ARTICLES]
