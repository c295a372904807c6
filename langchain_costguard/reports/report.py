"""What a ledger says: `CostReport`, which answers questions and draws itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_costguard._amounts import counted
from langchain_costguard.reports.answers import ReportAnswers
from langchain_costguard.reports.budgets import budget_dict, budget_table
from langchain_costguard.reports.rows import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike

    from matplotlib.figure import Figure
    from pandas import DataFrame
    from rich.console import RenderableType

    from langchain_costguard.budgets.status import BudgetStatus
    from langchain_costguard.ledger import GroupKey, LedgerQuery
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.reports.view import View
    from langchain_costguard.stores.base import LedgerStore


class CostReport(ReportAnswers):
    """What the calls of a ledger used and cost.

    Sums by day, model and provider are read once, together, when the report is made, and do not change afterwards.
    Answers that need more (`by` other keys, `at_model`, `unpriced`, `to_pandas`) read the store when they are asked.

    `print(report)` shows text, a notebook shows tables and figures. Costs are `Decimal` US dollars; a sum covers the
    calls whose price is known, `unpriced_calls` counts the others, and `None` means that nothing is known.

    Args:
        store: the ledger.
        query: which lines; its `limit` is not used.
        tz: the IANA time zone whose days are meant.
        prices: for `at_model` and for the age of the price list; `None` takes this package's own list.
        title: stands above the report.
        kept_in: the store that keeps the lines, where `store` is only this process's memory of them.
        budgets: how the budgets stand that are to be shown, as `statuses` gives them.

    Raises:
        ValueError: an unknown time zone.
        StoreError: the store cannot be read.

    Example:
        >>> from langchain_costguard.stores.memory import InMemoryStore
        >>> report = CostReport(InMemoryStore())
        >>> report.calls, report.total_cost
        (0, Decimal('0'))
    """

    def __init__(
        self,
        store: LedgerStore,
        *,
        query: LedgerQuery | None = None,
        tz: str = "UTC",
        prices: PriceBook | None = None,
        title: str = "Cost report",
        kept_in: LedgerStore | None = None,
        budgets: Iterable[BudgetStatus] = (),
    ) -> None:
        """Read the sums."""
        super().__init__(store, query=query, tz=tz, prices=prices, kept_in=kept_in, budgets=budgets)
        self._title = title

    def to_dict(self) -> dict[str, Any]:
        """Everything the report shows as JSON-safe values: money as decimal strings, `None` where it is unknown."""
        from langchain_costguard.reports.view import scope_of, where_kept

        return {
            "title": self._title,
            "query": scope_of(self._query),
            "time_zone": self._tz,
            "kept_in": where_kept(self._keeper),
            "total_cost": as_text(self.total_cost),
            "is_complete": self.is_complete,
            "unreachable_calls": self.unreachable_calls,
            "totals": self._total.to_dict(),
            "by_day": [row.to_dict() for row in self.by_day()],
            "by_model": [row.to_dict() for row in self.by_model()],
            "unpriced": [reason._asdict() for reason in self.unpriced()],
            "price_lists": [used._asdict() for used in self.price_lists()],
            "price_list": self._list_in_use,
            "savings": self.savings().to_dict(),
            "budgets": [budget_dict(each, now=self._made_at) for each in self._budgets],
            "notes": [note.text for note in self.notes()],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def to_pandas(self) -> DataFrame:
        """One row per call that is still kept line by line, oldest first.

        Money columns hold `Decimal`, so that sums stay exact, and `None` where it is unknown; token columns are
        nullable integers; `started_at_utc` knows its time zone.

        Raises:
            OptionalDependencyError: pandas is not installed.
            StoreError: the store cannot be read.
        """
        from langchain_costguard.reports.frame import frame_of

        return frame_of(self._store.entries(self._query))

    def figure(self) -> Figure:
        """Bars by day and by model, as a figure of matplotlib.

        Raises:
            OptionalDependencyError: matplotlib is not installed.
        """
        from langchain_costguard.reports.figures import draw

        return draw(self.by_day(), self.by_model())

    def text(self, width: int | None = None) -> str:
        """The report as plain text.

        Args:
            width: characters per line; `None` takes the terminal's, or 100 where there is none.
        """
        from langchain_costguard.reports import text

        return text.as_text(self._view, width=width)

    def __str__(self) -> str:
        """The report as plain text."""
        return self.text()

    def __repr__(self) -> str:
        """The sums in one line."""
        return f"CostReport({self._total.cost}, {counted(self.calls, 'call')}, {counted(self.total_tokens, 'token')})"

    def __rich__(self) -> RenderableType:
        """The report for `rich.print`."""
        from langchain_costguard.reports.text import layout

        return layout(self._view)

    def _repr_html_(self) -> str:
        """The report for a notebook: tables, and figures where matplotlib is installed."""
        from langchain_costguard.reports.figures import png_where_possible
        from langchain_costguard.reports.html import as_html

        return as_html(self._view, figure_png=png_where_possible(self.figure) if self.calls else None)

    def to_html(self, *, by: Sequence[GroupKey] = ()) -> str:
        """The report as one whole page that needs no network: tables, figures, and the savings.

        Args:
            by: the keys of a further table.

        Raises:
            ValueError: an unknown key.
            StoreError: the store cannot be read.
        """
        from langchain_costguard.reports.html import page_of

        return page_of(self._title, (self._repr_html_(), *([self.by(*by)._repr_html_()] if by else [])))

    def save_html(self, path: str | PathLike[str], *, by: Sequence[GroupKey] = ()) -> Path:
        """Write `to_html` to a file.

        Args:
            path: the file; one that is there is written over.
            by: the keys of a further table.

        Returns:
            The file.

        Raises:
            OSError: it cannot be written.
            ValueError: an unknown key.
            StoreError: the store cannot be read.
        """
        file = Path(path)
        file.write_text(self.to_html(by=by), encoding="utf-8")
        return file

    @property
    def _view(self) -> View:
        from langchain_costguard.reports.view import View, footer_of, scope_of, tables_of, tiles_of

        return View(
            title=self._title,
            scope=scope_of(self._query),
            tiles=tiles_of(self._total),
            notes=self.notes(),
            tables=(*tables_of(self.by_model(), self.by_day(), tz=self._tz), *self.savings().tables),
            footer=footer_of(self.price_lists(), self._list_in_use, self._keeper),
            budgets=(budget_table(self._budgets, now=self._made_at, tz=self._tz),) if self._budgets else (),
        )
