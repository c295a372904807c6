"""What a calibration of a cache found: the threshold, what it serves, what it promises, and every other threshold."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from langchain_costguard.semantic_cache.pairs import ScoredPairs

FORMAT_VERSION: Final = 1
_LARGEST_THRESHOLD: Final = 2.0
"""Beyond every similarity: a threshold above 1 serves nothing, which is meant where no pair may be served."""


@dataclass(frozen=True, eq=False)
class HitCurve:
    """One point for each threshold, from one that serves nothing down to one that serves all the guards let through.

    Attributes:
        threshold: floats, falling; the first is above 1.
        served: how many pairs would be served.
        wrong: how many of these are different questions.
        same: how many pairs are the same question.
        pairs: how many pairs there are.
    """

    threshold: NDArray[Any]
    served: NDArray[Any]
    wrong: NDArray[Any]
    same: int
    pairs: int

    def __len__(self) -> int:
        """The number of points."""
        return len(self.threshold)

    @property
    def hit_ratio(self) -> NDArray[Any]:
        """The share of all pairs that would be served."""
        ratio: NDArray[Any] = self.served / self.pairs
        return ratio

    @property
    def precision(self) -> NDArray[Any]:
        """The share of right answers among those served; 1 where none is."""
        import numpy as np

        share: NDArray[Any] = 1 - self.wrong / np.maximum(self.served, 1)
        return share

    @property
    def area(self) -> float:
        """The area under precision over hit ratio (P-CHR AUC): the mean precision over all hit ratios reached."""
        import numpy as np

        ratio = self.hit_ratio
        return float(np.trapezoid(self.precision, ratio) / ratio[-1]) if ratio[-1] else float("nan")


def hit_curve(scored: ScoredPairs) -> HitCurve:
    """The curve of scored pairs; pairs of equal similarity are served together."""
    import numpy as np

    open_pairs = ~scored.vetoed
    order = np.argsort(-scored.similarity[open_pairs], kind="stable")
    near, wrong = scored.similarity[open_pairs][order], ~scored.same[open_pairs][order]
    ends = np.flatnonzero(np.append(near[1:] != near[:-1], True)) if len(near) else np.zeros(0, int)
    return HitCurve(
        threshold=np.concatenate(([np.nextafter(1.0, 2.0)], near[ends])),
        served=np.concatenate(([0], ends + 1)),
        wrong=np.concatenate(([0], np.cumsum(wrong)[ends])) if len(near) else np.zeros(1, int),
        same=int(scored.same.sum()),
        pairs=len(scored),
    )


@dataclass(frozen=True, eq=False)
class CacheCalibration:
    """A fitted threshold and what is known of it.

    Attributes:
        threshold: the least similarity of a hit, from 0 to 1.
        max_false_hit: the share of false hits that was accepted.
        confidence: how sure the bound is.
        of: out of what they are counted: `different` questions, or `served` answers.
        pairs: how many labelled pairs it was fitted to.
        same: how many of them are the same question.
        different: how many are different ones.
        served: how many of all pairs are served.
        wrong: how many of those are different questions.
        upper_bound: the exact upper limit of the share of false hits, at the confidence.
        guards: the guards that were asked; `None` when the vetoes were given.
        curve: every other threshold.
    """

    threshold: float
    max_false_hit: float
    confidence: float
    of: str
    pairs: int
    same: int
    different: int
    served: int
    wrong: int
    upper_bound: float
    guards: tuple[str, ...] | None
    curve: HitCurve

    @property
    def hit_rate(self) -> float:
        """The share of the pairs that are the same question which is served."""
        return (self.served - self.wrong) / self.same

    @property
    def false_hit_rate(self) -> float:
        """The share of false hits among the pairs, counted as `of` says."""
        return self.wrong / (self.different if self.of == "different" else max(self.served, 1))

    @property
    def guarantee(self) -> str:
        """The bound in words."""
        counted = (
            "questions that differ from the stored one and are served its answer"
            if self.of == "different"
            else "wrong answers among those served"
        )
        return (
            f"With a confidence of {self.confidence:.0%}, {counted} are at most {self.max_false_hit:.1%}, "
            "for questions like those of the labelled pairs."
        )

    def figure(self) -> Figure:
        """Precision over hit ratio of every threshold (P-CHR), with the chosen one.

        Raises:
            OptionalDependencyError: matplotlib is not installed.
        """
        from langchain_costguard.semantic_cache.calibration_figures import draw_hit_curve

        return draw_hit_curve(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the report as JSON, to be read with `load`.

        Raises:
            OSError: the file cannot be written.
        """
        kept: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        kept["curve"] = {
            name: value.tolist() if hasattr(value, "tolist") else value for name, value in asdict(self.curve).items()
        }
        document = {"format": "langchain-costguard cache calibration", "version": FORMAT_VERSION, **kept}
        Path(path).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | PathLike[str]) -> CacheCalibration:
        """Read a report that `save` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds no report, or one of another version.
        """
        import numpy as np

        try:
            kept = json.loads(Path(path).read_text(encoding="utf-8"))
            if kept["version"] == FORMAT_VERSION:
                kept["curve"] = HitCurve(
                    threshold=np.array(kept["curve"]["threshold"]),
                    served=np.array(kept["curve"]["served"]),
                    wrong=np.array(kept["curve"]["wrong"]),
                    same=kept["curve"]["same"],
                    pairs=kept["curve"]["pairs"],
                )
                kept |= _figures(kept)
                kept["guards"] = None if kept["guards"] is None else tuple(kept["guards"])
                return cls(**{field.name: kept[field.name] for field in fields(cls)})
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            msg = f"{path} holds no calibration ({type(error).__name__}: {error}): write one with `report.save(path)`."
            raise ValueError(msg) from error
        msg = (
            f"{path} has version {kept['version']}, this release reads {FORMAT_VERSION}: calibrate again and `save` it."
        )
        raise ValueError(msg)

    def __str__(self) -> str:
        """The findings in a few lines."""
        return "\n".join([*(f"{name:<12}{value}" for name, value in self._lines()), self.guarantee])

    def _repr_html_(self) -> str:
        """The findings as a table, for a notebook."""
        left = 'style="text-align: left"'
        lines = "".join(
            f"<tr><th {left}>{escape(name)}</th><td {left}>{escape(value)}</td></tr>" for name, value in self._lines()
        )
        return f"<div><table>{lines}</table><p>{escape(self.guarantee)}</p></div>"

    def _lines(self) -> list[tuple[str, str]]:
        counted = f"{self.different} different questions" if self.of == "different" else f"{self.served} served"
        return [
            ("Threshold", f"{self.threshold:.4f}, fitted to {self.pairs} labelled pairs"),
            ("Served", f"{self.hit_rate:.1%} of {self.same} repeated questions"),
            ("False hits", f"{self.wrong} of {counted}, at most {self.upper_bound:.1%} at this confidence"),
        ]


def _figures(kept: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a report that was read.

    Raises:
        ValueError: they are none that a calibration gives.
    """
    found = {name: float(kept[name]) for name in ("threshold", "max_false_hit", "confidence", "upper_bound")}
    counts = {name: int(kept[name]) for name in ("pairs", "same", "different", "served", "wrong")}
    if not 0 <= found["threshold"] <= _LARGEST_THRESHOLD or counts["same"] < 1:
        msg = "the threshold is no similarity, or no pair is the same question"
        raise ValueError(msg)
    return found | counts
