"""`advise`: what each technique would have saved on a ledger, as text, as JSON or as a page."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from langchain_costguard.cli import options, periods
from langchain_costguard.cli.console import epilog, print_json
from langchain_costguard.cli.ledgers import refuse_ledger, settled_ledger

EPILOG: Final = epilog(
    "advise --since 30d",
    "advise --month 2026-10 --can-wait Nightly --tz Europe/Berlin",
    "advise --store costs.db --gpu-hour 1.90 --capacity 4000",
    "advise --html advice.html",
)


def advise(  # noqa: PLR0913 - what a user can know beside the ledger, all named
    *,
    store: options.Store = None,
    since: options.SinceOrAgo = None,
    until: options.Until = None,
    month: Annotated[str | None, typer.Option(metavar="MONTH", help="Only calls of this month: 2026-11.")] = None,
    timezone: options.Zone = "UTC",
    can_wait: Annotated[
        list[str] | None,
        typer.Option(metavar="CHAIN", help="A chain (or a model) whose calls may wait for hours; repeatable."),
    ] = None,
    ttl: Annotated[float, typer.Option(metavar="HOURS", help="For how many hours an answer could be served.")] = 168.0,
    shared: Annotated[bool, typer.Option("--shared", help="Users may be given each other's answers.")] = False,
    gpu_hour: Annotated[
        str | None, typer.Option(metavar="PRICE", help="What an hour of a machine of your own costs, in US dollars.")
    ] = None,
    capacity: Annotated[
        str | None, typer.Option(metavar="CALLS", help="How many calls that machine serves in an hour.")
    ] = None,
    prices: options.PriceFile = None,
    as_json: options.AsJson = False,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write a page instead of text.")] = None,
) -> None:
    """Print what to do first: what each technique would have saved on the calls of a ledger.

    Each saving is what the technique alone would have saved; the row of all together counts every call once.
    """
    from langchain_costguard.advisor import advise as advise_on
    from langchain_costguard.ledger import LedgerQuery

    if as_json and html:
        msg = "--json and --html are two forms of one advice: give one of them"
        raise typer.BadParameter(msg)
    if capacity is not None and gpu_hour is None:
        msg = "a capacity without a price saves nothing that could be said: give --gpu-hour, too"
        raise typer.BadParameter(msg, param_hint="--capacity")
    if html:
        refuse_ledger(html, "--html", store)
    meant = periods.period(since, until, month, timezone)
    book = options.price_book(prices)
    try:
        with settled_ledger(store) as ledger:
            found = advise_on(
                ledger,
                query=LedgerQuery(since=meant.since, until=meant.until),
                prices=book,
                ttl_seconds=ttl * 3600,
                is_shared=shared,
                can_wait=can_wait or (),
                gpu_hour=gpu_hour,
                capacity_per_hour=capacity,
                tz=timezone,
            )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if html:
        options.write_page(html, found.to_html(), "advice")
    elif as_json:
        print_json(found.to_dict())
    else:
        typer.echo(str(found))
