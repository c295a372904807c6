"""Two readers that stand in for models: they find the answer in the prompt that arrives, or do not.

The small one counts the words that a sentence shares with the question. The large one weighs words by how rare they
are, adds what they mean, and reads the headings. Nothing is looked up anywhere else: what a prompt has lost, or says
too differently from the question, they cannot answer.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from langchain_costguard.semantic_cache import WordLlamaEmbedder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_STOP_WORDS: Final = (
    "a an and are as at be been by can could do does for from get had has have how i if in is it its long many may me "
    "much must my no not of on one or our should so still that the their them there they this to use was we what when "
    "where which who why will with you your"
)
_STOP: Final = frozenset(_STOP_WORDS.split())
_GREETING: Final = "Thank you very much for your question, and for your interest in our products! "
_CLOSING: Final = (
    " I hope that this answers your question. Please do not hesitate to write to us again if there is anything else "
    "that we can do for you. We wish you a wonderful day and many happy nights under the stars!"
)
_MEANING: Final = 2.0
_SURE: Final = 0.6
_LONGEST_HEADING: Final = 4


class Sentence(NamedTuple):
    """A sentence of the prompt."""

    text: str
    heading: str


def answer(body: Mapping[str, Any]) -> str:
    """What the model that a request names answers to it, read from the request alone.

    Args:
        body: the body of a request to `/v1/chat/completions`; its last message is a context with a
            question as its last line.
    """
    *rules, last = (str(message["content"]) for message in body["messages"])
    context, _, question = last.strip().rpartition("\n")
    sentences = _sentences(context)
    told = " ".join(rules)
    if not sentences:
        return "I do not know."
    if "mini" in body["model"]:
        scores = _shared(question, sentences)
        best, second = _best(scores)
        if "UNCERTAIN" in told and (scores[best] < _SURE or scores[best] == scores[second]):
            return "UNCERTAIN"
    else:
        best, second = _best(_weighed(question, sentences))
    if "concise" in told.lower():
        return sentences[best].text
    return f"{_GREETING}{sentences[best].text} {sentences[second].text}{_CLOSING}"


@lru_cache(maxsize=4096)
def words(text: str) -> frozenset[str]:
    """The words of a text that say something, without their endings."""
    found = re.findall(r"\w+(?:\.\d+)?", text.lower())
    return frozenset(_stem(word) for word in found if word not in _STOP)


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) > 2:  # less is no stem
            return word.removesuffix(ending)
    return word


@lru_cache(maxsize=512)
def _sentences(context: str) -> tuple[Sentence, ...]:
    found, heading = [], ""
    for line in context.splitlines():
        parts = re.split(r"(?<=[.!?])\s+(?=[A-Z])", line.strip())
        if len(parts) == 1 and not line.rstrip().endswith((".", "!", "?")):
            is_heading = 0 < len(line.split()) <= _LONGEST_HEADING
            heading = line.strip() if is_heading else heading
            continue
        found += [Sentence(part, heading) for part in parts if part]
    return tuple(found)


class _Index(NamedTuple):
    """What is known of the sentences of a context before a question comes."""

    bare: tuple[frozenset[str], ...]
    """The words of each sentence."""
    headed: tuple[frozenset[str], ...]
    """The same with those of its heading."""
    seen: Counter[str]
    """In how many of these each word is."""
    vectors: NDArray[np.float64]
    """`(sentences, dimensions)`: what each means."""


@lru_cache(maxsize=512)
def _index(sentences: tuple[Sentence, ...]) -> _Index:
    bare = tuple(words(sentence.text) for sentence in sentences)
    headed = tuple(own | words(sentence.heading) for own, sentence in zip(bare, sentences, strict=True))
    vectors = np.array([_vector(sentence.text) for sentence in sentences])
    return _Index(bare, headed, Counter(word for found in headed for word in found), vectors)


def _shared(question: str, sentences: tuple[Sentence, ...]) -> NDArray[np.float64]:
    """The share of the question's words that each sentence has."""
    wanted = words(question)
    return np.array([len(wanted & found) for found in _index(sentences).bare]) / max(1, len(wanted))


def _weighed(question: str, sentences: tuple[Sentence, ...]) -> NDArray[np.float64]:
    """Rare words that each sentence and its heading share with the question, and how near they are in meaning."""
    known = _index(sentences)
    rarity = {word: math.log(1 + len(sentences) / known.seen[word]) for word in words(question) if known.seen[word]}
    shared = [sum(rarity[word] for word in found & rarity.keys()) for found in known.headed]
    return np.array(shared) / (sum(rarity.values()) or 1.0) + _MEANING * (known.vectors @ _vector(question))


def _best(scores: NDArray[np.float64]) -> tuple[int, int]:
    """The best and the second best; of equals the first."""
    order = np.argsort(-scores, kind="stable")
    return int(order[0]), int(order[min(1, len(order) - 1)])


@cache
def _embedder() -> WordLlamaEmbedder:
    return WordLlamaEmbedder()


@lru_cache(maxsize=8192)
def _vector(text: str) -> NDArray[np.float64]:
    return np.asarray(_embedder().embed([text])[0], dtype=np.float64)
