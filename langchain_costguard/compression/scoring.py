"""How much each sentence promises: for a question by shared words and the kind of answer, without one by centrality."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.compression.kinds import looks_like_answer
from langchain_costguard.compression.words import STOP_WORDS, content_stems, stems

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from langchain_costguard.compression.units import Unit

_SATURATION: Final = 1.2
_LENGTH_SHARE: Final = 0.75
"""BM25's usual constants."""


_LONG_TEXT: Final = 100
"""Texts with so many sentences are long."""
_SHORT_PASSAGE: Final = 500
"""Characters: passages that are shorter on average are read as one text."""
_NEIGHBOURS: Final = 25
"""So many sentences before and behind one are around it."""
_AROUND: Final = 0.9
"""How much they count. Chosen on questions about meetings that are in no table."""


class Signs(NamedTuple):
    """What is known of one sentence, each between 0 and 1."""

    relative: float
    """The BM25 score of its block, as a share of the best block's."""
    rank: float
    """1 for the best block, 1/2 for the second, 1/3 ..."""
    phrase: float
    """The share of the question's neighbouring words that are neighbours in its block."""
    cover: float
    """The share of the question's words it has, rare words counting more."""
    near: float
    """The same of the sentences before and behind it, on average."""
    kind: float
    """1 where it holds something of the kind that is asked for."""
    first: float
    """1 where it begins its block: a heading, or what the block is about."""
    share: float
    """Its share of its block's words."""


WEIGHTS: Final = Signs(relative=2.5, rank=2.0, phrase=0.9, cover=1.0, near=0.6, kind=1.0, first=0.1, share=2.0)
"""How much each sign adds to the log-odds that a sentence holds the answer: a logistic regression over 1,028 questions
of Natural Questions (`benchmarks/compression.py --fit`), none of which is in its table."""
OFFSET: Final = -7.5


def for_query(units: Sequence[Unit], query: str, headings: Sequence[str] = ()) -> list[float]:
    """The log-probability that each sentence holds the answer, larger is better.

    Args:
        units: the sentences of all passages, in their order.
        query: the question.
        headings: for each passage what stands above all of it, which may be nothing.
    """
    return _with_neighbours(units, [_log_sigmoid(log_odds(signs)) for signs in signs_of(units, query, headings)])


def log_odds(signs: Signs) -> float:
    """The weighted sum of a sentence's signs."""
    return OFFSET + sum(weight * sign for weight, sign in zip(WEIGHTS, signs, strict=True))


def signs_of(units: Sequence[Unit], query: str, headings: Sequence[str] = ()) -> list[Signs]:
    """What is known of each sentence with regard to a question; arguments as for `for_query`."""
    asked = content_stems(query)
    pairs = list(pairwise(asked))
    wanted = frozenset(asked)
    read = [stems(unit.text) for unit in units]
    blocks = _joined(units, read, [stems(heading) for heading in headings])
    weight_of = _weights(wanted, read, blocks)
    total = sum(weight_of.values()) or 1.0
    by_block = _bm25(blocks, weight_of)
    best = max(by_block, default=0.0) or 1.0
    rank_of = {block: rank for rank, block in enumerate(sorted(range(len(blocks)), key=lambda one: -by_block[one]), 1)}
    phrases = [_phrases(words, pairs) for words in blocks]
    covers = [sum(weight_of[word] for word in wanted.intersection(words)) / total for words in read]
    is_answer = looks_like_answer(query)
    return [
        Signs(
            relative=by_block[unit.block] / best,
            rank=1 / rank_of[unit.block] if by_block[unit.block] else 0.0,
            phrase=phrases[unit.block],
            cover=covers[at],
            near=_around(units, covers, at),
            kind=float(is_answer(unit.text)),
            first=float(at == 0 or units[at - 1].block != unit.block),
            share=len(read[at]) / (len(blocks[unit.block]) or 1),
        )
        for at, unit in enumerate(units)
    ]


def _with_neighbours(units: Sequence[Unit], scores: Sequence[float]) -> list[float]:
    """The scores, in long texts mixed with what the sentences around promise: there an answer is more than a sentence.

    Passages that are short on average, such as the turns of a meeting, are read as one text.
    """
    changed: list[float] = []
    for run in _texts(units):
        odds = [math.exp(score) for score in scores[run.start : run.stop]]
        if len(odds) < _LONG_TEXT:
            changed += scores[run.start : run.stop]
            continue
        sums = [0.0, *accumulate(odds)]
        for at, own in enumerate(odds):
            begin, end = max(0, at - _NEIGHBOURS), min(len(odds), at + _NEIGHBOURS + 1)
            around = (sums[end] - sums[begin]) / (end - begin)
            changed.append(math.log((1 - _AROUND) * own + _AROUND * max(0.0, around) + 1e-12))
    return changed


def _texts(units: Sequence[Unit]) -> list[range]:
    """Which sentences belong to the same text."""
    begins = [at for at, unit in enumerate(units) if at == 0 or units[at - 1].source != unit.source]
    if not begins or sum(len(unit.text) for unit in units) < _SHORT_PASSAGE * len(begins):
        return [range(len(units))]
    return [range(begin, end) for begin, end in pairwise([*begins, len(units)])]


def by_centrality(units: Sequence[Unit]) -> list[float]:
    """How central each sentence is where there is no question: it has many of the words that many others have.

    What begins a text, and a block, counts a little more.
    """
    read = [set(stems(unit.text)) - STOP_WORDS for unit in units]
    spread = Counter(word for words in read for word in words)
    most = max((_centrality(words, spread) for words in read), default=0.0) or 1.0
    scores = []
    for at, unit in enumerate(units):
        lead = 1 / (1 + unit.block) + (0.5 if at == 0 or units[at - 1].block != unit.block else 0.0)
        scores.append(math.log(_centrality(read[at], spread) / most + 0.2 * lead + 1e-3))
    return scores


def _centrality(words: Collection[str], spread: Counter[str]) -> float:
    return sum(math.log(spread[word]) for word in words if spread[word] > 1)


def _joined(units: Sequence[Unit], read: Sequence[list[str]], headings: Sequence[list[str]]) -> list[list[str]]:
    """The words of each block, with the heading of its passage."""
    blocks: list[list[str]] = [[] for _ in range(units[-1].block + 1)] if units else []
    for unit, words in zip(units, read, strict=True):
        if not blocks[unit.block] and headings:
            blocks[unit.block] += headings[unit.source]
        blocks[unit.block] += words
    return blocks


def _weights(wanted: Iterable[str], read: Sequence[list[str]], blocks: Sequence[list[str]]) -> dict[str, float]:
    """How rare each word of the question is, among blocks and among sentences; words that nobody has are left out."""
    by_block, by_unit = _spread(wanted, blocks), _spread(wanted, read)
    return {
        word: _rarity(count, len(blocks)) + 0.5 * _rarity(by_unit[word], len(read)) + 0.15
        for word, count in by_block.items()
        if count
    }


def _spread(wanted: Iterable[str], texts: Sequence[list[str]]) -> dict[str, int]:
    found = dict.fromkeys(wanted, 0)
    for words in texts:
        for word in found.keys() & words:
            found[word] += 1
    return found


def _rarity(count: int, of: int) -> float:
    return math.log(1 + (of - count + 0.5) / (count + 0.5))


def _bm25(texts: Sequence[list[str]], weight_of: dict[str, float]) -> list[float]:
    average = sum(map(len, texts)) / len(texts) if texts else 0.0
    return [_bm25_of(words, weight_of, average or 1.0) for words in texts]


def _bm25_of(words: list[str], weight_of: dict[str, float], average: float) -> float:
    counts = Counter(word for word in words if word in weight_of)
    norm = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * len(words) / average)
    return sum(weight_of[word] * count * (_SATURATION + 1) / (count + norm) for word, count in counts.items())


def _phrases(words: Sequence[str], pairs: Sequence[tuple[str, str]]) -> float:
    """The share of the pairs that stand next to each other in the words, or with one word between."""
    if not pairs:
        return 0.0
    wanted = set(pairs)
    found = wanted.intersection(pairwise(words)) | wanted.intersection(zip(words, words[2:], strict=False))
    return sum(pair in found for pair in pairs) / len(pairs)


def _around(units: Sequence[Unit], covers: Sequence[float], at: int) -> float:
    source = units[at].source
    before = covers[at - 1] if at and units[at - 1].source == source else 0.0
    behind = covers[at + 1] if at + 1 < len(units) and units[at + 1].source == source else 0.0
    return (before + behind) / 2


def _log_sigmoid(odds: float) -> float:
    return -math.log1p(math.exp(-odds)) if odds > 0 else odds - math.log1p(math.exp(odds))
