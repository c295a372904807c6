"""Budgets in memory: the contract, and what is special about a store that ends with its process."""

from __future__ import annotations

import pytest

from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing.budget_stores import BudgetStoreSuite, JointStoreSuite


class TestInMemoryBudgets(JointStoreSuite, BudgetStoreSuite):
    """The reference implementation."""

    @pytest.fixture
    def budget_store(self) -> InMemoryStore:
        """Budgets in this process."""
        return InMemoryStore()
