"""What turns a question into a vector: one small interface over LangChain's embeddings and local models."""

from __future__ import annotations

import asyncio
import hashlib
import unicodedata
from abc import ABC, abstractmethod
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_core.embeddings import Embeddings

from langchain_costguard.callbacks.embeddings import track_embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

PROBE: Final = "The cost of a question that was asked before is nothing."
"""What every embedder embeds once, so that a changed model behind the same name is noticed."""

STRICT_THRESHOLD: Final = 0.97
"""For embedders that were not measured: of some, unrelated texts have a similarity above 0.8."""


class Thresholds(NamedTuple):
    """From which similarity on two questions are taken for one."""

    guarded: float
    """Where every built-in guard reads both texts."""
    alone: float
    """Where guards are left out, so that similarity decides more."""


NO_VECTOR: Final = "the text is too long for the embedder, or in letters that it cannot read"
DEFAULT_WINDOW: Final = 256
"""Tokens, for embedders that do not say: the window of the smallest sentence encoders in use."""

_WINDOWS: Final = {"text-embedding-3": 8191, "text-embedding-ada": 8191, "bge-small": 512, "bge-base": 512}
_BYTES_PER_TOKEN: Final = 3
"""Fewer than most texts have, so that a text that is taken is hardly ever cut off by the model."""

_THRESHOLDS: Final = {
    "wordllama": Thresholds(0.78, 0.90),
    "bge-small-en": Thresholds(0.85, 0.95),
    "all-minilm-l6-v2": Thresholds(0.78, 0.90),
}
"""By what the model's name contains, measured on the question pairs of fow-cache: the first with every guard on, on the
half that was not looked at before. `calibrate()` finds one for your own questions."""

_MODEL_FIELDS: Final = ("model", "model_name", "model_id", "deployment")
_FREE: Final = frozenset({"langchain_core", "langchain_huggingface", "langchain_costguard"})
"""Packages whose embeddings run here, so that nobody sends a bill."""
_LOCAL: Final = frozenset({"local", "wordllama"})
_SAME: Final = 0.9999


class Embedder(ABC):
    """Turns texts into vectors; safe to use from many threads.

    Attributes:
        name: the model's name.
        max_tokens: how long a text may be; longer ones have no vector, because a model would cut them off and take
            texts for the same that differ at their ends.
        is_quick: whether embedding one text takes less than a millisecond, so that it may be done on an event loop.
    """

    def __init__(self, name: str, *, max_tokens: int, is_quick: bool = False) -> None:
        """Note what is known of the model."""
        self.name = name
        self.max_tokens = max_tokens
        self.is_quick = is_quick

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The vectors of texts, float32 of length 1; `None` for a text beyond the window, or without a direction."""

    async def aembed(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The same, without holding up the event loop."""
        if self.is_quick and len(texts) == 1:
            return self.embed(texts)
        return await asyncio.to_thread(self.embed, texts)

    def reads(self, text: str) -> bool:
        """Whether the model knows the letters of a text.

        The measured models are English ones: words in other scripts are all the same unknown word to some of them, so
        that any two such texts are as close as can be.
        """
        return self._measured is None or text.isascii() or all(map(_is_latin, filter(str.isalpha, text)))

    @property
    def is_calibrated(self) -> bool:
        """Whether `default_threshold` was measured for this model."""
        return self._measured is not None

    @property
    def default_threshold(self) -> float:
        """The similarity from which on two questions are taken for one where every guard reads them."""
        return STRICT_THRESHOLD if self._measured is None else self._measured.guarded

    @property
    def unguarded_threshold(self) -> float:
        """The same where guards are left out."""
        return STRICT_THRESHOLD if self._measured is None else self._measured.alone

    @cached_property
    def probe(self) -> NDArray[np.float32]:
        """The vector of `PROBE`; embedded when it is asked for first.

        Raises:
            ValueError: the model gives it no direction.
        """
        vector = self.embed([PROBE])[0]
        if vector is None:
            msg = f"The embedder {self.name!r} gives no vector for a short sentence: give another with embedder="
            raise ValueError(msg)
        return vector

    @property
    def fingerprint(self) -> str:
        """The model's name, its number of dimensions, and a digest of the probe.

        Providers' vectors differ in their last digits from call to call, so a store tells the fingerprint under which
        it knows a model: see `recognise`.
        """
        vector = self.probe
        digest = hashlib.blake2b((vector * 64).round().astype("<i2").tobytes(), digest_size=8).hexdigest()
        return f"{self.name}/{len(vector)}/{digest}"

    @property
    def _measured(self) -> Thresholds | None:
        name = self.name.lower()
        return next((found for part, found in _THRESHOLDS.items() if part in name), None)


class LangChainEmbedder(Embedder):
    """Any embedding model of LangChain; its calls are recorded and priced like those of `track_embeddings`.

    Questions are compared with questions, so all texts are embedded as queries.

    Args:
        embeddings: the model.
        max_tokens: how long a text may be; `None` for what is known of the model, else 256.
    """

    def __init__(self, embeddings: Embeddings, *, max_tokens: int | None = None) -> None:
        """Wrap a model."""
        name = next((str(value) for field in _MODEL_FIELDS if (value := getattr(embeddings, field, None))), None)
        name = name or type(embeddings).__name__
        super().__init__(name, max_tokens=max_tokens or _window_of(name))
        is_free = type(embeddings).__module__.partition(".")[0] in _FREE
        self._embeddings: Embeddings = embeddings if is_free else track_embeddings(embeddings)
        self._is_symmetric: bool | None = None
        self._checking = Lock()

    def embed(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The vectors of texts; the texts that fit are sent together where the model makes no difference."""
        fitting = [text for text in texts if self._fits(text)]
        if len(fitting) > 1 and self._has_one_kind():
            embedded = self._embeddings.embed_documents(fitting)
        else:
            embedded = [self._embeddings.embed_query(text) for text in fitting]
        return self._in_order(texts, embedded)

    async def aembed(self, texts: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The same through the model's own asynchronous methods."""
        fitting = [text for text in texts if self._fits(text)]
        if len(fitting) > 1:
            return await asyncio.to_thread(self.embed, texts)
        return self._in_order(texts, [await self._embeddings.aembed_query(text) for text in fitting])

    def _fits(self, text: str) -> bool:
        size = len(text.encode("utf-8", "surrogatepass"))
        return size <= self.max_tokens * _BYTES_PER_TOKEN and bool(text.strip())

    def _has_one_kind(self) -> bool:
        """Whether the model embeds a document as it embeds a query; asked once, at the price of one short text."""
        with self._checking:
            if self._is_symmetric is None:
                from langchain_costguard.semantic_cache.vectors import normalised

                document = normalised(self._embeddings.embed_documents([PROBE])[0])
                self._is_symmetric = document is not None and float(document @ self.probe) >= _SAME
            return self._is_symmetric

    def _in_order(self, texts: Sequence[str], embedded: Sequence[Any]) -> list[NDArray[np.float32] | None]:
        from langchain_costguard.semantic_cache.vectors import normalised

        vectors = iter(embedded)
        return [normalised(next(vectors)) if self._fits(text) else None for text in texts]


def as_embedder(given: Embedder | Embeddings | str) -> Embedder:
    """The embedder that is meant.

    Args:
        given: an embedder; any embedding model of LangChain; `"local"` or `"wordllama"` for the local one; a provider
            and model as `init_embeddings` takes them, such as `"openai:text-embedding-3-small"`; the path of a folder
            with an ONNX encoder.

    Raises:
        TypeError: it is none of these.
        OptionalDependencyError: what it needs is not installed.
    """
    meant: object = given
    if isinstance(meant, Embedder):
        return meant
    if isinstance(meant, Embeddings):
        return LangChainEmbedder(meant)
    if isinstance(meant, str):
        return _named(meant)
    msg = f"{given!r} is no embedder: give LangChain embeddings, such as OpenAIEmbeddings(), or 'local'"
    raise TypeError(msg)


def _named(name: str) -> Embedder:
    from pathlib import Path

    from langchain_costguard.semantic_cache.local_embedders import OnnxEmbedder, WordLlamaEmbedder

    if name in _LOCAL:
        return WordLlamaEmbedder()
    if Path(name).is_dir():
        return OnnxEmbedder(name)
    from langchain_costguard._optional import require

    embeddings = require("langchain.embeddings", extra="agents", purpose="An embedder by its name")
    return LangChainEmbedder(embeddings.init_embeddings(name))


def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")


def _window_of(name: str) -> int:
    return next((tokens for part, tokens in _WINDOWS.items() if part in name.lower()), DEFAULT_WINDOW)
