"""Where sentences begin and end in a text, and which of them stand together: by rules, in time that grows with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LONGEST_CHARACTERS: Final = 1_000
"""Longer sentences are read as several, cut at the last clause or blank before this."""
_BLOCK_WORDS: Final = 160
"""So many words stand together at most, about one retrieved passage."""
_MOST_UNITS: Final = 50_000
"""In texts so long that they have more sentences, very short ones stand together, so that time stays bounded."""
_PARAGRAPH_WORDS: Final = 40
"""A blank line begins a new block, unless the block has fewer words so far."""

_END: Final = re.compile(
    r"(?<=[.!?])[\"')\]”’]*[^\S\n]+(?=[\"'(\[“‘]?[^\Wa-z_])"  # noqa: RUF001 - a stop, a blank, and no small letter
    r"|(?<=[。！？；])[”’」』）】\"]*\s*"  # noqa: RUF001 - Chinese stops need no blank
    r"|\n\s*"
)
_ABBREVIATED: Final = re.compile(
    r"(?:^|[^\w.])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|No|Nos|Fig|Eq|approx|ca|c|cf|e\.g|i\.e|al|Inc|Ltd|Co|Gen|Gov|"
    r"Sen|Rep|Lt|Col|Sgt|Rev|Mt|(?:[A-Z]\.)+[A-Z])\.$"
)
_LOOKED_BACK: Final = 12
_CLAUSE: Final = re.compile(r"[,;:](?=\s)|[，；：、]|\s+")  # noqa: RUF001 - of Chinese too
_SPLIT: Final = re.compile(r"[0-9a-zA-Z]\w|\d[.,:/'’%-]|[.,:/'’$€£¥-]\d")  # noqa: RUF001 - how apostrophes are printed
"""Two signs between which no text is cut: within a word or a number."""
_FENCE: Final = re.compile(
    r"^[ \t]*(?P<mark>`{3,}+|~{3,}+)[^`\n]*+\n.*?(?:^[ \t]*(?P=mark)[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
"""Code ends at a fence as long as the one it begins with; within a list both are indented."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, or a block of code: what is kept or left out as a whole."""

    source: int
    """Which passage it stands in, from 0."""
    start: int
    """Its first character in that passage."""
    end: int
    """One behind its last character."""
    block: int
    """Which group of sentences it belongs to, from 0, over all passages."""
    text: str
    is_code: bool = False


def units_of(passages: Sequence[str]) -> list[Unit]:
    """The sentences of all passages in their order; each is an exact part of its passage.

    Args:
        passages: the texts; fenced code (``` or ~~~) is one unit.
    """
    found: list[Unit] = []
    block = -1
    shortest = sum(map(len, passages)) // _MOST_UNITS
    for source, passage in enumerate(passages):
        words, last_end = _BLOCK_WORDS, 0
        for start, end, is_code in _parts(passage):
            is_paragraph = "\n\n" in passage[last_end:start] and words >= _PARAGRAPH_WORDS
            if words >= _BLOCK_WORDS or is_paragraph:
                block, words = block + 1, 0
            text = passage[start:end]
            words += 1 + text.count(" ")
            last_end = end
            last = found[-1] if found else None
            is_with_last = (
                last is not None and (last.source, last.block) == (source, block) and len(last.text) < shortest
            )
            if last is not None and is_with_last and not (is_code or last.is_code):
                found[-1] = Unit(source, last.start, end, block, passage[last.start : end])
            else:
                found.append(Unit(source, start, end, block, text, is_code))
    return found


def cut_at_clause(text: str, most: int) -> int:
    """Where to end a text of at most `most` characters: behind a clause, else a word; never inside a number.

    Between a number and what may be its unit it is only cut where it cannot be cut elsewhere.

    Returns:
        The number of characters to keep; 0 where not even a word fits.
    """
    if len(text) <= most:
        return len(text)
    found = [match for match in _CLAUSE.finditer(text, 0, most + 1) if match.start() <= most]
    clauses = [match.end() for match in found if not match.group().isspace() and 2 * match.end() >= most >= match.end()]
    blanks = [match.start() for match in found if match.group().isspace()]
    behind_words = [at for at in blanks if not text[at - 1 : at].isdigit()]
    best = max(clauses or behind_words or blanks or [0])
    if best or " " in text[:most]:
        return best
    while most and _SPLIT.match(text, most - 1):
        most -= 1
    return most


def _parts(passage: str) -> Iterator[tuple[int, int, bool]]:
    """Where sentences and code blocks begin and end, and which it is."""
    at = 0
    for fence in _FENCE.finditer(passage) if "```" in passage or "~~~" in passage else ():
        yield from ((start, end, False) for start, end in _sentences(passage, at, fence.start()))
        yield fence.start(), fence.start() + len(fence.group().rstrip()), True
        at = fence.end()
    yield from ((start, end, False) for start, end in _sentences(passage, at, len(passage)))


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in _END.finditer(text, start, end):
        closing = len(match.group()) - len(match.group().lstrip("\"')]”’」』）】"))  # noqa: RUF001 - of Chinese too
        stop = match.start() + closing
        if match.end() == match.start() == stop and stop == start:
            continue
        if text[stop - 1 : stop] == "." and "\n" not in match.group() and _is_abbreviated(text, start, stop):
            continue
        yield from _pieces(text, start, stop)
        start = match.end()
    yield from _pieces(text, start, end)


def _is_abbreviated(text: str, start: int, stop: int) -> bool:
    return _ABBREVIATED.search(text[max(start, stop - _LOOKED_BACK) : stop]) is not None


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence without blanks around it, in pieces where it is very long; nothing where it is empty."""
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    while end - start > _LONGEST_CHARACTERS:
        kept = cut_at_clause(text[start : start + _LONGEST_CHARACTERS + 1], _LONGEST_CHARACTERS) or _LONGEST_CHARACTERS
        yield start, start + len(text[start : start + kept].rstrip())
        start += kept
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end
