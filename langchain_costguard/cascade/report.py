"""What a calibration found: the threshold, what it saves and promises, and how to keep and check it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from html import escape
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._bounds import same_share_p_value
from langchain_costguard.cascade.curve import Curve, curve_of
from langchain_costguard.cascade.drift import DriftReport
from langchain_costguard.cascade.isotonic import step_value
from langchain_costguard.cascade.labels import check_rows_given, checked_labels
from langchain_costguard.cascade.targets import AnyTarget, target_as_dict, target_from_dict

if TYPE_CHECKING:
    from os import PathLike

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

FORMAT_VERSION: Final = 1
_DRIFT_RISK: Final = 0.05


@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """A fitted threshold and what is known of it.

    Attributes:
        threshold: answers of at least this confidence are kept.
        target: what was asked for.
        guarantee: what is promised, in words.
        expected_cut: the share of the full model's cost that is saved; a signal's own calls are paid for.
        expected_cut_interval: the 95 % interval of that share, for this threshold in the long run.
        quality: the mean score of the cascade on the labelled rows, as a share of the full model's.
        escalated: the share of the labelled rows that is escalated.
        break_even: the share of answers of average cost that could be escalated before the cascade costs as much as the
            full model.
        curve: every other threshold.
        rows: how many labelled rows it was fitted to.
    """

    threshold: float
    target: AnyTarget
    guarantee: str
    expected_cut: float
    expected_cut_interval: tuple[float, float]
    quality: float
    escalated: float
    break_even: float
    curve: Curve
    rows: int
    _steps: tuple[list[float], list[float]]

    def escalates(self, confidence: ArrayLike) -> NDArray[Any]:
        """Whether answers of such confidence are to be escalated.

        Args:
            confidence: one number or an array of them.

        Returns:
            Booleans of the same shape: true below the threshold, and for NaN and plus infinity, which say nothing.
        """
        import numpy as np

        at = np.asarray(confidence, dtype=float)
        escalated: NDArray[Any] = np.asarray(~(at >= self.threshold) | np.isposinf(at))
        return escalated

    def chance_right(self, confidence: ArrayLike) -> NDArray[Any]:
        """How right the mini model is at such confidence: its mean score, by isotonic regression on the labelled rows.

        Args:
            confidence: one number or an array of them.

        Returns:
            Numbers from 0 to 1 of the same shape, rising with the confidence; NaN for NaN.
        """
        return step_value(confidence, *self._steps)

    def drift(
        self,
        confidence: ArrayLike,
        mini_correct: ArrayLike,
        full_correct: ArrayLike,
        *,
        risk: float = _DRIFT_RISK,
    ) -> DriftReport:
        """Check the promise, and whether questions still look alike, against newly labelled rows.

        Args:
            confidence: of the mini model's answers, as for `calibrate`.
            mini_correct: how right these are, from 0 to 1.
            full_correct: how right the full model's answers are, from 0 to 1.
            risk: the probability of a false alarm that is accepted.

        Raises:
            ValueError: the rows are not such as `calibrate` takes.
        """
        import numpy as np

        labels = checked_labels(confidence, mini_correct, full_correct)
        check_rows_given(labels)
        kept = ~self.escalates(labels.confidence)
        one = np.ones(len(labels))
        now = curve_of(replace(labels, confidence=kept.astype(float)), tried_cost=one, full_cost=one)
        point = int(kept.any())
        escalated = int((~kept).sum())
        return DriftReport(
            rows=len(labels),
            quality=float(now.quality[point]),
            quality_then=self.quality,
            escalated=escalated / len(labels),
            escalated_then=self.escalated,
            broken_p_value=self.target.broken_p_value(now, point),
            shifted_p_value=same_share_p_value(round(self.escalated * self.rows), self.rows, escalated, len(labels)),
            risk=risk,
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the report as JSON, to be read with `load`.

        Raises:
            OSError: the file cannot be written.
        """
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        kept["target"] = target_as_dict(self.target)
        kept["curve"] = {field.name: _as_json(getattr(self.curve, field.name)) for field in fields(self.curve)}
        kept["threshold"] = _as_json(self.threshold)
        kept["_steps"] = [_as_json(side) for side in self._steps]
        document = {"format": "langchain-costguard calibration", "version": FORMAT_VERSION, **kept}
        Path(path).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> CalibrationReport:
        """Read a report that `save` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds no report, or one of another version.
        """
        import numpy as np

        try:
            kept = json.loads(Path(path).read_text(encoding="utf-8"))
            version = kept["version"]
            if version == FORMAT_VERSION:
                kept["target"] = target_from_dict(kept["target"])
                kept["curve"] = Curve(**{name: _from_json(value, np) for name, value in kept["curve"].items()})
                numbers = ("threshold", "expected_cut", "quality", "escalated", "break_even")
                kept |= {name: float(kept[name]) for name in numbers}
                kept |= {"rows": int(kept["rows"]), "guarantee": str(kept["guarantee"])}
                _check_threshold(kept["threshold"])
                low, high = kept["expected_cut_interval"]
                kept["expected_cut_interval"] = (float(low), float(high))
                kept["_steps"] = tuple([float(value) for value in side] for side in kept["_steps"])
                return cls(**{field.name: kept[field.name] for field in fields(cls)})
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            msg = f"{path} holds no calibration ({type(error).__name__}: {error}): write one with `report.save(path)`."
            raise ValueError(msg) from error
        msg = f"{path} has version {version}, this release reads {FORMAT_VERSION}: calibrate again and `save` it."
        raise ValueError(msg)

    def figure(self) -> Figure:
        """The quality of every threshold over what it saves, with the chosen one.

        Raises:
            OptionalDependencyError: matplotlib is not installed.
        """
        from langchain_costguard.cascade.figures import draw_calibration

        return draw_calibration(self)

    def __repr__(self) -> str:
        """What it is a calibration to, without the curve."""
        return f"CalibrationReport(threshold={self.threshold:.6g}, target={self.target!r}, rows={self.rows})"

    def __str__(self) -> str:
        """The findings in a few lines."""
        return "\n".join([*(f"{name:<17}{value}" for name, value in self._lines()), self.guarantee])

    def _repr_html_(self) -> str:
        """The findings as a table, for a notebook."""
        left = 'style="text-align: left"'
        lines = "".join(
            f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(value)}</td></tr>" for name, value in self._lines()
        )
        return f"<div><table>{lines}</table><p>{escape(self.guarantee)}</p></div>"

    def _lines(self) -> list[tuple[str, str]]:
        low, high = self.expected_cut_interval
        return [
            ("Threshold", f"{self.threshold:.6g}, fitted to {self.rows} labelled rows"),
            (
                "Expected cut",
                f"{self.expected_cut:.1%} of the full model's cost, 95 % interval {low:.1%} to {high:.1%}",
            ),
            ("Quality", f"{self.quality:.1%} of the full model's"),
            ("Escalated", f"{self.escalated:.1%} of answers; break-even at {self.break_even:.1%}"),
        ]


def _check_threshold(threshold: float) -> None:
    if isnan(threshold):
        msg = "the threshold is no number"
        raise ValueError(msg)


def _as_json(value: Any) -> Any:  # noqa: ANN401 - a number, an array or a list of numbers
    """Numbers as JSON has them; infinities, which it has not, as text that `float` reads."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    return str(value) if value in {float("inf"), float("-inf")} else value


def _from_json(value: Any, np: Any) -> Any:  # noqa: ANN401 - a number or an array, and numpy
    if not isinstance(value, list):
        return value
    whole = bool(value) and all(isinstance(each, int) for each in value)
    return np.array(value, dtype=int if whole else float)
