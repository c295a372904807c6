"""Where a ledger is kept: what a user's words for it mean, and the place when nothing is said."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from langchain_costguard.exceptions import StoreError

STORE_VARIABLE: Final = "COSTGUARD_STORE"
"""The environment variable that names the store: a URL, a path, or `"memory"`."""

MEMORY: Final = "memory"
DEFAULT: Final = "default"

_APP_NAME: Final = "langchain-costguard"
_FILE_NAME: Final = "ledger.db"
_SQLITE_SCHEMES: Final = frozenset({"sqlite", "sqlite+pysqlite"})
_POSTGRESQL_SCHEMES: Final = frozenset({"postgresql", "postgresql+psycopg", "postgres"})
_logger: Final = logging.getLogger("langchain_costguard")
_announced: Final[set[str]] = set()


@dataclass(frozen=True, slots=True)
class Location:
    """A place where lines are kept: a SQLite file or a PostgreSQL database.

    Two locations are equal when they are the same place, however it was written.
    """

    path: Path | None = None
    """The absolute path of the SQLite file; `None` for PostgreSQL."""
    url: str = ""
    """The PostgreSQL URL with its credentials; never shown."""

    def __str__(self) -> str:
        """The path, or the URL without user name, password and options."""
        if self.path is not None:
            return str(self.path)
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"postgresql://{host}{parts.path}"

    def __repr__(self) -> str:
        """The same, so that credentials reach no log."""
        return f"Location({str(self)!r})"


def default_location() -> str:
    """The store that is used when a durable one is needed and none was named.

    Returns:
        What the environment variable `COSTGUARD_STORE` says, else the path of `ledger.db` in the user's data directory
        (on Linux `~/.local/share/langchain-costguard/ledger.db`).
    """
    named = os.environ.get(STORE_VARIABLE, "").strip()
    if named:
        return named
    from platformdirs import user_data_path

    return str(user_data_path(_APP_NAME, appauthor=False) / _FILE_NAME)


def announce_default(place: str) -> None:
    """Say once per process, through the logger `langchain_costguard`, where the default store is."""
    if not _announced:
        _announced.add(place)
        _logger.info("Costs are kept in %s (set %s or store= to keep them elsewhere)", place, STORE_VARIABLE)


def parse_location(spec: str | os.PathLike[str]) -> Location:
    """Understand a URL or a path.

    Args:
        spec: a path; `sqlite:///relative.db`, `sqlite:////absolute.db`; `postgresql://user@host/database` or the same
            with `postgresql+psycopg://`.

    Raises:
        StoreError: the scheme is not known, or the URL names no file.
    """
    text = os.fspath(spec)
    if isinstance(spec, str) and "://" in text:
        return _parse_url(text)
    return _file(text)


def _parse_url(url: str) -> Location:
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme in _SQLITE_SCHEMES:
        if rest and not rest.startswith("/"):
            _refuse(f"{scheme}:// needs three slashes before a relative path and four before an absolute one")
        if "?" in rest:
            _refuse(f"{scheme}:// takes no options after '?'")
        return _file(rest[1:])
    if scheme in _POSTGRESQL_SCHEMES:
        try:
            urlsplit(f"postgresql://{rest}")
        except ValueError:  # its own message would quote the password
            _refuse(f"{scheme}:// has a host in brackets that do not match, or a sign no host has")
        return Location(url=f"postgresql://{rest}")
    return _refuse(f"{scheme}:// is not a kind of store")


def _file(text: str) -> Location:
    if text.strip() in {"", ":memory:"}:
        return _refuse("no file is named")
    try:
        return Location(path=Path(os.path.realpath(Path(text).expanduser())))
    except RuntimeError:
        return _refuse("nobody here has the name behind '~'")
    except ValueError:
        return _refuse("a path holds no null character")


def _refuse(why: str) -> Location:
    msg = (
        f"The store cannot be opened: {why}. Give a path such as 'costs.db', 'sqlite:///costs.db', "
        "'postgresql://user@host/database', or 'memory'"
    )
    raise StoreError(msg)
