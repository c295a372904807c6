"""`explain`: the receipt of one call."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import typer

from langchain_costguard.cli import options
from langchain_costguard.cli.console import epilog, fail, print_json
from langchain_costguard.cli.ledgers import settled_ledger

EPILOG: Final = epilog(
    "explain 7b0d9c2e-5f43-4d0e-9d3c-3f5f2f0b8a11",
    "explain 7b0d9c2e-5f43-4d0e-9d3c-3f5f2f0b8a11 --store costs.db --json",
)


def explain(
    run_id: Annotated[str, typer.Argument(help="The run's id, as on its line and in its trace.")],
    *,
    store: options.Store = None,
    prices: options.PriceFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the receipt of one call: every bucket of its tokens times its rate, with the rate's source and date.

    `export -` lists the calls of a ledger with their ids.
    """
    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.reports.receipt import Receipt

    try:
        wanted = UUID(run_id)
    except ValueError as error:
        msg = f"{run_id!r} is no run id: give one such as 7b0d9c2e-5f43-4d0e-9d3c-3f5f2f0b8a11"
        raise typer.BadParameter(msg, param_hint="RUN_ID") from error
    with settled_ledger(store) as ledger:
        entry = next(iter(ledger.entries(LedgerQuery(run_id=wanted))), None)
        place = ledger.location
    if entry is None:
        fail(f"{place} has no call with the id {wanted}: name another ledger with --store, or see `export -`")
    receipt = Receipt(entry, options.price_book(prices))
    if as_json:
        print_json(receipt.to_dict())
    else:
        typer.echo(str(receipt))
