"""Two questions side by side: what each says that the other does not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from langchain_costguard.semantic_cache.guards.words import alike

if TYPE_CHECKING:
    from langchain_costguard.semantic_cache.guards.reading import Reading
    from langchain_costguard.semantic_cache.guards.words import Word


@dataclass(frozen=True)
class Comparison:
    """The stored and the asked question, and what is left of each when all that they share is taken away.

    Attributes:
        stored: the question whose answer is kept.
        asked: the question to be answered.
    """

    stored: Reading
    asked: Reading

    @cached_property
    def leftovers(self) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        """The words of content of either text, stored and asked, that have no counterpart in the other."""
        stored, asked = self.stored.words, self.asked.words
        mine = [word for key, word in stored.items() if key not in asked]
        yours = [word for key, word in asked.items() if key not in stored]
        if not mine and not yours:
            return (), ()
        return (
            tuple(word for word in mine if not any(alike(word, other) for other in asked.values())),
            tuple(word for word in yours if not any(alike(word, other) for other in stored.values())),
        )

    @cached_property
    def opposed(self) -> tuple[tuple[Word, Word, str], ...]:
        """Pairs of leftovers that exclude each other, with the key by which they do."""
        mine, yours = self.leftovers
        return tuple(
            (one, other, min(one.keys & other.opposites))
            for one in mine
            for other in yours
            if not one.keys.isdisjoint(other.opposites)
        )

    @property
    def shared(self) -> int:
        """How many words of content of the stored text have a counterpart in the asked one."""
        return len(self.stored.words) - len(self.leftovers[0])
