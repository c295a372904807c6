"""Files of JSON lines: put in place when they are complete, and checked before anybody reads them."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, TypeAlias

from langchain_costguard._progress import watched
from langchain_costguard.exports.lines import read_line, write_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from langchain_costguard.ledger import LedgerEntry

Place: TypeAlias = str | os.PathLike[str]
"""A path."""

_SPOOL_BYTES: Final = 64 * 1024 * 1024
_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_SQLITE_SIDE_FILES: Final = ("-wal", "-shm", "-journal")


def is_database(path: Place) -> bool:
    """Whether a SQLite database is at a path, or a database that this file belongs to (its `-wal`, `-shm`).

    Args:
        path: where to look; symbolic links are followed.
    """
    real = str(Path(path).resolve())
    bases = [real.removesuffix(end) for end in _SQLITE_SIDE_FILES if real.endswith(end)]
    return any(_is_sqlite(Path(base)) for base in (real, *bases))


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
    if not isinstance(file, str | os.PathLike):
        return _write(entries, file, with_digests=with_digests)
    if is_database(file):
        raise FileExistsError(errno.EEXIST, "it is a SQLite database: give another path", os.fspath(file))
    with _put_in_place(Path(file).resolve()) as opened:
        return _write(entries, opened, with_digests=with_digests)


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


def _is_sqlite(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC


def _write(entries: Iterable[LedgerEntry], file: IO[str], *, with_digests: bool) -> int:
    count = 0
    for entry in watched(entries, "writing lines"):
        file.write(write_line(entry, with_digests=with_digests))
        count += 1
    return count


@contextmanager
def _put_in_place(path: Path) -> Iterator[IO[str]]:
    """A file that takes its place, or that of an older one, once it is complete."""
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8") as pipe:
            yield pipe
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent, text=True)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor, no path
            yield file
        Path(name).replace(path)
    except BaseException:  # whatever happens, no half file is left; raised again
        with suppress(OSError):
            Path(name).unlink()
        raise


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
