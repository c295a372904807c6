"""The command line: `langchain-costguard demo | report`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from langchain_costguard._version import __version__
from langchain_costguard.exceptions import CostGuardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.demo.endpoints import Endpoint
    from langchain_costguard.reports import CostReport
    from langchain_costguard.stores import LedgerStore

_EXIT_CODES = "Exit codes: 0 done, 1 it could not be done, 2 the command was not understood, 130 interrupted."

app: typer.Typer = typer.Typer(
    help="See what language models cost in LangChain.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code.

    Args:
        arguments: what stands after the program's name; `None` for the process's own.

    Raises:
        SystemExit: always; 0 done, 1 it could not be done, 2 the command was not understood, 130 interrupted.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="langchain-costguard")
    except CostGuardError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(1) from error


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"langchain-costguard {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """See what language models cost in LangChain."""


@app.command(epilog=_EXIT_CODES)
def demo(
    *,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ask an OpenAI-compatible server (Ollama, vLLM ...); needs --model."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="The model's name at that server.")] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="The environment variable with that server's key, if any.")
    ] = None,
    openai: Annotated[
        bool, typer.Option("--openai", help="Ask OpenAI itself: real money, a few hundredths of a cent.")
    ] = False,
    gpu_price: Annotated[
        str, typer.Option(metavar="USD", help="What an hour of your own hardware costs, in US dollars.")
    ] = "0.10",
    store: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Keep the lines: a path or a URL. Default: memory only.")
    ] = None,
) -> None:
    """Run a real chain on a real model and show what it cost.

    Without options it serves SmolLM2-135M on this machine; where that is not installed it says so and uses a scripted
    stand-in. --openai reads the key from OPENAI_API_KEY.
    """
    from rich.console import Console

    from langchain_costguard.demo.run import run

    endpoint = _endpoint(base_url, model, api_key_env, openai=openai)
    run(Console(), endpoint=endpoint, gpu_price=gpu_price, store=store)


def _endpoint(base_url: str | None, model: str | None, api_key_env: str | None, *, openai: bool) -> Endpoint | None:
    """Who is asked; `None` for the model on this machine."""
    from langchain_costguard.demo.endpoints import at_url, openai_itself
    from langchain_costguard.demo.server import DemoError

    if openai and base_url:
        msg = "--openai and --base-url name two different servers: give one of them"
        raise typer.BadParameter(msg)
    if base_url:
        try:
            return at_url(base_url, model, api_key_env)
        except DemoError as error:
            raise typer.BadParameter(str(error)) from error
    if openai:
        return openai_itself(model)
    if model or api_key_env:
        msg = "--model and --api-key-env belong to a server: add --base-url URL or --openai"
        raise typer.BadParameter(msg)
    return None


@app.command(epilog=_EXIT_CODES)
def report(
    *,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE", help="The ledger: a path or a URL. Default: COSTGUARD_STORE, else the user's own file."
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Group by day, model, provider, tag, user, metadata:team ...; repeatable."),
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Whose days are meant, such as Europe/Berlin.")] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Print what the calls in a ledger used and cost."""
    from langchain_costguard.reports import CostReport

    with _existing(store) as ledger:
        try:
            made = CostReport(ledger, tz=timezone)
            typer.echo(_grouped(made, by, as_json=as_json) if by else _whole(made, as_json=as_json))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error


def _existing(place: str | None) -> LedgerStore:
    """The ledger that is meant; where there is none, that is a mistake here and not a ledger to begin."""
    from langchain_costguard.exceptions import StoreError, StoreVersionError
    from langchain_costguard.ledger import LedgerQuery
    from langchain_costguard.stores import SQLStore, default_location, open_store
    from langchain_costguard.stores.location import MEMORY, parse_location

    meant = place or default_location()
    if meant == MEMORY:
        msg = "a ledger in memory ends with its process: name a file or a database with --store PLACE"
        raise StoreError(msg)
    location = parse_location(meant)
    missing = f"there is no ledger at {location}: write one with track_costs(store=...), or name another with --store"
    if location.path is not None and not location.path.exists():
        raise StoreError(missing)
    try:
        with SQLStore(location, migrate="never") as store:
            next(store.entries(LedgerQuery(limit=1)), None)
    except StoreVersionError as error:
        if error.found == "none":
            raise StoreError(missing) from error
    return open_store(meant)


def _whole(made: CostReport, *, as_json: bool) -> str:
    """The report as it is, as text or as JSON."""
    return made.to_json() if as_json else made.text()


def _grouped(made: CostReport, keys: Sequence[str], *, as_json: bool) -> str:
    """The sums by the keys that were asked for, as a table or as a JSON list."""
    from langchain_costguard.reports.text import as_text
    from langchain_costguard.reports.view import View, table_of, tiles_of

    rows = made.by(*keys)
    if as_json:
        return json.dumps([row.to_dict() for row in rows], indent=2, ensure_ascii=False)
    names = " / ".join(keys)
    table = table_of(rows, caption=f"By {names}", header=names.capitalize())
    return as_text(View("Cost report", "", tiles_of(made.total), made.notes(), (table,) if rows else (), ()))
