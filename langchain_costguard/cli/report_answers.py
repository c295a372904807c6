"""Which answer of a report is meant by what was typed, and how it is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import typer

from langchain_costguard.cli.console import print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.reports import CostReport, ReportRows
    from langchain_costguard.reports.view import View
    from langchain_costguard.stores import LedgerStore


_GROUPED: Final = frozenset({"--compare", "--latency"})
"""The answers that `--by` groups."""


class Question(NamedTuple):
    """What was typed."""

    query: LedgerQuery
    """Which calls."""
    timezone: str
    """Whose days."""
    by: tuple[str, ...]
    """The keys."""
    top: int | None
    """So many groups at most."""
    earlier: LedgerQuery | None
    """The calls to compare with."""
    savings: bool
    """Whether the savings are meant."""
    forecast: bool
    """Whether the forecast is meant."""
    latency: bool
    """Whether the latencies are meant."""
    outcome: str | None
    """The metadata key of outcomes, where those are meant."""


class Answer(Protocol):
    """What is printed."""

    def print_text(self) -> None:
        """Print it as text."""

    def print_json(self) -> None:
        """Print it as JSON."""

    def page(self) -> str:
        """It as a whole page."""


class _Told(Protocol):
    """An answer of a report with a form for each place."""

    def to_dict(self) -> dict[str, object]: ...

    def _repr_html_(self) -> str: ...


class Whole:
    """The whole report."""

    def __init__(self, made: CostReport) -> None:
        """Take the report."""
        self._made = made

    def print_text(self) -> None:
        """Print it as text."""
        typer.echo(self._made.text())

    def print_json(self) -> None:
        """Print it as JSON."""
        print_json(self._made.to_dict())

    def page(self) -> str:
        """It as a whole page."""
        return self._made.to_html()


class One:
    """One answer; a page shows the whole report above it."""

    def __init__(self, made: CostReport, told: _Told) -> None:
        """Take the report and its answer."""
        self._made = made
        self._told = told

    def print_text(self) -> None:
        """Print it as text."""
        typer.echo(str(self._told))

    def print_json(self) -> None:
        """Print it as JSON."""
        print_json(self._told.to_dict())

    def page(self) -> str:
        """It as a whole page."""
        return _page(self._made, self._told._repr_html_())


class Grouped:
    """The sums by keys; a page shows the whole report above them."""

    def __init__(self, made: CostReport, query: LedgerQuery, rows: ReportRows, names: str) -> None:
        """Take the report and its rows."""
        self._made = made
        self._query = query
        self._rows = rows
        self._names = names

    def print_text(self) -> None:
        """Print them as text."""
        from langchain_costguard.reports.text import as_text

        typer.echo(as_text(self._view()))

    def print_json(self) -> None:
        """Print them as JSON."""
        print_json([row.to_dict() for row in self._rows])

    def page(self) -> str:
        """They as a whole page."""
        from langchain_costguard.reports.html import table_as_html

        return _page(self._made, *map(table_as_html, self._view().tables))

    def _view(self) -> View:
        from langchain_costguard.reports.view import View, scope_of, table_of, tiles_of

        made, rows = self._made, self._rows
        table = table_of(rows, caption=f"By {self._names}", header=self._names.capitalize())
        scope, tiles = scope_of(self._query), tiles_of(made.total)
        return View("Cost report", scope, tiles, made.notes(), (table,) if rows else (), ())


def answer_to(asked: Question, ledger: LedgerStore) -> Answer:
    """The answer to what was typed.

    Raises:
        BadParameter: two answers were asked for at once, or groups of one that has none.
        ValueError: an unknown key or time zone.
        StoreError: the ledger cannot be read.
    """
    from langchain_costguard.reports import CostReport

    made = CostReport(ledger, query=asked.query, tz=asked.timezone)
    meant = _meant(asked, made, ledger)
    if len(meant) > 1:
        msg = f"{' and '.join(meant)} are two answers: ask for one of them at a time"
        raise typer.BadParameter(msg)
    if meant and asked.top is not None:
        msg = f"{next(iter(meant))} shows everything: leave --top away"
        raise typer.BadParameter(msg, param_hint="--top")
    if asked.by and (alone := meant.keys() - _GROUPED):
        msg = f"{min(alone)} has no groups: leave --by away"
        raise typer.BadParameter(msg, param_hint="--by")
    if not meant and not asked.by and asked.top is None:
        return Whole(made)
    if not meant:
        rows, names = _rows(asked, made)
        return Grouped(made, asked.query, rows, names)
    (tell,) = meant.values()
    return One(made, tell())


def _meant(asked: Question, made: CostReport, ledger: LedgerStore) -> dict[str, Callable[[], _Told]]:
    """The answers that were asked for, by their options."""
    from langchain_costguard.reports import CostReport

    meant: dict[str, Callable[[], _Told]] = {}
    if (earlier := asked.earlier) is not None:
        meant["--compare"] = lambda: made.compare(CostReport(ledger, query=earlier, tz=asked.timezone), *asked.by)
    if asked.savings:
        meant["--savings"] = made.savings
    if asked.forecast:
        meant["--forecast"] = made.forecast
    if asked.latency:
        meant["--latency"] = lambda: made.latency(*asked.by)
    if (outcome := asked.outcome) is not None:
        meant["--outcome"] = lambda: made.per_outcome(outcome)
    return meant


def _rows(asked: Question, made: CostReport) -> tuple[ReportRows, str]:
    """The groups that were asked for, and what they are called."""
    from langchain_costguard.reports.rows import dearest
    from langchain_costguard.reports.runs import RUN

    keys = asked.by or (RUN,)
    if keys == (RUN,):
        return (made.top(RUN) if asked.top is None else made.top(RUN, asked.top)), RUN
    rows = made.by(*keys)
    return (rows if asked.top is None else dearest(rows, asked.top)), " / ".join(keys)


def _page(made: CostReport, *more: str) -> str:
    """The whole report and more below it."""
    from langchain_costguard.reports.html import page_of

    return page_of("Cost report", (made._repr_html_(), *more))
