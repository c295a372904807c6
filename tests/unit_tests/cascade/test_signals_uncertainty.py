"""When the model counts as unsure, and that its marker is never shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from langchain_costguard.cascade import NotUncertain
from langchain_costguard.cascade.wording import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.messages import BaseMessage

QUESTION = HumanMessage("What is the capital of France?")


@pytest.mark.parametrize(
    "text",
    [
        "UNCERTAIN",
        "uncertain.",
        " **Uncertain** \n",
        '"UNCERTAIN"',
        "\N{LEFT DOUBLE QUOTATION MARK}Uncertain!\N{RIGHT DOUBLE QUOTATION MARK}",
        "`UNCERTAIN`",
        "> UNCERTAIN",
        "# Uncertain",
        "UNCERTAIN: I do not know that city.",
        "UNCERTAIN\n\nIt might be Lyon.",
        "It might be Lyon.\n\n**UNCERTAIN**\n",
        "It might be Lyon. UNCERTAIN",
        "Answer: UNCERTAIN",
        '{"capital": "UNCERTAIN"}',
        '```json\n{"cities": ["UNCERTAIN"]}\n```',
        "\\boxed{UNCERTAIN}",
        "The result is $\\boxed{\\text{UNCERTAIN}}$.",
        "<answer>UNCERTAIN</answer>",
        "I am UNCERTAIN.",
        "The answer is UNCERTAIN.",
        "```\nUNCERTAIN\n```\nI do not know.",
    ],
)
def test_a_marker_that_stands_for_itself_does_not_pass(draft: Callable[..., Any], text: str) -> None:
    """Models wrap the word in quotes, markdown or an excuse; each of these would be shown to a user."""
    verdict = NotUncertain().judge(draft(text))
    assert not verdict.accepts
    assert (verdict.signal, verdict.reason) == ("NotUncertain", "the model says UNCERTAIN")


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        "It is uncertain whether Homer lived.",
        'The word "uncertain" is an adjective.',
        "Uncertainty is what Heisenberg is known for.",
        "The function returns UNCERTAIN if no row is found.",
        "Certain.",
        "",
        '{"note": "an uncertain future"}',
        '{"sentiment": "uncertain"}',
        "- Certain\n- Uncertain\n- Unknown",
        "- CERTAIN\n- UNCERTAIN\n- UNKNOWN",
        "## Uncertain\nThe study leaves it open.",
        "UNCERTAIN_VALUE = 3\nprint(UNCERTAIN_VALUE)",
        "```python\nUNCERTAIN = 3\n```\nThat sets it.",
        "Use Status.UNCERTAIN",
    ],
)
def test_an_answer_about_uncertainty_passes(draft: Callable[..., Any], text: str) -> None:
    """Escalating whatever mentions the word would send whole subjects to the dear model."""
    assert NotUncertain().judge(draft(text)).accepts


def test_the_accepted_answer_has_the_marker_as_an_ordinary_word(draft: Callable[..., Any]) -> None:
    """The user never asked for a marker and must not see one, but the sentence must stay a sentence."""
    verdict = NotUncertain().judge(draft("The function returns UNCERTAIN if no row is found."))
    assert verdict.answer.content == "The function returns uncertain if no row is found."
    assert NotUncertain().judge(draft("Paris")).answer is None


def test_the_answer_that_is_left_has_no_marker(draft: Callable[..., Any]) -> None:
    """Where nothing better can be had the runner shows the refused draft, and then the marker must be out of it."""
    assert NotUncertain().judge(draft("UNCERTAIN: maybe Lyon.\nUNCERTAIN")).answer.content == "maybe Lyon."


def test_blocks_are_read_together_and_keep_what_is_not_text(draft: Callable[..., Any]) -> None:
    """Some providers cut a text into blocks, also in the middle of a word."""
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    answer = AIMessage([{"type": "text", "text": "UNCER"}, image, {"type": "text", "text": "TAIN: maybe Lyon"}])
    verdict = NotUncertain().judge(draft(answer))
    assert not verdict.accepts
    assert verdict.answer.content == [{"type": "text", "text": "maybe Lyon"}, image]


def test_blocks_that_are_cleaned_one_by_one_keep_their_annotations(draft: Callable[..., Any]) -> None:
    """Citations belong to their block."""
    cited = {"type": "text", "text": "It says UNCERTAIN here", "annotations": [{"url": "u"}]}
    shown = NotUncertain().presentable(AIMessage(["Paris. ", cited]))
    assert shown.content == ["Paris. ", {**cited, "text": "It says uncertain here"}]


def test_a_tool_call_without_text_is_not_unsure(draft: Callable[..., Any]) -> None:
    """A model that looks something up is doing what it should."""
    call = {"name": "search", "args": {"query": "capital of France"}, "id": "1"}
    assert NotUncertain().judge(draft(AIMessage("", tool_calls=[call]))).accepts


def test_a_tool_argument_that_is_the_marker_is_unsure(draft: Callable[..., Any]) -> None:
    """A structured answer often is the call of a tool, and its field would be shown."""
    call = {"name": "Capital", "args": {"names": ["UNCERTAIN"]}, "id": "1"}
    verdict = NotUncertain().judge(draft(AIMessage("", tool_calls=[call])))
    assert not verdict.accepts
    assert NotUncertain().marks(AIMessage("", tool_calls=[call]))


@pytest.mark.parametrize(
    "text",
    [
        "UNCERTAIN_VALUE = 3\nprint(UNCERTAIN_VALUE)",
        "Call it:\n\n```python\nreturn UNCERTAIN\n```\n\nThat is all.",
        "Compare with `UNCERTAIN` and with Status.UNCERTAIN, then go on.",
        "HEISENBERGS_UNCERTAINTY is a constant",
    ],
)
def test_code_and_identifiers_are_accepted_as_they_are_written(draft: Callable[..., Any], text: str) -> None:
    """A program whose constant is renamed on the way does not run."""
    verdict = NotUncertain().judge(draft(text))
    assert (verdict.accepts, verdict.answer) == (True, None)


def test_the_arguments_of_tools_are_never_changed(draft: Callable[..., Any]) -> None:
    """The call that is run and the block it was read from must stay the same call."""
    block = {"type": "tool_use", "id": "1", "name": "save", "input": {"text": "UNCERTAIN outcome"}}
    call = {"name": "save", "args": {"text": "UNCERTAIN outcome"}, "id": "1"}
    answer = AIMessage([block], tool_calls=[call])
    assert not NotUncertain().judge(draft(answer)).accepts
    assert NotUncertain().presentable(answer) is answer


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Answer: UNCERTAIN", ""),
        ("The answer is UNCERTAIN.", ""),
        ("The result is $\\boxed{UNCERTAIN}$.", ""),
        ("It has two rivers.\nAnswer: UNCERTAIN", "It has two rivers."),
        ("```\nUNCERTAIN\n```\nI do not know.", "I do not know."),
    ],
)
def test_what_only_announces_the_marker_goes_with_it(text: str, left: str) -> None:
    """The label "Answer:" is no answer, and would be given as the best there is."""
    assert NotUncertain().presentable(AIMessage(text)).content == left


def test_the_instruction_is_added_without_changing_the_users_messages() -> None:
    """The next tier gets the user's own messages, so they must stay as they are."""
    system = SystemMessage("Be brief.")
    messages: list[BaseMessage] = [system, QUESTION]
    prepared = NotUncertain(instruction="Say {marker} if unsure.").prepare(messages)
    assert [text_of(message) for message in prepared] == ["Be brief.\n\nSay UNCERTAIN if unsure.", QUESTION.content]
    assert messages == [SystemMessage("Be brief."), QUESTION]


def test_the_instruction_comes_first_where_there_is_no_system_message() -> None:
    """Providers want the system's text at the beginning."""
    prepared = NotUncertain(instruction="Say {marker} if unsure.").prepare([QUESTION])
    assert prepared == [SystemMessage("Say UNCERTAIN if unsure."), QUESTION]


def test_a_system_message_of_blocks_gets_another_block() -> None:
    """Anthropic's system text with cache breakpoints is a list."""
    block = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    prepared = NotUncertain(instruction="Say {marker}.").prepare([SystemMessage([block]), QUESTION])
    assert prepared[0].content == [block, {"type": "text", "text": "Say UNCERTAIN."}]


@pytest.mark.parametrize("text", ["【不确定】", "不确定", "**不确定。**", "【不确定】我不知道"])
def test_the_chinese_variant_finds_its_marker(draft: Callable[..., Any], text: str) -> None:
    """Chinese has no word boundaries and no capital letters."""
    signal = NotUncertain.chinese()
    assert signal.marker in text_of(signal.prepare([QUESTION])[0])
    assert not signal.judge(draft(text)).accepts


@pytest.mark.parametrize("text", ["不确定性原理是量子力学的基本原理。", "我们还不确定。"])
def test_the_chinese_variant_passes_answers_about_uncertainty(draft: Callable[..., Any], text: str) -> None:
    """The uncertainty principle begins with the marker's word."""
    assert NotUncertain.chinese().judge(draft(text)).accepts


@pytest.mark.parametrize("settings", [{"marker": "???"}, {"marker": ""}, {"instruction": "Be careful."}])
def test_a_marker_that_cannot_work_is_refused(settings: dict[str, str]) -> None:
    """A signal that never fires would accept everything, silently."""
    with pytest.raises(ValueError, match="marker"):
        NotUncertain(**settings)


async def test_it_is_asked_without_holding_up_the_loop_as_well(draft: Callable[..., Any]) -> None:
    """Both faces must say the same."""
    assert await NotUncertain().ajudge(draft("UNCERTAIN")) == NotUncertain().judge(draft("UNCERTAIN"))


def test_it_shows_and_compares_as_it_is_written() -> None:
    """A cascade's repr and its cache key are made of its signals."""
    assert repr(NotUncertain()) == "NotUncertain()"
    assert repr(NotUncertain("X9")) == "NotUncertain(marker='X9')"
    assert NotUncertain() == NotUncertain()
    assert len({NotUncertain(), NotUncertain(), NotUncertain.chinese()}) == 2


@given(
    st.lists(
        st.one_of(
            st.text(st.characters(exclude_characters="`~"), max_size=12),
            st.sampled_from(["UNCERTAIN", "\n", " ", "**", '"', "Uncertain"]),
        )
    )
)
def test_the_marker_is_never_shown(draft: Callable[..., Any], parts: list[str]) -> None:
    """Whatever stands around it as a word of its own in prose, accepted or not."""
    verdict = NotUncertain().judge(draft("".join(parts)))
    shown = "".join(parts) if verdict.answer is None else verdict.answer.content
    assert not re.search(r"(?<!\S)UNCERTAIN(?!\S|[ \t]*=)", shown)
    again = NotUncertain().judge(draft(shown))
    assert again.accepts or not verdict.accepts


@given(st.lists(st.sampled_from(["【不确定】", "【", "】", "不确定", "a", "\n", "。"])))
def test_a_marker_in_brackets_is_never_shown(parts: list[str]) -> None:
    """Taking one pair of brackets away may leave another."""
    assert "【不确定】" not in text_of(NotUncertain.chinese().presentable(AIMessage("".join(parts))))


def test_a_model_that_repeats_the_marker_without_end_is_read_at_once(draft: Callable[..., Any]) -> None:
    """Small models do get stuck; taking the words out one by one would take longer than their answer."""
    verdict = NotUncertain().judge(draft("UNCERTAIN, " * 50_000 + "Lyon"))
    assert (verdict.accepts, verdict.answer.content) == (False, "Lyon")
