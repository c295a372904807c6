"""`prune` and `erase`: what a ledger forgets, and what it keeps of it."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from langchain_costguard.cli import options
from langchain_costguard.cli.console import epilog, print_json
from langchain_costguard.cli.ledgers import existing_ledger

PRUNE_EPILOG: Final = epilog("prune --before 2026-01-01", "prune --before 2026-01-01 --store costs.db --json")
ERASE_EPILOG: Final = epilog("erase --user u1", "erase --user u1 --store costs.db --yes")


def prune(
    *,
    before: Annotated[
        str, typer.Option(metavar="DATE", help="The first day (UTC) whose lines are kept, such as 2026-01-01.")
    ],
    store: options.Store = None,
    as_json: options.AsJson = False,
) -> None:
    """Forget the lines of older calls, and keep their sums by day, model and provider.

    Reports still count them; users, tags, chains and run ids are gone for good.
    """
    from langchain_costguard._amounts import counted

    with existing_ledger(store) as ledger:
        lines = ledger.prune(options.required_moment(before, "--before"))
        place = ledger.location
    if as_json:
        print_json({"location": place, "pruned_lines": lines})
    else:
        typer.echo(f"Forgot {counted(lines, 'line')} of {place}; their daily sums are kept.")


def erase(
    *,
    user: Annotated[str, typer.Option(metavar="USER", help="Whose lines, as in the metadata of their calls.")],
    store: options.Store = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Delete every line of a user; it asks first, and cannot be undone."""
    from langchain_costguard._amounts import counted
    from langchain_costguard.reports.money import plain

    with existing_ledger(store) as ledger:
        place = ledger.location
        if not yes:
            typer.confirm(f"Delete every line of the user {plain(user)!r} in {place}?", abort=True, err=as_json)
        lines = ledger.erase(user)
    if as_json:
        print_json({"location": place, "user": user, "erased_lines": lines})
    else:
        typer.echo(f"Deleted {counted(lines, 'line')} of the user {plain(user)!r} in {place}.")
