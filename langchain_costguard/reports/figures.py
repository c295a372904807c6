"""How the figures of a report are drawn: cost by day and by model, in colours that hold on light and dark pages."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._optional import require
from langchain_costguard.exceptions import OptionalDependencyError
from langchain_costguard.reports.money import plain, short_dollars
from langchain_costguard.reports.rows import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from langchain_costguard.reports.rows import ReportRow

BAR: Final = "#3b82c4"
INK: Final = "#7a7a7a"
"""Grey with a contrast of about 4.3 to white and to black alike."""
_SIZE_INCHES: Final = (9.0, 3.1)
_DOTS_PER_INCH: Final = 130
_SHOWN_MODELS: Final = 8
_FEWEST_BARS: Final = 4
_LABELLED_DAYS: Final = 6
_NAME_LENGTH: Final = 28
_LAST_COMMON_LETTER: Final = "\u024f"


def draw(days: Sequence[ReportRow], models: Sequence[ReportRow]) -> Figure:
    """A figure with two panels: bars by day, oldest first, and bars by model, dearest first.

    The bars are dollars, or tokens where no cost above zero is known. The figure belongs to no window and no global
    state of matplotlib.

    Raises:
        OptionalDependencyError: matplotlib is not installed.
    """
    figure: Figure = require("matplotlib.figure", extra="notebook", purpose="Drawing a report").Figure(
        figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, layout="constrained"
    )
    figure.patch.set_alpha(0)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    in_dollars = any(row.billed_cost for row in models)
    what = "Cost (USD)" if in_dollars else "Tokens"
    _draw_days(left, days, in_dollars=in_dollars)
    _draw_models(right, shortened(models, _SHOWN_MODELS, rest="other models"), in_dollars=in_dollars)
    for axes, title in ((left, f"{what} by day"), (right, f"{what} by model")):
        axes.set_title(title, color=INK, fontsize=10, loc="left")
        on_quiet_axes(axes)
    return figure


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG image on a transparent ground."""
    image = BytesIO()
    figure.savefig(image, format="png", transparent=True)
    return image.getvalue()


def png_where_possible(figure: Callable[[], Figure]) -> bytes | None:
    """A figure as PNG; `None` where matplotlib is not installed, because a page without a figure is still a page."""
    try:
        return png_of(figure())
    except OptionalDependencyError:
        return None


def _draw_days(axes: Axes, days: Sequence[ReportRow], *, in_dollars: bool) -> None:
    positions = [date.fromisoformat(str(row.group[0])).toordinal() for row in days]
    axes.bar(positions, [_height(row, in_dollars=in_dollars) for row in days], color=BAR, width=0.8)
    every = -(-len(days) // _LABELLED_DAYS) or 1
    shown = positions[::every]
    axes.set_xticks(shown, [f"{date.fromordinal(at):%d %b}" for at in shown])
    if positions:
        margin = max(1.0, 3 - (positions[-1] - positions[0]) / 2)
        axes.set_xlim(positions[0] - margin, positions[-1] + margin)
    axes.yaxis.set_major_locator(require("matplotlib.ticker", extra="notebook", purpose="Drawing").MaxNLocator(4))
    axes.yaxis.set_major_formatter(lambda value, _: _label(Decimal(str(value)), in_dollars=in_dollars))
    axes.set_ylim(bottom=0)


def _draw_models(axes: Axes, models: Sequence[ReportRow], *, in_dollars: bool) -> None:
    positions = range(len(models))
    heights = [_height(row, in_dollars=in_dollars) for row in models]
    bars = axes.barh(positions, heights, color=BAR, height=0.7)
    labels = [_bar_label(row, in_dollars=in_dollars) for row in models]
    for text in axes.bar_label(bars, labels, padding=3, color=INK, fontsize=8):
        text.set_parse_math(False)
    axes.set_yticks(positions, [_short(row.name) for row in models], parse_math=False)
    axes.set_xticks([])
    axes.margins(x=0.3)
    axes.set_ylim(max(len(models), _FEWEST_BARS) - 0.5, -0.5)


def on_quiet_axes(axes: Axes) -> None:
    """Leave of the axes what a reader needs."""
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)


def _height(row: ReportRow, *, in_dollars: bool) -> float:
    """The length of a bar; a float because paper has no exact places."""
    return float(row.billed_cost or 0) if in_dollars else float(row.total_tokens)


def _bar_label(row: ReportRow, *, in_dollars: bool) -> str:
    if not in_dollars:
        return f"{row.total_tokens:,}"
    if row.billed_cost is None:
        return row.cost
    return short_dollars(row.billed_cost) + (" + unpriced" if row.unpriced_calls else "")


def _label(value: Any, *, in_dollars: bool) -> str:  # noqa: ANN401 - matplotlib hands over what it likes
    return short_dollars(value).replace("$", r"\$") if in_dollars else f"{value:,.0f}"


def _short(name: str) -> str:
    """A name for an axis: not too long, and in letters that matplotlib's own font has."""
    text = plain(name)
    text = text if len(text) <= _NAME_LENGTH else f"{text[: _NAME_LENGTH - 3]}..."
    return "".join(letter if letter <= _LAST_COMMON_LETTER else ascii(letter)[1:-1] for letter in text)
