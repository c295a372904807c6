"""What a month will cost as its calls went so far, and when limits are reached: the answer of a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard._amounts import counted
from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.reports.forecast_period import HISTORY_DAYS
from langchain_costguard.reports.forecasting import FEWEST_DAYS, WEEKDAY_DAYS, cost_ahead, has_weekdays
from langchain_costguard.reports.money import dollars, plain
from langchain_costguard.reports.rows import as_text, regrouped
from langchain_costguard.reports.shown import Shown
from langchain_costguard.reports.view import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from langchain_costguard.budgets.claims import Unit
    from langchain_costguard.budgets.status import BudgetStatus
    from langchain_costguard.ledger import LedgerTotals
    from langchain_costguard.reports.forecast_period import Period

_PLACES: Final = Decimal("0.01")
_NO_CALL: Final = "adjustment"
"""The kind of lines that make a past period equal to its bill; no day to come has one."""


class ForecastDay(NamedTuple):
    """What the period will have cost by the end of one day, in US dollars."""

    day: date
    """The day, in the time zone of the report."""
    low_cost: Decimal
    """Nine in ten courses cost more."""
    expected_cost: Decimal
    """The expectation."""
    high_cost: Decimal
    """Nine in ten courses cost less."""


class LimitReached(NamedTuple):
    """On which day a limit is reached; `None` where it is not within the period."""

    earliest: date | None
    """If the days cost as much as in the dearest tenth of courses."""
    expected: date | None
    """As expected."""
    latest: date | None
    """If the days cost as little as in the cheapest tenth of courses."""


class BudgetForecast(NamedTuple):
    """When a budget is spent, at its own average rate since its window began."""

    name: str
    """The budget, and whose counter it is."""
    limit: Decimal | int
    """The limit in force."""
    spent: Decimal | int
    """Charged in this window."""
    unit: Unit
    """What both are counted in."""
    reached_at: datetime | None
    """When the limit is reached; `None` where it is not before the window ends, or cannot be told."""
    resets_at: datetime | None
    """When its window ends."""

    def __str__(self) -> str:
        """One line for people."""
        if self.reached_at is None:
            return f"The budget {plain(self.name)} is not known to be spent before its window ends."
        return f"The budget {plain(self.name)} is spent by {self.reached_at:%Y-%m-%d %H:%M} UTC at its present rate."


@dataclass(frozen=True, kw_only=True, repr=False)
class CostForecast(Shown):
    """What a period will cost, as an expectation and an interval that holds in about 8 of 10 cases.

    It covers calls whose price is known. Where too little is known, the amounts are `None` and `missing` says what
    there would have to be.
    """

    begins: date
    """The first day of the period, in the time zone of the report."""
    ends: date
    """Its last day."""
    spent_cost: Decimal | None
    """What is owed for the period so far, in US dollars; `None` if there are calls and none of them is priced."""
    days: tuple[ForecastDay, ...]
    """What the period will have cost by the end of today and of each day to come; empty where it is not known."""
    observed_days: int
    """The full days that the forecast is made of."""
    left_out_days: int
    """Full days without any known cost, which it is not made of."""
    unpriced_calls: int
    """Calls of the observed days and of the period whose cost is not known, and so neither told nor forecast."""
    method: str
    """How it was made, in words."""
    missing: str | None
    """What a forecast would need; `None` where there is one."""
    budgets: tuple[BudgetForecast, ...] = ()
    """When the budgets of the report are spent."""

    @property
    def expected_cost(self) -> Decimal | None:
        """What the whole period will cost, in US dollars."""
        return self.days[-1].expected_cost if self.days else None

    @property
    def low_cost(self) -> Decimal | None:
        """Nine in ten courses of the period cost more."""
        return self.days[-1].low_cost if self.days else None

    @property
    def high_cost(self) -> Decimal | None:
        """Nine in ten courses of the period cost less."""
        return self.days[-1].high_cost if self.days else None

    def reached(self, limit: Decimal | str | int) -> LimitReached:
        """On which day the calls of this report will have cost so much since the period began.

        Args:
            limit: US dollars.

        Raises:
            ValueError: the limit is no amount, or below zero.
        """
        try:
            amount = Decimal(limit)
            is_amount = amount >= 0
        except InvalidOperation:
            is_amount = False
        if not is_amount:
            msg = f"limit={limit} cannot be reached: give US dollars, zero or more"
            raise ValueError(msg)
        return LimitReached(*(self._first(name, amount) for name in ("high_cost", "expected_cost", "low_cost")))

    def _first(self, name: str, amount: Decimal) -> date | None:
        return next((each.day for each in self.days if getattr(each, name) >= amount), None)

    @property
    def table(self) -> Table:
        """The forecast as a table."""
        amounts = [self.spent_cost, *(_to_cents(each) for each in (self.low_cost, self.expected_cost, self.high_cost))]
        names = ("So far", "At least", "Expected", "At most")
        words = ("owed until now", "in 9 of 10 cases", "", "in 9 of 10 cases")
        cells = tuple(zip(names, map(dollars, amounts), words, strict=True))
        return Table(f"Forecast for {self.begins} to {self.ends}", ("", "Cost", "Remark"), cells)

    @property
    def remarks(self) -> tuple[str, ...]:
        """How it was made, what is missing, and when budgets are spent."""
        unpriced = f"{counted(self.unpriced_calls, 'unpriced call')} left out." if self.unpriced_calls else None
        missing = None if self.missing is None else f"No forecast: {self.missing}."
        return tuple(line for line in (missing or f"{self.method}.", unpriced, *map(str, self.budgets)) if line)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-safe values: money as decimal strings, days and moments in ISO 8601."""
        return {
            "begins": self.begins.isoformat(),
            "ends": self.ends.isoformat(),
            **{name: as_text(getattr(self, name)) for name in ("spent_cost", "low_cost", "expected_cost", "high_cost")},
            "observed_days": self.observed_days,
            "left_out_days": self.left_out_days,
            "unpriced_calls": self.unpriced_calls,
            "method": self.method,
            "missing": self.missing,
            "days": [{"day": each.day.isoformat(), **_costs(each)} for each in self.days],
            "budgets": [_budget_dict(each) for each in self.budgets],
        }

    def __repr__(self) -> str:
        """The answer in one line."""
        if self.missing is not None:
            return f"CostForecast(unknown: {self.missing})"
        low, expected, high = (dollars(_to_cents(each)) for each in (self.low_cost, self.expected_cost, self.high_cost))
        return f"CostForecast({self.begins} to {self.ends}: {expected}, {low} to {high})"


def forecast_of(rows: Sequence[LedgerTotals], period: Period, budgets: Sequence[BudgetStatus]) -> CostForecast:
    """The forecast from the sums of each day.

    Args:
        rows: the sums by day and kind since `period.first_read`; days without calls are not among them.
        period: what it is about.
        budgets: how budgets stand.
    """
    calls = regrouped((row for row in rows if row.group[1] != _NO_CALL), (0,))
    sums = {_day(row): row for row in calls}
    full = _full_days(sums, period.today)
    known = {day: nano for day, nano in full.items() if nano is not None}
    spent = _spent([row for row in rows if _day(row) >= period.begins])
    missing = _missing(len(known), is_spent_known=spent is not None)
    return CostForecast(
        begins=period.begins,
        ends=period.stops - timedelta(days=1),
        spent_cost=None if spent is None else to_usd(spent, NANO_PER_USD),
        days=() if missing or spent is None else _days(known, period, spent),
        observed_days=len(known),
        left_out_days=len(full) - len(known),
        unpriced_calls=sum(row.unpriced_calls for day, row in sums.items() if day in full or day >= period.begins),
        method=_method(known, len(full) - len(known)),
        missing=missing,
        budgets=tuple(_budget(each, period.now) for each in budgets),
    )


def _day(row: LedgerTotals) -> date:
    return date.fromisoformat(str(row.group[0]))


def _full_days(sums: Mapping[date, LedgerTotals], today: date) -> dict[date, int | None]:
    """The nano-dollars of each full day: those after the first with calls, up to yesterday; a day without calls is 0.

    The first day is left out where the ledger may have begun in the midst of it.
    """
    earliest = today - timedelta(days=HISTORY_DAYS)
    first = min(sums, default=today)
    begins = earliest if first < earliest else max(first + timedelta(days=1), earliest)
    days = (begins + timedelta(days=at) for at in range(max((today - begins).days, 0)))
    return {day: _spent([sums[day]]) if day in sums else 0 for day in days}


def _spent(rows: Sequence[LedgerTotals]) -> int | None:
    """What is owed, in nano-USD; `None` where there are calls and nothing of them is known."""
    calls = sum(row.calls for row in rows)
    unknown = sum(row.unpriced_calls + row.open_calls for row in rows)
    return None if calls and calls <= unknown else sum(row.billed_nano for row in rows)


def _missing(days: int, *, is_spent_known: bool) -> str | None:
    if not is_spent_known:
        return "no call of this period has a price: report.unpriced() says why"
    if days >= FEWEST_DAYS:
        return None
    return (
        f"it needs {FEWEST_DAYS} full days of known cost and there are {days}: CostReport(handler.store) reads a "
        f"whole ledger; or ask again in {counted(FEWEST_DAYS - days, 'day')}"
    )


def _method(known: Mapping[date, int], left_out: int) -> str:
    mean = "the mean of its weekday" if has_weekdays(known) else "the mean"
    without = f" ({counted(left_out, 'day')} of unknown cost left out)" if left_out else ""
    more = "" if has_weekdays(known) else f" (weekdays are told apart from {WEEKDAY_DAYS} days on)"
    return (
        f"Each day to come costs {mean} of the last {counted(len(known), 'full day')}{without}{more}; "
        "the interval is the middle 80 % of 1,000 courses drawn from how those days differed"
    )


def _days(known: Mapping[date, int], period: Period, spent: int) -> tuple[ForecastDay, ...]:
    ahead = period.ahead()
    courses = cost_ahead(known, ahead)
    return tuple(
        ForecastDay(day, *(to_usd(spent + nano, NANO_PER_USD) for nano in course))
        for (day, _), course in zip(ahead, courses, strict=True)
    )


def _budget(status: BudgetStatus, now: datetime) -> BudgetForecast:
    whose = "" if status.each_value is None else f" ({status.each_value})"
    reached = status.forecast(now)
    name = f"{status.name}{whose}"
    return BudgetForecast(name, status.limit, status.spent, status.unit, reached, status.resets_at)


def _budget_dict(budget: BudgetForecast) -> dict[str, Any]:
    amounts = {
        name: f"{amount:f}" if isinstance(amount, Decimal) else amount
        for name, amount in (("limit", budget.limit), ("spent", budget.spent))
    }
    moments = {
        name: None if moment is None else moment.astimezone(UTC).isoformat()
        for name, moment in (("reached_at", budget.reached_at), ("resets_at", budget.resets_at))
    }
    return {"name": budget.name, "unit": budget.unit, **amounts, **moments}


def _costs(day: ForecastDay) -> dict[str, str | None]:
    return {name: as_text(getattr(day, name)) for name in ("low_cost", "expected_cost", "high_cost")}


def _to_cents(amount: Decimal | None) -> Decimal | None:
    """An expectation is no bill: digits beyond cents (or beyond three that count) would pretend to be known."""
    if amount is None or not amount:
        return amount
    return amount.quantize(min(_PLACES, Decimal(1).scaleb(amount.adjusted() - 2)))
