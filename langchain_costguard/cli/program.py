"""The program: which commands there are, and how it ends when one of them fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from langchain_costguard._version import __version__
from langchain_costguard.cli import (
    advise,
    batch,
    budgets,
    cache,
    calc,
    demo,
    estimate,
    explain,
    prices,
    report,
    reprice,
    retention,
    transfer,
)
from langchain_costguard.cli.console import EXIT_CODES, PROGRAM, fail
from langchain_costguard.exceptions import CostGuardError

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Program(TyperGroup):
    """The group of all commands; an error of this package ends it with one line and exit code 1."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own types, which move between its releases
        try:
            return super().invoke(ctx)
        except CostGuardError as error:
            fail(str(error))


app: typer.Typer = typer.Typer(
    cls=_Program,
    help="See what language models cost in LangChain, before and after they are called.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command(epilog=demo.EPILOG)(demo.demo)
app.command(epilog=report.EPILOG)(report.report)
app.command(epilog=advise.EPILOG)(advise.advise)
app.command(epilog=explain.EPILOG)(explain.explain)
app.command(epilog=estimate.EPILOG)(estimate.estimate)
app.command(epilog=calc.EPILOG)(calc.calc)
app.command(epilog=prices.EPILOG)(prices.prices)
app.command(epilog=reprice.EPILOG)(reprice.reprice)
app.command(epilog=retention.PRUNE_EPILOG)(retention.prune)
app.command(epilog=retention.ERASE_EPILOG)(retention.erase)
app.command(epilog=transfer.EXPORT_EPILOG)(transfer.export)
app.command("import", epilog=transfer.IMPORT_EPILOG)(transfer.import_)
app.add_typer(batch.app, name="batch")
app.add_typer(budgets.app, name="budgets")
app.add_typer(cache.app, name="cache")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code.

    Args:
        arguments: what stands after the program's name; `None` for the process's own.

    Raises:
        SystemExit: always; 0 done, 1 it could not be done, 2 the command was not understood, 130 interrupted.
    """
    app(args=None if arguments is None else list(arguments), prog_name=PROGRAM)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """See what language models cost in LangChain, before and after they are called."""
