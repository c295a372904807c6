"""Which stored questions come nearest to a text, whoever asked them: for operators who look into a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard._progress import watched
from langchain_costguard.semantic_cache.embedders import NO_VECTOR, as_embedder
from langchain_costguard.semantic_cache.guards import Guards
from langchain_costguard.semantic_cache.matching import Match, decide
from langchain_costguard.semantic_cache.recognition import recognise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.semantic_cache.embedders import Embedder
    from langchain_costguard.stores.cache_base import CacheStore

_NOBODY: Final = ""
"""No embedder has this fingerprint, so that every text counts as one it has not embedded."""
_PORTION: Final = 256


def nearest_questions(
    store: CacheStore, text: str, *, embedder: Embedder | str = "local", top: int = 5
) -> list[tuple[str, Match]]:
    """The stored questions nearest to a text, and what the cache would decide on each.

    Every stored text is embedded anew, so this takes a while on a large cache, and costs where the embedder does.
    Partitions are not looked at: the question may have been asked of another model, or by another tenant.

    Args:
        store: whose entries are read.
        text: the question.
        embedder: what compares.
        top: how many at most.

    Returns:
        Questions with the decision, nearest first.

    Raises:
        StoreError: the store cannot be read.
        OptionalDependencyError: the embedder is not installed.
        ValueError: the text cannot be embedded.
    """
    meant = as_embedder(embedder)
    threshold = recognise(meant, store).threshold
    asked = meant.embed([text])[0] if meant.reads(text) else None
    if asked is None:
        msg = f"{NO_VECTOR}: give a shorter one, or a multilingual embedder"
        raise ValueError(msg)
    found: dict[str, float] = {}
    for portion in watched(_texts(store), "comparing questions"):
        for stored, vector in zip(portion, meant.embed(portion), strict=True):
            if vector is not None and meant.reads(stored):
                found[stored] = float(vector @ asked)
        best = sorted(found.items(), key=lambda item: -item[1])[:top]
        found = dict(best)
    guards = Guards.default()
    return [
        (stored, decide(similarity, stored, text, threshold, guards))
        for stored, similarity in sorted(found.items(), key=lambda item: -item[1])
    ]


def _texts(store: CacheStore) -> Iterator[list[str]]:
    last = 0
    while portion := store.unembedded(_NOBODY, after_id=last, limit=_PORTION):
        last = portion[-1].entry_id
        yield [item.text for item in portion]
