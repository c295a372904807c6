"""What is noticed of a question once, so that comparing it with another one is looking things up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from langchain_costguard.semantic_cache.guards import chinese, lexicon
from langchain_costguard.semantic_cache.guards.quantities import Quantity, quantities
from langchain_costguard.semantic_cache.guards.words import Word, expanded, fluff, stem, tokens, word_of

_NAME: Final = re.compile(r"(?<![.?!:]\s)(?<=[\w,'\u2019&)-]\s)([A-Z][\w&.]*[\w&])")
_ACRONYM: Final = re.compile(r"\b[A-Z][A-Z\d&]+s?\b")
_GREETING: Final = re.compile(r"^\W*(?:good\s+)?(?:morning|afternoon|evening|day)\s*[!,.]\s*", re.IGNORECASE)
_NOT_NAMES: Final = frozenset(("I", "I'm", "I'd", "I've", "I'll", "OK", "TV", "PC", "PDF", "URL", "FAQ", "ID"))
_SHOUTING: Final = 0.6
_NEGATIONS: Final = frozenset(lexicon.NEGATIONS.split())
_SCOPE_OF_NEGATION: Final = 4
_OBLIGED: Final = re.compile(
    r"\b(must|have to|has to|need to|required to|obliged to|mandatory to|needs to)\b", re.IGNORECASE
)
_PERMITTED: Final = re.compile(r"\b(can|may|could|allowed to|permitted to|possible to|able to)\b", re.IGNORECASE)
_QUESTION_OF: Final = {
    word: asked for asked, _, words in (row.partition(": ") for row in lexicon.QUESTIONS.strip().splitlines())
    for word in words.split()
}  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """One question, read.

    Attributes:
        text: the question as it was given.
        language: the language it was read as: `en`, or `zh` where it has Chinese characters.
        quantities: its numbers with their units.
        order: its words of content in their order.
        negations: how many negations belong to none of them.
        asks: what its question words ask for, such as `when`.
        names: its proper names and acronyms, in small letters.
        modality: `must` or `can`; empty for neither and for both.
        spoken: all its words, in small letters.
    """

    text: str
    language: str
    quantities: tuple[Quantity, ...]
    order: tuple[Word, ...]
    negations: int
    asks: frozenset[str]
    names: frozenset[str]
    modality: str
    spoken: tuple[str, ...]

    @cached_property
    def words(self) -> dict[tuple[str, bool], Word]:
        """Its different words of content."""
        return {(word.stem, word.negated): word for word in self.order}

    @cached_property
    def everything(self) -> frozenset[str]:
        """Its words in small letters, with their stems and initials, among which a name is looked for."""
        joined = "".join(word[0] for word in self.spoken)
        return frozenset((*self.spoken, *(stem(word) for word in self.spoken), joined))


def language_of(text: str) -> str:
    """`zh` for a text with Chinese characters, `en` for all others."""
    return "zh" if chinese.is_chinese(text) else "en"


@lru_cache(maxsize=4096)
def read(text: str, language: str) -> Reading:
    """Read a question; the last few thousand are kept.

    Args:
        text: the question.
        language: two letters; of a language other than `en` and `zh` only the numbers are right.
    """
    if language == "zh":
        return _read_chinese(text)
    opened = expanded(_GREETING.sub("", text))
    numbers, rest = quantities(opened)
    spoken = tokens(rest)
    order, free = _content(spoken)
    return Reading(
        text=text,
        language=language,
        quantities=numbers,
        order=order,
        negations=free,
        asks=frozenset(_QUESTION_OF[word] for word in map(str.lower, spoken) if word in _QUESTION_OF),
        names=_names(text),
        modality=_modality(opened),
        spoken=tuple(word.lower().replace("\u2019", "'").partition("'")[0] for word in spoken),
    )


def _read_chinese(text: str) -> Reading:
    numbers, rest = chinese.quantities(text)
    return Reading(
        text=text,
        language="zh",
        quantities=numbers,
        order=tuple(word_of(word) for word in tokens(rest) if word.isascii() and word.isalpha()),
        negations=chinese.negations(rest),
        asks=frozenset(),
        names=frozenset(),
        modality="",
        spoken=(),
    )


def _content(spoken: list[str]) -> tuple[tuple[Word, ...], int]:
    """The words of content, each knowing whether it is negated, and how many negations are left over."""
    order: list[Word] = []
    free, open_negation, distance = 0, False, 0
    for written in spoken:
        low = written.lower()
        if low in _NEGATIONS:
            free += open_negation
            open_negation, distance = True, 0
            continue
        distance += 1
        if written in {"?", "!"} or distance > _SCOPE_OF_NEGATION:
            free, open_negation = free + open_negation, False
        if (len(low) < 2 and not low.isalpha()) or low in {"?", "!"}:  # noqa: PLR2004 - a single sign
            continue
        word = word_of(written, open_negation)
        if not word.fixed and (word.stem in fluff() or low in fluff()):
            continue
        order.append(word)
        open_negation = False
    return tuple(order), free + open_negation


def _names(text: str) -> frozenset[str]:
    """Words with a capital inside a sentence, unless most words have one."""
    words = [word for word in text.split() if word[:1].isalpha()]
    if sum(word[0].isupper() for word in words) > max(2, _SHOUTING * len(words)) and len(words) > 2:  # noqa: PLR2004 - short texts do not shout
        return frozenset()
    found = {*_NAME.findall(text), *_ACRONYM.findall(text)} - _NOT_NAMES
    return frozenset(name.lower().removesuffix("'s") for name in found if len(name) > 1)


def _modality(text: str) -> str:
    obliged, permitted = _OBLIGED.search(text), _PERMITTED.search(text)
    if bool(obliged) == bool(permitted):
        return ""
    return "must" if obliged else "can"
