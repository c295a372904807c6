"""Files of JSON lines: what `write_jsonl` wrote is checked to its end before anybody reads it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from langchain_costguard._progress import watched
from langchain_costguard.exports.files import writable
from langchain_costguard.exports.lines import read_line, write_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from langchain_costguard.exports.files import Place
    from langchain_costguard.ledger import LedgerEntry

_SPOOL_BYTES: Final = 64 * 1024 * 1024


def write_jsonl(entries: Iterable[LedgerEntry], file: Place | IO[str], *, with_digests: bool = False) -> int:
    """Write ledger lines as JSON lines.

    A path is written beside its place first, readable for the user only, and put there when it is complete.

    Args:
        entries: the lines, such as `store.entries()`.
        file: a path, or a text file that is open for writing.
        with_digests: whether to write the digests of prompts as well. They are made with the key of one store and are
            comparable with no other's.

    Returns:
        How many lines were written.

    Raises:
        OSError: the file cannot be written, or is a SQLite database; a file that was there is still there.
    """
    count = 0
    with writable(file) as opened:
        for entry in watched(entries, "writing lines"):
            opened.write(write_line(entry, with_digests=with_digests))
            count += 1
    return count


def read_jsonl(file: Place | IO[str] | IO[bytes]) -> Iterator[LedgerEntry]:
    """Read ledger lines that `write_jsonl` wrote, with every field as it was.

    The whole file is checked before the first line is given, so that nobody keeps half of a damaged one.

    Args:
        file: a path, or a file that is open for reading.

    Returns:
        The lines, in the file's order, read one by one.

    Raises:
        LedgerFormatError: a line is damaged or of a newer release; the error names it.
        OSError: the file cannot be read.
    """
    if isinstance(file, str | os.PathLike):
        _check(_read_path(file))
        return _read_path(file)
    if file.seekable():
        start = file.tell()
        _check(_read(file))
        file.seek(start)
        return _read(file)
    return _read_spooled(_spooled(file))


def _read_path(path: Place) -> Iterator[LedgerEntry]:
    with Path(path).open("rb") as file:
        yield from _read(file)


def _read(file: Iterable[str | bytes]) -> Iterator[LedgerEntry]:
    for number, text in enumerate(file, 1):
        if text.strip():
            yield read_line(text, number)


def _check(entries: Iterable[LedgerEntry]) -> None:
    for _ in watched(entries, "checking lines"):
        pass


def _spooled(file: Iterable[str | bytes]) -> IO[bytes]:
    """A checked copy of a file that can be read once only, such as a pipe: in memory, or on disk when it is large."""
    copy = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - whoever reads the lines lets go of it
    try:
        for text in file:
            copy.write(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
        copy.seek(0)
        _check(_read(copy))
        copy.seek(0)
    except BaseException:  # closed whatever happens, and raised again
        copy.close()
        raise
    return copy


def _read_spooled(copy: IO[bytes]) -> Iterator[LedgerEntry]:
    with copy:
        yield from _read(copy)
