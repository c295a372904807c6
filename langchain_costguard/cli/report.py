"""`report`: what the calls in a ledger used and cost, as text, as JSON or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from langchain_costguard.cli import options
from langchain_costguard.cli.console import epilog, fail, print_json
from langchain_costguard.cli.ledgers import refuse_ledger, settled_ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.reports import CostReport
    from langchain_costguard.reports.view import View

EPILOG: Final = epilog(
    "report",
    "report --store costs.db --by user --by model",
    "report --since 2026-11-01 --until 2026-12-01 --tz Europe/Berlin",
    "report --tag checkout --json",
    "report --html costs.html",
)


def report(  # noqa: PLR0913 - the conditions of a query, all named
    *,
    store: options.Store = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Group by day, model, provider, tag, user, metadata:team ...; repeatable."),
    ] = None,
    since: options.Since = None,
    until: options.Until = None,
    timezone: options.Zone = "UTC",
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

    --until is the first day or moment that no longer counts.
    """
    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.reports import CostReport

    if as_json and html:
        msg = "--json and --html are two forms of one report: give one of them"
        raise typer.BadParameter(msg)
    if html:
        refuse_ledger(html, "--html", store)
    begin, end = options.period(since, until, timezone)
    query = LedgerQuery(
        since=begin,
        until=end,
        model=model,
        provider=provider,
        tag=tag,
        user=user,
        session=session,
        thread=thread,
        chain=chain,
    )
    with settled_ledger(store) as ledger:
        try:
            made = CostReport(ledger, query=query, tz=timezone)
            _show(made, query, by or (), as_json=as_json, html=html)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error


def _show(made: CostReport, query: LedgerQuery, keys: Sequence[str], *, as_json: bool, html: str | None) -> None:
    """The report in the form that was asked for."""
    if html:
        _write_page(html, _grouped_html(made, query, keys) if keys else made._repr_html_())
    elif as_json:
        print_json([row.to_dict() for row in made.by(*keys)] if keys else made.to_dict())
    elif keys:
        from langchain_costguard.reports.text import as_text

        typer.echo(as_text(_grouped(made, query, keys)))
    else:
        typer.echo(made.text())


def _grouped(made: CostReport, query: LedgerQuery, keys: Sequence[str]) -> View:
    """The sums by the keys that were asked for."""
    from langchain_costguard.reports.view import View, scope_of, table_of, tiles_of

    rows = made.by(*keys)
    names = " / ".join(keys)
    table = table_of(rows, caption=f"By {names}", header=names.capitalize())
    return View("Cost report", scope_of(query), tiles_of(made.total), made.notes(), (table,) if rows else (), ())


def _grouped_html(made: CostReport, query: LedgerQuery, keys: Sequence[str]) -> str:
    from langchain_costguard.reports.html import table_as_html

    view = _grouped(made, query, keys)
    return made._repr_html_() + "".join(map(table_as_html, view.tables))


def _write_page(file: str, body: str) -> None:
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Cost report</title>\n'
        '<meta name="color-scheme" content="light dark">\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )
    try:
        Path(file).write_text(page, encoding="utf-8")
    except OSError as error:
        fail(f"{file} cannot be written ({error.strerror}): give another path to --html")
    typer.echo(f"The report is in {file}.")
