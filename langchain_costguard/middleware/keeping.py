"""What middleware keep in an agent's state: each under its own name, so that several of a kind can be in one agent."""

from __future__ import annotations

from typing import Any


def merged(known: dict[str, Any], noted: dict[str, Any]) -> dict[str, Any]:
    """What several middleware keep, of which each notes its own: LangGraph adds up with this what one step writes."""
    return {**known, **noted}
