"""Vector stores of LangChain as finders of near entries: whatever they call near, the similarity is ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_costguard.exceptions import StoreError
from langchain_costguard.semantic_cache.candidates import VectorStoreIndex
from langchain_costguard.semantic_cache.vectors import from_bytes, normalised, to_bytes
from langchain_costguard.stores.cache_memory import InMemoryCacheStore
from langchain_costguard.testing.cache_entries import EMBEDDER, NOW_US, OTHER_PARTITION, PARTITION, make_entry

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.vectorstores import VectorStore

    from langchain_costguard.stores.cache_base import CacheStore

VECTORS = {"same": [1.0, 0.0, 0.0], "near": [0.9, 0.3, 0.0], "far": [0.1, 1.0, 0.0], "away": [-1.0, 0.1, 0.0]}
KINDS = ["memory", "inverted", "faiss", "chroma-l2", "chroma-cosine", "chroma-ip"]


class Table(Embeddings):
    """Embeds the few words it knows."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [VECTORS[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return VECTORS[text]


class Inverted(InMemoryVectorStore):
    """Gives the farthest documents first, as one that takes a distance for a similarity does."""

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        return super().similarity_search_by_vector(embedding, k=1000, **kwargs)[::-1][:k]


def make_vector_store(kind: str) -> VectorStore:
    """An empty vector store, where its package is installed."""
    if kind == "memory":
        return InMemoryVectorStore(Table())
    if kind == "inverted":
        return Inverted(Table())
    if kind == "faiss":
        faiss = pytest.importorskip("faiss", reason="FAISS is one of the stores tried, and not needed by the others")
        from langchain_community.docstore.in_memory import InMemoryDocstore
        from langchain_community.vectorstores import FAISS

        return FAISS(Table(), faiss.IndexFlatL2(3), InMemoryDocstore(), {})
    chroma = pytest.importorskip("langchain_chroma", reason="Chroma and what it needs take 400 MB")
    space = kind.partition("-")[2]
    return chroma.Chroma(
        collection_name=f"test-{space}", embedding_function=Table(), collection_metadata={"hnsw:space": space}
    )


def fill(index: VectorStoreIndex, store: CacheStore, partition: bytes = PARTITION) -> dict[str, int]:
    """Put the known words into a partition; the number of each word's entry."""
    numbers = {}
    for word, numbers_of_word in VECTORS.items():
        vector = normalised(numbers_of_word)
        assert vector is not None
        entry = make_entry(word, vector=to_bytes(vector), partition=partition)
        (numbers[word],) = store.put([entry])
        index.add([entry], [numbers[word]])
    return numbers


def ask(index: VectorStoreIndex, partition: bytes = PARTITION, k: int = 4) -> list[tuple[int, float]]:
    """What is near `same`."""
    query = normalised(VECTORS["same"])
    assert query is not None
    found = index.nearest(partition, EMBEDDER, query, k=k, now_us=NOW_US)
    return [(item.entry_id, round(item.similarity, 2)) for item in found]


@pytest.mark.parametrize("kind", KINDS)
def test_the_similarity_is_the_cosine_whatever_the_store_counts_in(kind: str) -> None:
    """Some count squared distances, some cosines, some one minus them: a threshold must mean the same on all."""
    store = InMemoryCacheStore()
    index = VectorStoreIndex(make_vector_store(kind), store)
    numbers = fill(index, store)
    expected = {"same": 1.0, "near": 0.95, "far": 0.1, "away": 0.0}
    assert ask(index) == [(numbers[word], similarity) for word, similarity in expected.items()]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "inverted"])
def test_no_entry_of_another_partition_is_proposed_and_none_hides_ours(kind: str) -> None:
    """The other tenant's twenty nearer entries must neither be served nor fill up the list."""
    store = InMemoryCacheStore()
    index = VectorStoreIndex(make_vector_store(kind), store)
    for number in range(20):
        theirs = make_entry("same", exact=bytes([number]), partition=OTHER_PARTITION, vector=to_bytes(_same()))
        index.add([theirs], store.put([theirs]))
    numbers = fill(index, store)
    assert ask(index, k=1) == [(numbers["same"], 1.0)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_own_store_does_not_have_is_no_candidate(kind: str) -> None:
    """A deleted answer may still be in the vector store, which others may write as well."""
    store = InMemoryCacheStore()
    index = VectorStoreIndex(make_vector_store(kind), store)
    numbers = fill(index, store)
    store.delete([numbers["same"]])
    assert numbers["same"] not in dict(ask(index))
    index.remove([numbers["near"]])
    assert [number for number, _ in ask(index)] == [numbers["far"], numbers["away"]]


def test_entries_without_a_vector_or_a_text_are_not_handed_on() -> None:
    """An entry that matches exactly only has no place among near ones."""
    store = InMemoryCacheStore()
    index = VectorStoreIndex(make_vector_store("memory"), store)
    entries = [make_entry("same"), make_entry("near", text=None, vector=to_bytes(_same()))]
    index.add(entries, store.put(entries))
    assert ask(index) == []


def test_a_vector_store_that_fails_is_a_store_that_failed() -> None:
    """The cache knows what to do when a store fails: the call is made as if there were no cache."""

    class Broken(InMemoryVectorStore):
        def similarity_search_by_vector(self, *_: Any, **__: Any) -> list[Document]:
            raise RuntimeError

        def add_texts(self, *_: Any, **__: Any) -> list[str]:
            raise RuntimeError

    store = InMemoryCacheStore()
    index = VectorStoreIndex(Broken(Table()), store)
    with pytest.raises(StoreError, match="Broken failed"):
        ask(index)
    with pytest.raises(StoreError, match="Broken failed"):
        fill(index, store)


def _same() -> Any:
    return from_bytes(to_bytes(normalised(VECTORS["same"])))
