"""`cache`: what the semantic cache holds and saved, which questions are near one, and emptying it."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from langchain_costguard.cli import options  # noqa: TC001 - typer reads the annotations
from langchain_costguard.cli.console import EXIT_CODES, epilog, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.semantic_cache.stats import CacheStats
    from langchain_costguard.stores.cache_base import CacheStore, CacheTotals

STATS_EPILOG: Final = epilog("cache stats", "cache stats --store cache.db --json")
CLEAR_EPILOG: Final = epilog("cache clear --tenant alice", "cache clear --yes")
EXPLAIN_EPILOG: Final = epilog('cache explain "How do I reset my password?"')

Place = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PLACE",
        help="The cache: a path or a URL. Default: COSTGUARD_CACHE, else the user's own file.",
    ),
]

app: typer.Typer = typer.Typer(
    help="See what the semantic cache holds and saved, look into it, and empty it.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(epilog=STATS_EPILOG)
def stats(store: Place = None, *, as_json: options.AsJson = False) -> None:
    """Print hits, misses, entries and avoided cost, in all and by tenant, namespace and model."""
    from langchain_costguard.semantic_cache.stats import sum_totals

    with closing(_existing(store)) as kept:
        totals = kept.totals(now_us=time.time_ns() // 1000)
        figures = sum_totals(totals, kept.location)
    if as_json:
        print_json({**_as_dict(figures), "by": [_row_as_dict(row) for row in totals]})
    else:
        from langchain_costguard.reports.money import plain

        for line in str(figures).splitlines():
            typer.echo(plain(line))
        _print_rows(totals)


@app.command(epilog=CLEAR_EPILOG)
def clear(
    store: Place = None,
    *,
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only this tenant's.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", metavar="NAME", help="Only this cache's.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Delete cached answers, and the counts of their uses."""
    from langchain_costguard._amounts import counted
    from langchain_costguard.reports.money import plain

    with closing(_existing(store)) as kept:
        if not yes:
            whose = "every cached answer" if tenant is None and namespace is None else "these cached answers"
            typer.confirm(f"Delete {whose} in {plain(kept.location)}?", abort=True, err=True)
        deleted = kept.clear(tenant=tenant, namespace=namespace)
        location = kept.location
    if as_json:
        print_json({"location": location, "deleted": deleted})
    else:
        typer.echo(f"{counted(deleted, 'cached answer')} deleted ({plain(location)}).")


@app.command(epilog=EXPLAIN_EPILOG)
def explain(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The question.")],
    *,
    store: Place = None,
    embedder: Annotated[
        str, typer.Option("--embedder", metavar="NAME", help="What compares: local, provider:model, or a folder.")
    ] = "local",
    top: Annotated[int, typer.Option("--top", min=1, help="How many questions.")] = 5,
    as_json: options.AsJson = False,
) -> None:
    """Print the stored questions nearest to a text, and why each would be served for it or not.

    Whose they are and which model was asked is not looked at; a lookup does, first of all.
    """
    from langchain_costguard.reports.money import plain
    from langchain_costguard.semantic_cache.explaining import nearest_questions

    with closing(_existing(store)) as kept:
        try:
            found = nearest_questions(kept, text, embedder=embedder, top=top)
        except (TypeError, ValueError) as error:
            raise typer.BadParameter(str(error)) from error
    if as_json:
        print_json(
            [
                {"stored": stored, "similarity": round(match.similarity, 4), "hit": match.hit, "reason": match.reason}
                for stored, match in found
            ]
        )
        return
    if not found:
        typer.echo("No stored question can be compared by meaning.")
    for stored, match in found:
        typer.echo(plain(f"{match.similarity:.3f}  {'hit ' if match.hit else 'miss'}  {stored}  ({match.reason})"))


def _existing(place: str | None) -> CacheStore:
    """The cache that is meant; where there is none, that is a mistake here and not a cache to begin.

    Raises:
        StoreError: there is no cache, or it cannot be opened.
        BadParameter: it ends with its process.
    """
    from langchain_costguard.exceptions import StoreError
    from langchain_costguard.stores.cache_opening import default_cache_location, open_cache_store
    from langchain_costguard.stores.location import MEMORY, parse_location

    meant = default_cache_location() if place is None else place
    if meant.strip().lower() == MEMORY:
        msg = "a cache in memory ends with its process: give the path or the URL of one that is kept"
        raise typer.BadParameter(msg, param_hint="--store")
    location = parse_location(meant)
    if location.path is not None and not location.path.exists():
        msg = f"there is no cache at {location}: name another with --store"
        raise StoreError(msg)
    return open_cache_store(meant)


def _as_dict(figures: CacheStats) -> dict[str, object]:
    return {
        "location": figures.location,
        "exact": figures.exact,
        "semantic": figures.semantic,
        "misses": figures.misses,
        "vetoed": figures.vetoed,
        "entries": figures.entries,
        "bytes": figures.bytes,
        "avoided_cost": None if figures.avoided_cost is None else f"{figures.avoided_cost:f}",
        "unpriced_hits": figures.unpriced_hits,
    }


def _row_as_dict(row: CacheTotals) -> dict[str, object]:
    from langchain_costguard.semantic_cache.stats import sum_totals

    labels = {"tenant": row.tenant, "namespace": row.namespace, "model": row.model}
    figures = _as_dict(sum_totals([row], ""))
    del figures["location"]
    return labels | figures


def _print_rows(totals: Sequence[CacheTotals]) -> None:
    from langchain_costguard.cli.console import print_table
    from langchain_costguard.reports.money import plain

    if not totals:
        return
    headers = ("Tenant", "Namespace", "Model", "Entries", "By words", "By meaning", "Misses", "Vetoed")
    rows = [
        (
            plain(row.tenant or "-"),
            plain(row.namespace or "-"),
            plain(row.model or "-"),
            f"{row.entries:,}",
            f"{row.exact:,}",
            f"{row.semantic:,}",
            f"{row.misses:,}",
            f"{row.vetoed:,}",
        )
        for row in totals
    ]
    typer.echo()
    print_table(headers, rows)
