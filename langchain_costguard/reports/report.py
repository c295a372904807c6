"""What a ledger says: `CostReport`, which answers questions and draws itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.ledger import LedgerQuery, LedgerTotals
from langchain_costguard.reports.budgets import budget_dict, budget_notes, budget_table
from langchain_costguard.reports.money import counted
from langchain_costguard.reports.notes import (
    list_in_use,
    notes_on,
    price_lists_among,
    stale_list,
    unpriced_among,
    unreachable_calls,
)
from langchain_costguard.reports.replay import Replay, replayed
from langchain_costguard.reports.rows import ReportRow, as_text, by_date, ordered, regrouped
from langchain_costguard.reports.view import conditions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from decimal import Decimal

    from matplotlib.figure import Figure
    from pandas import DataFrame
    from rich.console import RenderableType

    from langchain_costguard.budgets.status import BudgetStatus
    from langchain_costguard.ledger import GroupKey, LedgerEntry
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.reports.notes import Note, PriceListUse, UnpricedCalls
    from langchain_costguard.reports.rows import DayStatistics, ReportRows
    from langchain_costguard.reports.savings import SavingsWaterfall
    from langchain_costguard.reports.view import View
    from langchain_costguard.stores.base import LedgerStore

EXPLAINED_LINES: Final = 10_000
"""So many lines, the newest, are read to say why calls are unpriced and which lists priced them."""

_READ_KEYS: Final = ("day", "model", "provider")


class CostReport:
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
        self._store = store
        self._query = replace(query or LedgerQuery(), limit=None)
        self._tz = tz
        self._prices = prices
        self._title = title
        self._keeper = kept_in or store
        self._budgets: tuple[BudgetStatus, ...] = tuple(budgets)
        self._made_at: datetime = datetime.now(UTC)
        self._conditions = tuple(
            key for key in conditions_of(self._query) if store.calls_only_in_sums((key,), self._query)
        )
        self._unreachable = self._store.calls_only_in_sums(self._conditions, self._query)
        self._parts = tuple(store.totals(self._query, by=_READ_KEYS, tz=tz))
        self._total = ReportRow.of((), next(iter(regrouped(self._parts, ())), LedgerTotals()))

    # -- sums --------------------------------------------------------------------------------------------------------

    @property
    def total(self) -> ReportRow:
        """The sums over everything, as one row."""
        return self._total

    @property
    def total_cost(self) -> Decimal | None:
        """What is owed for the calls whose price is known; `None` if there are calls and none of them is priced."""
        return self._total.billed_cost

    @property
    def list_cost(self) -> Decimal | None:
        """The same at list price, before discounts of your own."""
        return self._total.list_cost

    @property
    def avoided_cost(self) -> Decimal | None:
        """What the answers from LangChain's cache would have cost."""
        return self._total.avoided_cost

    @property
    def is_complete(self) -> bool:
        """Whether `total_cost` covers every call: none is unpriced, open, or out of the reach of the query."""
        return not (self._total.unpriced_calls or self._total.open_calls or self.unreachable_calls)

    @property
    def unreachable_calls(self) -> int:
        """Calls that may be meant, but are kept only in sums which no longer know what the query asks for."""
        return self._unreachable

    @property
    def calls(self) -> int:
        """All calls, cached and failed ones included."""
        return self._total.calls

    @property
    def unpriced_calls(self) -> int:
        """Calls whose cost is not known; `unpriced()` says why."""
        return self._total.unpriced_calls

    @property
    def estimated_calls(self) -> int:
        """Calls whose tokens were counted here because the provider did not report them."""
        return self._total.estimated_calls

    @property
    def cached_calls(self) -> int:
        """Calls LangChain's cache answered."""
        return self._total.cached_calls

    @property
    def failed_calls(self) -> int:
        """Calls that raised, were cancelled or were lost."""
        return self._total.failed_calls

    @property
    def open_calls(self) -> int:
        """Calls that have not ended."""
        return self._total.open_calls

    @property
    def input_tokens(self) -> int:
        """Input tokens a provider billed."""
        return self._total.input_tokens

    @property
    def output_tokens(self) -> int:
        """Output tokens a provider billed, reasoning included."""
        return self._total.output_tokens

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self._total.total_tokens

    @property
    def cache_read(self) -> int:
        """Input tokens read from a provider's prompt cache."""
        return self._total.cache_read

    @property
    def cache_creation(self) -> int:
        """Input tokens written to a provider's prompt cache."""
        return self._total.cache_creation

    @property
    def reasoning(self) -> int:
        """Output tokens spent on thinking."""
        return self._total.reasoning

    # -- questions ---------------------------------------------------------------------------------------------------

    def by(self, *keys: GroupKey) -> ReportRows:
        """The sums by any keys of the ledger, such as `by("user")`, `by("day", "model")` or `by("metadata:team")`.

        Args:
            keys: names from `ledger.GROUP_KEYS`, or `"metadata:<key>"`.

        Returns:
            One row per group, which together show themselves as a table: time in its order, everything else dearest
            first, groups of unknown cost last. A call with two tags counts under both of them. Calls that are kept
            only in sums have lost their users, tags and the like; the row for `None` then says so in its `name`.

        Raises:
            ValueError: an unknown key.
            StoreError: the store cannot be read.
        """
        if set(keys) <= set(_READ_KEYS):
            sums = regrouped(self._parts, [_READ_KEYS.index(key) for key in keys])
        else:
            sums = self._store.totals(self._query, by=keys, tz=self._tz)
        forgotten = frozenset(key for key in keys if self._is_forgotten(key))
        return ordered(ReportRow.of(keys, part, forgotten=forgotten) for part in sums)

    def by_day(self) -> ReportRows:
        """The sums of each day that had calls, oldest first, in the report's time zone."""
        return self.by("day")

    def by_model(self) -> ReportRows:
        """The sums of each model, dearest first."""
        return self.by("model")

    @property
    def daily(self) -> Mapping[date, DayStatistics]:
        """Tokens and cost of each day that had calls, in the report's time zone."""
        return by_date(self.by_day())

    def at_model(self, model: str, *, provider: str | None = None) -> Decimal | None:
        """What the same tokens would have cost on another model, at list price, in US dollars.

        Returns:
            The exact sum over all calls; `None` if any of them cannot be priced so. `replay` says which, and how much
            the others are.
        """
        return self.replay(model, provider=provider).cost

    def replay(self, model: str, *, provider: str | None = None) -> Replay:
        """The same tokens on another model, call by call, with what had to be left out and why.

        Args:
            model: the model to compare with.
            provider: its provider, where the name alone does not tell.

        Raises:
            StoreError: the store cannot be read.
        """
        lines = self._store.entries(self._query)
        return replayed(lines, model=model, provider=provider, prices=self._book, expected_calls=self.calls)

    def savings(self) -> SavingsWaterfall:
        """What each technique saved, from the cost without any of them down to what is owed.

        Raises:
            StoreError: the store cannot be read.
        """
        from langchain_costguard.reports.savings import SavingsWaterfall

        total = next(iter(regrouped(self._parts, ())), LedgerTotals())
        return SavingsWaterfall(total, self._store.totals(self._query, by=("technique",), tz=self._tz))

    def unpriced(self) -> tuple[UnpricedCalls, ...]:
        """Why calls have no cost, most frequent reason first, each with what mends it.

        The reasons come from the newest 10,000 lines; calls beyond them are counted in a row of their own.
        """
        return unpriced_among(self._explained, self.unpriced_calls) if self.unpriced_calls else ()

    def price_lists(self) -> tuple[PriceListUse, ...]:
        """The price lists that priced the newest 10,000 lines, most used first."""
        return price_lists_among(self._explained)

    def notes(self) -> tuple[Note, ...]:
        """What a reader must know beside the sums, warnings first."""
        unreachable = unreachable_calls(
            self._unreachable, self._conditions, is_kept=self._keeper.is_durable and self._keeper is not self._store
        )
        on_calls = notes_on(self._total, self.unpriced(), stale=self._stale, unreachable=unreachable)
        on_budgets = budget_notes(self._budgets)
        return tuple(sorted((*on_budgets, *on_calls), key=lambda note: not note.is_warning))

    # -- elsewhere ---------------------------------------------------------------------------------------------------

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

    # -- reading once ------------------------------------------------------------------------------------------------

    def _is_forgotten(self, key: GroupKey) -> bool:
        """Whether calls are among the sums of this report of which this key is not known."""
        return self._store.calls_only_in_sums((key,), self._query) > self._unreachable

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

    @property
    def _list_in_use(self) -> str | None:
        return list_in_use(self._book.catalog) if self.calls else None

    @property
    def _stale(self) -> str | None:
        return stale_list(self._book.catalog, self.price_lists()) if self.calls else None

    @cached_property
    def _explained(self) -> tuple[LedgerEntry, ...]:
        return tuple(self._store.entries(replace(self._query, limit=EXPLAINED_LINES)))

    @cached_property
    def _book(self) -> PriceBook:
        if self._prices is not None:
            return self._prices
        from langchain_costguard.pricing.book import PriceBook

        return PriceBook()
