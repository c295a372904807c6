"""`report`: what the calls in a ledger used and cost, as text, as JSON or as a page."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from langchain_costguard.cli import options, periods
from langchain_costguard.cli.console import epilog
from langchain_costguard.cli.ledgers import refuse_ledger, settled_ledger
from langchain_costguard.cli.report_answers import Question, answer_to

if TYPE_CHECKING:
    from collections.abc import Iterator

EPILOG: Final = epilog(
    "report",
    "report --store costs.db --by user --by model",
    "report --month 2026-11 --tz Europe/Berlin --compare previous",
    "report --since 7d --by run --top 10",
    "report --tag checkout --forecast --json",
    "report --html costs.html",
)


def report(  # noqa: PLR0913 - the conditions of a query, all named
    *,
    store: options.Store = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY", help="Group by day, hour, model, tag, user, run, chain, metadata:team ...; repeatable."
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the N dearest groups, or runs.")] = None,
    since: options.SinceOrAgo = None,
    until: options.Until = None,
    month: Annotated[str | None, typer.Option(metavar="MONTH", help="Only calls of this month: 2026-11.")] = None,
    timezone: options.Zone = "UTC",
    compare: Annotated[
        str | None,
        typer.Option(metavar="PERIOD", help="What changed since the previous period (previous), or since a month."),
    ] = None,
    savings: Annotated[bool, typer.Option("--savings", help="What each technique saved.")] = False,
    forecast: Annotated[bool, typer.Option("--forecast", help="What this month will cost.")] = False,
    latency: Annotated[bool, typer.Option("--latency", help="How long calls took, beside what they cost.")] = False,
    outcome: Annotated[
        str | None, typer.Option(metavar="KEY", help="What an outcome costs that calls name under this metadata key.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only this model.")] = None,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="Only this provider.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Only calls with this tag.")] = None,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only calls for this user.")] = None,
    session: Annotated[str | None, typer.Option(metavar="SESSION", help="Only calls of this session.")] = None,
    thread: Annotated[str | None, typer.Option(metavar="THREAD", help="Only calls of this conversation.")] = None,
    chain: Annotated[str | None, typer.Option(metavar="NAME", help="Only calls inside a run of this name.")] = None,
    as_json: options.AsJson = False,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a page with tables and figures instead of text.")
    ] = None,
) -> None:
    """Print what the calls in a ledger used and cost.

    --until is the first day or moment that no longer counts. --compare, --savings, --forecast, --latency and --outcome
    each print one answer instead of the whole; --compare and --latency group by --by.
    """
    from langchain_costguard.ledger import LedgerQuery

    if as_json and html:
        msg = "--json and --html are two forms of one report: give one of them"
        raise typer.BadParameter(msg)
    if html:
        refuse_ledger(html, "--html", store)
    meant = periods.period(since, until, month, timezone)
    query = LedgerQuery(
        since=meant.since,
        until=meant.until,
        model=model,
        provider=provider,
        tag=tag,
        user=user,
        session=session,
        thread=thread,
        chain=chain,
    )
    earlier = None
    if compare is not None:
        before = periods.compared(compare, meant, month, timezone)
        earlier = replace(query, since=before.since, until=before.until)
    asked = Question(query, timezone, tuple(by or ()), top, earlier, savings, forecast, latency, outcome)
    with settled_ledger(store) as ledger, _understood():
        answer = answer_to(asked, ledger)
        if html:
            options.write_page(html, answer.page(), "report")
        else:
            answer.print_json() if as_json else answer.print_text()


@contextmanager
def _understood() -> Iterator[None]:
    """A value that the report does not understand was typed here."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
