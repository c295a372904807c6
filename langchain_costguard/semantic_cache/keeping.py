"""How an answer is kept: as one entry with what it may be found by, its time to live and what each hit saves."""

from __future__ import annotations

import logging
import math
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.semantic_cache.answers import dump_answer, has_tool_calls, why_not_kept
from langchain_costguard.semantic_cache.billing import avoided_nanos
from langchain_costguard.semantic_cache.finding import now_us
from langchain_costguard.stores.cache_base import CacheEntry, CacheLimits
from langchain_costguard.stores.cache_rows import exceeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from langchain_core.outputs import Generation
    from numpy.typing import NDArray

    from langchain_costguard.pricing import PriceBook
    from langchain_costguard.semantic_cache.embedding import Embedding
    from langchain_costguard.semantic_cache.index import CandidateIndex
    from langchain_costguard.semantic_cache.keys import Question
    from langchain_costguard.stores.cache_base import CacheStore
    from langchain_costguard.stores.cache_uses import CacheUses

_US_PER_SECOND: Final = 1_000_000
_PURGE_EVERY: Final = 256
_logger: Final = logging.getLogger("langchain_costguard")


class KeepingRules(NamedTuple):
    """For how long answers are kept, and how many."""

    namespace: str = ""
    ttl_seconds: float | None = None
    limits: CacheLimits = CacheLimits()
    prices: PriceBook | None = None


class Keeper:
    """Puts answers into one store.

    Args:
        store: where entries go.
        index: what is told of them.
        embedding: makes vectors.
        rules: for how long, and how many.
        uses: the uses that wait to be noted, which say what was used last.
    """

    def __init__(
        self, store: CacheStore, index: CandidateIndex, embedding: Embedding, rules: KeepingRules, uses: CacheUses
    ) -> None:
        """Keep the parts."""
        self._store = store
        self._index = index
        self._embedding = embedding
        self._rules = rules
        self._uses = uses
        self._puts = count()

    def keep(
        self,
        question: Question,
        generations: Sequence[Generation],
        *,
        prompt: str | None = None,
        vector: NDArray[np.float32] | None = None,
        ttl_seconds: float | None = None,
    ) -> str | None:
        """Keep an answer.

        Args:
            question: what was asked.
            generations: what was answered.
            prompt: the whole prompt of a text LLM, to know what asking again would cost.
            vector: the embedding of the question's text, if it was made.
            ttl_seconds: how long it may be served; `None` for as long as the others.

        Returns:
            Why it was not kept; `None` if it was.

        Raises:
            StoreError: the store cannot be written.
        """
        why = why_not_kept(generations)
        data = None if why is not None else dump_answer(generations)
        if data is None:
            why = why or "it cannot be written as JSON and read back"
            _logger.debug("an answer is not cached: %s", why)
            return why
        entry = self._entry(question, generations, data, prompt, ttl_seconds)
        self._put(self._embedded(entry, vector))
        return None

    def _entry(
        self,
        question: Question,
        generations: Sequence[Generation],
        data: bytes,
        prompt: str | None,
        ttl_seconds: float | None,
    ) -> CacheEntry:
        created = now_us()
        ttl = self._rules.ttl_seconds if ttl_seconds is None else ttl_seconds
        return CacheEntry(
            partition=question.partition,
            exact=question.exact,
            answer=data,
            created_us=created,
            expires_us=None if ttl is None or ttl == math.inf else created + int(ttl * _US_PER_SECOND),
            tenant=question.tenant,
            namespace=self._rules.namespace,
            model=question.model,
            text=None if has_tool_calls(generations) else question.text,
            avoided_nanos=avoided_nanos(generations, question.model, self._rules.prices, prompt),
        )

    def _embedded(self, entry: CacheEntry, vector: NDArray[np.float32] | None) -> CacheEntry:
        """The entry with its vector, where it can be found by meaning."""
        if entry.text is None:
            return entry
        if vector is None:
            meaning, vector, _ = self._embedding.embed(entry.text)
        else:
            meaning = self._embedding.meaning()
        if meaning is None or vector is None:
            return entry
        from langchain_costguard.semantic_cache.vectors import to_bytes

        return entry._replace(fingerprint=meaning.fingerprint, vector=to_bytes(vector))

    def _put(self, entry: CacheEntry) -> None:
        ids = self._store.put([entry])
        self._index.add([entry], ids)
        if next(self._puts) % _PURGE_EVERY == 0:
            self._store.purge(now_us=now_us())
        if exceeds(self._store.size(), self._rules.limits):
            self._uses.flush()
            self._store.evict(self._rules.limits)


def check_ttl(ttl_seconds: float | None) -> None:
    """Refuse a time to live that is none.

    Args:
        ttl_seconds: infinite is for ever.

    Raises:
        ValueError: it is not above 0.
    """
    if ttl_seconds is not None and not ttl_seconds > 0:
        msg = f"ttl_seconds={ttl_seconds!r} is no time to live: give seconds above 0, or None for the cache's own"
        raise ValueError(msg)
