"""Which cache store is meant: one that was given, a path, a URL, or the default file."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from langchain_costguard.stores.cache_base import CacheStore
from langchain_costguard.stores.location import MEMORY, parse_location

if TYPE_CHECKING:
    from pathlib import Path

CACHE_VARIABLE: Final = "COSTGUARD_CACHE"
"""The environment variable that names the cache's store: a path, a URL, or `"memory"`."""

_APP_NAME: Final = "langchain-costguard"
_FILE_NAME: Final = "cache.db"
_logger: Final = logging.getLogger("langchain_costguard")
_announced: Final[set[str]] = set()


def default_cache_location() -> str:
    """The store that is used when none was named.

    Returns:
        What the environment variable `COSTGUARD_CACHE` says, else the path of `cache.db` in the user's data directory
        (on Linux `~/.local/share/langchain-costguard/cache.db`).
    """
    named = os.environ.get(CACHE_VARIABLE, "").strip()
    if named:
        return named
    from platformdirs import user_data_path

    return str(user_data_path(_APP_NAME, appauthor=False) / _FILE_NAME)


def open_cache_store(spec: str | Path | CacheStore | None = None) -> CacheStore:
    """Open a cache store.

    Args:
        spec: a store; `"memory"`; the path or `sqlite:///` URL of a file; `postgresql://user@host/database`; `None` for
            the default file, which is announced once.

    Returns:
        The store; one that was given is given back.

    Raises:
        StoreError: it cannot be opened.
        OptionalDependencyError: psycopg is not installed.
    """
    if isinstance(spec, CacheStore):
        return spec
    if spec is None:
        spec = default_cache_location()
        _announce(spec)
    if str(spec).strip().lower() == MEMORY:
        from langchain_costguard.stores.cache_memory import InMemoryCacheStore

        return InMemoryCacheStore()
    location = parse_location(spec)
    if location.path is None:
        from langchain_costguard.stores.cache_postgresql import PostgreSQLCacheStore

        return PostgreSQLCacheStore(location)
    from langchain_costguard.stores.cache_sqlite import SQLiteCacheStore

    return SQLiteCacheStore(location.path)


def _announce(place: str) -> None:
    """Say once per process where answers are kept; a URL is not told, because it may hold a password."""
    if not _announced:
        _announced.add(place)
        shown = str(parse_location(place)) if "://" in place else place
        _logger.info("Cached answers are kept in %s (set %s or store= to keep them elsewhere)", shown, CACHE_VARIABLE)
