"""Where the same words in another arrangement ask something else: sums, `and` and `or`, who did it, and what with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from langchain_costguard.semantic_cache.guards import lexicon
from langchain_costguard.semantic_cache.guards.words import stem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_costguard.semantic_cache.guards.comparison import Comparison
    from langchain_costguard.semantic_cache.guards.reading import Reading

_PART: Final = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+|[-+*/^<>=!&|%\N{MULTIPLICATION SIGN}÷≤≥≠]+")
_OPERATOR: Final = re.compile(
    r"""(?<=[\w)])\s*(?P<sign>[+*^<>=!|\N{MULTIPLICATION SIGN}÷≤≥≠]+)\s*(?=[\w(])
    | (?<=[\w)])\s+(?P<spaced>[-\N{MINUS SIGN}/&]+)\s+(?=[\w(])
    | (?<![-/\d])\d+(?P<close>[-/])(?=\d+(?![-/\d]))
    | (?<![^\W\d_])(?:\d+|[a-z])\s+(?P<word>plus|minus|times|(?:divided|multiplied)\ by|(?:greater|more|larger|less
        |smaller)\ than)\s+(?=\d|[a-z]\b)""",
    re.VERBOSE | re.IGNORECASE,
)
_SIGNS: Final = {
    "plus": "+", "minus": "-", "\N{MINUS SIGN}": "-", "times": "*", "\N{MULTIPLICATION SIGN}": "*",
    "multiplied by": "*", "divided by": "/", "÷": "/",
    "greater than": ">", "more than": ">", "larger than": ">", "less than": "<", "smaller than": "<",
}  # fmt: skip
_NUMERALS: Final = {word: str(value) for value, word in enumerate(lexicon.NUMERALS.split()) if word != "one"}
_EITHER_WAY: Final = frozenset(
    {"and", "or", "plus", "times", "+", "*", "\N{MULTIPLICATION SIGN}", "x", "multiplied", "with", "vs", "versus"}
)
_ARTICLES: Final = frozenset({"my", "the", "a", "an", "our", "your", "his", "her", "their", "its", "this", "that"})
_ASKING: Final = frozenset({"who", "what", "which", "whom"})
_DID: Final = frozenset({"do", "does", "did"})
_AUXILIARIES: Final = frozenset(
    {
        "do",
        "does",
        "did",
        "is",
        "are",
        "was",
        "were",
        "am",
        "be",
        "been",
        "can",
        "could",
        "will",
        "would",
        "shall",
        "should",
        "may",
        "might",
        "must",
        "has",
        "have",
        "had",
    }
)
_PLACING: Final = frozenset({"in", "with", "by", "on", "at", "for", "without", "to", "from", "of", "into", "via"})
_SWAPPED: Final = ("in", "with", "by", "on", "at", "for")
_MEANS: Final = ("by", "with", "via")
_OBJECT_WORDS: Final = 3
_PAIR: Final = 2


def formulas(pair: Comparison) -> str | None:
    """Other operators, or the same numbers in another order: `10 - 4` and `4 - 10`, `2 adults, 1 child`."""
    mine, yours = _operators(pair.stored.text), _operators(pair.asked.text)
    if mine and yours and mine != yours:
        return f"{' '.join(mine)} against {' '.join(yours)}"
    return _reordered(_parts(pair.stored.text), _parts(pair.asked.text))


def alternatives(pair: Comparison) -> str | None:
    """`and` in one text, `or` in the other, between the same two words."""
    for one, other in ((pair.stored, pair.asked), (pair.asked, pair.stored)):
        for joined in _joined(one, "and") & _joined(other, "or"):
            return f"'and' against 'or' between {' and '.join(map(repr, sorted(joined)))}"
    return None


def roles(pair: Comparison) -> str | None:
    """Who does it and whom it is done to, or in what and with what, exchanged."""
    if pair.stored.language != "en":
        return None
    return _either(pair, _did_or_was_done) or _exchanged(pair.stored, pair.asked) or _either(pair, _means_or_kind)


def _either(pair: Comparison, found: Callable[[Reading, Reading], str | None]) -> str | None:
    return found(pair.stored, pair.asked) or found(pair.asked, pair.stored)


def _operators(text: str) -> tuple[str, ...]:
    found = (next(filter(None, match.groups())).lower() for match in _OPERATOR.finditer(text))
    return tuple(_SIGNS.get(sign, sign) for sign in found)


def _parts(text: str) -> list[str]:
    """Numbers as digits, stems of words, and signs."""
    if not any(sign.isdigit() for sign in text) and _NUMERALS.keys().isdisjoint(text.lower().split()):
        return []
    low = (part.lower() for part in _PART.findall(text))
    return [_NUMERALS.get(part) or _stem(part) for part in low]


def _stem(part: str) -> str:
    return stem(part) if part.isalpha() else part


def _reordered(mine: Sequence[str], yours: Sequence[str]) -> str | None:
    """Whether numbers have changed places, and not with the words beside them, nor around `and`."""
    places, others = _numbers(mine), _numbers(yours)
    ours, theirs = [mine[place] for place in places], [yours[place] for place in others]
    if ours == theirs or sorted(ours) != sorted(theirs) or len(set(ours)) != len(ours):
        return None
    moved = {number for number, other in zip(ours, theirs, strict=True) if number != other}
    first, last = min(places), max(places)
    if len(ours) == _PAIR and not _EITHER_WAY.isdisjoint(mine[first:last]):
        return None
    at, there = dict(zip(ours, places, strict=True)), dict(zip(theirs, others, strict=True))
    if all(_beside(mine, at[number]) & _beside(yours, there[number]) for number in moved):
        return None
    return f"{', '.join(ours)} against {', '.join(theirs)}"


def _numbers(parts: Sequence[str]) -> list[int]:
    return [place for place, part in enumerate(parts) if part[0].isdigit()]


def _beside(parts: Sequence[str], place: int) -> frozenset[tuple[int, str]]:
    """The words right before and after a place."""
    return frozenset(
        (step, parts[place + step])
        for step in (-1, 1)
        if 0 <= place + step < len(parts) and not parts[place + step][0].isdigit()
    )


def _joined(reading: Reading, link: str) -> frozenset[frozenset[str]]:
    """The pairs of words that `link` stands between."""
    spoken = [word for word in reading.spoken if word not in _ARTICLES]
    return frozenset(
        frozenset((stem(spoken[place - 1]), stem(spoken[place + 1])))
        for place, word in enumerate(spoken)
        if word == link and 0 < place < len(spoken) - 1
    )


def _did_or_was_done(asks_whom: Reading, asks_who: Reading) -> str | None:
    """`What do mice eat?` against `What eats mice?`: whoever stands behind `do` follows the verb in the other."""
    mine, yours = _plain(asks_whom), _plain(asks_who)
    if not mine or not yours or mine[0] not in _ASKING or yours[0] not in _ASKING:
        return None
    place = next((place for place, word in enumerate(mine) if word in _DID), 0)
    if not 0 < place < len(mine) - 1 or list(map(stem, mine[1:place])) != list(map(stem, yours[1:place])):
        return None
    rest = yours[place:]
    whom = stem(mine[place + 1])
    if not rest or not _AUXILIARIES.isdisjoint(rest[:2]) or whom == stem(rest[0]) or whom not in map(stem, rest[1:3]):
        return None
    return f"{mine[place + 1]!r} does it in one, and has it done in the other"


def _plain(reading: Reading) -> list[str]:
    """The words of a text, without articles and signs."""
    return [word for word in reading.spoken if word not in _ARTICLES and word[0].isalnum()]


def _exchanged(stored: Reading, asked: Reading) -> str | None:
    """`in Spain with a UK licence` against `in the UK with a Spain licence`."""
    mine, yours = _placed(stored), _placed(asked)
    held = [word for word in _SWAPPED if word in mine and word in yours]
    for one in held:
        for other in held:
            there, back = (mine[one] - yours[one]) & yours[other], (mine[other] - yours[other]) & yours[one]
            if one < other and there and back:
                return f"{min(there)!r} and {min(back)!r} are exchanged around {one!r} and {other!r}"
    return None


def _placed(reading: Reading) -> dict[str, frozenset[str]]:
    """What stands behind each preposition, up to the next one."""
    spoken = _plain(reading)
    found: dict[str, frozenset[str]] = {}
    for place, word in enumerate(spoken):
        if word in _SWAPPED:
            behind = spoken[place + 1 : place + 1 + _OBJECT_WORDS]
            end = next((step for step, one in enumerate(behind) if one in _PLACING), len(behind))
            found[word] = found.get(word, frozenset()) | frozenset(map(stem, behind[:end]))
    return found


def _means_or_kind(means: Reading, kind: Reading) -> str | None:
    """`my bill by credit card` against `my credit card bill`, but not `books by Orwell`."""
    mine, yours = _plain(means), _plain(kind)
    for place, word in enumerate(mine):
        if word not in _MEANS or word in yours or not 0 < place < len(mine) - 1:
            continue
        behind = mine[place + 1 :]
        compound = [stem(one) for one in (*behind, mine[place - 1])]
        stems = list(map(stem, yours))
        whole = any(stems[at : at + len(compound)] == compound for at in range(len(stems)))
        if whole and means.names.isdisjoint(behind):
            return f"{word} {' '.join(behind)!r} against {' '.join((*behind, mine[place - 1]))!r}"
    return None
