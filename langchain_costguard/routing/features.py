"""What of a text tells its task or its difficulty: weighted words and signs, pairs of them, and its outward form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._optional import require
from langchain_costguard.routing.asking import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Embed = Any
"""LangChain `Embeddings`, or a function that gives one vector for each of some texts."""

EXTRA: Final = "routing"
_PURPOSE: Final = "A fitted router"
_TERM: Final = r"(?u)\w+|[^\w\s]"
_WORD: Final = re.compile(r"\w+")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_SENTENCE_END: Final = re.compile(r"[.!?](?:\s|$)")
_MOST_TERMS: Final = 50_000
_FEW_TEXTS: Final = 200
"""With fewer texts than this, a word that stands in one of them alone counts as well."""
_FORM_WEIGHT: Final = 0.1
"""How much the form counts beside the words, for the penalty of a linear model."""


def sklearn(module: str) -> Any:  # noqa: ANN401 - a module
    """A module of scikit-learn.

    Raises:
        OptionalDependencyError: it is not installed.
    """
    return require(f"sklearn.{module}", extra=EXTRA, purpose=_PURPOSE)


def form_of(text: str) -> list[float]:
    """The outward form of a text: its length in several measures, and what share of it is of which kind."""
    from math import log1p

    characters, words = len(text) or 1, _WORD.findall(text)
    count = len(words) or 1
    return [
        log1p(len(text)),
        log1p(len(words)),
        log1p(len(_SENTENCE_END.findall(text))),
        log1p(len(_NUMBER.findall(text))),
        log1p(text.count("\n")),
        sum(map(str.isdigit, text)) / characters,
        sum(map(str.isupper, text)) / characters,
        sum(not (sign.isalnum() or sign.isspace()) for sign in text) / characters,
        sum(map(len, words)) / count,
        len({word.lower() for word in words}) / count,
        log1p(text.count("?")),
    ]


class WordFeatures:
    """Texts as sparse rows: TF-IDF of words, signs and pairs of them, and their form; fitted to texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Learn the words that occur, how rare they are, and how the form varies."""
        self._words: Any = sklearn("feature_extraction.text").TfidfVectorizer(
            token_pattern=_TERM,
            ngram_range=(1, 2),
            sublinear_tf=True,
            min_df=1 if len(texts) < _FEW_TEXTS else 2,
            max_features=_MOST_TERMS,
        )
        self._scaler: Any = sklearn("preprocessing").StandardScaler()
        self._words.fit(map(excerpt, texts))
        self._scaler.fit([form_of(excerpt(text)) for text in texts])

    def __call__(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - a sparse matrix
        """One row for each text, shape `(texts, features)`."""
        sparse: Any = require("scipy.sparse", extra=EXTRA, purpose=_PURPOSE)
        read = [excerpt(text) for text in texts]
        form = self._scaler.transform([form_of(text) for text in read]) * _FORM_WEIGHT
        return sparse.hstack([self._words.transform(read), sparse.csr_matrix(form)], format="csr")


class EmbeddingFeatures:
    """Texts as the vectors an embedder gives them, of length one."""

    def __init__(self, embed: Embed) -> None:
        """Use an embedder.

        Raises:
            TypeError: it is none.
        """
        embed = getattr(embed, "embed_documents", embed)
        if not callable(embed):
            msg = f"embed={embed!r:.60} embeds nothing: give LangChain Embeddings, or a function of a list of texts"
            raise TypeError(msg)
        self._embed: Callable[[list[str]], Any] = embed

    def __call__(self, texts: Sequence[str]) -> NDArray[Any]:
        """One row for each text, shape `(texts, dimensions)`."""
        import numpy as np

        vectors = np.asarray(self._embed([excerpt(text) for text in texts]), dtype=float)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[Any] = vectors / np.maximum(lengths, np.finfo(float).tiny)
        return unit


def features_of(texts: Sequence[str], embed: Embed | None) -> WordFeatures | EmbeddingFeatures:
    """The features of texts: by their words, or by an embedder."""
    return WordFeatures(texts) if embed is None else EmbeddingFeatures(embed)


def checked_texts(prompts: Sequence[str], labels: Sequence[Any], *, of: str) -> list[str]:
    """The prompts to learn from.

    Raises:
        TypeError: they are one text, or not all texts.
        ValueError: they and their labels are not equally many, or there is but one kind of label.
    """
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    if isinstance(prompts, str) or not all(isinstance(text, str) for text in texts):
        msg = "prompts must be a list of texts: give [str, ...], for messages their `.text`"
        raise TypeError(msg)
    if len(texts) != len(labels):
        msg = f"There are {len(texts)} prompts and {len(labels)} labels: give one `{of}` for each prompt."
        raise ValueError(msg)
    if len(set(labels)) <= 1:
        msg = f"Nothing can be learned from {len(texts)} prompts of one kind: give prompts of two or more `{of}`."
        raise ValueError(msg)
    return texts
