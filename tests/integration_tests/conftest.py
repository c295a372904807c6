"""What tests of budgets share: a provider that must be left alone after a refusal, and places to keep counters in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.stores import InMemoryStore
from tests.providers import provider
from tests.servers import postgresql, postgresql_url, valkey, valkey_url

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["postgresql", "postgresql_url", "provider", "valkey", "valkey_url"]


@pytest.fixture
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Where lines and counters are kept, as arguments of a handler: in memory, or where a test's parameter says."""
    place = getattr(request, "param", "memory")
    if place == "memory":
        return {"store": InMemoryStore()}
    if place == "sqlite":
        return {"store": tmp_path / "costs.db"}
    if place == "postgresql":
        return {"store": request.getfixturevalue("postgresql_url")}
    return {"store": tmp_path / "costs.db", "budget_store": request.getfixturevalue("valkey_url")}
