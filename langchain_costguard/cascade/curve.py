"""What every possible threshold would have done on the labelled rows: how much it cuts, loses and gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from langchain_costguard.cascade.labels import Labels

_ROUNDING_SEED = 20_241


@dataclass(frozen=True, eq=False)
class Curve:
    """One point for each number of answers that a threshold can keep, from none to all.

    Rows of equal confidence are kept or escalated together, so that there are at most as many points as different
    confidences, and one more. All arrays have the same length.

    Attributes:
        threshold: answers of at least this confidence are kept. Each lies midway between two confidences seen; the
            first is infinite and keeps none, the last is the lowest confidence seen.
        cut: the share of the full model's cost that is saved; below 0 where it costs more.
        quality: the mean score as a share of the full model's.
        escalated: the share of rows that is escalated.
        losses: rows kept where the full model is better, as whole rows.
        gains: rows kept where the mini model is better, as whole rows.
        regret: the mean score lost on rows kept where the full model is better, gains not counted.
        rows: how many rows there are.
        full_score: the mean score of the full model.
    """

    threshold: NDArray[Any]
    cut: NDArray[Any]
    quality: NDArray[Any]
    escalated: NDArray[Any]
    losses: NDArray[Any]
    gains: NDArray[Any]
    regret: NDArray[Any]
    rows: int
    full_score: float

    def __len__(self) -> int:
        """The number of points."""
        return len(self.threshold)

    @property
    def apgr(self) -> float:
        """The average share of the gap between the models that is closed, over all shares escalated.

        0.5 is what escalating at random gets, 1 closes the gap at once, and more than 1 is better than the full model;
        NaN where the models are equally good.
        """
        import numpy as np

        gap = self.quality[0] - self.quality[-1]
        if not gap:
            return float("nan")
        closed = (self.quality - self.quality[-1]) / gap
        return float(np.trapezoid(closed[::-1], self.escalated[::-1]))


def curve_of(labels: Labels, *, tried_cost: NDArray[Any], full_cost: NDArray[Any]) -> Curve:
    """The curve of labelled rows.

    Args:
        labels: the rows.
        tried_cost: what the mini model and its signal cost, for each row.
        full_cost: what the full model costs, for each row; not all of them 0.
    """
    import numpy as np

    order = np.argsort(-labels.confidence, kind="stable")
    confidence = labels.confidence[order]
    kept = np.concatenate(([0], np.flatnonzero(confidence[1:] != confidence[:-1]) + 1, [len(labels)]))

    def summed(values: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate(([0], np.cumsum(values[order])))[kept]

    behind = labels.full - labels.mini
    whole = _whole_rows(behind)
    full_sum, full_cost_sum = float(labels.full.sum()), float(full_cost.sum())
    return Curve(
        threshold=_thresholds(confidence, kept),
        cut=(summed(full_cost) - float(tried_cost.sum())) / full_cost_sum,
        quality=1 - summed(behind) / full_sum if full_sum else np.full(len(kept), np.nan),
        escalated=1 - kept / len(labels),
        losses=summed(whole > 0).astype(int),
        gains=summed(whole < 0).astype(int),
        regret=summed(np.maximum(behind, 0)) / len(labels),
        rows=len(labels),
        full_score=full_sum / len(labels),
    )


def _thresholds(confidence: NDArray[Any], kept: NDArray[Any]) -> NDArray[Any]:
    """Midway between the last confidence kept and the first escalated, or the former where no number lies between."""
    import numpy as np

    last, first = confidence[kept[1:-1] - 1], confidence[kept[1:-1]]
    middle = last / 2 + first / 2
    between = np.where((middle > first) & (middle < last), middle, last)
    return np.concatenate(([np.inf], between, confidence[-1:]))


def _whole_rows(behind: NDArray[Any]) -> NDArray[Any]:
    """Each row as a whole loss (1), a whole gain (-1) or neither (0).

    A grade becomes a whole row with a probability of its size, which keeps the mean and makes the exact bounds for
    whole rows hold; what is drawn is the same on every run.
    """
    import numpy as np

    if (np.abs(behind) % 1 == 0).all():
        return behind
    drawn = np.random.default_rng(_ROUNDING_SEED).random(len(behind))
    whole: NDArray[Any] = np.sign(behind) * (drawn < np.abs(behind))
    return whole
