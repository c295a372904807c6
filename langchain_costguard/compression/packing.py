"""Which sentences fit: the most promising for their length first, repetitions left out, and never over the bound."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

from langchain_costguard.compression.result import KeptSpan, joined
from langchain_costguard.compression.units import cut_at_clause
from langchain_costguard.compression.words import stems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from langchain_costguard.compression.units import Unit

_LENGTH_WEIGHT: Final = 0.7
"""How much length counts against a sentence, from 0 to 1. Chosen on the questions the weights were fitted on."""
_REPEATED: Final = 0.8
"""A sentence is left out where this share of its pairs of words is in what was chosen before."""
_SHORTEST_JUDGED: Final = 4
"""Shorter sentences are only left out where they repeat one exactly."""
_MISSES: Final = 64
"""So many sentences in a row that did not fit end the search."""
BETWEEN_PASSAGES: Final = "\n\n"


def packed(
    passages: Sequence[str],
    units: Sequence[Unit],
    scores: Sequence[float],
    most: int,
    count: Callable[[str], int],
    kept: Iterable[int] = (),
) -> tuple[list[KeptSpan], int] | None:
    """Choose the parts to keep.

    Args:
        passages: the texts.
        units: their sentences, in their order.
        scores: how much each promises, as a logarithm.
        most: the most tokens of the rendered parts.
        count: counts the tokens of a text.
        kept: sentences that must be kept.

    Returns:
        The parts in their order and their tokens; `None` where what must be kept does not fit alone.
    """
    chosen = list(kept)
    must = len(chosen)
    left = most - sum(_price(units[at], count) for at in chosen)
    seen = _Seen(units[at].text for at in chosen)
    misses = 0
    for at in _best_first(units, scores, frozenset(chosen)):
        if left <= 1 or misses >= _MISSES:
            break
        if len(units[at].text) > _LONGEST_TOKEN * left or (price := _price(units[at], count)) > left:
            misses += 1
        elif not seen.has(units[at].text):
            misses = 0
            left -= price
            chosen.append(at)
    return _fitting(passages, units, chosen, must, most, count) or _cut_to_fit(units, scores, most, count, must)


def rendered(spans: Sequence[KeptSpan]) -> str:
    """The parts as one text: a blank or a line break between parts of a passage, a blank line between passages."""
    return BETWEEN_PASSAGES.join(joined(part) for _, part in groupby(spans, key=lambda span: span.source))


_LONGEST_TOKEN: Final = 16
"""Hardly a token has more characters on average, so that longer sentences need not be counted to be refused."""


def _best_first(units: Sequence[Unit], scores: Sequence[float], without: frozenset[int]) -> list[int]:
    worth = [score - _LENGTH_WEIGHT * math.log(len(unit.text)) for unit, score in zip(units, scores, strict=True)]
    return sorted((at for at in range(len(units)) if at not in without), key=lambda at: (-worth[at], at))


def _price(unit: Unit, count: Callable[[str], int]) -> int:
    """What a sentence takes of the bound, with what stands before it."""
    return count(f" {unit.text}")


class _Seen:
    """What was chosen so far, as pairs of words: its size grows with the choice, and asking does not."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._pairs: set[tuple[str, str]] = set()
        self._texts: set[str] = set()
        for text in texts:
            self.has(text)

    def has(self, text: str) -> bool:
        """Whether a text says what was chosen before; if not, it is now among it."""
        words = stems(text)
        pairs = set(pairwise(words))
        numbers = [word for word in words if word[:1].isdigit()]
        is_short = len(pairs) < _SHORTEST_JUDGED
        is_same = len(pairs & self._pairs) >= _REPEATED * len(pairs) and not is_short
        bare = " ".join(words)
        is_repeated = bare in self._texts or (is_same and not numbers)
        if not is_repeated:
            self._pairs |= pairs
            self._texts.add(bare)
        return is_repeated and bool(words)


def _fitting(
    passages: Sequence[str],
    units: Sequence[Unit],
    chosen: list[int],
    must: int,
    most: int,
    count: Callable[[str], int],
) -> tuple[list[KeptSpan], int] | None:
    """The chosen parts, without the last chosen ones as far as the whole is over the bound."""
    while chosen:
        spans = _spans(passages, [units[at] for at in sorted(chosen)])
        tokens = count(rendered(spans))
        if tokens <= most:
            return spans, tokens
        if len(chosen) == must:
            return None
        del chosen[max(must, len(chosen) - 1 - (tokens - most) // 32) :]
    return None


def _spans(passages: Sequence[str], units: Sequence[Unit]) -> list[KeptSpan]:
    """The units as parts; units with nothing but blanks between them are one, with those."""
    spans: list[KeptSpan] = []
    for unit in units:
        last = spans[-1] if spans and spans[-1].source == unit.source else None
        passage, joint = passages[unit.source], " "
        if last is not None:
            between = passage[last.end : unit.start]
            if not between.strip():
                spans[-1] = replace(last, end=unit.end, text=passage[last.start : unit.end])
                continue
            joint = "\n" if "\n" in between else " "
        spans.append(KeptSpan(unit.source, unit.start, unit.end, unit.text, joint))
    return spans


def _cut_to_fit(
    units: Sequence[Unit], scores: Sequence[float], most: int, count: Callable[[str], int], must: int
) -> tuple[list[KeptSpan], int] | None:
    """The beginning of the most promising sentence, where none fits whole; `None` where something must be kept."""
    if must:
        return None
    prose = [at for at, unit in enumerate(units) if not unit.is_code]
    if not prose:
        return [], 0
    unit = units[max(prose, key=lambda at: scores[at])]
    end = cut_at_clause(unit.text, min(len(unit.text), most * _LONGEST_TOKEN))
    while end and count(unit.text[:end]) > most:
        end = cut_at_clause(unit.text, min(end - 1, end * most // count(unit.text[:end]) + 8))
    text = unit.text[:end].rstrip()
    span = KeptSpan(unit.source, unit.start, unit.start + len(text), text)
    return ([span], count(text)) if text else ([], 0)
