"""A budget store is found by whatever names it, and what is no budget store is refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import InMemoryStore, LedgerStore, SQLStore
from langchain_costguard.stores.opening_budgets import open_budget_store
from langchain_costguard.stores.redis import RedisBudgetStore

if TYPE_CHECKING:
    from pathlib import Path


def test_a_store_is_returned_as_it_is() -> None:
    """Who made one means that one."""
    store = InMemoryStore()
    assert open_budget_store(store) is store


def test_memory_and_files_are_opened_as_for_a_ledger(tmp_path: Path) -> None:
    """Ledger and budgets that name one file share one store."""
    assert isinstance(open_budget_store("memory"), InMemoryStore)
    store = open_budget_store(tmp_path / "costs.db")
    assert isinstance(store, SQLStore)
    assert open_budget_store(f"sqlite:///{tmp_path / 'costs.db'}") is store
    store.close()


@pytest.mark.parametrize("scheme", ["redis", "valkey", "REDIS"])
def test_a_server_is_opened_by_its_url(valkey_url: str, scheme: str) -> None:
    """Valkey is a Redis by another name."""
    store = open_budget_store(valkey_url.replace("redis", scheme, 1))
    assert isinstance(store, RedisBudgetStore)
    assert store.location == valkey_url
    store.close()


def test_a_ledger_without_budgets_is_refused() -> None:
    """A store of the user's own may keep lines only."""
    with pytest.raises(StoreError, match="keeps a ledger and no budgets: give the budgets a store of their own"):
        open_budget_store(Mock(spec=LedgerStore))


def test_an_unknown_scheme_is_refused() -> None:
    """A typing mistake must not become a file."""
    with pytest.raises(StoreError, match="mysql:// is not a kind of store"):
        open_budget_store("mysql://host/database")
