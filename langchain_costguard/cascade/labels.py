"""What labelled rows must be before a cascade is calibrated on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Labels:
    """Questions that both models answered, one row each, as arrays of floats of one length.

    Attributes:
        confidence: of the mini model's answer; larger is surer; minus infinity is the least sure.
        mini: how right the mini model's answer is, from 0 to 1.
        full: how right the full model's answer is, from 0 to 1.
    """

    confidence: NDArray[Any]
    mini: NDArray[Any]
    full: NDArray[Any]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.confidence)


def checked_labels(confidence: ArrayLike, mini_correct: ArrayLike, full_correct: ArrayLike) -> Labels:
    """The three columns as arrays.

    Raises:
        ValueError: a column is not one-dimensional, lengths differ, a confidence is NaN or plus infinity, or a label
            lies outside 0 to 1.
    """
    import numpy as np

    labels = Labels(
        _column(confidence, "confidence"), _column(mini_correct, "mini_correct"), _column(full_correct, "full_correct")
    )
    if not len(labels.confidence) == len(labels.mini) == len(labels.full):
        msg = (
            f"There are {len(labels.confidence)} confidences, {len(labels.mini)} labels of the mini model and "
            f"{len(labels.full)} of the full model: give one of each for every row."
        )
        raise ValueError(msg)
    unusable = int((np.isnan(labels.confidence) | np.isposinf(labels.confidence)).sum())
    if unusable:
        msg = (
            f"{unusable} of {len(labels)} confidences are NaN or plus infinity: leave these rows out of `confidence`, "
            "`mini_correct` and `full_correct`, or give -inf where the answer is to be escalated first."
        )
        raise ValueError(msg)
    _check_scores(labels.mini, "mini_correct")
    _check_scores(labels.full, "full_correct")
    return labels


def check_rows_given(labels: Labels) -> None:
    """Refuse labels that have no row, or no right answer of the full model to measure by.

    Raises:
        ValueError: there are none.
    """
    if not len(labels):
        msg = "There are no labelled rows: give `confidence`, `mini_correct` and `full_correct` at least one."
        raise ValueError(msg)
    if not labels.full.any():
        msg = "The full model has no right answer in `full_correct`: check the labels, or take a better full model."
        raise ValueError(msg)


def check_both_classes(labels: Labels) -> None:
    """Refuse labels from which no threshold can be learned.

    Raises:
        ValueError: the mini model's answers are all equally right.
    """
    if (labels.mini == labels.mini[0]).all():
        what = "right" if labels.mini[0] == 1 else "wrong" if labels.mini[0] == 0 else "equally right"
        msg = (
            f"All {len(labels)} answers of the mini model are labelled {what}, so that there is no threshold to learn: "
            "give `mini_correct` rows of both kinds, or use one of the two models alone."
        )
        raise ValueError(msg)


def checked_cost(cost: ArrayLike, name: str, rows: int) -> NDArray[Any]:
    """A cost for every row, from one number or one per row.

    Raises:
        ValueError: a cost is negative, not finite or not known, or there are not as many as rows.
    """
    import numpy as np

    costs = _numbers(cost, name)
    if costs.ndim and costs.shape != (rows,):
        msg = f"`{name}` has the shape {costs.shape}: give one number, or one for each of the {rows} rows."
        raise ValueError(msg)
    if not (np.isfinite(costs) & (costs >= 0)).all():
        msg = f"A cost is negative, infinite or not known: give `{name}` as finite numbers from 0."
        raise ValueError(msg)
    return np.broadcast_to(costs, (rows,))


def _column(values: ArrayLike, name: str) -> NDArray[Any]:
    column = _numbers(values, name)
    if column.ndim != 1:
        msg = f"`{name}` has {column.ndim} dimensions: give one number per row."
        raise ValueError(msg)
    return column


def _numbers(values: ArrayLike, name: str) -> NDArray[Any]:
    import numpy as np

    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"`{name}` is not made of numbers ({error}): give one number per row."
        raise ValueError(msg) from error


def _check_scores(scores: NDArray[Any], name: str) -> None:
    if not ((scores >= 0) & (scores <= 1)).all():
        msg = f"`{name}` has values outside 0 to 1 or NaN: give True or False, or grades from 0 to 1."
        raise ValueError(msg)
