"""How a report asks the ledger: sums that it reads at once, and questions that read more when they are asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from langchain_costguard.ledger import LedgerQuery, LedgerTotals
from langchain_costguard.reports.budgets import budget_notes
from langchain_costguard.reports.notes import (
    list_in_use,
    notes_on,
    price_lists_among,
    stale_list,
    unpriced_among,
    unreachable_calls,
)
from langchain_costguard.reports.replay import Replay, replayed
from langchain_costguard.reports.rows import ReportRow, by_date, dearest, ordered, regrouped
from langchain_costguard.reports.sums import ReportSums
from langchain_costguard.reports.view import conditions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from decimal import Decimal

    from langchain_costguard.budgets.status import BudgetStatus
    from langchain_costguard.ledger import GroupKey, LedgerEntry
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.reports.comparison import CostComparison
    from langchain_costguard.reports.forecast import CostForecast
    from langchain_costguard.reports.latency import LatencyReport
    from langchain_costguard.reports.notes import Note, PriceListUse, UnpricedCalls
    from langchain_costguard.reports.outcomes import OutcomeCosts
    from langchain_costguard.reports.rows import DayStatistics, ReportRows
    from langchain_costguard.reports.savings import SavingsWaterfall
    from langchain_costguard.stores.base import LedgerStore

EXPLAINED_LINES: Final = 10_000
"""So many lines, the newest, are read to say why calls are unpriced, which lists priced them and how long they took."""

_READ_KEYS: Final = ("day", "model", "provider")


class ReportAnswers(ReportSums):
    """The questions a report answers; `CostReport` draws the answers, too.

    Sums by day, model and provider are read once; every other answer reads the store when it is asked.
    """

    def __init__(
        self,
        store: LedgerStore,
        *,
        query: LedgerQuery | None = None,
        tz: str = "UTC",
        prices: PriceBook | None = None,
        kept_in: LedgerStore | None = None,
        budgets: Iterable[BudgetStatus] = (),
    ) -> None:
        """Read the sums; arguments as for `CostReport`."""
        self._store = store
        self._query = replace(query or LedgerQuery(), limit=None)
        self._tz = tz
        self._prices = prices
        self._keeper = kept_in or store
        self._budgets: tuple[BudgetStatus, ...] = tuple(budgets)
        self._made_at: datetime = datetime.now(UTC)
        self._conditions = tuple(
            key for key in conditions_of(self._query) if store.calls_only_in_sums((key,), self._query)
        )
        self._parts = tuple(store.totals(self._query, by=_READ_KEYS, tz=tz))
        super().__init__(
            ReportRow.of((), next(iter(regrouped(self._parts, ())), LedgerTotals())),
            unreachable_calls=store.calls_only_in_sums(self._conditions, self._query),
        )

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
            sums = self.totals(*keys)
        forgotten = frozenset(key for key in keys if self._is_forgotten(key))
        return ordered(ReportRow.of(keys, part, forgotten=forgotten) for part in sums)

    def totals(self, *keys: GroupKey) -> list[LedgerTotals]:
        """The sums by any keys as the store adds them up, in nano-USD, with baselines and savings.

        Raises:
            ValueError: an unknown key.
            StoreError: the store cannot be read.
        """
        return self._store.totals(self._query, by=keys, tz=self._tz)

    def by_day(self) -> ReportRows:
        """The sums of each day that had calls, oldest first, in the report's time zone."""
        return self.by("day")

    def by_model(self) -> ReportRows:
        """The sums of each model, dearest first."""
        return self.by("model")

    def by_hour(self) -> ReportRows:
        """The sums of each hour that had calls, oldest first, in the report's time zone.

        An hour that clocks turn back to counts once, with the calls of both.
        """
        return self.by("hour")

    def top(self, key: GroupKey = "run", n: int = 10) -> ReportRows:
        """The dearest groups: outermost runs, chains, users or any other key.

        Args:
            key: as for `by`; or `"run"` for outermost runs, each with its id and its name. Runs are found line by
                line: about ten seconds for a million lines; calls that are kept only in sums have none.
            n: so many at most.

        Returns:
            The dearest first; groups of unknown cost stand last.

        Raises:
            ValueError: an unknown key, or `n` below one.
            StoreError: the store cannot be read.
        """
        if n < 1:
            msg = f"n={n} asks for nothing: give 1 or more"
            raise ValueError(msg)
        from langchain_costguard.reports.runs import RUN, top_runs

        if key == RUN:
            return top_runs(self._store, self._query, n)
        return dearest(self.by(key), n)

    def latency(self, *keys: GroupKey) -> LatencyReport:
        """How long calls took beside what they cost, by any keys; by model if none is given.

        Means are over all calls, percentiles over the newest 10,000.

        Raises:
            ValueError: an unknown key.
            StoreError: the store cannot be read.
        """
        from langchain_costguard.reports.latency import LatencyReport

        by = keys or ("model",)
        return LatencyReport(self.totals(*by), self._explained, by=by, tz=self._tz, reads=EXPLAINED_LINES)

    def per_outcome(self, key: str = "outcome") -> OutcomeCosts:
        """What an outcome costs, where calls name theirs in their metadata, such as `{"outcome": "solved"}`.

        Args:
            key: the metadata key. Calls that have none are left out, and counted as left out.

        Example:
            >>> from langchain_costguard import CostReport, InMemoryStore
            >>> print(CostReport(InMemoryStore()).per_outcome().cost_per("solved"))
            None

        Raises:
            StoreError: the store cannot be read.
        """
        from langchain_costguard.reports.outcomes import OutcomeCosts

        by = f"metadata:{key}"
        forgotten = self._store.calls_only_in_sums((by,), self._query)
        return OutcomeCosts(key, self.totals(by), forgotten_calls=forgotten)

    def forecast(self, *, until: date | None = None) -> CostForecast:
        """What this month will cost, with an interval, and when the budgets of this report are spent.

        Each day to come is expected to cost the mean of the last 8 weeks' full days, of its own weekday once there are
        28 of them. The interval holds in about 8 of 10 cases, if days go on to vary as they did. It is the report's
        calls that are forecast, whenever they began: of its query, `since` is not used. A query whose `until` has
        passed is forecast from there. What `reconcile()` booked is spent, and says nothing of the days to come.

        Args:
            until: the first day after the period; the first of next month if not given.

        Raises:
            ValueError: `until` is not after today, or more than a year ahead.
            StoreError: the store cannot be read.
        """
        from langchain_costguard.reports.forecast import forecast_of
        from langchain_costguard.reports.forecast_period import period_of

        now = min(self._made_at, self._query.until or self._made_at)
        period = period_of(now, until=until, tz=self._tz)
        meant = replace(self._query, since=period.first_read, until=now)
        return forecast_of(self._store.totals(meant, by=("day", "kind"), tz=self._tz), period, self._budgets)

    def compare(self, previous: ReportAnswers, *by: GroupKey) -> CostComparison:
        """What changed since another report, usually on an earlier period, and what drove it.

        Args:
            previous: the earlier report.
            by: what the rows are grouped by; the model if not given.

        Returns:
            The change in parts that add up to it: volume, mix, tokens per call, price, and what became known.

        Raises:
            ValueError: an unknown key, or one under which a call can count twice (`tag`, `technique`).
            StoreError: a store cannot be read.
        """
        from langchain_costguard.reports.comparison import CELL_KEYS, MANY_VALUED, CostComparison, token_weights

        keys = by or ("model",)
        many = MANY_VALUED & set(keys)
        if many:
            msg = f"a call can count under several values of {min(many)!r}, so that the parts would not add up: "
            raise ValueError(msg + "compare by another key, or two reports with query=LedgerQuery(tag=...)")
        before, after = (report.totals(*keys, *CELL_KEYS) for report in (previous, self))
        return CostComparison(
            before, after, by=keys, weights=lambda model, provider: token_weights(self._book, model, provider)
        )

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
        return SavingsWaterfall(total, self.totals("technique") if total.unmeasured_calls else ())

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

    # -- reading once ------------------------------------------------------------------------------------------------

    def _is_forgotten(self, key: GroupKey) -> bool:
        """Whether calls are among the sums of this report of which this key is not known."""
        return self._store.calls_only_in_sums((key,), self._query) > self._unreachable

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
