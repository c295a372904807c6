"""How a savings waterfall is drawn: one bar from the baseline down, step by step, to what is owed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from langchain_costguard._optional import require
from langchain_costguard.reports.figures import BAR, INK, on_quiet_axes
from langchain_costguard.reports.money import short_dollars

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from langchain_costguard.reports.savings import SavingsWaterfall

_SAVED: Final = "#3f9c6d"
_LOST: Final = "#c4553b"
_INCHES_PER_BAR: Final = 0.34
_WIDTH_INCHES: Final = 9.0
_MARGIN_INCHES: Final = 0.8
_DOTS_PER_INCH: Final = 130


def draw_waterfall(waterfall: SavingsWaterfall) -> Figure:
    """The baseline, each known step from where the one before ended, and what is owed.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    bars = _bars(waterfall)
    figure: Figure = require("matplotlib.figure", extra="notebook", purpose="Drawing savings").Figure(
        figsize=(_WIDTH_INCHES, _MARGIN_INCHES + _INCHES_PER_BAR * len(bars)), dpi=_DOTS_PER_INCH, layout="constrained"
    )
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    positions = range(len(bars))
    drawn = axes.barh(
        positions,
        [float(end - start) for _, start, end, _ in bars],
        left=[float(start) for _, start, _, _ in bars],
        color=[colour for _, _, _, colour in bars],
        height=0.7,
    )
    labels = [_label(start, end, is_step=0 < at < len(bars) - 1) for at, (_, start, end, _) in enumerate(bars)]
    for text in axes.bar_label(drawn, labels, padding=3, color=INK, fontsize=8):
        text.set_parse_math(False)
    axes.set_yticks(positions, [name for name, _, _, _ in bars], parse_math=False)
    axes.set_xticks([])
    axes.margins(x=0.15)
    axes.invert_yaxis()
    on_quiet_axes(axes)
    return figure


def _bars(waterfall: SavingsWaterfall) -> list[tuple[str, Decimal, Decimal, str]]:
    """Each bar's name, its two ends in US dollars, and its colour."""
    zero, at = Decimal(0), waterfall.baseline_cost or Decimal(0)
    bars = [("without any technique", zero, at, INK)]
    for step in waterfall.steps:
        if step.saved_cost is None:
            continue
        colour = _SAVED if step.saved_cost > 0 else _LOST
        bars.append((step.technique.replace("_", " "), at - step.saved_cost, at, colour))
        at -= step.saved_cost
    return [*bars, ("billed", zero, at, BAR)]


def _label(start: Decimal, end: Decimal, *, is_step: bool) -> str:
    amount = short_dollars(abs(end - start))
    if not is_step:
        return amount
    return f"-{amount}" if end > start else f"+{amount}"
