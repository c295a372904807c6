"""How a SQLite file is created where there is none: for its user's eyes only, leaving one that is there alone."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING, Final

from langchain_costguard.exceptions import StoreError

if TYPE_CHECKING:
    from pathlib import Path

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_creating: Final = Lock()
"""Keeps other threads from opening a new file before the descriptor that created it is closed."""


def create_missing(path: Path, *, what: str, example: str, variable: str) -> None:
    """Create a file and its folders where they are missing.

    A file that is there is not opened: closing it again would drop every lock this process's other connections hold on
    it, because that is how POSIX locks work.

    Args:
        path: the file.
        what: what is kept in it, for errors.
        example: what such a file may be called, for errors.
        variable: the environment variable that names another, for errors.

    Raises:
        StoreError: the path is a folder, or cannot be written.
    """
    if path.is_dir():
        msg = f"{path} is a folder: give the path of a file in it, such as store={str(path / example)!r}"
        raise StoreError(msg)
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        with _creating:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _FILE_MODE))
    except FileExistsError:
        pass  # SQLite says what is wrong with it, if anything is
    except OSError as error:
        msg = (
            f"The {what} {path} cannot be written ({error.strerror}): give the path of a file in a folder you may "
            f"write to, with store= or the environment variable {variable}"
        )
        raise StoreError(msg) from error
