"""Where an export goes: into an open file, or to a path that holds it whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Place: TypeAlias = str | os.PathLike[str]
"""A path."""

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


@contextmanager
def writable(file: Place | IO[str]) -> Iterator[IO[str]]:
    """A file to write into; one at a path takes its place, or that of an older one, only when it is complete.

    Until then it is beside its place, readable for the user only; if it is never completed, it is removed.

    Args:
        file: a path, or a text file that is open for writing.

    Raises:
        OSError: the path cannot be written, or is a SQLite database; a file that was there is still there.
    """
    if not isinstance(file, str | os.PathLike):
        yield file
        return
    if is_database(file):
        raise FileExistsError(errno.EEXIST, "it is a SQLite database: give another path", os.fspath(file))
    with _put_in_place(Path(file).resolve()) as opened:
        yield opened


def _is_sqlite(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC


@contextmanager
def _put_in_place(path: Path) -> Iterator[IO[str]]:
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as pipe:
            yield pipe
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent, text=True)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a descriptor, no path
            yield file
        Path(name).replace(path)
    except BaseException:  # whatever happens, no half file is left; raised again
        with suppress(OSError):
            Path(name).unlink()
        raise
