"""How a file becomes records: CSV with its header, JSON lines, a JSON array, or the pages of an API."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol

from langchain_costguard.imports.faults import ForeignFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LONGEST_RECORD: Final = 64 * 1024 * 1024
"""Characters of the longest record that is read, so that a damaged file cannot fill the memory."""

_CHUNK: Final = 256 * 1024
_DELIMITERS: Final = ",\t;"
_PAGE_KEYS: Final = ("data", "runs")
"""Where the pages of APIs hold their rows."""
_NAMES_SHOWN: Final = 12


class Record(NamedTuple):
    """One record of a file, or why it is none."""

    number: int
    """Which row it is: in CSV the header is row 1; in JSON the first record is."""
    values: Mapping[str, Any]
    fault: str = ""


class Layout(Protocol):
    """What a source's export looks like."""

    @property
    def source(self) -> str:
        """The source's name, such as `"langfuse"`."""

    @property
    def title(self) -> str:
        """What its export is called in messages."""

    @property
    def required(self) -> Sequence[Sequence[str]]:
        """Columns that a CSV file must have, each with its other names."""

    @property
    def advice(self) -> str:
        """What to export so that they are there."""


def records(file: IO[bytes], layout: Layout) -> Iterator[Record]:
    """The records of a file, one by one; the file stays open.

    Args:
        file: the file, at its beginning; it can be rewound.
        layout: what it should look like.

    Raises:
        ForeignFormatError: it is empty, damaged, no text, or lacks a column.
    """
    opened = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        beginning = _first_character(opened)
        if beginning == "[":
            yield from _array(opened, layout)
        elif beginning == "{":
            yield from _objects(opened, layout)
        else:
            yield from _rows(opened, layout, beginning)
    except UnicodeDecodeError as error:
        msg = f"The file is no text in UTF-8, so it is no {layout.title}: {layout.advice} as CSV or JSON"
        raise ForeignFormatError(msg, source=layout.source) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        _broken(layout, None, error)
    finally:
        opened.detach()


def _first_character(opened: IO[str]) -> str:
    """The first character that is no space; the file is at its beginning again. Empty for an empty file."""
    found = ""
    while not found and (chunk := opened.read(_CHUNK)):
        found = chunk.lstrip()[:1]
    opened.seek(0)
    return found


def _rows(opened: IO[str], layout: Layout, beginning: str) -> Iterator[Record]:
    if not beginning:
        msg = f"The file is empty: {layout.advice}"
        raise ForeignFormatError(msg, source=layout.source)
    number = 1
    try:
        line = opened.readline(LONGEST_RECORD)
        opened.seek(0)
        delimiter = max(_DELIMITERS, key=line.count)
        cells = csv.reader(_lines(opened), delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(cells)]
        _check_header(header, layout)
        for number, row in enumerate(cells, 2):
            if row:
                fault = "" if len(row) == len(header) else f"it has {len(row)} cells where the header has {len(header)}"
                yield Record(number, dict(zip(header, row, strict=False)), fault)
    except csv.Error as error:
        _broken(layout, number + 1, error)


def _lines(opened: IO[str]) -> Iterator[str]:
    """The lines of a file, none of them longer than a record may be."""
    while line := opened.readline(LONGEST_RECORD):
        if len(line) == LONGEST_RECORD:
            msg = "the line is longer than any record"
            raise csv.Error(msg)
        yield line


def _check_header(header: list[str], layout: Layout) -> None:
    for names in layout.required:
        if not set(names) & set(header):
            seen = ", ".join(header[:_NAMES_SHOWN]) + (" ..." if len(header) > _NAMES_SHOWN else "")
            msg = (
                f"A {layout.title} has a column {' or '.join(names)}, and this file has none (its columns: {seen}): "
                f"{layout.advice}"
            )
            raise ForeignFormatError(msg, source=layout.source)


def _objects(opened: IO[str], layout: Layout) -> Iterator[Record]:
    """The records of JSON lines, or of one JSON document."""
    line = opened.readline(LONGEST_RECORD)
    while line.isspace():
        line = opened.readline(LONGEST_RECORD)
    if _loads(line) is None and not line.rstrip().endswith("}"):
        document = _loads(line + opened.read(LONGEST_RECORD))
        if document is None:
            _broken(layout, None, None)
        yield from _numbered(_parts(document), 1)
        return
    number = 1
    while line:
        if line.strip():
            found = _loads(line)
            values = [] if found is None else list(_parts(found))
            yield from _numbered(values, number) if found is not None else (Record(number, {}, "it is not JSON"),)
            number += max(1, len(values))
        line = opened.readline(LONGEST_RECORD)


def _array(opened: IO[str], layout: Layout) -> Iterator[Record]:
    """The records of JSON arrays, one behind the other, of which only a few are in memory at a time."""
    decode = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
    buffer, at, number = opened.read(_CHUNK), 0, 1
    at = buffer.index("[") + 1 if "[" in buffer else len(buffer)
    while True:
        while at < len(buffer) and buffer[at] in " \t\r\n,":
            at += 1
        if buffer[at : at + 1] == "]":
            buffer, at = _behind(buffer[at + 1 :], opened), 1
            if not buffer:
                return
            if not buffer.startswith("["):  # pages of an API are often put one behind the other
                _broken(layout, number, None)
            continue
        try:
            value, at = decode(buffer, at) if at < len(buffer) else _end()
        except (ValueError, RecursionError) as error:
            more = opened.read(max(_CHUNK, len(buffer) - at)) if len(buffer) - at < LONGEST_RECORD else ""
            if not more:
                _broken(layout, number, error)
            buffer, at = buffer[at:] + more, 0
            continue
        values = list(_parts(value))
        yield from _numbered(values, number)
        number += max(1, len(values))


def _behind(buffer: str, opened: IO[str]) -> str:
    """What comes behind an array, without the space before it; empty where nothing does."""
    rest = buffer.lstrip()
    while not rest and (more := opened.read(_CHUNK)):
        rest = more.lstrip()
    return rest


def _end() -> NoReturn:
    raise ValueError


def _numbered(values: Any, number: int) -> Iterator[Record]:  # noqa: ANN401 - whatever a file holds
    for place, value in enumerate(values, number):
        is_object = isinstance(value, dict)
        yield Record(place, value if is_object else {}, "" if is_object else "it is no JSON object")


def _parts(value: Any) -> Iterator[Any]:  # noqa: ANN401 - whatever a file holds
    """The rows of a page and the results of a time bucket, each with the bucket's beginning and end."""
    if not isinstance(value, dict):
        yield value
        return
    rows = next((value[key] for key in _PAGE_KEYS if isinstance(value.get(key), list)), None)
    if rows is not None:
        for item in rows:
            yield from _parts(item)
    elif isinstance(value.get("results"), list):
        bucket = {key: item for key, item in value.items() if key != "results"}
        for result in value["results"]:
            yield {**bucket, **result} if isinstance(result, dict) else result
    else:
        yield value


def _loads(line: str) -> Any:  # noqa: ANN401 - whatever a file holds
    """A line's JSON, `None` if it is none."""
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _broken(layout: Layout, number: int | None, error: Exception | None) -> NoReturn:
    place = "The file" if number is None else f"Row {number}"
    msg = f"{place} is damaged, or the file ends in the middle: {layout.advice}"
    raise ForeignFormatError(msg, source=layout.source, row=number) from error
