"""Every store keeps the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.stores import InMemoryStore, SQLStore
from langchain_costguard.testing.stores import LedgerStoreSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_costguard.stores import LedgerStore


class TestInMemoryStore(LedgerStoreSuite):
    """The reference implementation."""

    @pytest.fixture
    def store(self) -> LedgerStore:
        """A ledger in this process."""
        return InMemoryStore()


class TestSQLiteStore(LedgerStoreSuite):
    """What most users keep their costs in."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[LedgerStore]:
        """A ledger in a new file."""
        with SQLStore(tmp_path / "costs.db") as store:
            yield store


@pytest.mark.required
class TestPostgreSQLStore(LedgerStoreSuite):
    """What several machines share, on a real server."""

    @pytest.fixture
    def store(self, postgresql_url: str) -> Iterator[LedgerStore]:
        """A ledger in a new database."""
        with SQLStore(postgresql_url) as store:
            yield store
