"""ComplexityScorer: how likely a prompt needs the full model, learned from labels, and where to draw the line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.routing.features import checked_texts, features_of, probabilities, sklearn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from langchain_costguard.routing.features import Embed, EmbeddingFeatures, WordFeatures

_FOLDS: Final = 5


class ThresholdChoice(NamedTuple):
    """A threshold, and what it did on labelled rows that the scores had not been learned from."""

    threshold: float
    """Prompts with this score or more go to the full model."""
    share: float
    """The share of rows that went to the full model."""
    quality: float
    """The share of rows that were not kept from a full model they needed."""
    rows: int
    """How many rows there were."""


class ComplexityScorer:
    """Scores prompts by how likely they need the full model; made by `ComplexityScorer.fit`."""

    def __init__(self, features: WordFeatures | EmbeddingFeatures, model: Any) -> None:  # noqa: ANN401 - of scikit-learn
        """Keep what was fitted."""
        self._features = features
        self._model = model

    @classmethod
    def fit(cls, prompts: Sequence[str], needs_full: Sequence[Any], *, embed: Embed | None = None) -> ComplexityScorer:
        """Learn from labelled prompts; a few hundred are a beginning.

        Args:
            prompts: texts as they will come.
            needs_full: for each, whether the small model's answer will not do: 0 or 1.
            embed: LangChain `Embeddings`, or a function that gives vectors of texts, in place of the prompts' words.

        Raises:
            OptionalDependencyError: scikit-learn is not installed.
            ValueError: prompts and labels are not equally many, a label is neither 0 nor 1, or all are the same.
            TypeError: a prompt is no text, or the embedder none.
        """
        return fitted(prompts, needs_full, embed)[0]

    def score(self, prompts: Sequence[str]) -> NDArray[Any]:
        """The probability that each prompt needs the full model, shape `(prompts,)`, 0 to 1.

        Raises:
            TypeError: it is one text, and not a list of them.
        """
        if isinstance(prompts, str):
            msg = "prompts is one text: give a list of them, `score([prompt])`"
            raise TypeError(msg)
        return probabilities(self._model, self._features(list(prompts)))[:, 1]


def fitted(
    prompts: Sequence[str], needs_full: Sequence[Any], embed: Embed | None, *, with_held_out: bool = False
) -> tuple[ComplexityScorer, NDArray[Any] | None, NDArray[Any]]:
    """A scorer, each row's score by a model that was not fitted to that row (`None` unless asked for), and the labels.

    The words' weights are those of all rows, which knows nothing of labels; the model's are of the other folds.
    """
    labels = _binary(needs_full)
    texts = checked_texts(prompts, labels.tolist(), of="needs_full")
    features = features_of(texts, embed)
    rows, model = features(texts), _model()
    held_out = None
    if with_held_out:
        selection = sklearn("model_selection")
        folds = selection.StratifiedKFold(_enough_folds(labels), shuffle=True, random_state=0)
        held_out = selection.cross_val_predict(_model(), rows, labels, cv=folds, method="predict_proba")[:, 1]
    model.fit(rows, labels)
    return ComplexityScorer(features, model), held_out, labels


def choose_threshold(
    scores: Sequence[float] | NDArray[Any],
    needs_full: Sequence[Any] | NDArray[Any],
    *,
    share: float | None = None,
    quality: float | None = None,
) -> ThresholdChoice:
    """The threshold for a share of prompts, or for a quality; on scores of rows that were not learned from.

    Args:
        scores: each row's score.
        needs_full: for each row, whether it needs the full model: 0 or 1.
        share: at most this share of rows goes to the full model, 0 to 1.
        quality: at least this share of rows is not kept from a full model they need, 0 to 1, by as few calls of it as
            possible.

    Returns:
        The threshold, and what it does on these rows: an estimate for others like them, not a bound. Without a share
        or quality as many rows go to the full model as need it.

    Raises:
        ValueError: both are given, or one is not between 0 and 1; or scores and labels are none, not equally many, or
            no numbers.
    """
    import numpy as np

    if share is not None and quality is not None:
        msg = "share and quality each decide the threshold: give one of them"
        raise ValueError(msg)
    for name, value in (("share", share), ("quality", quality)):
        if value is not None and not 0 <= value <= 1:
            msg = f"{name}={value} is no share: give 0 to 1"
            raise ValueError(msg)
    found, labels = np.asarray(scores, dtype=float), _binary(needs_full)
    rows = len(found)
    if not rows or found.shape != labels.shape or np.isnan(found).any():
        msg = f"There are scores of shape {found.shape} and {len(labels)} labels: give one number, not NaN, for each."
        raise ValueError(msg)
    by_score = np.argsort(-found, kind="stable")
    if quality is None:
        count = math.floor(rows * (labels.mean() if share is None else share) + 1e-9)
        count = _before_ties(found[by_score], count)
    else:
        lost = labels.sum() - np.concatenate([[0], np.cumsum(labels[by_score])])
        count = int(np.argmax(lost <= rows * (1 - quality) + 1e-9))
        while 0 < count < rows and found[by_score[count]] == found[by_score[count - 1]]:
            count += 1
    threshold = _between(found[by_score], count)
    asks_full = found >= threshold
    kept = 1 - float((labels * ~asks_full).sum()) / rows
    return ThresholdChoice(threshold, float(asks_full.mean()), kept, rows)


def _before_ties(falling: NDArray[Any], count: int) -> int:
    """As many rows as can be had, at most `count`, without parting rows of one score."""
    while 0 < count < len(falling) and falling[count] == falling[count - 1]:
        count -= 1
    return count


def _between(falling: NDArray[Any], count: int) -> float:
    """The threshold halfway between the last of so many rows and the next one: new scores scatter to both sides."""
    if count == len(falling):
        return 0.0
    if count == 0:
        return math.nextafter(max(1.0, float(falling[0])), math.inf)
    return float(falling[count - 1] + falling[count]) / 2


def _model() -> Any:  # noqa: ANN401 - of scikit-learn
    return sklearn("linear_model").LogisticRegression(C=1.0, solver="liblinear", random_state=0)


def _enough_folds(labels: NDArray[Any]) -> int:
    """As many folds as each kind of label can be spread over."""
    fewest = int(min(labels.sum(), len(labels) - labels.sum()))
    if fewest < 2:  # noqa: PLR2004 - one row cannot be both learned from and held out
        msg = f"A threshold cannot be found with {fewest} prompt of one kind: give more `needs_full`, or a `threshold`."
        raise ValueError(msg)
    return min(_FOLDS, fewest)


def _binary(labels: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    found = np.asarray(labels)
    if found.ndim != 1 or not np.isin(found, (0, 1)).all():
        msg = "needs_full must be a list of 0 and 1, or of booleans: round grades first, `[grade >= 0.5 for ...]`"
        raise ValueError(msg)
    return found.astype(int)
