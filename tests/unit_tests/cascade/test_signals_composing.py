"""Signals together: which are asked, what they say in common, and what happens when one of them breaks."""

# ruff: noqa: FBT003 - a verdict begins with its yes or no

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda

from langchain_costguard.cascade import (
    AllOf,
    AnyOf,
    Calls,
    JudgedBy,
    Not,
    NotRefused,
    NotTruncated,
    NotUncertain,
    Signal,
    TokenConfidence,
    ValidStructure,
    Verdict,
    as_signal,
)
from langchain_costguard.cascade.acceptance import ajudged, judged
from langchain_costguard.cascade.wording import text_of
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.cascade import Draft


@dataclass(frozen=True)
class Says(Signal):
    """Says what it is told to."""

    accepts: bool
    confidence: float | None = None
    name: str = "Says"

    def judge(self, draft: Draft) -> Verdict:
        return Verdict(self.accepts, f"{self.name} says {self.accepts}", self.name, self.confidence)

    async def ajudge(self, draft: Draft) -> Verdict:
        return self.judge(draft)


@dataclass(frozen=True)
class Breaks(Signal):
    """Raises."""

    def judge(self, draft: Draft) -> Verdict:
        msg = "judge is down"
        raise ConnectionError(msg)

    async def ajudge(self, draft: Draft) -> Verdict:
        return self.judge(draft)


YES, NO = Says(True), Says(False)
LEAVES = st.one_of(st.builds(Says, st.booleans()), st.just(NotUncertain()), st.just(NotTruncated()))
SIGNALS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=6,
)
ANSWERS = st.sampled_from(["Paris", "UNCERTAIN", "UNCERTAIN: Paris", "The word UNCERTAIN is one.", ""])


@given(SIGNALS, SIGNALS, ANSWERS)
def test_de_morgan_and_commutation_hold(draft: Callable[..., Any], a: Signal, b: Signal, text: str) -> None:
    """People rewrite conditions by these rules and expect the same answers to pass."""
    judge = lambda signal: signal.judge(draft(text)).accepts  # noqa: E731 - shorter than three lines
    assert judge(~(a & b)) == judge(~a | ~b)
    assert judge(~(a | b)) == judge(~a & ~b)
    assert judge(a & b) == judge(b & a)
    assert judge(a | b) == judge(b | a)


@given(SIGNALS, ANSWERS)
def test_the_marker_is_never_shown_by_any_composition(draft: Callable[..., Any], signal: Signal, text: str) -> None:
    """Also where NotUncertain was turned round, or not asked because another signal decided before it."""
    signal = signal | NotUncertain()
    verdict = signal.judge(draft(text))
    shown = verdict.answer or AIMessage(text)
    assert "UNCERTAIN" not in text_of(shown)
    assert not verdict.accepts or text_of(shown) or not text


@given(SIGNALS, ANSWERS)
def test_both_faces_say_the_same(draft: Callable[..., Any], signal: Signal, text: str) -> None:
    """A chain must not change its mind when it is awaited."""
    assert asyncio.run(signal.ajudge(draft(text))) == signal.judge(draft(text))


def test_the_first_that_decides_ends_the_asking(draft: Callable[..., Any]) -> None:
    """The second may be a call that costs money."""
    asked: list[str] = []
    spy = Calls(lambda _: asked.append("spy") is None)
    assert not (NO & spy).judge(draft("x")).accepts
    assert (YES | spy).judge(draft("x")).accepts
    assert asked == []
    assert (YES & spy).judge(draft("x")).accepts
    assert asked == ["spy"]


def test_a_marker_alone_costs_no_further_call(draft: Callable[..., Any]) -> None:
    """Nothing could make an answer of it, whatever the dear signal would say."""
    verdict = (Breaks() | NotUncertain()).judge(draft("UNCERTAIN"))
    assert (verdict.accepts, verdict.failed) == (False, False)
    assert verdict.reason == "nothing is left of the answer without the marker"
    assert verdict.answer.content == ""


def test_turned_round_an_uncertain_answer_is_accepted_without_its_marker(draft: Callable[..., Any]) -> None:
    """`~NotUncertain()` picks what the model doubts, for a review; even there the marker stays inside."""
    verdict = (~NotUncertain()).judge(draft("Lyon.\nUNCERTAIN"))
    assert (verdict.accepts, verdict.answer.content) == (True, "Lyon.")
    assert verdict.reason == "not: the model says UNCERTAIN"


def test_reasons_are_those_of_the_deciding_parts(draft: Callable[..., Any]) -> None:
    """One sentence must tell why a question became dear."""
    a, b, c = (Says(value, name=name) for value, name in ((True, "a"), (False, "b"), (False, "c")))
    assert (a & b & c).judge(draft("x"))[:3] == (False, "b says False", "b")
    assert (b | a | c).judge(draft("x"))[:3] == (True, "a says True", "a")
    refused = (b | (a & c) | ~a).judge(draft("x"))
    assert refused.reason == "b says False and c says False and not: a says True"
    assert refused.signal == "Says | (Says & Says) | ~Says"
    assert (a & (a & ~b)).judge(draft("x")).reason == "a says True and a says True and not: b says False"


@pytest.mark.parametrize(
    ("signal", "confidence"),
    [
        (Says(True, 0.9) & Says(True, 0.7), 0.7),
        (Says(False, 0.2) | Says(True, 0.7), 0.7),
        (Says(True, 0.9) & YES, 0.9),
        (NO | Says(False, 0.3), 0.3),
        (YES & YES, None),
        (~Says(True, 0.7), pytest.approx(0.3)),
        (~Says(True, 7.0), None),
        (Says(True, 0.9) & Breaks(), None),
    ],
)
def test_the_confidence_of_several_is_the_least_or_the_greatest(
    draft: Callable[..., Any], signal: Signal, confidence: float | None
) -> None:
    """Calibration works on one number for the whole condition."""
    assert signal.judge(draft("x")).confidence == confidence


def test_a_signal_that_breaks_does_not_accept_and_says_so(draft: Callable[..., Any]) -> None:
    """A judge that is down must lead to the better model, not to an unjudged answer or a lost one."""
    verdict = judged(Breaks(), draft("x"))
    assert verdict == Verdict(False, "Breaks failed: ConnectionError: judge is down", "Breaks", failed=True)
    assert asyncio.run(ajudged(Breaks(), draft("x"))) == verdict
    for signal, accepts in ((YES & Breaks(), False), (Breaks() | YES, True), (~Breaks(), False), (~~Breaks(), False)):
        outcome = signal.judge(draft("x"))
        assert (outcome.accepts, outcome.failed) == (accepts, True), signal
    assert "Breaks failed" in (Breaks() | NO).judge(draft("x")).reason


def test_parts_prepare_and_ask_for_settings_together() -> None:
    """Each part must find what it needs in the one answer there is."""
    signal = NotUncertain() & TokenConfidence(0.8, "margin") & TokenConfidence(0.5) & ~NotUncertain("MAYBE")
    told = text_of(signal.prepare([HumanMessage("q")])[0])
    assert "UNCERTAIN" in told
    assert "MAYBE" in told
    assert signal.settings(ScriptedChatModel()) == {"logprobs": True, "top_logprobs": 2}


def test_of_two_numbers_of_alternatives_the_larger_is_asked_for() -> None:
    """Both parts are content with more than they need; other differences cannot be settled."""

    class Wants(Says):
        def __init__(self, **settings: Any) -> None:
            super().__init__(accepts=True)
            object.__setattr__(self, "wanted", settings)

        def settings(self, model: Any) -> dict[str, Any]:
            return self.wanted

    model = ScriptedChatModel()
    assert (Wants(top_logprobs=2) & Wants(top_logprobs=5)).settings(model) == {"top_logprobs": 5}
    with pytest.raises(ValueError, match="different `temperature` \\(0 and 1\\)"):
        (Wants(temperature=0) | Wants(temperature=1)).settings(model)


def test_any_callable_is_a_signal(draft: Callable[..., Any]) -> None:
    """The simplest rule is a function, sync or async, with or without a reason."""

    def short(draft: Draft) -> tuple[bool, str]:
        return len(draft.answer.content) < 3, "looked at the length"

    async def later(draft: Draft) -> bool:
        await asyncio.sleep(0)  # lets others run
        return draft.answer.content == "x"

    for function, verdict in (
        (short, Verdict(True, "looked at the length", "short")),
        (later, Verdict(True, "later accepts", "later")),
        (lambda _: np.bool_(False), Verdict(False, "<lambda> does not accept", "<lambda>")),
        (lambda _: Verdict(True, "why", "me", 0.5), Verdict(True, "why", "me", 0.5)),
    ):
        assert as_signal(function).judge(draft("x")) == verdict
        assert asyncio.run(as_signal(function).ajudge(draft("x"))) == verdict
    assert (YES & short).judge(draft("x")).accepts
    assert (short & YES).judge(draft("x")).accepts
    assert (later | NO).judge(draft("x")).accepts


async def test_an_async_function_is_run_to_its_end_under_a_running_loop(draft: Callable[..., Any]) -> None:
    """A notebook runs a loop, and `invoke` is called in it."""

    async def fails(draft: Draft) -> bool:
        await asyncio.sleep(0)  # lets others run
        raise LookupError(draft.answer.content)

    async def later(draft: Draft) -> bool:
        await asyncio.sleep(0)  # lets others run
        return True

    assert Calls(later).judge(draft("x")).accepts
    with pytest.raises(LookupError):
        Calls(fails).judge(draft("x"))


@pytest.mark.parametrize("result", [None, 0.3, 1, "yes", (True, "a", "b"), (0.3, "why")])
def test_a_function_that_says_neither_yes_nor_no_fails(draft: Callable[..., Any], result: Any) -> None:
    """A confidence of 0.3 is true to Python; taking it for a yes would accept nearly everything."""
    verdict = judged(as_signal(lambda _: result), draft("x"))
    assert (verdict.accepts, verdict.failed) == (False, True)
    assert "return True or False" in verdict.reason


@pytest.mark.parametrize(
    ("thing", "mend"),
    [
        (NotUncertain, r"NotUncertain\(\)"),
        (ScriptedChatModel(), r"JudgedBy\(model\)"),
        (RunnableLambda(lambda _: True), r"JudgedBy\(model\)"),
        ("UNCERTAIN", r"NotUncertain\(\)"),
    ],
)
def test_what_is_no_signal_is_refused_with_what_was_meant(thing: Any, mend: str) -> None:
    """Each of these is an easy slip."""
    with pytest.raises(TypeError, match=mend):
        as_signal(thing)


def test_compositions_show_and_compare_as_they_are_written() -> None:
    """They stand in reports and keys."""
    signal = NotUncertain() & TokenConfidence(0.8) & ~NotRefused()
    assert repr(signal) == "AllOf(NotUncertain(), TokenConfidence(threshold=0.8), Not(NotRefused()))"
    assert signal == AllOf(NotUncertain(), AllOf(TokenConfidence(0.8), Not(NotRefused())))
    assert hash(signal) == hash(AllOf(NotUncertain(), TokenConfidence(0.8), Not(NotRefused())))
    assert signal != AnyOf(*signal.parts)
    assert ValidStructure({"type": "object"}) == ValidStructure({"type": "object"})
    assert hash(JudgedBy(ScriptedChatModel()) | ValidStructure({"type": "object"}))
    with pytest.raises(ValueError, match="at least one"):
        AllOf()
