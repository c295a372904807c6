"""Calibrating a cascade on examples: both models answer each of them, and the threshold is fitted to what comes out."""

# ruff: noqa: ANN401 - questions and answers are of any kind

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from langchain_core.messages import AIMessage

from langchain_costguard._progress import watched
from langchain_costguard.cascade.calibration import calibrate
from langchain_costguard.cascade.conducting import conduct_all
from langchain_costguard.cascade.course import Question
from langchain_costguard.cascade.judging import ajudged, judged
from langchain_costguard.cascade.legs import ANSWER, DRAFT
from langchain_costguard.cascade.making import make_plan
from langchain_costguard.cascade.runs import IsolatedRuns
from langchain_costguard.cascade.same_answers import same_answer
from langchain_costguard.cascade.verdicts import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade.report import CalibrationReport
    from langchain_costguard.cascade.targets import AnyTarget
    from langchain_costguard.cascade.verdicts import Draft, Verdict


class Example(NamedTuple):
    """A question with its right answer."""

    question: Any
    """A text, messages, or a prompt's value."""
    reference: Any = None
    """The right answer; `None` takes the full model's answer for right."""


class Row(NamedTuple):
    """What is known of a question that both models have answered."""

    confidence: float
    """How sure the signal is of the mini model's answer; larger is surer."""
    mini_correct: float
    """Whether it is right: a boolean, or a grade from 0 to 1."""
    full_correct: float = 1.0
    """Whether the full model's is."""


Grader: TypeAlias = "Callable[[Any, Any], float | bool]"
"""Compares an answer's text with the reference: true or false, or a grade from 0 to 1."""


class Measured(NamedTuple):
    """A row, and what it cost in nano-USD; `None` where that is not known."""

    row: Row
    mini_nano: int | None
    full_nano: int | None
    signal_nano: int | None


@dataclass(frozen=True)
class Fitted(Signal):
    """A signal that accepts what is sure enough; for signals that have no threshold of their own.

    Attributes:
        signal: who judges.
        threshold: the least confidence that is accepted; a signal that only says yes or no counts as 1 or 0. Plus
            infinity accepts nothing, however sure.
    """

    signal: Signal
    threshold: float

    @property
    def is_calibrated(self) -> bool:
        """Whether the signal can judge; the threshold here is not its own."""
        return self.signal.is_calibrated

    def prepare(self, messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        """The messages as the signal has them sent."""
        return self.signal.prepare(messages)

    def settings(self, model: Runnable[Any, Any]) -> Mapping[str, Any]:
        """What the signal needs."""
        return self.signal.settings(model)

    def presentable(self, answer: AIMessage) -> AIMessage:
        """The answer without what the signal had put in."""
        return self.signal.presentable(answer)

    def marks(self, answer: AIMessage, values: Sequence[Any] = ()) -> bool:
        """Whether what the signal had put in stands where it cannot be taken out."""
        return self.signal.marks(answer, values)

    def judge(self, draft: Draft) -> Verdict:
        """Ask the signal, and compare."""
        return self._compared(judged(self.signal, draft))

    async def ajudge(self, draft: Draft) -> Verdict:
        """The same without holding up the event loop."""
        return self._compared(await ajudged(self.signal, draft))

    def _compared(self, verdict: Verdict) -> Verdict:
        sure = _confidence(verdict)
        accepts = not verdict.failed and self.threshold != inf and sure >= self.threshold
        return verdict._replace(accepts=accepts, confidence=None if sure == -inf else sure)


def same_text(answer: Any, reference: Any) -> bool:
    """The usual grader: whether an answer's text says the same as the reference; see `same_answer`."""
    return same_answer(AIMessage(str(answer)), AIMessage(str(reference)))


def measured(
    tiers: Sequence[Runnable[Any, Any]],
    examples: Iterable[Example | tuple[Any, Any] | Any],
    signal: Signal,
    grader: Grader,
    *,
    max_concurrency: int,
) -> Iterator[Measured]:
    """Have both models answer examples; budgets hold and the ledger is written as for any other call.

    Args:
        tiers: the mini and the full model.
        examples: the questions, with or without their right answers.
        signal: who judges the mini model's answers.
        grader: compares an answer with the reference.
        max_concurrency: so many questions are asked at the same time.

    Raises:
        Exception: what the full model failed with.
    """
    plan = make_plan(tiers, Fitted(_open(signal), inf), on_refused="raise")
    rest = iter(watched(examples, "answering examples"))
    while chunk := [_example(one) for one in islice(rest, max_concurrency)]:
        questions = [Question(plan, example.question, IsolatedRuns(None), {}) for example in chunk]
        outcomes = conduct_all(questions, {"max_concurrency": max_concurrency})
        for example, question, outcome in zip(chunk, questions, outcomes, strict=True):
            if isinstance(outcome, Exception):
                raise outcome
            yield _measure(example, question, grader)


def fit(
    rows: Sequence[Measured],
    target: AnyTarget,
    costs: Mapping[str, Any],
) -> CalibrationReport:
    """Fit the threshold to rows.

    Args:
        rows: what is known of each question.
        target: what the cascade must keep to.
        costs: `mini_cost`, `full_cost` and `signal_cost`, where the user gave them.

    Raises:
        ValueError: rows are unusable, or what they cost is not known.
        InfeasibleTargetError: no threshold is known to meet the target.
        LosingCascadeError: the cascade would cost at least as much as the full model alone.
    """
    return calibrate(
        [one.row.confidence for one in rows],
        [float(one.row.mini_correct) for one in rows],
        [float(one.row.full_correct) for one in rows],
        mini_cost=_costs(rows, "mini", costs.get("mini_cost")),
        full_cost=_costs(rows, "full", costs.get("full_cost")),
        signal_cost=_costs(rows, "signal", costs.get("signal_cost")),
        target=target,
    )


def with_threshold(signal: Signal, threshold: float) -> Signal:
    """The signal with a threshold: its own where it has one, else one around it."""
    if _has_threshold(signal):
        return replace(signal, threshold=min(1.0, max(0.0, threshold)))  # type: ignore[type-var] # such signals are dataclasses
    return Fitted(_open(signal), threshold)


def rows_of(given: Sequence[Any]) -> list[Measured] | None:
    """Rows that were given as such: a confidence and two labels each; `None` where questions were given."""
    if not given or not all(_is_row(one) for one in given):
        return None
    return [Measured(Row(*one), None, None, None) for one in given]


def _is_row(one: Any) -> bool:
    return isinstance(one, Row) or (
        isinstance(one, tuple) and len(one) == len(Row._fields) and not isinstance(one[0], (str, list))
    )


def _example(given: Any) -> Example:
    if isinstance(given, Example):
        return given
    return Example(*given) if isinstance(given, tuple) and len(given) == len(Example._fields) else Example(given)


def _open(signal: Signal) -> Signal:
    """The signal with a threshold that everything reaches: only its confidence is wanted.

    Raises:
        ValueError: several parts of it wait for one.
    """
    if _has_threshold(signal):
        return replace(signal, threshold=0.0)  # type: ignore[type-var] # such signals are dataclasses
    return signal if signal.is_calibrated else signal.calibrated(0.0)


def _has_threshold(signal: Any) -> bool:
    return is_dataclass(signal) and any(field.name == "threshold" for field in fields(signal))


def _confidence(verdict: Verdict) -> float:
    """How sure a verdict is; one that only says yes or no is sure or not at all."""
    if verdict.failed:
        return -inf
    return float(verdict.accepts) if verdict.confidence is None else verdict.confidence


def _measure(example: Example, question: Question, grader: Grader) -> Measured:
    full = question.answer_of(1)
    mini = question.answer_of(0)
    legs = question.legs.legs
    draft = next(leg for leg in legs if leg.purpose == DRAFT)
    reference = full.text if example.reference is None and full is not None else example.reference
    row = Row(
        -inf if draft.confidence is None else draft.confidence,
        0.0 if mini is None else float(grader(mini.text, reference)),
        1.0 if example.reference is None or full is None else float(grader(full.text, reference)),
    )
    asked = [leg.cost_nano for leg in legs if leg.purpose not in {DRAFT, ANSWER}]
    return Measured(
        row,
        draft.cost_nano,
        next(leg for leg in legs if leg.purpose == ANSWER).cost_nano,
        None if None in asked else sum(cost or 0 for cost in asked),
    )


def _costs(rows: Sequence[Measured], which: str, given: Any) -> Any:
    """What a leg of each row cost: as the user says, else as the ledger does."""
    if given is not None:
        return given
    found = [getattr(one, f"{which}_nano") for one in rows]
    if None not in found:
        return found
    if which == "signal":
        return 0
    msg = f"What the {which} model's answers cost is not known: give `{which}_cost`, or prices for its model."
    raise ValueError(msg)
