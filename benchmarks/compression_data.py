"""The questions on which compression is measured: what it was fitted on, and others; and meetings with gold spans."""

from __future__ import annotations

import gzip
import json
import math
import random
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

QUESTIONS = "compress/lost_in_the_middle_nq_oracle/nq-open-oracle.even.jsonl.gz"
MEETINGS = "compress/qmsum_test/test.jsonl.gz"
SEED = 20_261
HELD_OUT = 300
DISTRACTORS = 9
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Context:
    """A question with ten passages, one of which holds the answer."""

    question: str
    answers: list[str]
    passages: list[str]

    def survives_in(self, text: str) -> bool:
        """Whether an accepted answer still stands in a text."""
        folded = text.casefold()
        return any(answer.casefold() in folded for answer in self.answers)


@dataclass(frozen=True)
class Meeting:
    """A question about a meeting, its turns, and which of them hold the answer."""

    question: str
    turns: list[str]
    gold: frozenset[int]


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a compressed file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def contexts(folder: Path, *, with_titles: bool) -> tuple[list[Context], list[Context]]:
    """The held-out contexts, and those on which choices were made.

    A gold passage stands at a random place among the nine others that BM25 finds most alike to the question and that do
    not hold an accepted answer. Those of the held-out questions come from all passages; those of the other questions
    from theirs alone, so that nothing held out was seen before.

    Args:
        folder: the data.
        with_titles: whether each passage begins with its title on a line of its own.
    """
    found = rows(folder / QUESTIONS)
    random.Random(SEED).shuffle(found)  # noqa: S311 - not for secrets
    held_out, known = found[:HELD_OUT], found[HELD_OUT:]
    return (
        list(_mixed(held_out, found, 1, with_titles=with_titles)),
        list(_mixed(known, known, 2, with_titles=with_titles)),
    )


def meetings(folder: Path) -> list[Meeting]:
    """The specific questions of QMSum's test part."""
    found = []
    for row in rows(folder / MEETINGS):
        turns = [f"{turn['speaker']}: {turn['content']}" for turn in row["meeting_transcripts"]]
        for asked in row["specific_query_list"]:
            gold = {at for begin, end in asked["relevant_text_span"] for at in range(int(begin), int(end) + 1)}
            found.append(Meeting(asked["query"], turns, frozenset(at for at in gold if at < len(turns))))
    return found


def _mixed(
    asked: Sequence[dict[str, Any]], pool: Sequence[dict[str, Any]], seed: int, *, with_titles: bool
) -> Iterator[Context]:
    passage_of = {row["ctxs"][0]["text"]: _passage(row["ctxs"][0], with_titles=with_titles) for row in pool}
    texts = list(passage_of.values())
    index = _Index(texts)
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    for row in asked:
        gold = passage_of[row["ctxs"][0]["text"]]
        empty = Context(row["question"], row["answers"], [])
        near = (texts[at] for at in index.nearest(row["question"]) if texts[at] != gold)
        others = [text for text in near if not empty.survives_in(text)][:DISTRACTORS]
        others.insert(chance.randrange(len(others) + 1), gold)
        yield Context(row["question"], row["answers"], others)


def _passage(found: dict[str, str], *, with_titles: bool) -> str:
    return f"{found['title']}\n{found['text']}" if with_titles else found["text"]


class _Index:
    """BM25 over the passages."""

    def __init__(self, texts: Sequence[str]) -> None:
        words = [_words(text) for text in texts]
        spread = Counter(word for one in words for word in set(one))
        average = sum(map(len, words)) / len(words)
        self._weights: dict[str, list[tuple[int, float]]] = {}
        for at, one in enumerate(words):
            norm = 1.2 * (0.25 + 0.75 * len(one) / average)
            for word, count in Counter(one).items():
                rarity = math.log(1 + (len(texts) - spread[word] + 0.5) / (spread[word] + 0.5))
                self._weights.setdefault(word, []).append((at, rarity * count * 2.2 / (count + norm)))

    def nearest(self, question: str, count: int = 60) -> list[int]:
        """The passages nearest to a question, best first."""
        scores: Counter[int] = Counter()
        for word in sorted(set(_words(question))):
            for at, weight in self._weights.get(word, ()):
                scores[at] += weight  # type: ignore[assignment] # a Counter of floats
        return [at for at, _ in scores.most_common(count)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
