"""SampleAgreement and ModelAgreement: whether the model, asked again, or another model says the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import AIMessage

from langchain_costguard.cascade.judging import InquiringSignal, Question, checked_threshold, compared, is_enough
from langchain_costguard.cascade.logprobs import refuses_temperature
from langchain_costguard.cascade.same_answers import same_answer
from langchain_costguard.cascade.tiers import structured, with_models, with_tools

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade.verdicts import Draft, Verdict


@dataclass(frozen=True, repr=False)
class SampleAgreement(InquiringSignal):
    """Accepts an answer that the model gives again when it is asked again; it costs `k` further answers.

    Samples are never taken from LangChain's cache.

    Attributes:
        k: how many further answers are sampled.
        threshold: the least share of them that must agree with the answer, from 0 to 1; `None` to have it found by
            calibration.
        same: whether two answers say the same; the default knows numbers, choices, objects and short texts, and long
            texts need a function of your own.
        temperature: of the samples; `None` leaves the model's own, and so do models that refuse one.

    Example:
        ```python
        SampleAgreement(6, same=lambda one, other: last_number(one.text) == last_number(other.text))
        ```
    """

    k: int = 5
    threshold: float | None = 0.5
    same: Callable[[AIMessage, AIMessage], bool] = same_answer
    temperature: float | None = 0.7

    def __post_init__(self) -> None:
        """Refuse fewer than one sample."""
        checked_threshold(self.threshold, "SampleAgreement")
        if self.k < 1:
            msg = f"SampleAgreement needs a sample to compare with, not {self.k}: give a `k` of at least 1."
            raise ValueError(msg)

    def _inquire(self, draft: Draft) -> Generator[Sequence[Question], list[Any], Verdict]:
        settings = {} if self.temperature is None else {"temperature": self.temperature}
        if refuses_temperature(draft.model):
            settings = {}
        model = _uncached(_asked_alike(draft.model, draft))
        samples = yield [Question(model, draft.sent, "sample agreement", settings)] * self.k
        agreeing = sum(bool(self.same(draft.answer, _message(sample))) for sample in samples)
        share = agreeing / self.k
        accepts = is_enough(share, self.threshold, "SampleAgreement")
        reason = f"{agreeing} of {self.k} samples agree, {compared(share, self.threshold)}"
        return self._verdict(accepts, reason, confidence=share)


@dataclass(frozen=True, repr=False)
class ModelAgreement(InquiringSignal):
    """Accepts an answer that another model, usually a cheap one of another maker, gives as well.

    The other model is sent the user's messages, with the tools or the schema of the cascade.

    Attributes:
        other: the model that is asked.
        same: whether two answers say the same; the default knows numbers, choices, objects and short texts.
    """

    other: Runnable[Any, Any] = field(hash=False)
    same: Callable[[AIMessage, AIMessage], bool] = same_answer

    def _inquire(self, draft: Draft) -> Generator[Sequence[Question], list[Any], Verdict]:
        (second,) = yield [Question(_asked_alike(self.other, draft), draft.messages, "second opinion")]
        agrees = bool(self.same(draft.answer, _message(second)))
        return self._verdict(agrees, "another model says the same" if agrees else "another model says something else")


def _asked_alike(model: Runnable[Any, Any], draft: Draft) -> Runnable[Any, Any]:
    """The model with the tools, or the schema, that the draft was asked for with."""
    if draft.schema is not None:
        return structured(model, draft.schema)
    return with_tools(model, draft.tools) if draft.tools else model


def _uncached(model: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The model past LangChain's cache, which would give one sample k times and call that agreement."""

    def without_cache(inner: Any) -> Runnable[Any, Any]:  # noqa: ANN401 - whatever a tier is made of
        is_cached = isinstance(inner, BaseLanguageModel) and inner.cache is not False
        changed: Runnable[Any, Any] = inner.model_copy(update={"cache": False}) if is_cached else inner
        return changed

    return with_models(model, without_cache)


def _message(answer: object) -> AIMessage:
    """The answer as a message, also from a chain that ends in a text, or one that keeps it beside what was parsed."""
    if isinstance(answer, dict):
        answer = answer.get("raw")
    return answer if isinstance(answer, AIMessage) else AIMessage(str(answer))
