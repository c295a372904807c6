"""How signals are combined: all of them, any of them, not this one; the cheap one first, as written."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from langchain_costguard.cascade.acceptance import ajudged, as_signal, judged
from langchain_costguard.cascade.verdicts import Signal, Verdict
from langchain_costguard.cascade.wording import is_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade.acceptance import AnySignal
    from langchain_costguard.cascade.verdicts import Draft

_LARGEST_WINS = ("top_logprobs",)


class _Compound(Signal):
    """What signals made of others have in common.

    Attributes:
        parts: the signals, in the order in which they are asked.
    """

    parts: tuple[Signal, ...]

    def __init__(self, *signals: AnySignal) -> None:
        """Take the parts; parts of the same kind are laid open, so that nesting makes no difference."""
        if not signals:
            msg = f"{type(self).__name__} needs something to combine: give at least one signal."
            raise ValueError(msg)
        parts: list[Signal] = []
        for signal in map(as_signal, signals):
            parts += signal.parts if type(signal) is type(self) and isinstance(signal, _Compound) else [signal]
        self.parts = tuple(parts)

    def __repr__(self) -> str:
        """As it would be constructed."""
        return f"{type(self).__name__}({', '.join(map(repr, self.parts))})"

    def __eq__(self, other: object) -> bool:
        """Whether it combines equal parts in the same way."""
        return type(other) is type(self) and isinstance(other, _Compound) and other.parts == self.parts

    def __hash__(self) -> int:
        """Equal where it is equal."""
        return hash((type(self), self.parts))

    @property
    def is_calibrated(self) -> bool:
        """Whether every part can judge."""
        return all(part.is_calibrated for part in self.parts)

    def calibrated(self, threshold: float) -> Signal:
        """The same with this threshold in the part that waits for one.

        Raises:
            ValueError: several parts wait for one.
        """
        waiting = [part for part in self.parts if not part.is_calibrated]
        if len(waiting) > 1:
            msg = f"{len(waiting)} parts of {_name(self)} wait for a threshold: give `threshold=` to all but one."
            raise ValueError(msg)
        return type(self)(*(part.calibrated(threshold) for part in self.parts))

    def prepare(self, messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        """The messages with what every part puts in."""
        return reduce(lambda prepared, part: part.prepare(prepared), self.parts, messages)

    def settings(self, model: Runnable[Any, Any]) -> Mapping[str, Any]:
        """What all parts need; of `top_logprobs` the largest.

        Raises:
            ValueError: the provider cannot do it, or two parts need different things.
        """
        merged: dict[str, Any] = {}
        for part in self.parts:
            for name, value in part.settings(model).items():
                merged[name] = _agreed(name, merged.get(name, value), value)
        return merged

    def presentable(self, answer: AIMessage) -> AIMessage:
        """The answer without what any part had put in, whichever parts were asked."""
        return reduce(lambda shown, part: part.presentable(shown), self.parts, answer)

    def marks(self, answer: AIMessage, values: Sequence[Any] = ()) -> bool:
        """Whether what any part had put in stands where it cannot be taken out."""
        return any(part.marks(answer, values) for part in self.parts)

    def _left_empty(self, draft: Draft) -> Verdict | None:
        """A verdict at once if nothing is left to see of the answer: whatever the parts say, it is not accepted."""
        shown = self.presentable(draft.answer)
        if shown is draft.answer or not is_empty(shown):
            return None
        reason = "nothing is left of the answer without the marker"
        return Verdict(accepts=False, reason=reason, signal=_name(self), answer=shown)

    def _shown(self, verdicts: Sequence[Verdict], draft: Draft) -> AIMessage | None:
        """What the user may see: the last answer a part gave instead, or the draft, without what any part put in."""
        given = [verdict.answer for verdict in verdicts if verdict.answer is not None]
        shown = self.presentable(given[-1] if given else draft.answer)
        return None if shown is draft.answer else shown


class _Several(_Compound):
    """Parts that are asked until one decides."""

    _decides: bool
    """What a part must say for the rest not to be asked."""

    def judge(self, draft: Draft) -> Verdict:
        """Ask the parts until one decides."""
        empty = self._left_empty(draft)
        if empty is not None:
            return empty
        verdicts: list[Verdict] = []
        for part in self.parts:
            verdicts.append(judged(part, draft))
            if verdicts[-1].accepts is self._decides:
                break
        return self._together(verdicts, draft)

    async def ajudge(self, draft: Draft) -> Verdict:
        """Ask the parts until one decides, without holding up the event loop."""
        empty = self._left_empty(draft)
        if empty is not None:
            return empty
        verdicts: list[Verdict] = []
        for part in self.parts:
            verdicts.append(await ajudged(part, draft))
            if verdicts[-1].accepts is self._decides:
                break
        return self._together(verdicts, draft)

    def _together(self, verdicts: Sequence[Verdict], draft: Draft) -> Verdict:
        """One verdict of those that were given, of which only the last can have decided."""
        last = verdicts[-1]
        together = Verdict(
            last.accepts,
            last.reason,
            last.signal,
            _confidence(verdicts, max if self._decides else min),
            self._shown(verdicts, draft),
            any(verdict.failed for verdict in verdicts),
        )
        if last.accepts is self._decides or len(verdicts) == 1:
            return together
        reason = " and ".join(_bracketed(verdict.reason) for verdict in verdicts)
        return together._replace(reason=reason, signal=_name(self))


class AllOf(_Several):
    """Accepts what every part accepts; the first that does not ends the asking. `a & b` makes one.

    Its confidence is the least of those of the parts asked; a part that only says yes or no counts as 1 or 0.
    """

    _decides = False


class AnyOf(_Several):
    """Accepts what any part accepts; the first that does ends the asking. `a | b` makes one.

    Its confidence is the greatest of those of the parts asked; a part that only says yes or no counts as 1 or 0.
    """

    _decides = True


class Not(_Compound):
    """Accepts what its part does not accept. `~a` makes one.

    A part that fails is not turned round: an answer nobody could judge is not accepted. Nor is an answer of which
    nothing is left without its marker.
    """

    def __init__(self, signal: AnySignal) -> None:
        """Take the part."""
        self.parts: tuple[Signal, ...] = (as_signal(signal),)

    def judge(self, draft: Draft) -> Verdict:
        """Ask the part, and say the opposite."""
        return self._left_empty(draft) or self._opposite(judged(self.parts[0], draft), draft)

    async def ajudge(self, draft: Draft) -> Verdict:
        """Ask the part without holding up the event loop, and say the opposite."""
        return self._left_empty(draft) or self._opposite(await ajudged(self.parts[0], draft), draft)

    def _opposite(self, verdict: Verdict, draft: Draft) -> Verdict:
        answer = self._shown([verdict], draft)
        if verdict.failed:
            return verdict._replace(accepts=False, answer=answer)
        sure = verdict.confidence
        return Verdict(
            accepts=not verdict.accepts,
            reason=f"not: {verdict.reason}",
            signal=_name(self),
            confidence=1 - sure if sure is not None and 0 <= sure <= 1 else None,
            answer=answer,
        )


def _confidence(verdicts: Sequence[Verdict], least_or_most: Callable[[list[float]], float]) -> float | None:
    """The confidence of several verdicts; `None` where no part has one, or a part failed."""
    if any(verdict.failed for verdict in verdicts) or all(verdict.confidence is None for verdict in verdicts):
        return None
    return least_or_most([float(one.accepts) if one.confidence is None else one.confidence for one in verdicts])


def _agreed(name: str, one: Any, other: Any) -> Any:  # noqa: ANN401 - the value of any setting
    if one == other:
        return one
    if name in _LARGEST_WINS:
        return max(one, other)
    msg = f"Two signals need a different `{name}` ({one!r} and {other!r}): let one of them judge another tier."
    raise ValueError(msg)


def _bracketed(reason: str) -> str:
    return f"({reason})" if " and " in reason else reason


def _name(signal: Signal) -> str:
    """The names of the signals in a compound, as they would be composed."""
    if isinstance(signal, Not):
        return (
            f"~{_name(signal.parts[0])}"
            if not isinstance(signal.parts[0], _Several)
            else f"~({_name(signal.parts[0])})"
        )
    if isinstance(signal, _Several):
        sign = " & " if isinstance(signal, AllOf) else " | "
        return sign.join(f"({_name(part)})" if isinstance(part, _Several) else _name(part) for part in signal.parts)
    return type(signal).__name__
