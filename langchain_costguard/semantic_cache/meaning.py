"""What a cache compares texts with: its embedder, the threshold that belongs to it, its guards and its verifier."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.semantic_cache.embedders import NO_VECTOR, Embedder, as_embedder
from langchain_costguard.semantic_cache.guards import Guards
from langchain_costguard.semantic_cache.keys import why_text_exact
from langchain_costguard.semantic_cache.matching import Match, decide
from langchain_costguard.semantic_cache.recognition import recognise

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.embeddings import Embeddings
    from numpy.typing import NDArray

    from langchain_costguard.semantic_cache.learning import Learning
    from langchain_costguard.semantic_cache.matching import Verifier
    from langchain_costguard.stores.cache_base import CacheStore

WORDLLAMA: Final = "wordllama"
LOCAL: Final = "local"
NO_EMBEDDER: Final = (
    "the semantic cache has no embedder and serves the same words only: give embedder=, or install "
    "'langchain-costguard[local-embeddings]' for a local one; embedder=False says that this is meant"
)


class Meaning(NamedTuple):
    """An embedder as a store knows it."""

    embedder: Embedder
    fingerprint: str
    threshold: float

    def embed(self, text: str) -> NDArray[np.float32] | None:
        """The vector of a text, of length 1; `None` for one that is too long, or in letters that cannot be read."""
        return self.embedder.embed([text])[0] if self.embedder.reads(text) else None


class Matching:
    """Decides which texts are the same question; safe to use from many threads.

    Args:
        embedder: what makes vectors: see `SemanticCache`.
        store: what knows the embedder's fingerprint and threshold.
        threshold: the similarity from which on texts are compared; `None` for the embedder's own, which is a stricter
            one where not every guard is asked.
        guards: see `SemanticCache`.
        verifier: asked last.
        learning: what users have said of the cache's hits.
    """

    def __init__(
        self,
        embedder: Embedder | Embeddings | str | bool | None,
        store: CacheStore,
        threshold: float | None,
        guards: Guards | bool,
        verifier: Verifier | None,
        learning: Learning,
    ) -> None:
        """Note what to compare with; the store is asked when it is needed first."""
        self._embedder = _wanted(embedder)
        self._is_local_wanted = embedder in (None, True) and find_spec(WORDLLAMA) is not None
        self.is_without_by_choice: bool = embedder is False
        self._store = store
        self._threshold = threshold
        self.guards: Guards = guards if isinstance(guards, Guards) else Guards.default() if guards else Guards.none()
        self._verifier = verifier
        self._learning = learning
        self._lock = threading.Lock()
        self._meaning: Meaning | None = None

    @property
    def has_embedder(self) -> bool:
        """Whether anything is compared by meaning."""
        return self._embedder is not None or self._is_local_wanted

    def meaning(self) -> Meaning | None:
        """The embedder; `None` without one.

        Raises:
            StoreError: the store cannot say how it knows the embedder.
        """
        if self._meaning is None and self.has_embedder:
            with self._lock:
                if self._meaning is None:
                    self._meaning = self._recognised()
        return self._meaning

    def forget(self) -> None:
        """Ask the store for the threshold again when it is needed next, because it has changed."""
        self._meaning = None

    def decide(self, stored: str, asked: str, similarity: float) -> Match:
        """Whether the answer to one text is served for another, at a similarity."""
        meaning = self.meaning()
        threshold = 1.0 if meaning is None else meaning.threshold
        return decide(similarity, stored, asked, threshold, self.guards, self._verifier)

    def match(self, stored: str, asked: str) -> Match:
        """The same, with the similarity found here."""
        if stored == asked:
            return Match(1.0, (), hit=True, reason="the same words")
        meaning = self.meaning()
        why = why_text_exact(stored) or why_text_exact(asked) or ("there is no embedder" if meaning is None else None)
        if why is not None or meaning is None:
            return Match(0.0, (), hit=False, reason=str(why))
        one, other = meaning.embed(stored), meaning.embed(asked)
        if one is None or other is None:
            return Match(0.0, (), hit=False, reason=NO_VECTOR)
        return self.decide(stored, asked, float(one @ other))

    def _recognised(self) -> Meaning:
        if self._embedder is None:
            self._embedder = as_embedder(LOCAL)
        known = recognise(self._embedder, self._store, is_guarded=self.guards.are_all)
        wanted = known.threshold if self._threshold is None else self._threshold
        raised = self._learning.raised_threshold(known.fingerprint)
        return Meaning(self._embedder, known.fingerprint, max(wanted, raised))


def _wanted(embedder: Embedder | Embeddings | str | bool | None) -> Embedder | None:
    """The embedder that was named; the local default is loaded when it is needed."""
    if embedder is None or isinstance(embedder, bool):
        return None
    return as_embedder(embedder)
