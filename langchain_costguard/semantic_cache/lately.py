"""The latest lookups of one process, to explain and to judge them: what was asked, found, and nearly found."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from langchain_costguard.semantic_cache.stats import Explanation

KEPT: Final = 256
"""So many lookups are remembered."""


class Lookup(NamedTuple):
    """A lookup that was made."""

    explanation: Explanation
    entry_id: int | None
    """The entry that was served, or that a guard refused."""


class Lately:
    """The latest lookups of one cache, newest first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lookups: deque[Lookup] = deque(maxlen=KEPT)

    def add(self, explanation: Explanation, entry_id: int | None) -> None:
        """Remember a lookup."""
        self._lookups.appendleft(Lookup(explanation, entry_id))

    def of_text(self, text: str, tenant: str | None) -> Lookup | None:
        """The latest lookup of a text by a tenant; `None` stands for nobody in particular."""
        asked = ((lookup, lookup.explanation) for lookup in list(self._lookups))
        return next((lookup for lookup, said in asked if said.asked == text and said.tenant == tenant), None)

    def misses(self) -> list[Explanation]:
        """The lookups that came near a stored entry and missed, the nearest first."""
        near = (lookup.explanation for lookup in list(self._lookups) if not lookup.explanation.is_hit)
        return sorted((one for one in near if one.stored is not None), key=lambda one: -(one.similarity or 0.0))

    def forget(self) -> None:
        """Remember nothing."""
        self._lookups.clear()
