"""Budgets on a real Valkey server keep every rule, and a server in trouble is named with its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.stores.redis import RedisBudgetStore
from langchain_costguard.testing.budget_stores import SharedBudgetStoreSuite

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.required
class TestRedisBudgetStore(SharedBudgetStoreSuite):
    """What many machines share."""

    @pytest.fixture
    def budget_store(self, valkey_url: str) -> Iterator[RedisBudgetStore]:
        """Budgets on a server that was emptied."""
        store = RedisBudgetStore(valkey_url)
        yield store
        store.close()

    @pytest.fixture
    def another_process_store(self, valkey_url: str) -> tuple[str, str]:
        """How another process opens the same."""
        return "langchain_costguard.stores.redis:RedisBudgetStore", valkey_url
