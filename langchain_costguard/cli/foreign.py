"""`import --from`: what is said of an export of another system that came into a ledger."""

from __future__ import annotations

from enum import StrEnum
from typing import IO, TYPE_CHECKING

import typer

from langchain_costguard.cli import options
from langchain_costguard.cli.console import fail, print_json, warn

if TYPE_CHECKING:
    from langchain_costguard.imports import ImportResult
    from langchain_costguard.pricing import PriceBook


class Source(StrEnum):
    """Whose export an import reads."""

    jsonl = "jsonl"
    langfuse = "langfuse"
    langsmith = "langsmith"
    openai = "openai"
    anthropic = "anthropic"
    litellm = "litellm"


def import_foreign(file: str, source: Source, place: str, prices: PriceBook, *, strict: bool, as_json: bool) -> None:
    """Write the calls of another system's export into a ledger, and say what became of its rows.

    Args:
        file: the path of the export, `-` for standard input.
        source: whose it is.
        place: the ledger.
        prices: what its calls are priced by.
        strict: whether one row that cannot be read refuses the file.
        as_json: whether the answer is JSON.

    Raises:
        Exit: the file cannot be read.
        ForeignFormatError: it is no such export.
    """
    from langchain_costguard.imports.importing import checked_export
    from langchain_costguard.stores import open_store

    given: str | IO[bytes] = typer.get_binary_stream("stdin") if file == options.STDIN else file
    try:
        with checked_export(source.value, given, strict=strict) as write, open_store(place) as ledger:
            done, location = write(ledger, prices), ledger.location
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror}): give the path of a file, or - for standard input")
    if as_json:
        print_json({"location": location, **_summary(done)})
    else:
        _tell(done, location)


def _summary(done: ImportResult) -> dict[str, object]:
    return {
        "source": done.source,
        "new_lines": done.new,
        "known_lines": done.known,
        "pruned_lines": done.pruned,
        "skipped_rows": done.skipped,
        "unreadable_rows": done.unreadable,
        "faults": [fault._asdict() for fault in done.faults],
        "unpriced_lines": done.unpriced,
        "unpriced_models": done.unpriced_models,
        "doubts": done.doubts,
    }


def _tell(done: ImportResult, location: str) -> None:
    from langchain_costguard._amounts import counted

    typer.echo(f"Imported {counted(done.new, 'line')} into {location}; {done.known:,} were there already.")
    if done.skipped:
        typer.echo(f"{counted(done.skipped, 'row')} passed over: no model calls.")
    if done.pruned:
        typer.echo(f"{counted(done.pruned, 'line')} left out: this ledger has pruned the days they belong to.")
    for doubt, rows in done.doubts.items():
        typer.echo(f"{counted(rows, 'row')}: {doubt}.")
    if done.unpriced:
        models = ", ".join(model or "no model named" for model in done.unpriced_models)
        warn(f"{counted(done.unpriced, 'line')} without a cost ({models}): give a price and use `reprice`")
    if done.unreadable:
        faults = "; ".join(f"row {fault.row}: {fault.reason}" for fault in done.faults)
        warn(f"{counted(done.unreadable, 'row')} left out, unreadable ({faults}): mend them and import again")
