"""What several commands ask for in the same words, and how the words are read."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer

from langchain_costguard.cli.console import fail
from langchain_costguard.exceptions import PriceFormatError

if TYPE_CHECKING:
    from langchain_costguard.pricing import PriceBook

STDIN: Final = "-"
"""Stands for standard input or output where a file is asked for."""

Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PLACE",
        help="The ledger: a path or a URL. Default: COSTGUARD_STORE, else the user's own file.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text; money as decimal strings.")]
PriceFile = Annotated[
    str | None,
    typer.Option(
        "--prices", metavar="FILE", help="Price by this list: the data.json of genai-prices, or one in our own schema."
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="DATE", help="Only calls from this day or moment on: 2026-11-01.")
]
SinceOrAgo = Annotated[
    str | None,
    typer.Option("--since", metavar="DATE", help="Only calls from this day or moment on: 2026-11-01; or 7d, 24h."),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="DATE", help="Only calls before this day or moment: 2026-12-01.")
]
Zone = Annotated[
    str, typer.Option("--tz", "--timezone", metavar="ZONE", help="Whose days are meant, such as Europe/Berlin.")
]


def moment(text: str | None, option: str, tz: str = "UTC") -> datetime | None:
    """The moment that was typed; a bare day means its midnight.

    Args:
        text: a day (`2026-11-01`) or a moment (`2026-11-01T12:00`, with or without a time zone); `None` for none.
        option: where it was typed.
        tz: the IANA time zone that is meant where the text names none.

    Raises:
        BadParameter: it is neither, or the time zone is not known.
    """
    return None if text is None else required_moment(text, option, tz)


def period(since: str | None, until: str | None, tz: str) -> tuple[datetime | None, datetime | None]:
    """The period that was typed as `--since` and `--until`.

    Args:
        since: when it begins; `None` for no limit.
        until: the first moment after it; `None` for no limit.
        tz: the IANA time zone that is meant where a text names none.

    Raises:
        BadParameter: as for `moment`; or it ends before it begins.
    """
    begin, end = moment(since, "--since", tz), moment(until, "--until", tz)
    if begin is not None and end is not None and end < begin:
        msg = f"{until} is before --since {since}: give a later day or moment"
        raise typer.BadParameter(msg, param_hint="--until")
    return begin, end


def required_moment(text: str, option: str, tz: str = "UTC") -> datetime:
    """As `moment`, where something was typed."""
    zone = _zone(tz)
    try:
        if len(text) == len("2026-11-01"):
            return datetime.combine(date.fromisoformat(text), time(), zone)
        given = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is no day: write 2026-11-01, or 2026-11-01T12:00+01:00"
        raise typer.BadParameter(msg, param_hint=option) from error
    return given if given.tzinfo else given.replace(tzinfo=zone)


def price_book(file: str | None, discount: str | None = None) -> PriceBook:
    """The prices that are meant.

    Args:
        file: a price list; `None` for the list that comes with this package.
        discount: the share that is taken off it; `None` for nothing.

    Raises:
        PriceFormatError: the file cannot be read, or is no price list.
        BadParameter: the discount is no share.
    """
    from langchain_costguard.pricing import Catalog, PriceBook

    catalog = None if file is None else Catalog.from_file(file)
    try:
        return PriceBook(catalog=catalog, discount=discount)
    except PriceFormatError as error:
        raise typer.BadParameter(str(error), param_hint="--discount") from error


def read_text(file: str) -> str:
    """The text of a file, or of standard input for `-`.

    Raises:
        Exit: it cannot be read, or is no text in UTF-8.
    """
    try:
        if file == STDIN:
            return typer.get_text_stream("stdin", encoding="utf-8").read()
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror}): give the path of a file, or - for standard input")
    except UnicodeDecodeError:
        fail(f"{file} is no text in UTF-8: save it as UTF-8")


def write_page(file: str, page: str, name: str) -> None:
    """Write a page to the file that `--html` names, and say where it is.

    Args:
        file: its path.
        page: its HTML.
        name: what it shows, such as "report".

    Raises:
        Exit: it cannot be written.
    """
    try:
        Path(file).write_text(page, encoding="utf-8")
    except OSError as error:
        fail(f"{file} cannot be written ({error.strerror}): give another path to --html")
    typer.echo(f"The {name} is in {file}.")


def _zone(tz: str) -> ZoneInfo:
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, OSError) as error:
        msg = f"{tz!r} is no time zone: write one of the IANA names, such as Europe/Berlin or UTC"
        raise typer.BadParameter(msg, param_hint="--tz") from error
