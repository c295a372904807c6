"""How a store knows an embedder: its fingerprint, its threshold, and what is still to be embedded."""

from __future__ import annotations

import json
import logging
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard._progress import watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.semantic_cache.embedders import Embedder
    from langchain_costguard.stores.cache_base import CacheStore

_SAME_MODEL: Final = 0.999
"""Two embeddings of one text by one model are at least as similar, whatever the machine or the day."""
_BATCH: Final = 64
_logger: Final = logging.getLogger("langchain_costguard")
_told: Final[set[str]] = set()


class Recognised(NamedTuple):
    """An embedder as a store knows it."""

    fingerprint: str
    """Under which its vectors are kept."""
    threshold: float
    """The calibrated one that is kept with it, else the embedder's default."""
    is_calibrated: bool
    """Whether the threshold was measured for this model; else it is a strict one."""


def recognise(embedder: Embedder, store: CacheStore, *, is_guarded: bool = True) -> Recognised:
    """Find an embedder among those a store has seen, by what it makes of one sentence.

    A model that was changed behind its name is a new embedder: entries of the old one are found by their words only
    until `reembed` was called, which is said once.

    Args:
        embedder: it embeds a short sentence, once.
        store: what it finds new is noted there.
        is_guarded: whether every guard is asked; else the embedder's default is its stricter one. A threshold that the
            store keeps stays as it was kept.

    Raises:
        StoreError: the store cannot be read or written.
    """
    fingerprint = _fingerprint_in(store, embedder)
    default = embedder.default_threshold if is_guarded else embedder.unguarded_threshold
    kept = store.note(_threshold_key(fingerprint))
    threshold = default if kept is None else float(kept)
    _tell(embedder, store, fingerprint, is_calibrated=kept is not None or embedder.is_calibrated)
    return Recognised(fingerprint, threshold, kept is not None or embedder.is_calibrated)


def keep_threshold(store: CacheStore, fingerprint: str, threshold: float) -> None:
    """Keep a calibrated threshold for an embedder, for everybody who shares the store.

    Raises:
        ValueError: it is no similarity.
        StoreError: the store cannot be written.
    """
    if not 0 < threshold <= 1:
        msg = f"{threshold!r} is no similarity: give a threshold above 0 and at most 1, such as 0.93"
        raise ValueError(msg)
    store.note(_threshold_key(fingerprint), repr(float(threshold)).encode())


def reembed(embedder: Embedder, store: CacheStore) -> int:
    """Embed the texts that have no vector of this embedder, so that they are found by their meaning again.

    In a terminal it shows how far it is. It can be interrupted and called again; entries are served meanwhile.

    Returns:
        How many entries have a new vector.

    Raises:
        StoreError: the store cannot be read or written.
    """
    fingerprint = recognise(embedder, store).fingerprint
    return sum(watched(_reembedded(embedder, store, fingerprint), "embedding cached questions"))


def _reembedded(embedder: Embedder, store: CacheStore, fingerprint: str) -> Iterator[int]:
    """1 for each text that was given a vector, 0 for one that cannot have any."""
    from langchain_costguard.semantic_cache.vectors import to_bytes

    last = 0
    while texts := store.unembedded(fingerprint, after_id=last, limit=_BATCH):
        last = texts[-1].entry_id
        embedded = embedder.embed([item.text for item in texts])
        vectors = [
            (item.entry_id, to_bytes(vector))
            for item, vector in zip(texts, embedded, strict=True)
            if vector is not None
        ]
        done = store.set_vectors(fingerprint, vectors)
        yield from (int(place < done) for place in range(len(texts)))


def _fingerprint_in(store: CacheStore, embedder: Embedder) -> str:
    from langchain_costguard.semantic_cache.vectors import similarity_of, to_bytes

    key = f"embedder:{embedder.name}"
    seen: dict[str, str] = json.loads(store.note(key) or b"{}")
    probe = embedder.probe
    for fingerprint, kept in seen.items():
        if similarity_of(b64decode(kept), probe) >= _SAME_MODEL:
            return fingerprint
    seen[embedder.fingerprint] = b64encode(to_bytes(probe)).decode("ascii")
    store.note(key, json.dumps(seen).encode())
    return embedder.fingerprint


def _tell(embedder: Embedder, store: CacheStore, fingerprint: str, *, is_calibrated: bool) -> None:
    """Say once what limits the cache: an unmeasured threshold, or entries of another embedder."""
    if not is_calibrated:
        _once(
            f"The similarity at which questions are the same is not known for the embedder {embedder.name}; the strict "
            f"{embedder.default_threshold:g} is used: find a better one with calibrate(), or set threshold="
        )
    others = {name: count for name, count in store.fingerprints().items() if name != fingerprint}
    if others:
        count, names = sum(others.values()), ", ".join(sorted(others))
        _once(
            f"{count} entries of the cache {store.location} have vectors of {names} and are found by their words only: "
            f"call reembed() to embed them with {embedder.name}"
        )


def _once(message: str) -> None:
    if message not in _told:
        _told.add(message)
        _logger.warning("%s", message)


def _threshold_key(fingerprint: str) -> str:
    return f"threshold:{fingerprint}"
