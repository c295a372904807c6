"""How a threshold is fitted to labelled rows: check them, draw the curve, choose the point, refuse what loses money."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.cascade.curve import curve_of
from langchain_costguard.cascade.isotonic import isotonic_steps
from langchain_costguard.cascade.labels import check_both_classes, check_rows_given, checked_cost, checked_labels
from langchain_costguard.cascade.report import CalibrationReport
from langchain_costguard.cascade.targets import RegretBound, check_rows, check_target
from langchain_costguard.exceptions import InfeasibleTargetError, LosingCascadeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from langchain_costguard.cascade.curve import Curve
    from langchain_costguard.cascade.targets import AnyTarget

_NORMAL_95: Final = 1.959964
DEFAULT_TARGET: Final = RegretBound(0.05, confidence=0.9)


def calibrate(
    confidence: ArrayLike,
    mini_correct: ArrayLike,
    full_correct: ArrayLike,
    *,
    mini_cost: ArrayLike,
    full_cost: ArrayLike,
    signal_cost: ArrayLike = 0,
    target: AnyTarget = DEFAULT_TARGET,
) -> CalibrationReport:
    """Find the threshold that saves most and meets a target, from questions that both models have answered.

    About 200 rows are enough. They must be like the questions to come, and must not have served to tune prompts or
    signals. Rows of equal confidence are never parted.

    Args:
        confidence: how sure the mini model's answers are, one number per row; larger is surer. Any scale will do. Minus
            infinity, the logarithm of no chance at all, is the least sure.
        mini_correct: whether the mini model's answers are right: booleans, or grades from 0 to 1.
        full_correct: whether the full model's answers are right, likewise. Where there are no gold labels, whether the
            answers agree for `mini_correct`, and all ones here.
        mini_cost: what the mini model's answer costs, in any unit: one number, or one per row.
        full_cost: what the full model's answer costs, in the same unit.
        signal_cost: what judging the mini model's answer costs, such as a verification call, in the same unit.
        target: what the cascade must keep to.

    Returns:
        The threshold and what is known of it.

    Raises:
        InfeasibleTargetError: no threshold that keeps an answer is known to meet the target, or there are too few rows.
        LosingCascadeError: the cascade would cost at least as much as the full model alone.
        ValueError: rows are unusable: their lengths differ, a confidence is NaN, a cost is negative or unknown, a label
            lies outside 0 to 1, or the mini model's are all the same.
        TypeError: the target is none.

    Example:
        ```python
        report = calibrate(confidence, mini_correct, full_correct, mini_cost=0.0001, full_cost=0.002)
        print(report)
        report.escalates([0.4, 0.99])
        ```
    """
    check_target(target)
    labels = checked_labels(confidence, mini_correct, full_correct)
    check_rows_given(labels)
    tried_cost = checked_cost(mini_cost, "mini_cost", len(labels)) + checked_cost(
        signal_cost, "signal_cost", len(labels)
    )
    full = checked_cost(full_cost, "full_cost", len(labels))
    break_even = _break_even(tried_cost, full)
    curve = curve_of(labels, tried_cost=tried_cost, full_cost=full)
    check_rows(target, curve)
    check_both_classes(labels)
    point = _chosen(curve, target, break_even)
    kept = labels.confidence >= curve.threshold[point]
    return CalibrationReport(
        threshold=float(curve.threshold[point]),
        target=target,
        guarantee=target.promise(curve, point),
        expected_cut=float(curve.cut[point]),
        expected_cut_interval=_cut_interval(tried_cost + full * ~kept, full),
        quality=float(curve.quality[point]),
        escalated=float(curve.escalated[point]),
        break_even=break_even,
        curve=curve,
        rows=len(labels),
        _steps=isotonic_steps(labels.confidence, labels.mini),
    )


def _break_even(tried_cost: NDArray[Any], full_cost: NDArray[Any]) -> float:
    """The share that could be escalated at no loss.

    Raises:
        LosingCascadeError: trying alone costs as much as the full model.
        ValueError: the full model costs nothing.
    """
    if not full_cost.any():
        msg = "The full model costs nothing, so that there is nothing to save: give its price as `full_cost`."
        raise ValueError(msg)
    share = 1 - float(tried_cost.sum() / full_cost.sum())
    if share <= 0:
        msg = (
            f"The mini model and its signal cost {1 - share:.1%} of what the full model costs, before anything is "
            "escalated: use the full model alone, a cheaper mini model, or a signal that makes no call (`signal_cost`)."
        )
        raise LosingCascadeError(msg, cut=share, break_even=share)
    return share


def _chosen(curve: Curve, target: AnyTarget, break_even: float) -> int:
    """The point of the curve that meets the target and saves.

    Raises:
        InfeasibleTargetError: only escalating everything meets it.
        LosingCascadeError: what meets it saves nothing.
    """
    point = target.choose(curve)
    if point == 0:
        msg = (
            f"No threshold is known to meet {target} on {curve.rows} labelled rows, except asking the full model "
            "always: ask for less (`target`), give more rows, or a better `confidence`."
        )
        raise InfeasibleTargetError(msg, rows=curve.rows)
    cut = float(curve.cut[point])
    if cut <= 0:
        msg = (
            f"Meeting {target} means escalating {curve.escalated[point]:.1%} of answers, and the cascade would cost "
            f"{1 - cut:.1%} of the full model alone: use that, a cheaper mini model or signal, or another `target`."
        )
        raise LosingCascadeError(msg, cut=cut, break_even=break_even)
    return point


def _cut_interval(cost: NDArray[Any], full_cost: NDArray[Any]) -> tuple[float, float]:
    """The 95 % interval of one less the ratio of two costs per row, by the delta method."""
    ratio = float(cost.sum() / full_cost.sum())
    scatter = float((cost - ratio * full_cost).std(ddof=1)) if len(cost) > 1 else 0.0
    margin = _NORMAL_95 * scatter / (sqrt(len(cost)) * float(full_cost.mean()))
    return 1 - ratio - margin, 1 - ratio + margin
