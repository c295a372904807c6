"""`export` and `import`: the lines of a ledger as JSON lines, out of one and into another."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from langchain_costguard.cli import options
from langchain_costguard.cli.console import epilog, fail, print_json, warn
from langchain_costguard.cli.ledgers import lasting_place, refuse_ledger, settled_ledger

EXPORT_EPILOG: Final = epilog(
    "export costs.jsonl",
    "export - --store costs.db --user u1",
    "export november.jsonl --since 2026-11-01 --until 2026-12-01",
)
IMPORT_EPILOG: Final = epilog("import costs.jsonl", "import - --store postgresql://user@host/costs < costs.jsonl")


def export(
    file: Annotated[str, typer.Argument(help="Where to write; - for standard output.")],
    *,
    store: options.Store = None,
    since: options.Since = None,
    until: options.Until = None,
    timezone: options.Zone = "UTC",
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only calls for this user.")] = None,
) -> None:
    """Write the lines of a ledger as JSON lines, one call on each; a file that was there is replaced.

    Prompts and answers are in no ledger, so they are in no export.
    """
    from langchain_costguard.exports import export_entries
    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.reports.money import counted

    begin, end = options.period(since, until, timezone)
    query = LedgerQuery(since=begin, until=end, user=user)
    if file != options.STDIN:
        refuse_ledger(file, "FILE", store)
    with settled_ledger(store) as ledger:
        if file == options.STDIN:
            done = export_entries(ledger, typer.get_text_stream("stdout", encoding="utf-8"), query=query)
        else:
            try:
                done = export_entries(ledger, file, query=query)
            except OSError as error:
                fail(f"{file} cannot be written ({error.strerror}): give another path, or - for standard output")
            typer.echo(f"Wrote {counted(done.lines, 'line')} to {file}.")
    if done.calls_only_in_sums:
        warn(
            f"not in the export: {counted(done.calls_only_in_sums, 'call')} of this ledger, pruned and kept only in "
            "daily sums, which have no lines: keep the ledger, or a copy of its database"
        )


def import_(
    file: Annotated[str, typer.Argument(help="What `export` wrote; - for standard input.")],
    *,
    store: options.Store = None,
    as_json: options.AsJson = False,
) -> None:
    """Write exported lines into a ledger; a call that is there already stays as it is, so twice is once.

    The whole file is checked before its first line is written. A ledger that is not there is begun.
    """
    from langchain_costguard.exports import import_entries, read_jsonl
    from langchain_costguard.reports.money import counted
    from langchain_costguard.stores import open_store

    place = lasting_place(store)
    try:
        entries = read_jsonl(typer.get_binary_stream("stdin") if file == options.STDIN else file)
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror}): give the path of a file, or - for standard input")
    with open_store(place) as ledger:
        done = import_entries(ledger, entries)
        location = ledger.location
    if as_json:
        print_json(
            {"location": location, "new_lines": done.new, "known_lines": done.known, "pruned_lines": done.pruned}
        )
    else:
        typer.echo(f"Imported {counted(done.new, 'line')} into {location}; {done.known:,} were there already.")
        if done.pruned:
            typer.echo(
                f"{counted(done.pruned, 'line')} left out: they began before the end of the newest day this ledger has "
                "pruned, and its daily sums may count them already. To keep them, import into a ledger of their own."
            )
