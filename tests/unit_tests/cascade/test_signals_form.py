"""Whether an answer has its form and its end: schemas, tool calls, refusals, truncation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field

from langchain_costguard._refusals import REFUSALS
from langchain_costguard.cascade import NotRefused, NotTruncated, ValidStructure
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable


class Capital(BaseModel):
    """A capital."""

    city: str
    people: int = Field(ge=0)


class CapitalDict(TypedDict):
    """A capital."""

    city: str
    people: int


JSON_SCHEMA = {
    "title": "Capital",
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 0}},
    "required": ["city", "people"],
}


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def calls(name: str, **args: Any) -> AIMessage:
    """An answer that calls a tool."""
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": "1"}])


@pytest.mark.parametrize("schema", [Capital, CapitalDict, JSON_SCHEMA])
@pytest.mark.parametrize(
    ("answer", "accepts"),
    [
        ('{"city": "Paris", "people": 2000000}', True),
        ('```json\n{"city": "Paris", "people": 2000000}\n```', True),
        ('{"city": "Paris"}', False),
        ('{"city": "Paris", "people": "many"}', False),
        ('{"city": "Paris", "peop', False),
        ("Paris", False),
        ("", False),
        (calls("Capital", city="Paris", people=2), True),
        (calls("Capital", city="Paris"), False),
        (calls("Country", city="Paris", people=2), False),
    ],
)
def test_a_structured_answer_must_fit_its_schema(
    draft: Callable[..., Any], schema: Any, answer: Any, *, accepts: bool
) -> None:
    """Whatever the schema was written as, and whether the answer is a text or a call."""
    name = "CapitalDict" if schema is CapitalDict else "Capital"
    if isinstance(answer, AIMessage) and answer.tool_calls[0]["name"] == "Capital":
        answer = calls(name, **answer.tool_calls[0]["args"])
    verdict = ValidStructure().judge(draft(answer, schema=schema))
    assert verdict.accepts is accepts, verdict.reason
    assert ValidStructure(schema).judge(draft(answer)).accepts is accepts


def test_the_reason_names_what_does_not_fit(draft: Callable[..., Any]) -> None:
    """A prompt is mended by what the schema missed."""
    told = ValidStructure().judge(draft('{"city": "Paris", "people": -1}', schema=Capital)).reason
    assert told == "the answer does not fit its schema: people: Input should be greater than or equal to 0"
    told = ValidStructure().judge(draft('{"city": "Paris", "people": -1}', schema=JSON_SCHEMA)).reason
    assert told == "the answer does not fit its schema: -1 is less than the minimum of 0"


@pytest.mark.parametrize("bound", [add, convert_to_openai_tool(add)])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (calls("add", a=1, b=2), "the answer has the form that was asked for"),
        (AIMessage("It is 3."), "the answer has the form that was asked for"),
        (calls("add", a="one", b=2), "add is called wrongly: "),
        (calls("add", a=1), "add is called wrongly: "),
        (calls("multiply", a=1, b=2), "multiply is called, which is not bound"),
    ],
)
def test_a_tool_must_be_called_as_it_can_be(draft: Callable[..., Any], bound: Any, answer: Any, reason: str) -> None:
    """A wrong call costs a round with the tool, and then another answer."""
    verdict = ValidStructure().judge(draft(answer, tools=[bound]))
    assert verdict.reason.startswith(reason)
    assert verdict.accepts is reason.endswith("asked for")


def test_a_call_that_is_no_json_is_not_accepted(draft: Callable[..., Any]) -> None:
    """LangChain keeps such calls apart, where they are easily missed."""
    broken = {"name": "add", "args": '{"a": 1', "id": "1", "error": "cut off", "type": "invalid_tool_call"}
    verdict = ValidStructure().judge(draft(AIMessage("", invalid_tool_calls=[broken]), tools=[add]))
    assert (verdict.accepts, verdict.reason) == (False, "the call of add cannot be read: cut off")


def test_the_call_of_a_providers_own_tool_is_known_by_its_type(draft: Callable[..., Any]) -> None:
    """Such tools have no schema that could be checked."""
    verdict = ValidStructure().judge(draft(calls("web_search_preview", q="x"), tools=[{"type": "web_search_preview"}]))
    assert verdict.accepts, verdict.reason


def test_structured_output_of_a_real_model_passes(draft: Callable[..., Any]) -> None:
    """What LangChain's own way of asking brings back must be what is checked."""
    raw = ScriptedChatModel().with_structured_output(Capital, include_raw=True).invoke("q")["raw"]
    assert ValidStructure().judge(draft(raw, schema=Capital)).accepts


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\N{RIGHT SINGLE QUOTATION MARK}m sorry, but I can\N{RIGHT SINGLE QUOTATION MARK}t help with that.",
        "I cannot assist with this request.",
        "**Sorry, I can't do that.**",
        "很抱歉，我无法提供这些信息。",  # noqa: RUF001 - Chinese
        "对不起，我不能回答这个问题。",  # noqa: RUF001 - Chinese
    ],
)
def test_a_short_answer_that_begins_like_a_refusal_is_one(draft: Callable[..., Any], text: str) -> None:
    """Providers seldom mark a refusal, so its words must do."""
    assert not NotRefused().judge(draft(text)).accepts


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        "He said: I'm sorry, but I can't help with that.",
        "I can't help with the engine, it says. " * 20,
        "I'm sorry to hear that. Take an aspirin.",
        "",
    ],
)
def test_an_answer_that_only_apologises_is_none(draft: Callable[..., Any], text: str) -> None:
    """The phrases count at the very start of short answers alone."""
    assert NotRefused().judge(draft(text)).accepts


@pytest.mark.parametrize(
    "answer",
    [
        AIMessage("", additional_kwargs={"refusal": "I can't."}),
        AIMessage([{"type": "refusal", "refusal": "I can't."}]),
        AIMessage("Well", response_metadata={"finish_reason": "content_filter"}),
        AIMessage("Well", response_metadata={"stop_reason": "refusal"}),
        AIMessage("Well", response_metadata={"finish_reason": "SAFETY"}),
        AIMessage("Well", response_metadata={"finish_reason": "content_filtercontent_filter"}),
        AIMessage("Well", response_metadata={"incomplete_details": {"reason": "content_filter"}}),
    ],
)
def test_what_the_provider_marks_as_a_refusal_is_one(draft: Callable[..., Any], answer: AIMessage) -> None:
    """Each provider has its own mark, and merged chunks may repeat it."""
    assert not NotRefused().judge(draft(answer)).accepts


def test_the_phrases_of_refusal_can_be_added_to(draft: Callable[..., Any]) -> None:
    """Every language refuses in its own way."""
    german = NotRefused((*REFUSALS, "Das kann ich leider nicht"))
    assert not german.judge(draft("Das kann ich leider nicht sagen.")).accepts
    assert NotRefused(()).judge(draft("I cannot assist with this.")).accepts
    with pytest.raises(TypeError, match=r"\('no',\)"):
        NotRefused("no")  # type: ignore[arg-type]  # wrong on purpose


def test_a_model_that_apologises_and_calls_a_tool_has_not_refused(draft: Callable[..., Any]) -> None:
    """It is looking up what it does not know."""
    answer = AIMessage("I'm unable to say, let me look.", tool_calls=calls("search").tool_calls)
    assert NotRefused().judge(draft(answer)).accepts


@pytest.mark.parametrize(
    ("metadata", "accepts"),
    [
        ({"finish_reason": "stop"}, True),
        ({}, True),
        ({"finish_reason": "tool_calls"}, True),
        ({"finish_reason": "length"}, False),
        ({"finish_reason": "MAX_TOKENS"}, False),
        ({"stop_reason": "max_tokens"}, False),
        ({"done_reason": "length"}, False),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, False),
        ({"finish_reason": None, "incomplete_details": None}, True),
    ],
)
def test_an_answer_that_was_cut_off_is_not_accepted(
    draft: Callable[..., Any], metadata: dict[str, Any], *, accepts: bool
) -> None:
    """Half an answer looks confident to every other signal."""
    assert NotTruncated().judge(draft(AIMessage("x", response_metadata=metadata))).accepts is accepts


def test_a_scripted_answer_that_is_too_long_is_seen(draft: Callable[..., Any]) -> None:
    """The end as a model reports it, not as a test writes it."""
    cut = ScriptedChatModel(responses="one two three four", max_tokens=2).invoke("q")
    assert not NotTruncated().judge(draft(cut)).accepts
