"""`export` and `import`: the lines of a ledger in a file, for other systems or for another ledger."""

from __future__ import annotations

from enum import StrEnum
from typing import IO, TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from langchain_costguard.cli import options
from langchain_costguard.cli.console import epilog, fail, print_json, warn
from langchain_costguard.cli.foreign import Source, import_foreign
from langchain_costguard.cli.ledgers import lasting_place, refuse_ledger, settled_ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_costguard.ledger import LedgerEntry

EXPORT_EPILOG: Final = epilog(
    "export costs.jsonl",
    "export costs.csv --format csv --since 2026-11-01 --until 2026-12-01",
    "export costs.focus.csv --format focus --billing-account org-1234",
    "export - --store costs.db --user u1",
)
IMPORT_EPILOG: Final = epilog(
    "import costs.jsonl",
    "import - --store postgresql://user@host/costs < costs.jsonl",
    "import observations.csv --from langfuse --store last-month.db",
)


class Format(StrEnum):
    """What an export is written as."""

    jsonl = "jsonl"
    csv = "csv"
    focus = "focus"


class _Done(NamedTuple):
    """What was written."""

    written: int
    rows: str
    left_out: Mapping[str, int]


def export(
    file: Annotated[str, typer.Argument(help="Where to write; - for standard output.")],
    *,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="jsonl: every field, for import. csv: one row for each line. focus: charges as FOCUS 1.2 has them.",
        ),
    ] = Format.jsonl,
    store: options.Store = None,
    since: options.Since = None,
    until: options.Until = None,
    timezone: options.Zone = "UTC",
    user: Annotated[str | None, typer.Option(metavar="USER", help="Only calls for this user.")] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only calls of this model.")] = None,
    provider: Annotated[str | None, typer.Option(metavar="PROVIDER", help="Only calls of this provider.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Only calls with this tag.")] = None,
    billing_account: Annotated[
        str | None, typer.Option(metavar="ID", help="Who pays, as the BillingAccountId of --format focus.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write the lines of a ledger into a file; a file that was there is replaced when the new one is complete.

    Prompts and answers are in no ledger, so they are in no export.
    """
    from langchain_costguard._amounts import counted
    from langchain_costguard.ledger import LedgerQuery

    begin, end = options.period(since, until, timezone)
    query = LedgerQuery(since=begin, until=end, user=user, model=model, provider=provider, tag=tag)
    _check_options(file, form, store, billing_account, as_json=as_json)
    with settled_ledger(store) as ledger:
        done = _write(ledger.entries(query), file, form, billing_account)
        in_sums = ledger.calls_only_in_sums(("run_id",), query)
    if as_json:
        summary = {"format": form.value, "file": file, f"written_{done.rows}s": done.written, **done.left_out}
        print_json({**summary, "calls_only_in_sums": in_sums})
    elif file != options.STDIN:
        typer.echo(f"Wrote {counted(done.written, done.rows)} to {file}.")
    if done.left_out.get("unpriced_lines"):
        warn(
            f"not in the export: {counted(done.left_out['unpriced_lines'], 'line')} whose cost is not known, because "
            "FOCUS has no charge without a cost: give a price and use `reprice`, or --format csv"
        )
    if in_sums:
        warn(
            f"not in the export: {counted(in_sums, 'call')} of this ledger, pruned and kept only in "
            "daily sums, which have no lines: keep the ledger, or a copy of its database"
        )


def _check_options(file: str, form: Format, store: str | None, billing_account: str | None, *, as_json: bool) -> None:
    """Refuse what contradicts itself before anything is read.

    Raises:
        BadParameter: options contradict each other, or the file is a ledger.
    """
    if billing_account is not None and form is not Format.focus:
        msg = f"--format {form.value} has no such column: leave it out, or write --format focus"
        raise typer.BadParameter(msg, param_hint="--billing-account")
    if billing_account is not None and not billing_account.strip():
        msg = "it is empty: give the provider's account, such as org-1234"
        raise typer.BadParameter(msg, param_hint="--billing-account")
    if file != options.STDIN:
        refuse_ledger(file, "FILE", store)
    elif as_json:
        msg = "with - the lines stand on standard output: give the path of a file, or leave --json out"
        raise typer.BadParameter(msg, param_hint="--json")


def _write(entries: Iterable[LedgerEntry], file: str, form: Format, billing_account: str | None) -> _Done:
    """Write the lines; one that fails half-way leaves no file that could be taken for a whole one.

    Raises:
        Exit: the file cannot be written, or the ledger cannot be read any further.
    """
    from langchain_costguard.exceptions import StoreError

    is_stream = file == options.STDIN
    place = typer.get_text_stream("stdout", encoding="utf-8") if is_stream else file
    try:
        return _written(entries, place, form, billing_account)
    except OSError as error:
        fail(f"{file} cannot be written ({error.strerror}): give another path, or - for standard output")
    except StoreError as error:
        kept = "what is on standard output is not all of it" if is_stream else f"{file} was not written"
        fail(f"{error}; {kept}: see to the ledger and run the command again")


def _written(entries: Iterable[LedgerEntry], place: str | IO[str], form: Format, billing_account: str | None) -> _Done:
    from langchain_costguard.exports import write_csv, write_focus, write_jsonl

    if form is Format.jsonl:
        return _Done(write_jsonl(entries, place), "line", {})
    if form is Format.csv:
        return _Done(write_csv(entries, place), "line", {})
    given = {} if billing_account is None else {"billing_account": billing_account}
    done = write_focus(entries, place, **given)
    left_out = {"lines": done.lines, "unpriced_lines": done.unpriced_lines, "uncharged_lines": done.uncharged_lines}
    return _Done(done.rows, "row", left_out)


def import_(
    file: Annotated[str, typer.Argument(help="What `export` or another system wrote; - for standard input.")],
    *,
    source: Annotated[
        Source, typer.Option("--from", help="Whose export it is; jsonl is what `export` wrote.")
    ] = Source.jsonl,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse another system's file if one row of it cannot be read.")
    ] = False,
    store: options.Store = None,
    prices: options.PriceFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Write exported lines into a ledger; a call that is there already stays as it is, so twice is once.

    The whole file is checked before its first line is written. A ledger that is not there is begun. Calls of another
    system are priced at the moment they were made; lines of `export` keep their costs.
    """
    from langchain_costguard._amounts import counted
    from langchain_costguard.exports import import_entries, read_jsonl
    from langchain_costguard.stores import open_store

    place = lasting_place(store)
    if source is not Source.jsonl:
        import_foreign(file, source, place, options.price_book(prices), strict=strict, as_json=as_json)
        return
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
