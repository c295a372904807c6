"""What the answer of a question would look like: a date, a number, a person, a place or some other name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from langchain_costguard.compression.words import stem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_ASKS: Final = (
    (
        "number",
        re.compile(
            r"\bhow (?:many|much|long|old|far|tall|big|often|high|large)\b|percent|\bnumber of|多少|几[个名年天次]"
        ),
    ),
    (
        "date",
        re.compile(r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|time|century)|何时|什么时候|哪一?年|几[月号日]"),
    ),
    (
        "place",
        re.compile(r"\bwhere\b|\b(?:what|which) (?:country|city|state|place|river|county)|哪里|哪儿|何[处地]|在哪"),
    ),
    ("person", re.compile(r"\bwho(?:m|se)?\b|谁")),
)
"""How questions ask, the first match wins."""

_DATE: Final = re.compile(
    r"\b(?:1\d{3}|20\d{2})s?\b|\b(?:January|February|March|April|May|June|July|August|September|October|November|"
    r"December|century|centuries|today|yesterday)\b|\d\s*[年月日]"
)
_NUMBER: Final = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand|million|billion|percent|"
    r"half|once|twice)\b|[一二三四五六七八九十百千万亿][个名年天次人元]",
    re.IGNORECASE,
)
_PLACE: Final = re.compile(r"\b(?:in|at|near|from|of|on|to) (?:the )?[A-Z]\w+|在|位于")
_PERSON: Final = re.compile(r"\b[A-Z][\w'.\u2019-]+ (?:(?:de|von|van|of|the|and|[A-Z]\.) ){0,8}[A-Z][\w\u2019-]+")
_NAME: Final = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][\w\u2019-]+")


def looks_like_answer(question: str) -> Callable[[str], bool]:
    """A test for sentences: whether one holds something of the kind that the question asks for.

    Args:
        question: in English or Chinese; what it asks for in other languages is any name.

    Example:
        >>> is_answer = looks_like_answer("When was the bridge opened?")
        >>> is_answer("It was opened in 1932."), is_answer("It is made of steel.")
        (True, False)
    """
    asked = question.lower()
    kind = next((name for name, pattern in _ASKS if pattern.search(asked)), "name")
    known = {stem(word) for word in re.findall(r"\w+", asked)}
    if kind in _PATTERNS:
        return lambda sentence: _PATTERNS[kind].search(sentence) is not None
    if kind == "person":
        return lambda sentence: any(_has_news(name, known) for name in _PERSON.findall(sentence))
    return lambda sentence: any(_has_news(name, known) for name in _NAME.findall(sentence))


def _has_news(name: str, known: Collection[str]) -> bool:
    """Whether a name has a word that the question does not have."""
    return any(stem(word) not in known for word in re.findall(r"\w+", name))


_PATTERNS: Final = {"date": _DATE, "number": _NUMBER, "place": _PLACE}
