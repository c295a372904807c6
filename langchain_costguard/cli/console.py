"""How the command line speaks: results on stdout, one line for what went wrong on stderr, an exit code for scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.pricing import Catalog

EXIT_CODES: Final = "Exit codes: 0 done, 1 it could not be done, 2 the command was not understood, 130 interrupted."
"""Stands below the help of every command."""

PROGRAM: Final = "langchain-costguard"
"""The name of the program."""


def epilog(*lines: str) -> str:
    """What stands below the help of a command: how it is used, and what its exit codes mean.

    Args:
        lines: what is typed after the program's name.
    """
    used = "\n".join(f"  {PROGRAM} {line}" for line in lines)
    return f"\b\nExamples:\n{used}\n\n{EXIT_CODES}"


def print_json(value: object) -> None:
    """Print plain values as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "") -> None:
    """Print a table whose first column names the row and whose other columns are figures."""
    from langchain_costguard.reports.text import table_as_text
    from langchain_costguard.reports.view import Table

    cells = tuple((*row, "") for row in rows)
    typer.echo(table_as_text(Table(caption, (*headers, ""), cells)))


def warn(message: str) -> None:
    """Say something beside the result."""
    typer.echo(f"warning: {_one_line(message)}", err=True)


def fail(message: str) -> NoReturn:
    """Say what could not be done, and end with exit code 1.

    Raises:
        Exit: always.
    """
    typer.echo(f"error: {_one_line(message)}", err=True)
    raise typer.Exit(1)


def warn_if_stale(catalog: Catalog) -> None:
    """Warn of a price list that is more than 60 days old."""
    from langchain_costguard.reports.notes import PriceListUse, stale_list

    stale = stale_list(catalog, (PriceListUse(catalog.source, catalog.version, 1),))
    if stale:
        warn(stale)


def _one_line(message: str) -> str:
    from langchain_costguard.reports.money import plain

    return plain(" ".join(message.split()))
