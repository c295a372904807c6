"""CallFacts: what a budget is told of a call to decide whether it is meant, and whose counter."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class CallFacts(NamedTuple):
    """A call that is about to be made."""

    model: str | None = None
    """The requested model."""
    provider: str | None = None
    """Who serves it."""
    tags: Collection[str] = ()
    metadata: Mapping[str, Any] = MappingProxyType({})
    chain: str = ""
    """The names of the runs around it, outermost first, joined by `" > "`."""
    root_run_id: str | None = None
    """The outermost run; `None` where it is not known."""
