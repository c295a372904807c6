"""ComplexityRouter: easy questions to a small or local model, hard ones to the full one, before either is asked."""

# ruff: noqa: ANN401 - questions and answers are of any kind

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.routing.decision import Proposal, checked_confidence
from langchain_costguard.routing.errors import NoRouteError
from langchain_costguard.routing.route import as_route
from langchain_costguard.routing.router import MAX_SESSIONS, Router

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_core.runnables import Runnable, RunnableConfig
    from numpy.typing import NDArray

    from langchain_costguard.routing.asking import Asked
    from langchain_costguard.routing.complexity import ComplexityScorer, ThresholdChoice
    from langchain_costguard.routing.features import Embed
    from langchain_costguard.routing.route import Route

LOCAL: Final = "local"
CLOUD: Final = "cloud"
COLD_START_CHARACTERS: Final = 1_000
"""Until a scorer is fitted, questions of so many characters, all that is sent included, go to the full model."""

_LABELS: Final = {"low": LOCAL, "high": CLOUD}
_KEYS: Final = ("complexity",)
_HALF: Final = 0.5


class ComplexityRouter(Router):
    """Asks a small or local model what is easy, and the full model what is not.

    A label is obeyed: `complexity`, `"low"` or `"high"`, in an input that is a dict, in `config["configurable"]` or in
    `config["metadata"]`. Otherwise a scorer decides that was fitted to your own labelled prompts
    (`ComplexityRouter.fit`). Without one, the length of what is sent decides, and the decision says that this is a rule
    for the beginning: no more than a guess.

    Args:
        local: the model for easy questions; its calls are booked as `local_model`. Give a `Route` for a small model
            that is not your own, `Route(mini)`, whose calls are booked as `routing`.
        cloud: the model for the others.
        threshold: questions with this score or more go to `cloud`, 0 to 1; used once there is a scorer.
        scorer: a fitted `ComplexityScorer`, or a function of a text that gives the probability that it needs `cloud`.
        cold_start_characters: without a scorer, questions of so many characters go to `cloud`.
        baseline: the model that savings are counted against; `None` for `cloud`.
        input_key: where the question stands in an input that is a dict; `None` to find it.
        sticky_by: a key, such as `"session_id"`: questions of one session go where the first went, unless labelled.
        max_sessions: so many sessions are remembered.
        name: the name of its runs.

    Attributes:
        choice: what the threshold did on held-out labelled rows; `None` where it was given.

    Raises:
        ValueError: one model is given without the other, or the threshold is not between 0 and 1.
        TypeError: a model is none.

    Example:
        ```python
        router = ComplexityRouter.fit(prompts, needs_full, local=ChatOllama(model="qwen2.5:7b"), cloud=full)
        router.invoke("Why is the sky blue?")
        router.invoke({"query": "Prove it.", "complexity": "high"})
        ```
    """

    def __init__(
        self,
        local: Runnable[Any, Any] | Route | None = None,
        cloud: Runnable[Any, Any] | Route | None = None,
        threshold: float = _HALF,
        *,
        scorer: ComplexityScorer | Callable[[str], float] | None = None,
        cold_start_characters: int = COLD_START_CHARACTERS,
        baseline: str | Runnable[Any, Any] | None = None,
        input_key: str | None = None,
        sticky_by: str | None = None,
        max_sessions: int = MAX_SESSIONS,
        name: str | None = None,
    ) -> None:
        """Check the models and keep them."""
        if (local is None) != (cloud is None):
            msg = "One model is missing: give both `local` and `cloud`."
            raise ValueError(msg)
        if not 0 <= threshold <= 1:
            msg = f"threshold={threshold} is no probability: give 0 to 1"
            raise ValueError(msg)
        self.threshold: float = threshold
        self.scorer: ComplexityScorer | Callable[[str], float] | None = scorer
        self.choice: ThresholdChoice | None = None
        self._cold_start_characters = cold_start_characters
        routes: dict[str, Route] = {}
        if local is not None and cloud is not None:
            routes = {LOCAL: as_route(local, local=_is_bare(local)), CLOUD: as_route(cloud)}
        super().__init__(
            routes,
            baseline=CLOUD if baseline is None and routes else baseline,
            label_keys=_KEYS,
            input_key=input_key,
            sticky_by=sticky_by,
            max_sessions=max_sessions,
            name=name,
        )

    @classmethod
    def fit(
        cls,
        prompts: Sequence[str],
        needs_full: Sequence[Any],
        *,
        local: Runnable[Any, Any] | Route | None = None,
        cloud: Runnable[Any, Any] | Route | None = None,
        threshold: float | None = None,
        share: float | None = None,
        quality: float | None = None,
        embed: Embed | None = None,
        **settings: Any,
    ) -> ComplexityRouter:
        """A router whose scorer is fitted to labelled prompts of your own; a few hundred are a beginning.

        Labels come from grading the small model's answers, or from a cascade in service: a question whose
        `response_metadata["cascade"]["tier"]` is above 0 needed the full model.

        Args:
            prompts: texts as they will come.
            needs_full: for each, whether the small model's answer will not do: 0 or 1.
            local: the model for easy questions; without models the router scores, and answers nothing.
            cloud: the model for the others.
            threshold: the score from which `cloud` is asked. Or have it found on cross-validated scores of these rows:
            share: at most this share of them goes to `cloud`.
            quality: at least this share of them is not kept from a `cloud` they need. With none of the three, as many
                go to `cloud` as need it.
            embed: LangChain `Embeddings`, or a function that gives vectors of texts, in place of the prompts' words.
            **settings: further arguments of `ComplexityRouter`.

        Raises:
            OptionalDependencyError: scikit-learn is not installed.
            ValueError: labels are not as many as prompts, neither 0 nor 1, or all the same; or more than one of
                `threshold`, `share` and `quality` is given.
            TypeError: a prompt is no text.
        """
        from langchain_costguard.routing.complexity import choose_threshold, fitted

        if threshold is not None and (share is not None or quality is not None):
            msg = "threshold, share and quality each decide the threshold: give one of them"
            raise ValueError(msg)
        scorer, held_out, labels = fitted(prompts, needs_full, embed, with_held_out=threshold is None)
        choice = None if held_out is None else choose_threshold(held_out, labels, share=share, quality=quality)
        line = min(1.0, choice.threshold) if choice is not None else (threshold or 0.0)
        router = cls(local, cloud, line, scorer=scorer, **settings)
        router.choice = choice
        return router

    def score(self, prompts: Sequence[str]) -> NDArray[Any]:
        """The probability that each prompt needs the full model, shape `(prompts,)`, 0 to 1.

        Raises:
            ValueError: there is no scorer.
        """
        import numpy as np

        if self.scorer is None:
            msg = "There is no scorer: make the router by `ComplexityRouter.fit(prompts, needs_full, ...)`."
            raise ValueError(msg)
        if callable(self.scorer):
            return np.array([float(self.scorer(prompt)) for prompt in prompts])
        return self.scorer.score(prompts)

    def _labelled(self, asked: Asked) -> Proposal | None:
        said = asked.said(_KEYS)
        if said is None:
            return None
        label, place = said
        route = _LABELS.get(label.strip().casefold())
        if route is None:
            msg = f"complexity={label!r}, said in {place}, is not known: give 'low' or 'high', or leave it out."
            raise NoRouteError(msg, routes=tuple(self.routes))
        return Proposal(route, f"complexity {label!r}, named in {place}")

    def _propose(self, asked: Asked, config: RunnableConfig) -> Proposal:
        del config
        if self.scorer is None:
            return self._cold_start(asked)
        score = checked_confidence(self.score([asked.text])[0])
        if score >= self.threshold:
            return Proposal(CLOUD, f"score {score:.3f}, from {self.threshold:.3f} on 'cloud'", score)
        return Proposal(LOCAL, f"score {score:.3f}, below {self.threshold:.3f}", 1 - score)

    async def _apropose(self, asked: Asked, config: RunnableConfig) -> Proposal:
        if self.scorer is None:
            return self._cold_start(asked)
        return await asyncio.to_thread(self._propose, asked, config)  # it may embed, or ask a server

    def _cold_start(self, asked: Asked) -> Proposal:
        route = CLOUD if asked.length >= self._cold_start_characters else LOCAL
        rule = (
            f"cold-start rule, nothing is fitted: {asked.length:,} characters, from {self._cold_start_characters:,} on"
        )
        return Proposal(route, f"{rule} 'cloud'")


def _is_bare(given: Any) -> bool:
    """Whether a model was given without saying what it is: then it is local, as the argument says."""
    from langchain_core.runnables import Runnable

    return isinstance(given, Runnable)
