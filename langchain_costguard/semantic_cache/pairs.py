"""Labelled pairs of questions: does the answer to one serve for the other?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from langchain_core.embeddings import Embeddings
    from numpy.typing import NDArray

    from langchain_costguard.semantic_cache.embedders import Embedder
    from langchain_costguard.semantic_cache.guards import Guards

    AnyEmbedder = Embedder | Embeddings | str


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A stored and an asked question, and whether one answer serves both.

    Attributes:
        stored: the question whose answer is kept.
        asked: the question to be answered.
        same: whether the kept answer is right for it.
    """

    stored: str
    asked: str
    same: bool


@dataclass(frozen=True, eq=False)
class ScoredPairs:
    """Pairs as a threshold sees them, as arrays of one length.

    Attributes:
        similarity: floats from 0 to 1; larger is closer.
        vetoed: booleans: whether a guard would refuse the pair.
        same: booleans: whether one answer serves both questions.
    """

    similarity: NDArray[Any]
    vetoed: NDArray[Any]
    same: NDArray[Any]

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.same)


def read_pairs(pairs: Iterable[Any]) -> list[LabelledPair]:
    """Pairs from tuples `(stored, asked, same)`, from mappings or from objects with these three names.

    Raises:
        ValueError: an item is none of these, a text is empty, or a label is not true or false.
    """
    return [_pair(item, number) for number, item in enumerate(pairs)]


def score_pairs(
    pairs: Sequence[LabelledPair],
    *,
    guards: Guards,
    embedder: AnyEmbedder | None = None,
    similarity: Callable[[str, str], float] | None = None,
) -> ScoredPairs:
    """The similarity of each pair, and whether a guard refuses it.

    Args:
        pairs: the labelled pairs.
        guards: asked about every pair.
        embedder: as `SemanticCache` takes it; makes vectors of the texts, each different text once. Texts beyond its
            window are alike only when they are equal.
        similarity: gives the similarity of two texts, from 0 to 1, in the embedder's place.

    Raises:
        OptionalDependencyError: neither is given, and the local embedder is not installed.
        ValueError: both of `embedder` and `similarity` are given.
    """
    import numpy as np

    if embedder is not None and similarity is not None:
        msg = "Similarities come from one place: give `embedder=` or `similarity=`, not both."
        raise ValueError(msg)
    near = (
        np.array([similarity(pair.stored, pair.asked) for pair in pairs], dtype=float)
        if similarity is not None
        else _embedded(pairs, "local" if embedder is None else embedder)
    )
    vetoed = [bool(guards.vetoes(pair.stored, pair.asked)) for pair in pairs]
    return checked_scores(near, [pair.same for pair in pairs], vetoed)


def checked_scores(similarity: Any, same: Any, vetoed: Any = None) -> ScoredPairs:  # noqa: ANN401 - array-likes
    """Three columns as arrays; without `vetoed` nothing is refused.

    Raises:
        ValueError: lengths differ, a similarity is not a number, or a label is not true or false.
    """
    import numpy as np

    near = np.clip(np.asarray(similarity, dtype=float).ravel(), 0.0, 1.0)
    labels, refused = (
        _booleans(same, "same"),
        np.zeros(len(near), bool) if vetoed is None else _booleans(vetoed, "vetoed"),
    )
    if not len(near) == len(labels) == len(refused):
        counts = f"{len(near)} similarities, {len(labels)} labels and {len(refused)} vetoes"
        msg = f"There are {counts}: give one of each for every pair."
        raise ValueError(msg)
    if np.isnan(near).any():
        msg = f"{int(np.isnan(near).sum())} of {len(near)} similarities are NaN: leave these pairs out."
        raise ValueError(msg)
    return ScoredPairs(near, refused, labels)


def _pair(item: Any, number: int) -> LabelledPair:  # noqa: ANN401 - whatever the caller's records are
    try:
        if isinstance(item, Mapping):
            stored, asked, same = item["stored"], item["asked"], item["same"]
        elif hasattr(item, "stored"):
            stored, asked, same = item.stored, item.asked, item.same
        else:
            stored, asked, same = item
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        msg = f"Pair {number} is no pair ({type(error).__name__}: {error}): give (stored, asked, same) for each."
        raise ValueError(msg) from error
    if not (isinstance(stored, str) and isinstance(asked, str) and stored.strip() and asked.strip()):
        msg = f"Pair {number} has no two texts: give the stored and the asked question as non-empty strings."
        raise ValueError(msg)
    if same not in {True, False}:
        msg = f"Pair {number} is labelled {same!r}: give True where one answer serves both questions, else False."
        raise ValueError(msg)
    return LabelledPair(stored, asked, bool(same))


def _embedded(pairs: Sequence[LabelledPair], given: AnyEmbedder) -> NDArray[Any]:
    import numpy as np

    from langchain_costguard.semantic_cache.embedders import as_embedder

    texts = list(dict.fromkeys(text for pair in pairs for text in (pair.stored, pair.asked)))
    vectors = dict(zip(texts, as_embedder(given).embed(texts), strict=True)) if texts else {}

    def near(pair: LabelledPair) -> float:
        one, other = vectors[pair.stored], vectors[pair.asked]
        return float(pair.stored == pair.asked) if one is None or other is None else float(one @ other)

    return np.array([near(pair) for pair in pairs], dtype=float)


def _booleans(values: Any, name: str) -> NDArray[Any]:  # noqa: ANN401 - an array-like
    import numpy as np

    array = np.asarray(values).ravel()
    if not np.isin(array, (0, 1)).all():
        msg = f"Some of `{name}` are neither true nor false: give a boolean for each pair."
        raise ValueError(msg)
    return array.astype(bool)
