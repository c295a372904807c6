"""How signals are written: as values that compare by their settings, and as inquiries that put questions to models."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from langchain_costguard.cascade.verdicts import Signal, Verdict
from langchain_costguard.exceptions import UncalibratedSignalError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade.verdicts import Draft


_MOST_DIGITS: Final = 6


class Question(NamedTuple):
    """What a signal wants to know of a model."""

    model: Runnable[Any, Any]
    """Whom to ask."""
    messages: Sequence[BaseMessage]
    """What."""
    purpose: str
    """What for; it names the run."""
    settings: Mapping[str, Any] = {}
    """Bound for this call alone."""


class ValueSignal(Signal):
    """A signal that is a frozen dataclass: equal where its settings are, and shown as it would be written."""

    def __repr__(self) -> str:
        """The constructor with what differs from its defaults."""
        parts: list[str] = []
        for index, field in enumerate(fields(cast("Any", self))):
            value = getattr(self, field.name)
            if field.default is MISSING:
                parts.append(repr(value) if index == len(parts) else f"{field.name}={value!r}")
            elif value != field.default:
                parts.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    @property
    def is_calibrated(self) -> bool:
        """Whether it has the threshold it needs, if it needs one."""
        return getattr(self, "threshold", 0.0) is not None

    def calibrated(self, threshold: float) -> Signal:
        """The signal with this threshold, if it waits for one."""
        return self if self.is_calibrated else replace(cast("Any", self), threshold=threshold)

    def _verdict(
        self,
        accepts: bool,
        reason: str,
        *,
        confidence: float | None = None,
        answer: AIMessage | None = None,
        failed: bool = False,
    ) -> Verdict:
        """A verdict in this signal's name."""
        return Verdict(accepts, reason, type(self).__name__, confidence, answer, failed)


class LocalSignal(ValueSignal):
    """A signal that needs nothing but the draft."""

    async def ajudge(self, draft: Draft) -> Verdict:
        """Judge a draft; there is nothing to wait for."""
        return self.judge(draft)


class InquiringSignal(ValueSignal):
    """A signal that asks models: once written, it is asked with and without holding up the event loop.

    Questions put together are asked one after the other by `judge` and at the same time by `ajudge`.
    """

    @abstractmethod
    def _inquire(self, draft: Draft) -> Generator[Sequence[Question], list[Any], Verdict]:
        """Yield questions, receive their answers in order, and return the verdict."""

    def judge(self, draft: Draft) -> Verdict:
        """Judge a draft by asking models."""
        inquiry = self._inquire(draft)
        try:
            questions = next(inquiry)
            while True:
                questions = inquiry.send(
                    [
                        draft.asking.ask(one.model, one.messages, purpose=one.purpose, **one.settings)
                        for one in questions
                    ]
                )
        except StopIteration as ended:
            verdict: Verdict = ended.value
            return verdict

    async def ajudge(self, draft: Draft) -> Verdict:
        """Judge a draft by asking models, without holding up the event loop."""
        inquiry = self._inquire(draft)
        try:
            questions = next(inquiry)
            while True:
                questions = inquiry.send(await _all_answers(draft, questions))
        except StopIteration as ended:
            verdict: Verdict = ended.value
            return verdict


async def _all_answers(draft: Draft, questions: Sequence[Question]) -> list[Any]:
    """Ask everything at once; when one question fails the others are cancelled, not left behind."""
    calls = [
        asyncio.ensure_future(draft.asking.aask(one.model, one.messages, purpose=one.purpose, **one.settings))
        for one in questions
    ]
    try:
        return await asyncio.gather(*calls)
    except BaseException:  # whatever ends this, its other calls end too; raised again
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        raise


def judged(signal: Signal, draft: Draft) -> Verdict:
    """What a signal says of a draft; one that breaks does not accept, and its verdict says so.

    Raises:
        UncalibratedSignalError: the signal has no threshold: that is the program's fault, not the draft's.
    """
    try:
        return signal.judge(draft)
    except UncalibratedSignalError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever breaks a judge, the answer counts as not accepted
        return _failed(signal, error)


async def ajudged(signal: Signal, draft: Draft) -> Verdict:
    """The same without holding up the event loop."""
    try:
        return await signal.ajudge(draft)
    except UncalibratedSignalError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever breaks a judge, the answer counts as not accepted
        return _failed(signal, error)


def _failed(signal: Signal, error: Exception) -> Verdict:
    name = type(signal).__name__
    return Verdict(accepts=False, reason=f"{name} failed: {type(error).__name__}: {error}", signal=name, failed=True)


def checked_threshold(threshold: float | None, signal: str) -> None:
    """Refuse a threshold that is no probability.

    Raises:
        ValueError: it is not between 0 and 1.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        msg = f"{signal} compares probabilities: give a `threshold` from 0 to 1, not {threshold!r}."
        raise ValueError(msg)


def is_enough(confidence: float, threshold: float | None, signal: str) -> bool:
    """Whether a confidence reaches the threshold; NaN does not.

    Raises:
        UncalibratedSignalError: there is no threshold yet.
    """
    if threshold is None:
        msg = f"{signal} has no threshold yet: calibrate the cascade (`Cascade.calibrated`), or give `threshold=`."
        raise UncalibratedSignalError(msg)
    return confidence >= threshold


def compared(confidence: float, threshold: float | None) -> str:
    """The comparison as a reason shows it, such as `"0.97 >= 0.80"`."""
    if threshold is None:
        return f"{confidence:.2f}"
    digits = 2
    while confidence != threshold and digits < _MOST_DIGITS and round(confidence, digits) == round(threshold, digits):
        digits += 1
    sign = ">=" if confidence >= threshold else "<"
    return f"{confidence:.{digits}f} {sign} {threshold:.{digits}f}"
