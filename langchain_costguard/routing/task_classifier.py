"""TaskClassifier: which task a prompt is, learned from the user's own labelled prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_costguard.routing.features import checked_texts, features_of, probabilities, sklearn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.routing.features import Embed, EmbeddingFeatures, WordFeatures

_PENALTY: float = 10.0
"""The inverse penalty of the weights: tasks differ by few, telling words."""


class ClassifiedTask(NamedTuple):
    """What a prompt was found to be."""

    task: str
    confidence: float
    """How likely, 0 to 1."""


class TaskClassifier:
    """Finds the task of a prompt; made by `TaskClassifier.fit`. It reads the beginning and the end of a long prompt.

    Attributes:
        tasks: the tasks it knows.

    Example:
        ```python
        classifier = TaskClassifier.fit(prompts, tasks)
        classifier("Summarise this report: ...")  # ClassifiedTask("summarization", 0.94)
        ```
    """

    def __init__(self, features: WordFeatures | EmbeddingFeatures, model: Any) -> None:  # noqa: ANN401 - of scikit-learn
        """Keep what was fitted."""
        self._features = features
        self._model = model
        self.tasks: tuple[str, ...] = tuple(map(str, model.classes_))

    @classmethod
    def fit(cls, prompts: Sequence[str], tasks: Sequence[str], *, embed: Embed | None = None) -> TaskClassifier:
        """Learn from labelled prompts; some dozens for each task are a beginning.

        Args:
            prompts: texts as they will come.
            tasks: the task of each.
            embed: LangChain `Embeddings`, or a function that gives vectors of texts, in place of the prompts' words;
                its calls take time, and cost what the embedder costs, for each question as well.

        Raises:
            OptionalDependencyError: scikit-learn is not installed.
            ValueError: prompts and tasks are not equally many, or there is but one task.
            TypeError: a prompt is no text, or the embedder none.
        """
        texts = checked_texts(prompts, tasks, of="tasks")
        features = features_of(texts, embed)
        model = sklearn("linear_model").LogisticRegression(C=_PENALTY, max_iter=1_000, tol=1e-3)
        model.fit(features(texts), list(map(str, tasks)))
        return cls(features, model)

    def __call__(self, prompt: str) -> ClassifiedTask:
        """The likeliest task of a prompt."""
        return self.classify([prompt])[0]

    def classify(self, prompts: Sequence[str]) -> list[ClassifiedTask]:
        """The likeliest task of each prompt."""
        likely = probabilities(self._model, self._features(prompts))
        return [ClassifiedTask(self.tasks[row.argmax()], float(row.max())) for row in likely]
