"""How an answer is found: by the question's words, else by its meaning if the similarity and every guard allow it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.semantic_cache.answers import load_answer
from langchain_costguard.semantic_cache.stats import Explanation

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from langchain_core.outputs import Generation
    from numpy.typing import NDArray

    from langchain_costguard.semantic_cache.embedding import Embedding
    from langchain_costguard.semantic_cache.index import CandidateIndex
    from langchain_costguard.semantic_cache.keys import Question
    from langchain_costguard.semantic_cache.matching import Match
    from langchain_costguard.stores.cache_base import CacheEntry, CacheStore, UseKind

CANDIDATES: Final = 5
"""So many near entries are looked at until one is let through."""

_SHOWN_BELOW: Final = 0.15
"""So far below the threshold the text of the nearest entry is still told."""
_logger: Final = logging.getLogger("langchain_costguard")


class Found(NamedTuple):
    """What a lookup ended in."""

    kind: UseKind
    entry: CacheEntry | None = None
    """The entry that is served, or that a guard refused."""
    generations: list[Generation] | None = None
    """The answer, where there is one."""
    vector: NDArray[np.float32] | None = None
    """The embedding of the question, where it was made."""
    similarity: float | None = None
    vetoes: tuple[str, ...] = ()
    why: str | None = None
    """Why nothing was compared by meaning."""
    nearest: str | None = None
    """The text of the nearest entry that was not served."""

    def explained(self, question: Question) -> Explanation:
        """The same for people to read."""
        stored = self.nearest if self.entry is None else self.entry.text
        return Explanation(
            self.kind, question.text, stored, self.similarity, self.vetoes, self.why, question.tenant, question.model
        )


class Finder:
    """Looks questions up in one store.

    Args:
        store: where entries are.
        index: finds near ones.
        embedding: makes vectors.
        decide: whether a stored text answers an asked one, at a similarity.
    """

    def __init__(
        self,
        store: CacheStore,
        index: CandidateIndex,
        embedding: Embedding,
        decide: Callable[[str, str, float], Match],
    ) -> None:
        """Keep the parts."""
        self._store = store
        self._index = index
        self._embedding = embedding
        self._decide = decide

    def find(self, question: Question) -> Found:
        """Look a question up.

        Raises:
            StoreError: the store cannot be read.
        """
        found = self.find_exact(question)
        return self._find_near(question) if found is None else found

    def find_exact(self, question: Question) -> Found | None:
        """Look a question up by its words only; `None` when it is not there."""
        entry = self._store.get_exact(question.partition, question.exact, now_us=now_us())
        generations = None if entry is None else self._opened(entry)
        return None if generations is None else Found("exact", entry, generations, similarity=1.0)

    def _find_near(self, question: Question) -> Found:
        if question.text is None:
            return Found("miss", why=question.why_exact)
        meaning, vector, why = self._embedding.embed(question.text)
        if meaning is None or vector is None:
            return Found("miss", why=why)
        refused: Found | None = None
        at = now_us()
        near = self._index.nearest(question.partition, meaning.fingerprint, vector, k=CANDIDATES, now_us=at)
        for entry_id, similarity in near:
            if similarity < meaning.threshold:
                return refused or self._below(question, entry_id, similarity, vector, meaning.threshold)
            entry = self._store.entry(entry_id, question.partition, now_us=at)
            if entry is None or entry.text is None:
                continue
            match = self._decide(entry.text, question.text, similarity)
            generations = self._opened(entry) if match.hit else None
            if generations is not None:
                return Found("semantic", entry, generations, vector, similarity)
            if refused is None and not match.hit:
                vetoes = tuple(str(veto) for veto in match.vetoes)
                refused = Found("vetoed", entry, None, vector, similarity, vetoes)
        return refused or Found("miss", vector=vector)

    def _below(
        self, question: Question, entry_id: int, similarity: float, vector: NDArray[np.float32], threshold: float
    ) -> Found:
        entry = None
        if similarity >= threshold - _SHOWN_BELOW:
            entry = self._store.entry(entry_id, question.partition, now_us=now_us())
        nearest = None if entry is None else entry.text
        return Found("miss", None, None, vector, similarity, nearest=nearest)

    def _opened(self, entry: CacheEntry) -> list[Generation] | None:
        """The answer of an entry; one that cannot be read is dropped."""
        generations = load_answer(entry.answer)
        if generations is None:
            _logger.warning("a cached answer cannot be read back and is dropped (entry %d)", entry.id)
            self._store.delete([entry.id])
            self._index.remove([entry.id])
        return generations


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000
