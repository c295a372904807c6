"""Providers for tests, on this machine only, behind which no call may be left open.

A `conftest.py` that imports `provider` gives its folder a provider that answers and bills. A module whose tests need
another kind names its class as `PROVIDER`, so that the check for open calls is not written a second time.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest

from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator

P = TypeVar("P", bound=LoopbackProvider)


@contextmanager
def leaving_no_call_open(served: P) -> Iterator[P]:
    """Have a provider serve, and see at the end that every call of this process has been closed.

    A call that stays open keeps what it had reserved, and no figure would show it.
    """
    with served:
        yield served
    CALLS.sweep()
    assert len(CALLS) == 0, "a call was left open"


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> Iterator[LoopbackProvider]:
    """A provider that answers and bills, of the module's own kind if it names one; no call may be left open."""
    kind: type[LoopbackProvider] = getattr(request.module, "PROVIDER", LoopbackProvider)
    with leaving_no_call_open(kind()) as served:
        yield served
