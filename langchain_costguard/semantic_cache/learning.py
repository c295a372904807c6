"""What one cache learns while it runs: users' words on its hits, kept in its store, and what shadow mode saw."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from langchain_costguard.semantic_cache.feedback import FeedbackState, ShadowState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.outputs import Generation

    from langchain_costguard.semantic_cache.feedback import Verdict
    from langchain_costguard.semantic_cache.meaning import Meaning
    from langchain_costguard.stores.cache_base import CacheStore


class Learning:
    """The feedback and the shadow counts of one cache.

    Args:
        store: keeps the feedback, for everybody who shares it.
        namespace: whose it is.
    """

    def __init__(self, store: CacheStore, namespace: str) -> None:
        """Begin with what the store keeps."""
        self._store = store
        self._namespace = namespace
        self._lock = threading.Lock()
        self.shadow: ShadowState = ShadowState()

    def feedback(self, meaning: Meaning) -> FeedbackState:
        """What users have said of an embedder's hits.

        Raises:
            StoreError: the store cannot be read.
        """
        kept = self._store.note(self._key(meaning.fingerprint))
        if kept is None:
            return FeedbackState(threshold=meaning.threshold)
        return FeedbackState.from_dict({**json.loads(kept), "threshold": meaning.threshold})

    def judged(self, meaning: Meaning, similarity: float, *, good: bool) -> Verdict:
        """Keep a user's word on a hit, and say what follows from it.

        Raises:
            StoreError: the store cannot be read or written.
        """
        with self._lock:
            verdict = self.feedback(meaning).judged(similarity, good=good)
            self._store.note(self._key(meaning.fingerprint), json.dumps(verdict.state.as_dict()).encode())
        return verdict

    def raised_threshold(self, fingerprint: str) -> float:
        """The threshold to which users' words have raised an embedder's; 0 without any."""
        kept = self._store.note(self._key(fingerprint))
        return 0.0 if kept is None else float(json.loads(kept)["threshold"])

    def note_shadow(self, *, hit: bool) -> None:
        """Count a lookup of shadow mode."""
        with self._lock:
            self.shadow = self.shadow.looked_up(hit=hit)

    def compare(self, stored: Sequence[Generation], answered: Sequence[Generation]) -> None:
        """Count whether the model said what would have been served, but for case and white space."""
        same = [_plain(each) for each in stored] == [_plain(each) for each in answered]
        with self._lock:
            self.shadow = self.shadow.compared(same=same)

    def _key(self, fingerprint: str) -> str:
        return f"feedback:{self._namespace}:{fingerprint}"


def _plain(generation: Generation) -> str:
    return " ".join(str(generation.text).casefold().split())
