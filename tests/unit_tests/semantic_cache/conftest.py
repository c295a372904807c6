"""What the tests of the semantic cache share: a store of each kind, and a real PostgreSQL server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.stores.cache_opening import open_cache_store
from tests.servers import postgresql, postgresql_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_costguard.stores.cache_base import CacheStore

__all__ = ["postgresql", "postgresql_url"]

KINDS = ["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.required)]


@pytest.fixture(params=KINDS)
def cache_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new, empty cache store is to be."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return "memory" if request.param == "memory" else str(tmp_path / "cache.db")


@pytest.fixture
def cache_store(cache_place: str) -> Iterator[CacheStore]:
    """A new, empty cache store of each kind."""
    store = open_cache_store(cache_place)
    yield store
    store.close()
