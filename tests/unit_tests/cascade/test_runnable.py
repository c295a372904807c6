"""Cascade: tools, schemas, batches, failures and settings, in every way LangChain can ask."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_costguard import Cascade, init_cascade
from langchain_costguard.cascade import Draft, NotUncertain, TokenConfidence, ValidStructure
from langchain_costguard.exceptions import UncalibratedSignalError
from langchain_costguard.testing import Reply, ScriptedChatModel


class OtherChatModel(ScriptedChatModel):
    """A model of another provider."""


class City(BaseModel):
    """A city."""

    name: str


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return city


def model(*answers: Any, name: str = "mini", kind: type[ScriptedChatModel] = ScriptedChatModel) -> ScriptedChatModel:
    """A model that says these things in turn."""
    return kind(responses=list(answers), model=name)


def is_short(draft: Draft) -> bool:
    """Accept short answers."""
    return len(draft.answer.text) < 10


def never(draft: Draft) -> bool:
    """Accept nothing."""
    return False


def broken(draft: Draft) -> bool:
    """Fail."""
    msg = "the judge is down"
    raise RuntimeError(msg)


class Events(BaseCallbackHandler):
    """Notes runs and custom events."""

    def __init__(self) -> None:
        super().__init__()
        self.parents: list[Any] = []
        self.roots: list[Any] = []
        self.events: list[tuple[str, Any]] = []

    def on_chain_start(self, *args: Any, run_id: Any, **kwargs: Any) -> None:
        self.roots.append(run_id)

    def on_chat_model_start(self, *args: Any, parent_run_id: Any = None, **kwargs: Any) -> None:
        self.parents.append(parent_run_id)

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.events.append((name, data))


def test_every_leg_is_a_child_run() -> None:
    """Tracers show what was asked, in its place."""
    events = Events()
    Cascade([model("a"), model("b", name="full")], never).invoke("?", {"callbacks": [events]})
    assert events.parents == [events.roots[0]] * 2


def test_tools_are_bound_to_every_tier() -> None:
    """An agent's tools must be known to whichever tier answers."""
    mini, full = model("UNCERTAIN"), model(Reply("", tool_calls=[("weather", {"city": "Rome"})]), name="full")
    answer = Cascade([mini, full]).bind_tools([weather]).invoke("Rome?")
    assert answer.tool_calls[0]["args"] == {"city": "Rome"}
    assert mini.calls[0].kwargs["tools"] == full.calls[0].kwargs["tools"]


def test_a_draft_that_does_not_have_the_schema_escalates() -> None:
    """A parser error of the small model is a reason to ask the large one, not to fail."""
    bad = Reply("", tool_calls=[("City", {"wrong": 1})])
    good = Reply("", tool_calls=[("City", {"name": "Rome"})])
    cascade = Cascade([model(bad), model(good, name="full")], ValidStructure())
    assert cascade.with_structured_output(City).invoke("?") == City(name="Rome")


def test_the_raw_message_of_a_structured_answer_says_how_it_came_about() -> None:
    """A parsed object has no place for it."""
    good = Reply("", tool_calls=[("City", {"name": "Rome"})])
    cascade = Cascade([model(good), model(name="full")]).with_structured_output(City, include_raw=True)
    answer = cascade.invoke("?")
    assert answer["parsed"] == City(name="Rome")
    assert answer["raw"].response_metadata["cascade"]["tier"] == 0


def test_a_last_tier_that_does_not_have_the_schema_raises_as_without_a_cascade() -> None:
    """The error is LangChain's own."""
    bad = Reply("", tool_calls=[("City", {"wrong": 1})])
    with pytest.raises(ValueError, match="City"):
        Cascade([model(bad), model(bad, name="full")]).with_structured_output(City).invoke("?")


def test_settings_bound_to_one_tier_stay_there() -> None:
    """`logprobs` for one provider would be refused by another."""
    mini, full = model("UNCERTAIN"), model("yes", name="full")
    Cascade([mini.bind(logprobs=True), full]).bind_tools([weather]).invoke("?", stop=["x"])
    assert mini.calls[0].kwargs["logprobs"] is True
    assert "logprobs" not in full.calls[0].kwargs
    assert mini.calls[0].stop == full.calls[0].stop == ("x",)


def test_settings_for_all_tiers_must_be_understood_by_all() -> None:
    """What only one provider knows is refused before anything is sent."""
    mini, full = model("a"), model("b", name="full", kind=OtherChatModel)
    with pytest.raises(ValueError, match="bind it to the tier"):
        Cascade([mini, full]).invoke("?", top_logprobs=3)
    assert not mini.calls


@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch_drafts_everything_before_it_escalates(is_async: bool) -> None:
    """Escalations are rare: together they make a small batch of the dear model."""
    mini = model("short", "a long answer", "brief", "another long answer")
    full = model("one", "two", name="full")
    cascade = Cascade([mini, full], is_short)
    config: Any = {"max_concurrency": 1}
    inputs = ["1", "2", "3", "4"]
    answers = asyncio.run(cascade.abatch(inputs, config)) if is_async else cascade.batch(inputs, config)
    assert [answer.text for answer in answers] == ["short", "one", "brief", "two"]
    assert len(mini.calls) == 4
    assert [call.input[0].text for call in full.calls] == ["2", "4"]


def test_one_of_a_batch_fails_alone() -> None:
    """The others have been paid for."""
    cascade = Cascade([model("short", "a long answer"), model(ValueError("down"), name="full")], is_short)
    first, second = cascade.batch(["1", "2"], {"max_concurrency": 1}, return_exceptions=True)
    assert first.text == "short"
    assert isinstance(second, ValueError)


def test_a_tier_that_fails_escalates() -> None:
    """The large model may well be up."""
    answer = Cascade([model(ConnectionError("down")), model("yes", name="full")]).invoke("?")
    assert answer.text == "yes"
    assert answer.response_metadata["cascade"]["legs"][0]["error"] == "ConnectionError"


def test_a_tier_that_fails_raises_where_that_is_set() -> None:
    """Who would rather see the error than pay the large model sees it."""
    with pytest.raises(ConnectionError):
        Cascade([model(ConnectionError("down")), model("yes", name="full")], on_error="raise").invoke("?")


def test_a_signal_that_raises_escalates_and_is_counted() -> None:
    """An answer nobody could judge is not accepted."""
    record = Cascade([model("a"), model("b", name="full")], broken).invoke("?").response_metadata["cascade"]
    assert record["tier"] == 1
    assert record["signal_failures"] == 1
    assert record["legs"][0]["verdict"] == "failed"


@pytest.mark.parametrize("first", ["a", "a rather long answer", ConnectionError("down")])
def test_every_record_has_the_same_entries(first: Any) -> None:
    """A table of records has one column for each, whichever tier answered."""
    record = Cascade([model(first), model("b", name="full")], is_short).invoke("?").response_metadata["cascade"]
    assert record["confidence"] is None
    assert record["signal"] == ("is_short" if record["tier"] == 0 else None)


def test_each_tier_has_its_own_signal() -> None:
    """What is good enough depends on who said it."""
    tiers = [model("a"), model("a rather long answer", name="middle"), model("c", name="full")]
    answer = Cascade(tiers, [never, is_short]).invoke("?")
    assert answer.text == "c"


def test_the_last_tier_can_be_judged_for_the_record() -> None:
    """The share of full answers that would not have been accepted is worth knowing."""
    answer = Cascade([model("a"), model("b", name="full")], [never, never]).invoke("?")
    legs = answer.response_metadata["cascade"]["legs"]
    assert answer.text == "b"
    assert [leg["verdict"] for leg in legs] == ["rejected", "rejected"]


def test_drafts_are_told_as_events_where_that_is_set() -> None:
    """A user interface may show a draft as one."""
    events = Events()
    cascade = Cascade([model("a long answer"), model("b", name="full")], is_short, on_draft="event")
    cascade.invoke("?", {"callbacks": [events]})
    asyncio.run(
        Cascade([model("a"), model(name="full")], is_short, on_draft="event").ainvoke("?", {"callbacks": [events]})
    )
    assert [(name, data["draft"].text, data["accepted"]) for name, data in events.events] == [
        ("cascade_draft", "a long answer", False),
        ("cascade_draft", "a", True),
    ]


def test_the_marker_reaches_nobody() -> None:
    """Neither as an answer nor as an event."""
    events = Events()
    Cascade([model("UNCERTAIN"), model("b", name="full")], on_draft="event").invoke("?", {"callbacks": [events]})
    assert "UNCERTAIN" not in events.events[0][1]["draft"].text


def test_tiers_that_answer_with_text_do_so() -> None:
    """A parser may stand inside the tiers."""
    tiers = [model("UNCERTAIN") | StrOutputParser(), model("Rome", name="full") | StrOutputParser()]
    cascade = Cascade(tiers)
    assert cascade.invoke("?") == "Rome"


def test_it_works_behind_a_prompt_and_with_what_runnables_can_do() -> None:
    """It is a Runnable like any other."""
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    cascade = Cascade([model("a", "a", "a"), model(name="full")], is_short)
    chain = prompt | cascade.with_config(tags=["x"]).with_retry() | StrOutputParser()
    assert chain.invoke({"question": "?"}) == "a"
    assert cascade.bind(stop=["z"]).invoke([HumanMessage("?")]).text == "a"


def test_threads_do_not_mix() -> None:
    """Nothing of a question is kept on the cascade."""

    def echo(messages: Any) -> Reply:
        return Reply(messages[-1].text)

    cascade = Cascade([ScriptedChatModel(responses=echo), ScriptedChatModel(responses=echo)], is_short)
    questions = [str(number) * (1 + number % 2 * 20) for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(cascade.invoke, questions))
    assert [answer.text for answer in answers] == questions
    assert [answer.response_metadata["cascade"]["tier"] for answer in answers] == [n % 2 for n in range(100)]


@pytest.mark.parametrize(
    ("tiers", "accept", "error", "words"),
    [
        ([], None, ValueError, "no tier"),
        ([model("a")], None, ValueError, "one tier"),
        (None, None, TypeError, "list of models"),
        ([model("a"), "gpt-4o"], None, TypeError, "Tier 1"),
        ([model("a"), model("b") | StrOutputParser()], None, TypeError, "one kind"),
        ([ChatPromptTemplate.from_template("{x}") | model("a"), model("b")], None, TypeError, "begins with a prompt"),
        ([model("a"), model("b")], [never, never, never], ValueError, "signals"),
        ([model("a"), model("b")], NotUncertain, TypeError, "class of signals"),
        ([model("a"), model("b")], TokenConfidence(), UncalibratedSignalError, "Cascade.calibrated"),
        ([model("a"), model("b")], NotUncertain() & TokenConfidence(), UncalibratedSignalError, "threshold="),
    ],
)
def test_bad_input_is_refused_at_once(tiers: Any, accept: Any, error: type[Exception], words: str) -> None:
    """A cascade that cannot work is refused where it is written."""
    with pytest.raises(error, match=words):
        Cascade(tiers, accept)


@pytest.mark.parametrize("setting", ["on_refused", "on_error", "on_draft"])
def test_a_word_that_says_nothing_is_refused_at_once(setting: str) -> None:
    """A misspelt setting would silently do the other thing."""
    settings: dict[str, Any] = {setting: "foo"}
    with pytest.raises(ValueError, match=f"as `{setting}`"):
        Cascade([model("a"), model("b")], **settings)


def test_a_provider_without_log_probabilities_is_refused_at_once() -> None:
    """The first question would be too late."""
    from langchain_anthropic import ChatAnthropic

    mini = ChatAnthropic(model="claude-haiku-4-5", api_key="none")
    with pytest.raises(ValueError, match="SelfVerification"):
        Cascade([mini, model("b", name="full")], TokenConfidence(0.8))


def test_an_input_that_is_no_question_is_refused() -> None:
    """A dictionary belongs to a prompt."""
    with pytest.raises(TypeError, match="prompt"):
        Cascade([model("a"), model("b", name="full")]).invoke({"question": "?"})


def test_models_are_named_by_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortest way to a cascade."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert repr(init_cascade("openai:gpt-4o-mini", "openai:gpt-4o")).startswith("Cascade(gpt-4o-mini > gpt-4o,")


def test_models_of_openai_need_no_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is an extra; other providers name it."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setitem(__import__("sys").modules, "langchain.chat_models", None)
    assert len(init_cascade("openai:gpt-4o-mini", "openai:gpt-4o").tiers) == 2
    with pytest.raises(ImportError, match=r"langchain-costguard\[agents\]"):
        init_cascade("anthropic:claude-haiku-4-5", "openai:gpt-4o")


def test_any_runnable_can_be_a_tier() -> None:
    """Routers and agents are models too."""
    tiers = [RunnableLambda(lambda _: "a rather long answer"), RunnableLambda(lambda _: "b")]
    assert Cascade(tiers, is_short).invoke("?") == "b"
