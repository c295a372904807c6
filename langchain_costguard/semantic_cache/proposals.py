"""Pairs for a calibration out of questions that were really asked: each with its nearest earlier one, for a judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.semantic_cache.embedders import as_embedder
from langchain_costguard.semantic_cache.pairs import LabelledPair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from langchain_core.language_models import BaseChatModel

    from langchain_costguard.semantic_cache.embedders import Embedder
    from langchain_costguard.semantic_cache.pairs import AnyEmbedder

_PROMPT: Final = """Two questions were put to the same assistant.

First question:
{stored}

Second question:
{asked}

Would the complete and correct answer to the first question also be a complete and correct answer to the second?
Numbers, dates, names, places, persons, conditions and negations matter. Answer with one word: yes or no."""


@dataclass(frozen=True, slots=True)
class ProposedPair:
    """Two questions that a cache would have compared.

    Attributes:
        stored: the earlier question.
        asked: the later one.
        similarity: of the two, from 0 to 1.
    """

    stored: str
    asked: str
    similarity: float


def propose_pairs(
    texts: Sequence[str],
    *,
    embedder: AnyEmbedder,
    count: int = 300,
    at_least: float = 0.6,
    at_most: float = 1.0,
) -> list[ProposedPair]:
    """The pairs that a cache would have compared: each question and the nearest one before it.

    When there are more than `count`, they are thinned out evenly over the similarities, so that both clear repeats and
    doubtful cases stay.

    Args:
        texts: questions in the order in which they were asked.
        embedder: makes their vectors, as `SemanticCache` takes it; texts beyond its window are left out.
        count: how many pairs are wanted at most.
        at_least: the least similarity of a pair.
        at_most: the largest; texts that are exactly the same make no pair.

    Raises:
        ValueError: `count` is not positive, or the similarities are out of order.
    """
    if count < 1 or not 0 <= at_least <= at_most <= 1:
        msg = "Give a positive `count` and `0 <= at_least <= at_most <= 1`."
        raise ValueError(msg)
    different = list(dict.fromkeys(text for text in texts if text.strip()))
    pairs = _nearest_before(different, as_embedder(embedder))
    near = sorted((pair for pair in pairs if at_least <= pair.similarity <= at_most), key=lambda pair: -pair.similarity)
    if len(near) <= count:
        return near
    return [near[place * (len(near) - 1) // max(count - 1, 1)] for place in range(count)]


def judge_pairs(
    pairs: Iterable[ProposedPair], judge: BaseChatModel | Callable[[str, str], bool | None]
) -> list[LabelledPair]:
    """Pairs labelled by a judge, without those it does not decide.

    Args:
        pairs: the pairs.
        judge: a chat model, asked once for each pair, or a callable of both texts; `None` is no decision.
    """
    ask = _asked_of(judge) if hasattr(judge, "invoke") else judge
    judged = ((pair, ask(pair.stored, pair.asked)) for pair in pairs)
    return [LabelledPair(pair.stored, pair.asked, bool(same)) for pair, same in judged if same is not None]


def same_answer_prompt(stored: str, asked: str) -> str:
    """What a model is asked about two questions; `read_yes_no` reads its answer."""
    return _PROMPT.format(stored=stored, asked=asked)


def read_yes_no(answer: str) -> bool | None:
    """Whether an answer says yes; `None` where it says neither yes nor no."""
    words = answer.strip().strip("*_\"'`.,!: \n").lower()
    if words.startswith("yes"):
        return True
    return False if words.startswith("no") else None


def _asked_of(model: Any) -> Callable[[str, str], bool | None]:  # noqa: ANN401 - a chat model
    def ask(stored: str, asked: str) -> bool | None:
        return read_yes_no(str(model.invoke(same_answer_prompt(stored, asked)).text))

    return ask


def _nearest_before(texts: list[str], embedder: Embedder) -> list[ProposedPair]:
    import numpy as np

    if len(texts) < 2:  # noqa: PLR2004 - a pair
        return []
    embedded = [(text, vector) for text, vector in zip(texts, embedder.embed(texts), strict=True) if vector is not None]
    vectors = np.array([vector for _, vector in embedded])
    found = []
    for place in range(1, len(embedded)):
        near = vectors[:place] @ vectors[place]
        nearest = int(near.argmax())
        found.append(ProposedPair(embedded[nearest][0], embedded[place][0], float(np.clip(near[nearest], 0, 1))))
    return found
