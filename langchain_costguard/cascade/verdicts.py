"""What judges an answer: a Signal looks at a Draft and gives a Verdict; true always means accept."""

# ruff: noqa: ANN401 - what a model is bound to and what it answers may be anything

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable


class Asking(Protocol):
    """How a signal asks a model: as a leg of the cascade, so that the call is a child run and its cost is counted."""

    def ask(self, model: Runnable[Any, Any], messages: Sequence[BaseMessage], *, purpose: str, **settings: Any) -> Any:
        """Ask, and wait for the answer.

        Args:
            model: whom to ask.
            messages: what.
            purpose: what for, such as `"self-verification"`; it names the run and stands beside its cost.
            **settings: bound for this call alone.
        """

    async def aask(
        self, model: Runnable[Any, Any], messages: Sequence[BaseMessage], *, purpose: str, **settings: Any
    ) -> Any:
        """The same without holding up the event loop."""


class Draft(NamedTuple):
    """An answer that is to be judged before anybody sees it."""

    messages: Sequence[BaseMessage]
    """The user's messages, as they would be sent to the next tier."""
    sent: Sequence[BaseMessage]
    """What this tier was sent: the same, and what its signal added."""
    answer: AIMessage
    tier: int
    """Which tier gave it, from 0."""
    model: Runnable[Any, Any]
    """The model that gave it."""
    asking: Asking
    tools: Sequence[Any] = ()
    """The tools that are bound."""
    schema: Any = None
    """The schema of a structured answer; `None` for text."""


class Verdict(NamedTuple):
    """What a signal says of a draft."""

    accepts: bool
    reason: str
    """Why, in a few words: `"mean token probability 0.97 >= 0.80"`."""
    signal: str = ""
    """Which signal decided."""
    confidence: float | None = None
    """How sure it is that the answer is good, larger is surer; `None` for a signal that only says yes or no."""
    answer: AIMessage | None = None
    """The answer as the user may see it, where that is not the draft as it is (a marker taken out)."""
    failed: bool = False
    """Whether a signal could not say, because it, or the model it asked, broke: what breaks does not accept."""


class Signal(ABC):
    """A judge of drafts. Signals compose: `NotUncertain() & TokenConfidence(0.8)`, `a | b`, `~a`.

    A signal that fails (its judge model is down, its callable raises) does not accept: the cascade escalates, and
    counts the failure.
    """

    def prepare(self, messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        """The messages as the judged tier is to be sent them: with an instruction, where the signal needs one."""
        return messages

    def settings(self, model: Runnable[Any, Any]) -> Mapping[str, Any]:
        """What the judged tier's model must be asked with, such as `logprobs=True`.

        Raises:
            ValueError: the model's provider cannot do it; the message names a signal that can be used instead.
        """
        del model
        return {}

    @property
    def is_calibrated(self) -> bool:
        """Whether it can judge: whether it, and every part of it, has the threshold it needs."""
        return True

    def calibrated(self, threshold: float) -> Signal:
        """The signal with a threshold where it waits for one; it measures any draft with a threshold of 0."""
        del threshold
        return self

    def presentable(self, answer: AIMessage) -> AIMessage:
        """The answer as a user may see it, accepted or not: the same object, unless the signal had something put in."""
        return answer

    def marks(self, answer: AIMessage, values: Sequence[Any] = ()) -> bool:
        """Whether what it had put in stands where it cannot be taken out: such an answer is never shown.

        Args:
            answer: the answer; its tool calls and what it was parsed to are looked at.
            values: further values made of it.
        """
        del answer, values
        return False

    @abstractmethod
    def judge(self, draft: Draft) -> Verdict:
        """Judge a draft."""

    @abstractmethod
    async def ajudge(self, draft: Draft) -> Verdict:
        """Judge a draft without holding up the event loop."""

    def __and__(self, other: Signal | Callable[[Draft], Any]) -> Signal:
        """Accept what both accept; the second is asked only if the first accepts."""
        from langchain_costguard.cascade.composing import AllOf

        return AllOf(self, other)

    def __rand__(self, other: Callable[[Draft], Any]) -> Signal:
        """The same with a callable on the left."""
        from langchain_costguard.cascade.composing import AllOf

        return AllOf(other, self)

    def __or__(self, other: Signal | Callable[[Draft], Any]) -> Signal:
        """Accept what either accepts; the second is asked only if the first does not."""
        from langchain_costguard.cascade.composing import AnyOf

        return AnyOf(self, other)

    def __ror__(self, other: Callable[[Draft], Any]) -> Signal:
        """The same with a callable on the left."""
        from langchain_costguard.cascade.composing import AnyOf

        return AnyOf(other, self)

    def __invert__(self) -> Signal:
        """Accept what it does not accept."""
        from langchain_costguard.cascade.composing import Not

        return Not(self)
