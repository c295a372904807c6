"""How a calibration is drawn: what each threshold saves, against the quality it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard._optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from langchain_costguard.cascade.report import CalibrationReport

_LINE: Final = "#3b82c4"
_CHOSEN: Final = "#d9822b"
_INK: Final = "#7a7a7a"
_SIZE_INCHES: Final = (6.4, 3.4)
_DOTS_PER_INCH: Final = 130


def draw_calibration(report: CalibrationReport) -> Figure:
    """Quality over cost cut for every threshold, with the chosen one, mixing at random, and where savings begin.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    figure: Figure = require("matplotlib.figure", extra="notebook", purpose="Drawing a calibration").Figure(
        figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained"
    )
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    cut, quality = 100 * report.curve.cut, 100 * report.curve.quality
    axes.plot(cut, quality, color=_LINE, linewidth=1.8, label="every threshold")
    axes.plot(cut[[0, -1]], quality[[0, -1]], color=_INK, linewidth=1, linestyle=":", label="escalating at random")
    axes.plot(
        [100 * report.expected_cut], [100 * report.quality], "o", color=_CHOSEN, markersize=7, label="this threshold"
    )
    low, high = report.expected_cut_interval
    axes.hlines([100 * report.quality], [100 * low], [100 * high], color=_CHOSEN, linewidth=1.5)
    axes.axvline(0, color=_INK, linewidth=1, linestyle="--", label="break-even")
    axes.set_xlabel("Cost saved (% of always full)", color=_INK)
    axes.set_ylabel("Quality (% of full)", color=_INK)
    axes.tick_params(colors=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_INK)
    axes.legend(frameon=False, labelcolor=_INK, fontsize=8)
    return figure
