"""How advice is drawn: one bar per finding, from what is sure over what is expected to what is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard._optional import require
from langchain_costguard.reports.figures import BAR, INK, on_quiet_axes
from langchain_costguard.reports.money import plain, short_dollars

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from langchain_costguard.advisor.advice import Advice

_INCHES_PER_BAR: Final = 0.42
_WIDTH_INCHES: Final = 9.0
_MARGIN_INCHES: Final = 0.8
_DOTS_PER_INCH: Final = 130


def draw_advice(advice: Advice) -> Figure:
    """Bars to the expected saving, with a line from the least to the most.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    rows = [(plain(f"{each.title} ({each.target})"), each.saving) for each in advice.findings]
    rows.append(("All together", advice.combined))
    figure: Figure = require("matplotlib.figure", extra="notebook", purpose="Drawing advice").Figure(
        figsize=(_WIDTH_INCHES, _MARGIN_INCHES + _INCHES_PER_BAR * len(rows)), dpi=_DOTS_PER_INCH, layout="constrained"
    )
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    expected = [float(saving.expected) for _, saving in rows]
    below = [float(saving.expected - saving.low) for _, saving in rows]
    above = [float(saving.high - saving.expected) for _, saving in rows]
    axes.barh(range(len(rows)), expected, xerr=(below, above), color=BAR, ecolor=INK, capsize=3, height=0.6)
    for at, (_, saving) in enumerate(rows):
        label = axes.text(float(saving.high), at, f"  {short_dollars(saving.expected)}", color=INK, va="center", size=8)
        label.set_parse_math(False)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], parse_math=False)
    axes.set_xticks([])
    axes.margins(x=0.15)
    axes.invert_yaxis()
    on_quiet_axes(axes)
    return figure
