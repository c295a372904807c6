"""How near sentences are to a question in meaning, by any embedding model, and what that adds to their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_EMBEDDED: Final = 256
"""So many of the most promising sentences are embedded; those behind them keep their places."""
WEIGHT: Final = 1.0
"""How much one standard deviation of similarity adds to the log-probability of a sentence."""


def worth_embedding(scores: Sequence[float]) -> list[int]:
    """The sentences to embed, the most promising ones, in their order."""
    best = sorted(range(len(scores)), key=lambda at: (-scores[at], at))
    return sorted(best[:MOST_EMBEDDED])


def with_similarity(
    scores: Sequence[float], embedded: Sequence[int], vectors: Sequence[Sequence[float]], asked: Sequence[float]
) -> list[float]:
    """The scores with what meaning adds to them.

    Args:
        scores: of all sentences.
        embedded: which were embedded.
        vectors: their vectors.
        asked: the vector of the question.

    Raises:
        ValueError: the embedding model gave another number of vectors than it was given texts.
    """
    import numpy as np

    if len(vectors) != len(embedded):
        msg = f"the embedder gave {len(vectors)} vectors for {len(embedded)} sentences: give another embedder="
        raise ValueError(msg)
    matrix, question = np.asarray(vectors, dtype=np.float64), np.asarray(asked, dtype=np.float64)
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(question)
    cosines = matrix @ question / np.where(lengths > 0, lengths, 1.0)
    added = WEIGHT * (cosines - cosines.mean()) / (cosines.std() or 1.0)
    changed = list(scores)
    for at, more in zip(embedded, added.tolist(), strict=True):
        changed[at] += more
    return changed
