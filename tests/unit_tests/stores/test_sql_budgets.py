"""Budgets in SQLite and in PostgreSQL keep the rules of every budget store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.stores import SQLStore
from langchain_costguard.testing.budget_stores import JointStoreSuite, SharedBudgetStoreSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OPENER = "langchain_costguard.stores:SQLStore"


class TestSQLiteBudgets(JointStoreSuite, SharedBudgetStoreSuite):
    """What most users keep their budgets in."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        """A new file."""
        return str(tmp_path / "costs.db")

    @pytest.fixture
    def budget_store(self, place: str) -> Iterator[SQLStore]:
        """Budgets in a new file."""
        with SQLStore(place) as store:
            yield store

    @pytest.fixture
    def another_process_store(self, place: str) -> tuple[str, str]:
        """The same file."""
        return _OPENER, place


@pytest.mark.required
class TestPostgreSQLBudgets(JointStoreSuite, SharedBudgetStoreSuite):
    """What several machines share, on a real server."""

    @pytest.fixture
    def budget_store(self, postgresql_url: str) -> Iterator[SQLStore]:
        """Budgets in a new database."""
        with SQLStore(postgresql_url) as store:
            yield store

    @pytest.fixture
    def another_process_store(self, postgresql_url: str) -> tuple[str, str]:
        """The same database."""
        return _OPENER, postgresql_url
