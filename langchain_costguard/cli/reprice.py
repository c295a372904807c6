"""`reprice`: the lines of a ledger priced anew, each with the price of its own moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from langchain_costguard.cli import options
from langchain_costguard.cli.console import epilog, print_json, print_table, warn_if_stale
from langchain_costguard.cli.ledgers import existing_ledger

if TYPE_CHECKING:
    from langchain_costguard.recorder.repricing import Repricing

EPILOG: Final = epilog(
    "reprice --dry-run",
    "reprice --since 2026-11-01 --store costs.db",
    "reprice --prices data.json --discount 0.15",
)
_UNKNOWN_BEFORE: Final = frozenset({"newly priced", "still unpriced"})
_UNKNOWN_NOW: Final = frozenset({"still unpriced"})


def reprice(
    *,
    store: options.Store = None,
    since: options.Since = None,
    until: options.Until = None,
    timezone: options.Zone = "UTC",
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only calls of this model.")] = None,
    prices: options.PriceFile = None,
    discount: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="What you get off list prices, such as 0.15. Left out, a discount is taken back."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Price the calls of a ledger anew: after a correction of the price list, or for models it did not know.

    What was not computed from a price list stays as it is: costs the provider reported, costs that were stated,
    prices of your own.
    """
    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.recorder.repricing import reprice as price_anew

    book = options.price_book(prices, discount)
    begin, end = options.period(since, until, timezone)
    query = LedgerQuery(since=begin, until=end, model=model)
    with existing_ledger(store) as ledger:
        done = price_anew(ledger, book, query=query, dry_run=dry_run)
    if as_json:
        print_json(_as_dict(done))
    else:
        _print(done)
    warn_if_stale(book.catalog)


def _as_dict(done: Repricing) -> dict[str, Any]:
    return {
        "lines": done.lines,
        "changed_lines": done.changed,
        "old_cost": f"{done.old_cost:f}",
        "new_cost": f"{done.new_cost:f}",
        "is_dry_run": done.is_dry_run,
        "by_reason": {
            reason: {
                "lines": each.lines,
                "old_cost": None if reason in _UNKNOWN_BEFORE else f"{each.old_cost:f}",
                "new_cost": None if reason in _UNKNOWN_NOW else f"{each.new_cost:f}",
            }
            for reason, each in done.by_reason.items()
        },
    }


def _print(done: Repricing) -> None:
    from langchain_costguard._amounts import counted
    from langchain_costguard.reports.money import dollars

    if done.by_reason:
        rows = [
            (
                reason,
                f"{each.lines:,}",
                dollars(None if reason in _UNKNOWN_BEFORE else each.old_cost),
                dollars(None if reason in _UNKNOWN_NOW else each.new_cost),
            )
            for reason, each in done.by_reason.items()
        ]
        print_table(("What became of it", "Lines", "Before", "Now"), rows)
        typer.echo()
    verb = "would change" if done.is_dry_run else "changed"
    note = " Nothing was written." if done.is_dry_run else ""
    costs = f"{dollars(done.old_cost)} before, {dollars(done.new_cost)} now"
    typer.echo(f"{done.changed:,} of {counted(done.lines, 'line')} {verb}: {costs}.{note}")
