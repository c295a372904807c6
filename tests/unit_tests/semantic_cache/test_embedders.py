"""Embedders: which texts have a vector, which model it was, at which similarity, and what it cost."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from langchain_costguard import SemanticCache, track_costs
from langchain_costguard.exceptions import OptionalDependencyError
from langchain_costguard.semantic_cache import recognition
from langchain_costguard.semantic_cache.embedders import (
    PROBE,
    STRICT_THRESHOLD,
    Embedder,
    LangChainEmbedder,
    as_embedder,
)
from langchain_costguard.semantic_cache.guards import Guards
from langchain_costguard.semantic_cache.local_embedders import OnnxEmbedder, WordLlamaEmbedder
from langchain_costguard.semantic_cache.recognition import keep_threshold, recognise, reembed
from langchain_costguard.stores.cache_memory import InMemoryCacheStore
from langchain_costguard.testing.cache_entries import make_entry
from tests.unit_tests.semantic_cache.tiny_onnx import write_encoder
from tests.unit_tests.semantic_cache.word_embeddings import WordEmbeddings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

WORDS = {"?": [0.0, 0.0, 1.0], "cat": [1.0, 0.0, 0.0], "dog": [0.0, 1.0, 0.0], "sentence": [1.0, 1.0, 1.0]}


class Counted(Embeddings):
    """Embeds a text as its length and a number of the model's own; counts what it is asked."""

    def __init__(self, model: str = "text-embedding-3-small", *, own: float = 1.0, prefix: float = 0.0) -> None:
        self.model = model
        self.own = own
        self.prefix = prefix
        self.asked: list[tuple[str, int]] = []
        self.threads: set[int] = set()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked.append(("documents", len(texts)))
        self.threads.add(threading.get_ident())
        return [[len(text), self.own, self.prefix] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(("query", 1))
        self.threads.add(threading.get_ident())
        return [len(text), self.own, 0.0]

    async def aembed_query(self, text: str) -> list[float]:
        self.asked.append(("aquery", 1))
        return [len(text), self.own, 0.0]


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """The folder of an ONNX encoder that knows three words."""
    write_encoder(tmp_path, WORDS)
    return tmp_path


@pytest.mark.parametrize("kind", ["onnx", "wordllama", "langchain"])
def test_vectors_have_length_one_and_impossible_texts_have_none(kind: str, encoder: Path) -> None:
    """A text beyond the window would be cut off: two texts that differ at the end would be taken for one."""
    embedder: Embedder = {
        "onnx": lambda: OnnxEmbedder(encoder),
        "wordllama": WordLlamaEmbedder,
        "langchain": lambda: LangChainEmbedder(DeterministicFakeEmbedding(size=8)),
    }[kind]()
    fine, empty, blank, long, fine_again = embedder.embed(["cat dog", "", "  \n", "cat " * 3000, "cat dog"])
    assert fine is not None
    assert fine_again is not None
    assert float(fine @ fine) == pytest.approx(1.0, abs=1e-5)
    assert fine.dtype == "float32"
    assert float(fine @ fine_again) == pytest.approx(1.0, abs=1e-5)
    assert (empty, blank, long) == (None, None, None)
    assert embedder.embed([]) == []


def test_wordllama_needs_no_network_and_knows_words(encoder: Path) -> None:
    """The local default must work on a machine that reaches nothing."""
    embedder = as_embedder("local")
    question, same, other, odd = embedder.embed(
        ["How do I reset my password?", "How can I reset my password?", "What is the capital of France?", "\ud800 cat"]
    )
    assert question is not None
    assert same is not None
    assert other is not None
    assert odd is not None
    assert float(question @ same) > 0.9
    assert float(question @ other) < 0.3
    assert (embedder.default_threshold, embedder.unguarded_threshold) == (0.78, 0.9)
    assert (embedder.is_calibrated, embedder.is_quick) == (True, True)


def test_the_local_embedder_goes_by_both_of_its_names() -> None:
    """A cache takes "wordllama"; what calibrates for it must, too."""
    assert as_embedder("wordllama").name == as_embedder("local").name


def test_loading_wordllama_leaves_logging_alone() -> None:
    """Its import shows the notes of every library on standard error, such as each request of a provider's client."""
    code = (
        "import logging; from langchain_costguard.semantic_cache import WordLlamaEmbedder; WordLlamaEmbedder(); "
        "root = logging.getLogger(); print(root.handlers, root.level)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == f"[] {logging.WARNING}\n"


def test_an_onnx_encoder_pools_as_its_folder_says(encoder: Path) -> None:
    """The wrong pooling gives vectors that look fine and compare badly."""
    mean = OnnxEmbedder(encoder).embed(["cat dog dog"])[0]
    assert mean == pytest.approx([1 / 5**0.5, 2 / 5**0.5, 0.0])
    (encoder / "1_Pooling").mkdir()
    (encoder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    assert OnnxEmbedder(encoder).embed(["cat dog dog"])[0] == pytest.approx([1.0, 0.0, 0.0])
    assert OnnxEmbedder(encoder, pooling="mean").embed(["cat dog dog"])[0] == pytest.approx(mean)


def test_texts_of_one_batch_do_not_change_one_another(encoder: Path) -> None:
    """Padding a short text to a long one's length must not move its vector."""
    embedder = OnnxEmbedder(encoder)
    together = embedder.embed(["cat", "cat dog " * 20])[0]
    assert together == pytest.approx(embedder.embed(["cat"])[0])


def test_an_onnx_encoder_takes_name_and_window_from_its_settings(encoder: Path) -> None:
    """The window decides which texts match exactly only, the name which threshold fits."""
    (encoder / "config.json").write_text(
        json.dumps({"_name_or_path": "/home/x/BAAI_bge-small-en/", "max_position_embeddings": 512})
    )
    (encoder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 4}))
    embedder = as_embedder(str(encoder))
    assert (embedder.name, embedder.max_tokens, embedder.default_threshold) == ("BAAI_bge-small-en", 4, 0.85)
    assert embedder.embed(["cat cat cat cat"])[0] is not None
    assert embedder.embed(["cat cat cat cat cat"])[0] is None


def test_a_folder_without_an_encoder_says_what_is_missing(tmp_path: Path) -> None:
    """The usual mistake is the folder above or below."""
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json"):
        OnnxEmbedder(tmp_path)


def test_what_is_no_embedder_is_refused_and_one_is_given_back() -> None:
    """A wrong argument must show when the cache is made, not at the first question."""
    embedder = LangChainEmbedder(Counted())
    assert as_embedder(embedder) is embedder
    assert isinstance(as_embedder(Counted()), LangChainEmbedder)
    with pytest.raises(TypeError, match="local"):
        as_embedder(42)  # type: ignore[arg-type]  # wrong on purpose


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message must be the command that mends it."""
    monkeypatch.setitem(__import__("sys").modules, "wordllama", None)
    with pytest.raises(OptionalDependencyError, match="local-embeddings"):
        WordLlamaEmbedder()


def test_questions_are_embedded_as_queries_where_the_model_makes_a_difference() -> None:
    """Some models embed documents with another prefix: a question and a stored question would lie apart."""
    same, different = Counted(), Counted(prefix=50.0)
    LangChainEmbedder(same).embed(["a", "bb", "ccc"])
    assert same.asked == [("documents", 1), ("query", 1), ("documents", 3)]
    LangChainEmbedder(different).embed(["a", "bb", "ccc"])
    assert different.asked == [("documents", 1), *[("query", 1)] * 4]


async def test_the_event_loop_is_never_held_up() -> None:
    """A blocking embedding stops every other request of a server."""
    embeddings = Counted()
    embedder = LangChainEmbedder(embeddings)
    await embedder.aembed(["one"])
    assert embeddings.asked == [("aquery", 1)]
    await embedder.aembed(["one", "two"])
    assert threading.get_ident() not in embeddings.threads

    class Slow(Embedder):
        def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
            embeddings.threads.add(threading.get_ident())
            return [None for _ in texts]

    await asyncio.gather(*(Slow("slow", max_tokens=9).aembed(["one"]) for _ in range(3)))
    assert threading.get_ident() not in embeddings.threads


def test_paid_embeddings_are_recorded_and_local_ones_are_not() -> None:
    """What the cache spends on embeddings belongs into the same bill as what it saves."""
    paid, free = LangChainEmbedder(Counted()), LangChainEmbedder(DeterministicFakeEmbedding(size=8))
    with track_costs() as costs:
        paid.embed(["one"])
        free.embed(["one"])
    assert [line.request_model for line in costs.entries()] == ["text-embedding-3-small"]


def test_one_model_is_recognised_although_its_last_digits_vary() -> None:
    """Providers' vectors differ in the last digits from call to call; the cache must not be lost for it."""
    store = InMemoryCacheStore()
    first = recognise(LangChainEmbedder(Counted(own=1.0)), store)
    again = recognise(LangChainEmbedder(Counted(own=1.01)), store)
    assert again.fingerprint == first.fingerprint
    changed = recognise(LangChainEmbedder(Counted(own=100.0)), store)
    assert changed.fingerprint != first.fingerprint
    assert recognise(LangChainEmbedder(Counted(own=1.0)), store).fingerprint == first.fingerprint


def test_an_unknown_model_is_strict_and_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of some models unrelated texts are at 0.8: an unmeasured threshold must err towards a miss."""
    monkeypatch.setattr(recognition, "_told", set())
    store = InMemoryCacheStore()
    for _ in range(2):
        known = recognise(LangChainEmbedder(Counted("my-own-model")), store)
        assert (known.threshold, known.is_calibrated) == (STRICT_THRESHOLD, False)
    assert caplog.text.count("calibrate()") == 1


def test_a_lower_threshold_holds_only_where_every_guard_is_asked() -> None:
    """At 0.8 opposites and traps are similar enough: without the guards they would be served."""
    store, embedder = InMemoryCacheStore(), LangChainEmbedder(Counted("all-MiniLM-L6-v2"))
    assert recognise(embedder, store).threshold == 0.78
    assert recognise(embedder, store, is_guarded=False).threshold == 0.9
    keep_threshold(store, recognise(embedder, store).fingerprint, 0.83)
    assert recognise(embedder, store, is_guarded=False).threshold == 0.83


@pytest.mark.parametrize(
    ("guards", "threshold"),
    [
        (True, 0.78),
        (Guards.default(), 0.78),
        (Guards.default().with_guard("house", lambda *_: None), 0.78),
        (False, 0.9),
        (Guards.none(), 0.9),
        (Guards.lenient(), 0.9),
        (Guards.default().without("tense"), 0.9),
        (Guards.default().with_language(lambda _: "de"), 0.9),
    ],
)
def test_a_cache_without_some_guards_is_stricter(guards: Guards | bool, threshold: float) -> None:
    """Whoever switches a guard off must not find the similarity doing its work at a level chosen for both."""
    embeddings = WordEmbeddings()
    embeddings.model = "all-MiniLM-L6-v2"
    cache = SemanticCache(embeddings, "memory", guards=guards)
    assert cache.match("cats", "dogs").reason.endswith(f"is below {threshold:.3f}")


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("如何取消订阅", "如何恢复订阅"),
        ("注文をキャンセルする方法", "注文を確認する方法"),
        ("Как отменить заказ?", "Как отменить заказы?"),
    ],
)
def test_an_english_model_compares_no_other_script(stored: str, asked: str) -> None:
    """To MiniLM all Chinese words are the same unknown one, and any two such questions equal."""
    cache = SemanticCache("wordllama", "memory", threshold=0.5)
    cache.set(stored, "stored")
    assert (cache.get(stored), cache.get(asked)) == ("stored", None)
    assert "letters" in cache.match(stored, asked).reason
    assert "letters" in str(cache.explain(asked))


def test_letters_with_accents_and_signs_are_read() -> None:
    """Names and prices must not turn the cache off."""
    embedder = WordLlamaEmbedder()
    assert embedder.reads("Où est le café à 5 € → près de Kraków? 🙂")
    assert LangChainEmbedder(Counted("a-multilingual-model")).reads("如何取消订阅")


def test_a_calibrated_threshold_is_kept_with_its_embedder() -> None:
    """A threshold means nothing for another model."""
    store = InMemoryCacheStore()
    ours, other = LangChainEmbedder(Counted()), LangChainEmbedder(Counted("other"))
    keep_threshold(store, recognise(ours, store).fingerprint, 0.875)
    assert recognise(ours, store)[1:] == (0.875, True)
    assert recognise(other, store).threshold == STRICT_THRESHOLD
    for wrong in (0, 1.5, -0.3):
        with pytest.raises(ValueError, match=r"0\.93"):
            keep_threshold(store, "x", wrong)


def test_a_changed_embedder_is_told_and_its_entries_can_be_embedded_anew(
    encoder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without it a new model would silently turn a full cache into one that matches exactly only."""
    store = InMemoryCacheStore()
    old = make_entry("cat", vector=b"\x00\x00\x80\x3f", fingerprint="old/1/00")
    store.put([old, *(make_entry(f"cat {'dog ' * number}") for number in range(100)), make_entry("cat " * 3000)])
    embedder = OnnxEmbedder(encoder)
    fingerprint = recognise(embedder, store).fingerprint
    assert "reembed()" in caplog.text
    assert reembed(embedder, store) == 101
    assert store.fingerprints() == {fingerprint: 101}
    assert reembed(embedder, store) == 0


def test_an_embedder_without_a_vector_for_a_sentence_is_refused(encoder: Path) -> None:
    """A window of three tokens would make a cache that never matches and never says why."""
    with pytest.raises(ValueError, match="embedder="):
        recognise(OnnxEmbedder(encoder, max_tokens=3), InMemoryCacheStore())
    assert len(PROBE.split()) > 3
