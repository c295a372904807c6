"""SQLite's write-ahead log, which lets a file be read while it is written."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_RETRY_SECONDS: Final = 0.01
_PRIMARY: Final = 0xFF
"""The part of an error's code that says its kind; the rest says more, such as that a log is being recovered."""


def enter_write_ahead(connection: sqlite3.Connection, patience_seconds: float) -> bool:
    """Switch a file to write-ahead logging, waiting for others: SQLite itself does not wait here.

    Args:
        connection: to the file.
        patience_seconds: how long to wait for others that use the file.

    Returns:
        Whether the file has such a log now; a filesystem that cannot share memory between processes has none.

    Raises:
        sqlite3.Error: the file is in use for longer, or is no file of SQLite's.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            mode: str = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)  # asked again soon
        else:
            return mode == "wal"
