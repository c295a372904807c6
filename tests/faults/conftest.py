"""What tests of faults share: a provider that must not be left with an open call, and servers on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.testing import LoopbackProvider
from tests.servers import postgresql, postgresql_url, valkey, valkey_url

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["postgresql", "postgresql_url", "valkey", "valkey_url"]


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that answers and bills; no call may be left open behind it."""
    with LoopbackProvider() as served:
        yield served
    CALLS.sweep()
    assert len(CALLS) == 0, "a call was left open"
