"""Signals that ask models: what they ask, through whom, and how the answers are read."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from langchain_costguard.cascade import JudgedBy, ModelAgreement, SampleAgreement, SelfVerification, same_answer
from langchain_costguard.cascade.acceptance import judged
from langchain_costguard.cascade.wording import text_of
from langchain_costguard.testing import LoopbackProvider, Reply, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable


def yes_or_no(text: str, **probabilities: float) -> Reply:
    """A reply whose first token had these alternatives."""
    others = [{"token": token, "logprob": math.log(value)} for token, value in probabilities.items()]
    row = {"token": text, "logprob": others[0]["logprob"], "top_logprobs": others}
    return Reply(text, response_metadata={"logprobs": {"content": [row]}})


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def test_the_model_is_asked_whether_its_answer_is_right(draft: Callable[..., Any]) -> None:
    """The question must follow the conversation and the answer, and its probabilities must be asked for."""
    made = draft("Paris", ScriptedChatModel(responses=yes_or_no("Yes", Yes=0.7, No=0.2, Well=0.1)))
    verdict = SelfVerification(0.7).judge(made)
    ((purpose, messages, settings),) = made.asking.asked
    assert purpose == "self-verification"
    assert [text_of(message) for message in messages[:2]] == ["What is the capital of France?", "Paris"]
    assert "Yes or No" in text_of(messages[2])
    assert settings == {"logprobs": True, "top_logprobs": 5}
    assert verdict.confidence == pytest.approx(0.75)
    assert (verdict.accepts, verdict.reason) == (True, "the model finds it right with probability 0.75 >= 0.70")


@pytest.mark.parametrize(
    ("reply", "sure"),
    [
        (yes_or_no("No", No=0.9, Yes=0.1), 0.1),
        (yes_or_no(" yes", **{" yes": 0.6, "Yes": 0.3, "no": 0.1}), 0.9),
        (Reply("Yes.", logprobs=math.log(0.8)), 0.9),
        ("Yes", 1.0),
        ("**No**, the capital is Paris.", 0.0),
        ("是", 1.0),
        ("不是。", 0.0),
        ("Answer: yes", 1.0),
    ],
)
def test_a_yes_is_as_probable_as_the_tokens_say_or_as_the_word(
    draft: Callable[..., Any], reply: Any, sure: float
) -> None:
    """Half of all providers report no probabilities; then the word alone must do."""
    verdict = SelfVerification(0.5).judge(draft("Paris", ScriptedChatModel(responses=reply)))
    assert verdict.confidence == pytest.approx(sure)
    assert verdict.accepts is (sure >= 0.5)


def test_a_reply_that_is_neither_is_a_failure(draft: Callable[..., Any]) -> None:
    """A judge that cannot be understood has not judged; somebody should hear of it."""
    verdict = SelfVerification(0.0).judge(draft("Paris", ScriptedChatModel(responses="That depends.")))
    assert (verdict.accepts, verdict.failed, verdict.confidence) == (False, True, None)
    assert verdict.reason == "the model said neither yes nor no, but 'That depends.'"


def test_a_provider_without_probabilities_is_not_asked_for_them(draft: Callable[..., Any]) -> None:
    """It would refuse the request."""
    made = draft("Paris", ScriptedChatModel(responses="Yes", provider="anthropic"))
    SelfVerification().judge(made)
    assert made.asking.asked[0][2] == {}


def test_the_verifying_call_carries_no_tools(draft: Callable[..., Any]) -> None:
    """A model with tools might call one instead of saying yes."""
    model = ScriptedChatModel(responses="Yes")
    bound = model.bind_tools([add], tool_choice="any").bind(temperature=0)
    assert SelfVerification().judge(draft("Paris", bound)).accepts
    assert set(model.calls[0].kwargs) == {"temperature", "logprobs", "top_logprobs"}


def test_another_model_and_another_question_can_be_asked(draft: Callable[..., Any]) -> None:
    """A local model may verify for nothing, in the language of the conversation."""
    made = draft("Paris", ScriptedChatModel(responses=()))
    signal = SelfVerification(0.5, ScriptedChatModel(responses="Oui"), "Est-ce juste ?", yes=("oui",), no=("non",))
    assert signal.judge(made).accepts
    assert text_of(made.asking.asked[0][1][-1]) == "Est-ce juste ?"


def test_a_judge_sees_conversation_and_answer_and_calls(draft: Callable[..., Any]) -> None:
    """It can only judge what it is shown, tool calls included."""
    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "1"}
    made = draft(AIMessage("Let me add.", tool_calls=[call]))
    verdict = JudgedBy(ScriptedChatModel(responses="No"), "Is it polite?").judge(made)
    ((purpose, messages, _),) = made.asking.asked
    assert purpose == "judge"
    assert "Is it polite?" in text_of(messages[0])
    shown = text_of(messages[1])
    assert "human: What is the capital of France?" in shown
    assert '<answer>\nLet me add.\nadd({"a": 1, "b": 2})\n</answer>' in shown
    assert (verdict.accepts, verdict.signal) == (False, "JudgedBy")


def test_samples_that_agree_are_counted(draft: Callable[..., Any]) -> None:
    """The share is the confidence; each sample is asked as the draft was, but warmer."""
    sent = [HumanMessage("told"), HumanMessage("q")]
    model = ScriptedChatModel(responses=["paris", "The answer is Paris.", "Lyon", "UNCERTAIN"])
    made = draft("Paris", model, sent=sent)
    verdict = SampleAgreement(4, threshold=0.75).judge(made)
    assert (verdict.accepts, verdict.confidence) == (False, 0.5)
    assert verdict.reason == "2 of 4 samples agree, 0.50 < 0.75"
    assert made.asking.asked == [("sample agreement", sent, {"temperature": 0.7})] * 4


def test_a_model_that_refuses_a_temperature_gets_none(draft: Callable[..., Any]) -> None:
    """OpenAI's reasoning models answer a temperature with an error."""
    with LoopbackProvider(reply="Paris", keep_bodies=True) as provider:
        made = draft("Paris", provider.chat_model(model="o3"))
        assert SampleAgreement(2).judge(made).accepts
        assert len(provider.requests) == 2
    assert [settings for _, _, settings in made.asking.asked] == [{}, {}]


async def test_samples_are_asked_at_the_same_time(draft: Callable[..., Any]) -> None:
    """Awaited one after the other, k samples would take k times as long."""
    together = asyncio.Barrier(3)

    class Meeting:
        async def aask(self, model: Any, messages: Any, *, purpose: str, **settings: Any) -> AIMessage:
            await together.wait()
            return AIMessage("Paris")

    made = draft("Paris")._replace(asking=Meeting())
    assert (await asyncio.wait_for(SampleAgreement(3).ajudge(made), 30)).accepts


async def test_when_one_sample_fails_the_others_are_not_left_running(draft: Callable[..., Any]) -> None:
    """A call nobody waits for would go on costing money."""
    cancelled: list[str] = []

    class Failing:
        asked = 0

        async def aask(self, model: Any, messages: Any, *, purpose: str, **settings: Any) -> AIMessage:
            self.asked += 1
            if self.asked == 2:
                msg = "down"
                raise ConnectionError(msg)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(purpose)
                raise
            return AIMessage("")

    with pytest.raises(ConnectionError):
        await SampleAgreement(3).ajudge(draft("Paris")._replace(asking=Failing()))
    assert cancelled == ["sample agreement", "sample agreement"]


def test_a_failing_sample_is_a_failing_signal(draft: Callable[..., Any]) -> None:
    """Agreement with what was never answered is not agreement."""
    made = draft("Paris", ScriptedChatModel(responses=["Paris", ConnectionError("down")]))
    verdict = judged(SampleAgreement(2), made)
    assert (verdict.accepts, verdict.failed) == (False, True)


@pytest.mark.parametrize(("second", "accepts"), [("Paris.", True), ("Lyon", False)])
def test_a_second_model_is_asked_what_the_user_asked(draft: Callable[..., Any], second: str, *, accepts: bool) -> None:
    """It gets the user's messages, not the first model's instruction, and the same tools."""
    other = ScriptedChatModel(responses=second)
    made = draft("Paris", sent=[HumanMessage("instruction")], tools=[add])
    verdict = ModelAgreement(other).judge(made)
    assert verdict.accepts is accepts
    assert made.asking.asked == [("second opinion", made.messages, {})]
    assert [one["function"]["name"] for one in other.calls[0].kwargs["tools"]] == ["add"]


def test_sameness_can_be_decided_by_the_user(draft: Callable[..., Any]) -> None:
    """Long answers agree in what they mean, which words do not show."""
    made = draft("It is Paris, of course", ScriptedChatModel(responses="Paris it is"))
    assert not SampleAgreement(1).judge(made).accepts
    assert (
        SampleAgreement(1, same=lambda one, other: "Paris" in one.content and "Paris" in other.content)
        .judge(draft("It is Paris, of course", ScriptedChatModel(responses="Paris it is")))
        .accepts
    )


async def test_both_faces_say_the_same(draft: Callable[..., Any]) -> None:
    """A chain must not change its mind when it is awaited."""
    for signal, reply in (
        (SelfVerification(), "Yes"),
        (JudgedBy(ScriptedChatModel(responses="No")), ""),
        (SampleAgreement(2), "Paris"),
        (ModelAgreement(ScriptedChatModel(responses="Paris")), ""),
    ):
        made = draft("Paris", ScriptedChatModel(responses=reply))
        assert await signal.ajudge(made) == signal.judge(made)


def test_samples_and_thresholds_that_mean_nothing_are_refused() -> None:
    """No samples would agree with anything, or divide by nothing."""
    with pytest.raises(ValueError, match="`k`"):
        SampleAgreement(0)
    for signal in (SampleAgreement, SelfVerification, partial(JudgedBy, ScriptedChatModel())):
        with pytest.raises(ValueError, match="from 0 to 1"):
            signal(threshold=1.5)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("42", "The answer is 42.", True),
        ("Adding up, we get 40 + 2.\n#### 42", "So it is \\boxed{42.0}", True),
        ("1,000", "1000", True),
        ("\N{MINUS SIGN}3", "-3", True),
        ("-3", "3", False),
        ("5%", "5", False),
        ("12345678901234567890123456789012345", "12345678901234567890123456789012346", False),
        ("答案是：42。", "42", True),  # noqa: RUF001 - Chinese
        ("B", "(B) Paris", True),
        ("B) Paris", "B. Lyon", False),
        ("A", "B", False),
        ("A. Einstein", "A. Turing", False),
        ("A cat", "the cat.", True),
        ("Paris", " **paris** ", True),
        ("C++", "C", False),
        ("Paris", "London", False),
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}', True),
        ('{"a": 1}', '{"a": 2}', False),
        ("", "", False),
        ("5 apples", "5 pears", False),
    ],
)
def test_two_answers_are_the_same_if_they_mean_the_same_number_choice_or_words(
    one: str, other: str, *, same: bool
) -> None:
    """Calling different answers the same accepts a wrong one; calling equal ones different only costs money."""
    assert same_answer(AIMessage(one), AIMessage(other)) is same
    assert same_answer(AIMessage(other), AIMessage(one)) is same


def test_calls_are_the_same_with_the_same_arguments_in_any_order() -> None:
    """The text around a call is small talk."""

    def calling(text: str, *numbers: int) -> AIMessage:
        return AIMessage(text, tool_calls=[{"name": "f", "args": {"x": n}, "id": str(n)} for n in numbers])

    assert same_answer(calling("Well", 1, 2), calling("", 2, 1))
    assert not same_answer(calling("", 1), calling("", 2))
    assert not same_answer(calling("", 1), AIMessage(""))


@given(st.text(max_size=60), st.text(max_size=60))
def test_sameness_takes_any_text_and_either_order(one: str, other: str) -> None:
    """Models write anything."""
    first, second = AIMessage(one), AIMessage(other)
    assert same_answer(first, second) == same_answer(second, first)


def test_samples_are_asked_with_the_same_tools_and_schema(draft: Callable[..., Any]) -> None:
    """A model that cannot call the tool can never agree with a draft that calls it."""
    model = ScriptedChatModel(responses=Reply(tool_calls=[("add", {"a": 1, "b": 2})]))
    answer = model.invoke("q")
    assert SampleAgreement(2).judge(draft(answer, model, tools=[add])).confidence == 1.0
    assert "tools" in model.calls[-1].kwargs
    schema = {"title": "Sum", "type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    plain = ScriptedChatModel()
    raw = plain.with_structured_output(schema, include_raw=True).invoke("q")["raw"]
    assert SampleAgreement(2).judge(draft(raw, plain, schema=schema)).accepts
    assert ModelAgreement(ScriptedChatModel()).judge(draft(raw, plain, schema=schema)).accepts


def test_samples_do_not_come_from_the_cache(draft: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answer read k times is not agreement."""
    monkeypatch.setattr("langchain_core.globals._llm_cache", InMemoryCache())
    model = ScriptedChatModel(responses=["Paris", "Lyon", "Rome"])
    verdict = SampleAgreement(3).judge(draft("Paris", model))
    assert verdict.confidence == pytest.approx(1 / 3)
    assert len(model.calls) == 3
