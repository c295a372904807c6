"""What a confidence is worth: the score of answers as a rising function of it, fitted to labelled rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def isotonic_steps(confidence: NDArray[Any], score: NDArray[Any]) -> tuple[list[float], list[float]]:
    """The rising steps that lie nearest to the scores: isotonic regression by pooling neighbours that fall.

    Returns:
        The lowest confidence of each step, rising, and the mean score from there on.
    """
    import numpy as np

    order = np.argsort(confidence, kind="stable")
    starts: list[float] = []
    means: list[float] = []
    weights: list[int] = []
    for at, value in zip(confidence[order].tolist(), score[order].tolist(), strict=True):
        start, mean, weight = at, value, 1
        while starts and (means[-1] >= mean or starts[-1] == start):
            mean = (mean * weight + means.pop() * weights[-1]) / (weight + weights[-1])
            weight += weights.pop()
            start = starts.pop()
        starts.append(start)
        means.append(mean)
        weights.append(weight)
    return starts, means


def step_value(confidence: ArrayLike, starts: list[float], means: list[float]) -> NDArray[Any]:
    """The mean score of the step on which each confidence lies; the lowest step's below all, NaN for NaN."""
    import numpy as np

    at = np.asarray(confidence, dtype=float)
    step = np.maximum(np.searchsorted(np.asarray(starts), at, side="right") - 1, 0)
    return np.where(np.isnan(at), np.nan, np.asarray(means)[step])
