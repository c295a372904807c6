"""What the tests of batch jobs share: a provider whose day passes at once, and a file of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider whose batches end at once."""
    with LoopbackProvider(batch_seconds=0, keep_bodies=True) as running:
        yield running


@pytest.fixture
def slow_provider() -> Iterator[LoopbackProvider]:
    """A provider whose batches go a step further with each question."""
    with LoopbackProvider(keep_bodies=True) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A file of jobs."""
    return tmp_path / "batches.db"
