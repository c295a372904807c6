"""SemanticCache against LangChain's own suites for caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain_tests.integration_tests import AsyncCacheTestSuite, SyncCacheTestSuite

from langchain_costguard import SemanticCache
from tests.unit_tests.semantic_cache.word_embeddings import WordEmbeddings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "file"])
def empty_cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SemanticCache]:
    """A cache with an embedder, so that the nearest other prompt could be served by mistake."""
    cache = SemanticCache(WordEmbeddings(), "memory" if request.param == "memory" else tmp_path / "cache.db")
    yield cache
    cache.store.close()


class TestSemanticCache(SyncCacheTestSuite):
    """LangChain's synchronous suite."""

    @pytest.fixture
    def cache(self, empty_cache: SemanticCache) -> SemanticCache:
        """The cache that is tested."""
        return empty_cache


class TestSemanticCacheAsync(AsyncCacheTestSuite):
    """LangChain's asynchronous suite."""

    @pytest.fixture
    async def cache(self, empty_cache: SemanticCache) -> SemanticCache:
        """The cache that is tested."""
        return empty_cache
