"""The savings waterfall: from what the calls would have cost without any technique to what is owed, step by step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard._amounts import counted
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.reports.money import UNKNOWN, dollar_column, dollars
from langchain_costguard.reports.view import Table
from langchain_costguard.savings import Savings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from matplotlib.figure import Figure

    from langchain_costguard.ledger import LedgerTotals

COUNTERFACTUALS: Final[Mapping[str, str]] = {
    "model_choice": "the same tokens on the baseline model",
    "routing": "the same tokens on the model that would have been called without the router",
    "local_model": "the same tokens on the model that would have been called instead of one's own",
    "cascade": "one answer of the large model; rejected drafts and judges are subtracted",
    "exact_cache": "asking again for answers to the very same prompt",
    "semantic_cache": "asking for answers to questions of the same meaning",
    "compression": "the left-out input tokens at the price of the model that answered, less what compressing cost",
    "prompt_slimming": "the left-out input tokens at the price of the model that answered",
    "output_limit": "not known: nobody knows how long an answer would have been",
    "prompt_caching": "cached input at the full price, less the provider's fee for writing to its cache",
    "batch": "the same calls at once instead of in a batch",
}
"""What each step is compared with, in words."""


class SavingsStep(NamedTuple):
    """What one technique saved."""

    technique: str
    """Its name, one of `Savings._fields`, or one of the user's own."""
    saved_cost: Decimal | None
    """In US dollars; below zero where it cost more than it saved; `None` where nothing of it is known."""
    counterfactual: str
    """What its calls are compared with."""
    unmeasured_calls: int = 0
    """Calls that name the technique and whose saving is not known, and so not counted."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-safe values: money as a decimal string."""
        return {**self._asdict(), "saved_cost": None if self.saved_cost is None else f"{self.saved_cost:f}"}


class SavingsWaterfall:
    """What each technique saved, from the cost without any of them down to what is owed.

    `baseline_cost` less the known steps is exactly `billed_cost`. What could not be priced is in none of them:
    `unpriced_calls` and each step's `unmeasured_calls` say how many calls that is.

    Example:
        >>> from langchain_costguard import track_costs
        >>> with track_costs() as costs:
        ...     pass
        >>> print(costs.report().savings())
        Baseline $0.00, billed $0.00: no technique had a part in these calls.
    """

    def __init__(self, total: LedgerTotals, by_technique: Sequence[LedgerTotals]) -> None:
        """Read sums.

        Args:
            total: over all calls.
            by_technique: the same by the technique that the calls name.
        """
        self._total = total
        self.steps: tuple[SavingsStep, ...] = _steps(total, by_technique)
        """The steps that something is known of, or that calls name, in the order of `Savings`."""

    @property
    def billed_cost(self) -> Decimal | None:
        """What is owed, in US dollars; `None` if there are calls and none of them is priced."""
        return self._total.billed_cost

    @property
    def baseline_cost(self) -> Decimal | None:
        """What the priced calls would have cost without any technique, in US dollars."""
        if self.billed_cost is None:
            return None
        return to_usd(self._total.billed_nano + self._total.savings.total, NANO_PER_USD)

    @property
    def saved_cost(self) -> Decimal:
        """All known steps together, in US dollars; below zero where the techniques cost more than they saved."""
        return to_usd(self._total.savings.total, NANO_PER_USD)

    @property
    def saved_share(self) -> float | None:
        """The saving as a share of `baseline_cost`; `None` where that is zero or not known."""
        baseline = self.baseline_cost
        return float(self.saved_cost / baseline) if baseline else None

    @property
    def unpriced_calls(self) -> int:
        """Calls whose cost is not known, and which are in none of the figures."""
        return self._total.unpriced_calls

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values: money as decimal strings, `None` where it is unknown."""
        baseline, billed = self.baseline_cost, self.billed_cost
        return {
            "baseline_cost": None if baseline is None else f"{baseline:f}",
            "billed_cost": None if billed is None else f"{billed:f}",
            "saved_cost": f"{self.saved_cost:f}",
            "saved_share": self.saved_share,
            "unpriced_calls": self.unpriced_calls,
            "steps": [step.to_dict() for step in self.steps],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def figure(self) -> Figure:
        """The waterfall as a figure of matplotlib.

        Raises:
            OptionalDependencyError: matplotlib is not installed.
        """
        from langchain_costguard.reports.waterfall import draw_waterfall

        return draw_waterfall(self)

    @property
    def table(self) -> Table:
        """The waterfall as a table: baseline, steps, billed."""
        known = [step.saved_cost for step in self.steps]
        amounts = [self.baseline_cost, *(None if saved is None else -saved for saved in known), self.billed_cost]
        cells = dollar_column(amounts)
        names = ["Without any technique", *(step.technique.replace("_", " ") for step in self.steps), "Billed"]
        remarks = ["", *map(_remark, self.steps), "" if not self.unpriced_calls else _unpriced(self.unpriced_calls)]
        return Table("Savings", ("Step", "Cost", "Compared with"), tuple(zip(names, cells, remarks, strict=True)))

    @property
    def tables(self) -> tuple[Table, ...]:
        """The table, where any technique had a part."""
        return (self.table,) if self.steps else ()

    def __str__(self) -> str:
        """The waterfall as plain text."""
        from langchain_costguard.reports.text import table_as_text

        if not self.steps:
            return (
                f"Baseline {dollars(self.baseline_cost)}, billed {dollars(self.billed_cost)}: "
                "no technique had a part in these calls."
            )
        return table_as_text(self.table)

    def __repr__(self) -> str:
        """The sums in one line."""
        saved = None if self.baseline_cost is None else self.saved_cost
        return (
            f"SavingsWaterfall({dollars(self.baseline_cost)} - {dollars(saved)} "
            f"= {dollars(self.billed_cost)}, {counted(len(self.steps), 'step')})"
        )

    def _repr_html_(self) -> str:
        """The waterfall for a notebook: a figure where matplotlib is installed, and the table."""
        from langchain_costguard.reports.figures import png_where_possible
        from langchain_costguard.reports.html import figure_as_html, table_as_html

        png = png_where_possible(self.figure) if self.steps else None
        return figure_as_html(png, "The savings as a waterfall") + table_as_html(self.table)


def _steps(total: LedgerTotals, by_technique: Sequence[LedgerTotals]) -> tuple[SavingsStep, ...]:
    unmeasured = {str(row.group[0]): row.unmeasured_calls for row in by_technique if row.group[0] is not None}
    nameless = sum(row.unmeasured_calls for row in by_technique if row.group[0] is None)
    if nameless:
        unmeasured["batch or cache"] = nameless
    savings = total.savings._asdict()
    found = []
    for technique in (*Savings._fields, *sorted(unmeasured.keys() - set(Savings._fields))):
        saved, missing = savings.get(technique, 0), unmeasured.get(technique, 0)
        if saved or missing:
            cost = to_usd(saved, NANO_PER_USD) if saved else None
            found.append(SavingsStep(technique, cost, COUNTERFACTUALS.get(technique, UNKNOWN), missing))
    return tuple(found)


def _remark(step: SavingsStep) -> str:
    if not step.unmeasured_calls or step.counterfactual.startswith("not known"):
        return step.counterfactual
    return f"{step.counterfactual}; not known for {counted(step.unmeasured_calls, 'call')}"


def _unpriced(calls: int) -> str:
    return f"without {counted(calls, 'unpriced call')}"
