"""What of a text tells its task or its difficulty: weighted words and signs, pairs of them, and its outward form."""

from __future__ import annotations

import re
from collections import Counter
from math import log, log1p, sqrt
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._optional import require
from langchain_costguard.routing.asking import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
_ROUNDING: Final = 1e-9
"""A measure that varies by no more than this is the same in all texts."""
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
    """Texts as sparse rows: TF-IDF of words, signs and pairs of them, and their form; fitted to texts.

    scikit-learn learns the vocabulary; rows are made here, because its own `transform` takes several times as long
    for one text.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        """Learn the words that occur, how rare they are, and how the form varies."""
        import numpy as np

        read = [excerpt(text) for text in texts]
        words = sklearn("feature_extraction.text").TfidfVectorizer(
            token_pattern=_TERM,
            ngram_range=(1, 2),
            sublinear_tf=True,
            min_df=1 if len(texts) < _FEW_TEXTS else 2,
            max_features=_MOST_TERMS,
        )
        words.fit(read)
        self._terms_of: Callable[[str], list[str]] = words.build_analyzer()
        self._columns: dict[str, int] = {term: int(column) for term, column in words.vocabulary_.items()}
        self._rarity: list[float] = words.idf_.tolist()
        forms = np.array([form_of(text) for text in read])
        varies = forms.std(axis=0)
        self._usual: list[float] = forms.mean(axis=0).tolist()
        self._weights: list[float] = (_FORM_WEIGHT / np.where(varies > _ROUNDING, varies, 1.0)).tolist()

    def __call__(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - a sparse matrix
        """One row for each text, shape `(texts, features)`."""
        sparse: Any = require("scipy.sparse", extra=EXTRA, purpose=_PURPOSE)
        data: list[float] = []
        columns: list[int] = []
        ends = [0]
        for text in map(excerpt, texts):
            for column, value in self._row(text):
                columns.append(column)
                data.append(value)
            ends.append(len(data))
        return sparse.csr_matrix((data, columns, ends), shape=(len(texts), len(self._rarity) + len(self._usual)))

    def _row(self, text: str) -> Iterator[tuple[int, float]]:
        """The columns of a text that are not zero."""
        known = (self._columns.get(term) for term in self._terms_of(text))
        counts = Counter(column for column in known if column is not None)
        values = {column: (1 + log(count)) * self._rarity[column] for column, count in counts.items()}
        length = sqrt(sum(value * value for value in values.values())) or 1.0
        yield from ((column, value / length) for column, value in values.items())
        first = len(self._rarity)
        for at, (value, usual, weight) in enumerate(zip(form_of(text), self._usual, self._weights, strict=True)):
            yield first + at, (value - usual) * weight


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


def probabilities(model: Any, rows: Any) -> NDArray[Any]:  # noqa: ANN401 - of scikit-learn
    """The probability of each class for each row, by a fitted logistic regression; shape `(rows, classes)`."""
    import numpy as np

    leaning = np.asarray(rows @ model.coef_.T + model.intercept_)
    if leaning.shape[1] == 1:
        leaning = np.hstack([np.zeros_like(leaning), leaning])
    raised = np.exp(leaning - leaning.max(axis=1, keepdims=True))
    found: NDArray[Any] = raised / raised.sum(axis=1, keepdims=True)
    return found


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
