"""How the inputs of a batch are read from a file, and its outputs written to one: a line each."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from langchain_costguard.cli.console import fail
from langchain_costguard.cli.options import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from langchain_costguard.batching.jobs.batch_results import BatchItemError, BatchResults


@contextmanager
def open_inputs(file: str) -> Iterator[Iterator[Any]]:
    """The inputs in a file, one after the other, so that a large file is never held as a whole.

    Args:
        file: `-` for standard input. A name that ends in `.csv`: each row is a dict by the words of the first row.
            Otherwise JSON lines: each line is an input.

    Raises:
        Exit: the file cannot be read, is no text in UTF-8, or a line of it is no JSON.
    """
    if file == STDIN:
        yield json_lines(typer.get_text_stream("stdin", encoding="utf-8"), file)
        return
    is_table = file.lower().endswith(".csv")
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(Path(file).open(encoding="utf-8-sig", newline="" if is_table else None))
        except OSError as error:
            fail(f"{file} cannot be read ({error.strerror}): give the path of a file, or - for standard input")
        try:
            yield csv_rows(stream, file) if is_table else json_lines(stream, file)
        except UnicodeDecodeError:
            fail(f"{file} is no text in UTF-8: save it as UTF-8")


def json_lines(stream: Iterable[str], file: str) -> Iterator[Any]:
    """The values of JSON lines; empty lines are passed over."""
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):  # the second where it is nested deeper than Python reads
            fail(f'line {number} of {file} is no JSON: write each input as JSON, a text as "text"')


def csv_rows(stream: Iterable[str], file: str) -> Iterator[dict[str, str]]:
    """The rows of a table by the words of its first row."""
    rows = csv.DictReader(stream)
    try:
        for row in rows:
            if None in row or None in row.values():
                fail(f"line {rows.line_num} of {file} has not as many cells as the first row: mend the table")
            yield row
    except csv.Error as error:
        fail(f"line {rows.line_num + 1} of {file} cannot be read ({error}): mend it, or write the inputs as JSON lines")


def output_lines(results: BatchResults) -> Iterator[str]:
    """A line of JSON for each input, in their order: its position, its output and its error, one of them `null`."""
    for index, output in enumerate(results):
        error = results.errors.get(index)
        row = {"index": index, "output": _plain(output), "error": None if error is None else _told(error)}
        yield json.dumps(row, ensure_ascii=False, default=str)


def _told(error: BatchItemError) -> dict[str, Any]:
    return {
        "cause": error.cause,
        "message": error.message,
        "code": error.code,
        "http_status": error.http_status,
        "step": error.step,
    }


def _plain(output: Any) -> Any:  # noqa: ANN401 - whatever a chain returns
    """An output as JSON can hold it."""
    from pydantic import BaseModel

    if isinstance(output, BaseModel):
        return output.model_dump(mode="json")
    return asdict(output) if is_dataclass(output) and not isinstance(output, type) else output
