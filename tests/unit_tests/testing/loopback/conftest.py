"""A provider for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that serves."""
    with LoopbackProvider() as provider:
        yield provider
