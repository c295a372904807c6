"""Any LangChain vector store as the finder of near entries; how near they are is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from langchain_core.vectorstores import InMemoryVectorStore

from langchain_costguard.exceptions import StoreError
from langchain_costguard.semantic_cache.index import Candidate, CandidateIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from langchain_core.documents import Document
    from langchain_core.vectorstores import VectorStore
    from numpy.typing import NDArray

    from langchain_costguard.stores.cache_base import CacheEntry, CacheStore

_PARTITION: Final = "costguard_partition"
_ENTRY: Final = "costguard_entry"
_FILTERED_AFTERWARDS: Final = {"FAISS": {"fetch_k": 10_000}}
"""Vector stores that filter what they have found: they must find so many, or other partitions hide what is meant."""


class VectorStoreIndex(CandidateIndex):
    """Finds near entries through a vector store of LangChain; entries themselves stay in the cache's own store.

    The vector store only proposes. Whether it counts distances or similarities, and of which kind, does not matter:
    the similarity is the cosine of the vectors kept in the cache's own store, and an entry of another partition, or one
    the own store does not have, is no candidate.

    The vector store embeds each stored text once more, with its own embeddings; wrap those with `track_embeddings` to
    see what that costs.

    Args:
        vector_store: it must embed with the same model as the cache.
        store: the cache's own store.
        filter_for: makes the vector store's filter for documents whose metadata has a key and a value; `None` for
            `{key: value}`, which most understand.
        search_kwargs: more arguments of its `similarity_search_by_vector`.
        over_fetch: how many times as many documents are asked for as are wanted.

    Example:
        ```python
        index = VectorStoreIndex(Chroma(embedding_function=embeddings), store)
        ```
    """

    def __init__(
        self,
        vector_store: VectorStore,
        store: CacheStore,
        *,
        filter_for: Callable[[str, str], Any] | None = None,
        search_kwargs: Mapping[str, Any] | None = None,
        over_fetch: int = 2,
    ) -> None:
        """Keep the stores."""
        self._vector_store = vector_store
        self._store = store
        self._filter_for = filter_for or _filter_of(vector_store)
        self._search_kwargs: dict[str, Any] = {
            **_FILTERED_AFTERWARDS.get(type(vector_store).__name__, {}),
            **(search_kwargs or {}),
        }
        self._over_fetch = over_fetch

    @property
    def is_remote(self) -> bool:
        """True: many are."""
        return True

    def nearest(
        self,
        partition: bytes,
        fingerprint: str,
        vector: NDArray[np.float32],
        *,
        k: int = 5,
        now_us: int,  # noqa: ARG002 - an expired entry is found out when it is fetched
    ) -> list[Candidate]:
        """The nearest of the entries that the vector store proposes, nearest first.

        Raises:
            StoreError: one of the stores failed.
        """
        from langchain_costguard.semantic_cache.vectors import similarity_of

        found = self._proposed(partition, vector, k * self._over_fetch)
        numbers = [number for document in found if (number := _number_of(document)) is not None]
        stored = self._store.vectors_of(partition, fingerprint, numbers)
        candidates = [Candidate(number, similarity_of(kept, vector)) for number, kept in stored.items()]
        return sorted(candidates, key=lambda candidate: -candidate.similarity)[:k]

    def add(self, entries: Sequence[CacheEntry], entry_ids: Sequence[int]) -> None:
        """Hand the texts of entries that have a vector to the vector store.

        Raises:
            StoreError: it failed.
        """
        rows = [
            (entry.text, {_PARTITION: entry.partition.hex(), _ENTRY: str(number)}, _id_of(number))
            for entry, number in zip(entries, entry_ids, strict=True)
            if entry.text is not None and entry.vector is not None
        ]
        if not rows:
            return
        texts, metadatas, ids = (list(column) for column in zip(*rows, strict=True))
        try:
            self._vector_store.add_texts(texts, metadatas=metadatas, ids=ids)
        except Exception as error:  # each vector store raises errors of its own
            raise self._explain(error) from error

    def remove(self, entry_ids: Sequence[int]) -> None:
        """Delete entries from the vector store; what it keeps all the same is no candidate once the store has none.

        Raises:
            StoreError: it failed.
        """
        try:
            self._vector_store.delete(ids=[_id_of(number) for number in entry_ids])
        except ValueError:
            return  # so some say that an id is not there
        except Exception as error:  # each vector store raises errors of its own
            raise self._explain(error) from error

    def _proposed(self, partition: bytes, vector: NDArray[np.float32], count: int) -> list[Document]:
        try:
            return self._vector_store.similarity_search_by_vector(
                vector.tolist(), k=count, filter=self._filter_for(_PARTITION, partition.hex()), **self._search_kwargs
            )
        except Exception as error:  # each vector store raises errors of its own
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> StoreError:
        """Any exception at all may come from a vector store; to the cache it is a store that failed."""
        kind = type(self._vector_store).__name__
        return StoreError(
            f"The vector store {kind} failed ({type(error).__name__}): check it, or leave out candidates="
        )


def _filter_of(vector_store: VectorStore) -> Callable[[str, str], Any]:
    if isinstance(vector_store, InMemoryVectorStore):
        return lambda key, value: lambda document: document.metadata.get(key) == value
    return lambda key, value: {key: value}


def _id_of(number: int) -> str:
    return f"costguard-{number}"


def _number_of(document: Document) -> int | None:
    told = document.metadata.get(_ENTRY)
    return int(told) if isinstance(told, str) and told.isdigit() else None
