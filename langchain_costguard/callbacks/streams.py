"""Streams that end when whoever reads them stops."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def closed_with(pieces: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """A stream that is closed as soon as who reads it is, so that the call ends, and what it reserved is free."""
    try:
        yield pieces
    finally:
        close = getattr(pieces, "aclose", None)  # a generator has it; a Runnable may stream by any iterator
        if close is not None:
            await close()
