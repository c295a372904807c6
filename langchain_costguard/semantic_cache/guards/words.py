"""How a question becomes words: contractions opened, phrases joined, endings taken off, each with what it may match."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from langchain_costguard.semantic_cache.guards import lexicon, synonyms
from langchain_costguard.semantic_cache.guards.phrases import PHRASES

_TOKEN: Final = re.compile(r"[^\W\d_]+\d\w*|[^\W\d_]+(?:[\u2019'][^\W\d_]+)?|\d[\w:./,]*|[?!]")
_WORD: Final = re.compile(r"\b[A-Za-z]+")
_NEGATIVE_QUESTION: Final = re.compile(
    r"^\W*(?:(?:so|but|and|why)\s+)?(is|are|was|were|can|could|will|would|do|does|did|should|has|have)n['\u2019]?t\s+"
    r"(?=i|you|we|they|he|she|it|there|this|that)\b",
    re.IGNORECASE,
)
_SWITCH: Final = re.compile(
    r"\b(?:turn|switch|power)(?:ed|ing|s)?\b((?:\s+[\w-]+){0,4}?)\s+(on|off)\b(?!\s+a\b)", re.IGNORECASE
)
_TAKE_OUT: Final = re.compile(r"\b(?:take|took|taking|pull)\b((?:\s+[\w-]+){1,3}?)\s+out\b", re.IGNORECASE)
_NON: Final = re.compile(r"\bnon[- ](?=[a-z])", re.IGNORECASE)
_NOT_SHORT: Final = re.compile(r"\b(wo|ca|sha)n['\u2019]t\b|\b([a-z]+)n['\u2019]t\b|\bcannot\b", re.IGNORECASE)
_BARE_NOT: Final = re.compile(
    r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should)nt\b|\bcant\b|\bwont\b", re.IGNORECASE
)
_FUZZY_LETTERS: Final = 5
_SUFFIXES: Final = tuple(lexicon.ENDINGS.split())
_WHOLE: Final = frozenset(lexicon.UNINFLECTED.split())


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a question.

    Attributes:
        text: as it is written, in small letters.
        stem: without its endings.
        keys: what it may be matched by: its stem, its synonyms, its side of each pair of opposites.
        opposites: the keys of the words it excludes.
        negated: whether a negation stands before it.
        fixed: whether it is in a table of opposites or alternatives, so that a similar spelling is another word.
        soft: whether it counts only against its opposite.
    """

    text: str
    stem: str
    keys: frozenset[str]
    opposites: frozenset[str]
    negated: bool
    fixed: bool
    soft: bool = False


def stem(word: str) -> str:
    """A word in small letters without the endings of plural, tense and adverb.

    Crude on purpose: both texts go through it, and only what they share counts.
    """
    if word in _WHOLE or len(word) < 4:  # noqa: PLR2004 - too short to have an ending
        return word
    if word.endswith("s") and word[:-1] in _WHOLE:
        return word[:-1]
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= (3 if suffix != "s" else 2):
            if suffix == "s" and word.endswith(("ss", "us", "is")):
                return word
            if suffix == "ies":
                return word[:-3] + "i"
            return _undouble(word[: -len(suffix)])
    return _undouble(word) if word[-1] in "ey" else word


def _undouble(base: str) -> str:
    if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "aeiouls":  # noqa: PLR2004 - `add`, `egg`
        return base[:-1]
    if base[-1] == "y":
        return base[:-1] + "i"
    return base[:-1] if base[-1] == "e" and len(base) > 3 else base  # noqa: PLR2004 - as short as a stem may be


def expanded(text: str) -> str:
    """A text in which contractions are opened and phrases stand as one word."""
    low = text.lower()
    if "n't" in low or "n\u2019t" in low or "cannot" in low:
        text = _NOT_SHORT.sub(_opened_not, _NEGATIVE_QUESTION.sub(r"\1 ", text))
    elif "nt" in low:
        text = _BARE_NOT.sub(r"\1 not", text)
    if "non" in low:
        text = _NON.sub("not ", text)
    if "turn" in low or "switch" in low or "power" in low:
        text = _SWITCH.sub(lambda found: f" {'enable' if found[2].lower() == 'on' else 'disable'}{found[1]}", text)
    if " out" in low:
        text = _TAKE_OUT.sub(r" withdraw\1", text)
    return _joined(text)


def _opened_not(found: re.Match[str]) -> str:
    return {"wo": "will", "ca": "can", "sha": "shall"}.get((found[1] or "").lower(), found[2] or "can") + " not"


def _joined(text: str) -> str:
    """A text with its phrases as one word each; only phrases with the first letter of a word are tried there."""
    pieces: list[str] = []
    done = 0
    phrases = _phrases()
    for found in _WORD.finditer(text):
        start = found.start()
        if start < done or (known := phrases.get(text[start].lower())) is None:
            continue
        pattern, replacements = known
        match = pattern.match(text, start)
        if match:
            pieces += text[done:start], replacements[int((match.lastgroup or "_0")[1:])]
            done = match.end()
    return "".join((*pieces, text[done:])) if pieces else text


def tokens(text: str) -> list[str]:
    """The words and numbers of an expanded text, as they are written."""
    return _TOKEN.findall(text)


@lru_cache(maxsize=1)
def _phrases() -> dict[str, tuple[re.Pattern[str], tuple[str, ...]]]:
    """For each first letter one pattern of its phrases, and what each of them is replaced by."""
    by_letter: dict[str, list[tuple[str, str]]] = {}
    for line in PHRASES.strip("\n").splitlines():
        phrase, _, word = line.partition(" =")
        choices, rest = phrase[3:].split(")", 1) if phrase.startswith("(?:") else (phrase, "")
        for start in choices.split("|") if rest else [phrase]:
            by_letter.setdefault(start[0], []).append((start + rest, word.strip()))
    return {
        letter: (
            re.compile(
                rf"(?:{'|'.join(f'(?P<_{number}>{phrase})' for number, (phrase, _) in enumerate(rows))})(?!\w)",
                re.IGNORECASE,
            ),
            tuple(word for _, word in rows),
        )
        for letter, rows in by_letter.items()
    }


@dataclass(frozen=True, slots=True)
class Entry:
    """What the lexicon knows of one stem: the keys it may be matched by, and those of its opposites."""

    keys: frozenset[str]
    opposites: frozenset[str]
    fixed: bool


@lru_cache(maxsize=1)
def entries() -> dict[str, Entry]:
    """The lexicon, by stem."""
    keys: dict[str, set[str]] = {}
    opposites: dict[str, set[str]] = {}
    for number, line in enumerate(synonyms.SYNONYMS.strip().splitlines() + lexicon.ALIASES.strip().splitlines()):
        for word in line.split():
            keys.setdefault(stem(word), set()).add(f"={number}")
    for number, line in enumerate(lexicon.AXES.strip().splitlines()):
        for sign, side in zip("+-", line.split("|"), strict=True):
            for word in side.split():
                keys.setdefault(stem(word), set()).add(f"{sign}{number}")
                opposites.setdefault(stem(word), set()).add(f"{'-' if sign == '+' else '+'}{number}")
    for number, line in enumerate(lexicon.FIELDS.strip().splitlines()):
        members = [member.split() for member in line.partition(":")[2].split("|")]
        for place, member in enumerate(members):
            others = {f"#{number}.{other}" for other in range(len(members)) if other != place}
            for word in member:
                keys.setdefault(stem(word), set()).add(f"#{number}.{place}")
                opposites.setdefault(stem(word), set()).update(others)
    return {
        base: Entry(frozenset(found), frozenset(opposites.get(base, ())), base in opposites)
        for base, found in keys.items()
    }


@lru_cache(maxsize=1)
def fluff() -> frozenset[str]:
    """The stems that are left out when contents are compared."""
    return frozenset(stem(word) for word in lexicon.FLUFF.split())


@lru_cache(maxsize=8192)
def word_of(written: str, negated: bool = False) -> Word:
    """A word with everything the lexicon says of it."""
    low = written.lower().replace("\u2019", "'")
    low = low.partition("'")[0] or low
    base = stem(low)
    known = entries().get(base)
    if known is None:
        own = f"not {base}" if negated else base
        return Word(low, base, frozenset((own,)), frozenset(), negated, fixed=not low.isalpha())
    keys, opposites = known.keys, known.opposites
    if negated:
        keys, opposites = frozenset(key for key in opposites if key[0] in "+-"), frozenset((base, *keys))
    own = f"not {base}" if negated else base
    return Word(low, base, keys | {own}, opposites, negated, known.fixed, soft=base in fluff())


def alike(one: Word, other: Word) -> bool:
    """Whether two words may stand for each other: a synonym, another form of the word, or a slip of the pen."""
    if not one.keys.isdisjoint(other.keys):
        return one.keys.isdisjoint(other.opposites) or one.stem == other.stem
    short, long = one.stem, other.stem
    if short[0] != long[0] or one.negated != other.negated or (one.fixed and other.fixed):
        return False
    if len(short) > len(long):
        short, long = long, short
    if len(short) < _FUZZY_LETTERS:
        return False
    if not (one.fixed or other.fixed) and _same_root(short, long):
        return True
    return len(long) - len(short) <= 1 and _one_slip(short, long)


def _same_root(short: str, long: str) -> bool:
    """Whether two stems differ in their ending alone: `withdraw` and `withdrawal`, `wireless` and `wirelessly`."""
    return long.startswith(short[:-1]) and len(long) - len(short) <= 4  # noqa: PLR2004 - as long as an ending


def _one_slip(short: str, long: str) -> bool:
    """Whether one letter is missing, wrong, or has changed places with its neighbour."""
    at = 0
    while at < len(short) and short[at] == long[at]:
        at += 1
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    if short[at + 1 :] == long[at + 1 :]:
        return True
    return short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
