"""Advice: the findings ranked, what they save together, and what the ledger could not say."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._amounts import counted
from langchain_costguard.reports.money import dollars, plain
from langchain_costguard.reports.view import Table

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from matplotlib.figure import Figure

    from langchain_costguard.advisor.calls import Counted
    from langchain_costguard.advisor.findings import Finding, SavingRange

_HEADERS: Final = ("What to do", "Calls", "At least", "Expected", "At most", "For")
_NO_FINDING: Final = "Nothing was found that would save 1 % of the bill or more."


@dataclass(frozen=True, eq=False, kw_only=True)
class Advice:
    """What to do first, and what it is worth.

    Amounts are US dollars over the observed time; `monthly` ones are for an average month at the same load. Each
    finding's saving is what it would have saved alone; never add them up: `combined` is what they save together.
    """

    findings: tuple[Finding, ...]
    """The largest expected saving first; of equal ones the one that could be larger."""
    combined: SavingRange
    """What all findings with `is_combined` would have saved together, every call counted once."""
    combined_monthly: SavingRange | None
    """The same for an average month; `None` where less than a day was observed."""
    billed_cost: Decimal
    """What is owed for all priced lines."""
    realised_cost: Decimal
    """What techniques in use have saved already; it is in no finding."""
    since: datetime | None
    """The beginning of the observed time; `None` without any call."""
    until: datetime | None
    """Its end."""
    calls: int
    """The answered and priced chat calls that were looked at."""
    counted: Counted
    """How many lines there are, and why some are in no finding."""
    missing: tuple[str, ...]
    """What the ledger lacks, each with what mends it."""
    notes: tuple[str, ...]
    """What was seen and could not be sized."""

    @property
    def best(self) -> Finding | None:
        """What to do first; `None` where nothing was found."""
        return self.findings[0] if self.findings else None

    @property
    def table(self) -> Table:
        """The findings as a table."""
        rows = [(each.title, f"{each.calls:,}", *_range(each.saving), plain(each.target)) for each in self.findings]
        if sum(each.is_combined for each in self.findings) > 1:
            rows.append(("All together", "", *_range(self.combined), "each call counted once"))
        return Table(self._caption, _HEADERS, tuple(rows))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values; money as decimal strings."""
        return {
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "calls": self.calls,
            "billed_cost": f"{self.billed_cost:f}",
            "realised_cost": f"{self.realised_cost:f}",
            "combined": self.combined.to_dict(),
            "combined_monthly": None if self.combined_monthly is None else self.combined_monthly.to_dict(),
            "findings": [each.to_dict() for each in self.findings],
            "lines": {name: value for name, value in asdict(self.counted).items() if not name.endswith("_nano")},
            "missing": list(self.missing),
            "notes": list(self.notes),
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def to_html(self) -> str:
        """The advice as a whole page: one file that asks no network for anything."""
        from langchain_costguard.reports.html import page_of

        return page_of("What to do first", (self._repr_html_(),))

    def figure(self) -> Figure:
        """The findings as bars from the least to the most that they save, the expected marked.

        Raises:
            OptionalDependencyError: matplotlib is not installed.
        """
        from langchain_costguard.advisor.drawing import draw_advice

        return draw_advice(self)

    def __str__(self) -> str:
        """The advice as plain text."""
        from langchain_costguard.reports.text import captioned_as_text

        if not self.findings:
            return "\n".join([self._caption, "", _NO_FINDING, *self._remarks])
        paragraphs = [line for number, each in enumerate(self.findings, 1) for line in _lines(number, each)]
        return captioned_as_text(self.table, [*paragraphs, *self._remarks])

    def __repr__(self) -> str:
        """The sums in one line."""
        return f"Advice({counted(len(self.findings), 'finding')}, {dollars(_cents(self.combined.expected))} expected)"

    def _repr_html_(self) -> str:
        """The advice for a notebook: a figure where matplotlib is installed, the table, and each finding."""
        from langchain_costguard.reports.figures import png_where_possible
        from langchain_costguard.reports.html import figure_as_html, table_as_html

        drawn = figure_as_html(png_where_possible(self.figure), "Savings as ranges") if self.findings else ""
        told = "".join(map(_html, self.findings))
        return (
            drawn + table_as_html(self.table, self._remarks if self.findings else [_NO_FINDING, *self._remarks]) + told
        )

    @property
    def _caption(self) -> str:
        if self.since is None or self.until is None:
            return "What to do first"
        days = f"{self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"
        return f"What to do first: {counted(self.calls, 'call')}, {dollars(_cents(self.billed_cost))}, {days}"

    @property
    def _remarks(self) -> list[str]:
        remarks = []
        if self.combined_monthly is not None and self.findings:
            low, expected, high = _range(self.combined_monthly)
            remarks.append(f"All together in an average month: {expected} ({low} to {high}).")
        if self.realised_cost:
            remarks.append(f"Techniques in use saved {dollars(_cents(self.realised_cost))} already: not counted again.")
        return [*remarks, *(f"Missing: {one}" for one in self.missing), *map(plain, self.notes)]


def _range(saving: SavingRange) -> tuple[str, str, str]:
    low, expected, high = (dollars(_cents(amount)) for amount in saving)
    return low, expected, high


def _cents(amount: Decimal) -> Decimal:
    """Rounded for people to cents; smaller amounts to three digits."""
    from decimal import ROUND_HALF_EVEN, Decimal

    if not amount:
        return amount
    places = 2 if abs(amount) >= 1 else max(2, 2 - amount.adjusted())
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def _lines(number: int, finding: Finding) -> list[str]:
    return [
        f"{number}. {plain(finding.title)}: {plain(finding.target)}",
        f"   Why: {plain(finding.evidence)}.",
        f"   Quality: {finding.quality}",
        f"   Measure: {finding.measure}",
        f"   Do: {plain(finding.code)}",
    ]


def _html(finding: Finding) -> str:
    said = (("Why", f"{finding.evidence}."), ("Quality", finding.quality), ("Measure", finding.measure))
    words = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in said)
    head = f"<summary>{escape(finding.title)}: {escape(finding.target)}</summary>"
    return f"<details>{head}<dl>{words}<dt>Do</dt><dd><code>{escape(finding.code)}</code></dd></dl></details>"
