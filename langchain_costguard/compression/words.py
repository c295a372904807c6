"""What counts as a word, and which forms of it count as the same one, in English, Chinese and whatever has letters."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_CJK: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_FIRST_CJK: Final = "\u3040"
_WORD: Final = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+(?:['’][a-z]+)?")  # noqa: RUF001 - how apostrophes are printed
_STARTS_CJK: Final = re.compile(rf"[{_CJK}]")

STOP_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been being but by can could did do does for from had has have he her hers him his how i "
        "if in into is it its me my no nor not of on or our she should so such than that the their them then there "
        "these they this those to too was we were what when where which who whom whose why will with would "
        "you your s t",
    )
)
"""Words of an English question that say nothing about where its answer stands."""

_ENDINGS: Final = (
    ("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("es", ""), ("s", ""), ("ly", ""),
    ("er", ""), ("or", ""), ("ion", ""),
)  # fmt: skip
_SHORTEST_STEM: Final = 3
_KEEPS_DOUBLE: Final = "ls"


def stems(text: str) -> list[str]:
    """The words of a text in their order, in small letters and without English endings.

    Chinese, Japanese and Korean are read in overlapping pairs of characters, as they have no blanks.

    Example:
        >>> stems("The played prizes"), stems("成本控制")
        (['the', 'play', 'priz'], ['成本', '本控', '控制'])
    """
    found: list[str] = []
    for word in _WORD.findall(text):
        if word[0] < _FIRST_CJK or not _STARTS_CJK.match(word):
            found.append(stem(word))
        else:
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
    return found


def content_stems(text: str) -> list[str]:
    """The stems of a question that can say where its answer stands: without stop words."""
    return [one for one in stems(text) if one not in _STOP_STEMS]


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """An English word without its ending, roughly: `plays`, `played` and `player` become one."""
    word = word.lower().replace("\u2019", "'").removesuffix("'s")
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM and not word.endswith("ss"):
            word = word[: -len(ending)] + instead
            break
    if len(word) > _SHORTEST_STEM:
        word = word.removesuffix("e")
    has_double = len(word) > _SHORTEST_STEM + 1 and word[-1] == word[-2]
    return word[:-1] if has_double and word[-1] not in _KEEPS_DOUBLE else word


_STOP_STEMS: Final = STOP_WORDS | {stem(word) for word in STOP_WORDS}
