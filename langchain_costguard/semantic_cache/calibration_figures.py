"""How a cache's calibration is drawn: how often its answers are right, against how often it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard._optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from langchain_costguard.semantic_cache.calibration_report import CacheCalibration

_LINE: Final = "#3b82c4"
_CHOSEN: Final = "#d9822b"
_INK: Final = "#7a7a7a"
_SIZE_INCHES: Final = (6.4, 3.4)
_DOTS_PER_INCH: Final = 130


def draw_hit_curve(report: CacheCalibration) -> Figure:
    """Precision over hit ratio for every threshold, with the chosen one.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    figure: Figure = require("matplotlib.figure", extra="notebook", purpose="Drawing a calibration").Figure(
        figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained"
    )
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.plot(100 * report.curve.hit_ratio, 100 * report.curve.precision, color=_LINE, label="every threshold")
    axes.plot(
        [100 * report.served / report.pairs],
        [100 * (1 - report.wrong / max(report.served, 1))],
        "o",
        color=_CHOSEN,
        label=f"threshold {report.threshold:.3f}",
    )
    axes.set_xlabel("Pairs served (%)", color=_INK)
    axes.set_ylabel("Right among served (%)", color=_INK)
    axes.tick_params(colors=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    axes.legend(frameon=False, labelcolor=_INK, fontsize=8)
    return figure
