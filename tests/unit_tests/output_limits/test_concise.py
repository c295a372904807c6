"""The instruction to be concise: at the end of the system message, of which nothing is lost."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate

from langchain_costguard.output_limits import CONCISE, CONCISE_CHINESE, limit_output
from langchain_costguard.output_limits.concise import messages_of, with_instruction
from langchain_costguard.testing import ScriptedChatModel

HUMAN = HumanMessage("Why?")


def sent(model: ScriptedChatModel) -> list[BaseMessage]:
    """The messages of the last call."""
    return list(model.calls[-1].input)


def test_without_a_system_message_it_becomes_one() -> None:
    """A text alone has no other place for it."""
    model = ScriptedChatModel()
    limit_output(model, 50, concise=True).invoke("Why?")
    assert sent(model) == [SystemMessage(CONCISE), HUMAN]


def test_it_follows_the_system_message_and_leaves_it_as_it_was() -> None:
    """What the user told the model still comes first; the user's own messages are not changed."""
    model, own = ScriptedChatModel(), SystemMessage("Speak French.", name="rules", id="s1")
    limit_output(model, None, concise=CONCISE_CHINESE).invoke([own, HUMAN])
    assert sent(model) == [
        SystemMessage(f"Speak French.\n\n{CONCISE_CHINESE}", name="rules", id="s1"),
        HUMAN,
    ]
    assert own.content == "Speak French."
    assert model.calls[0].kwargs == {}


def test_it_stands_behind_a_cached_prefix() -> None:
    """A block that ends Anthropic's cached prefix stays the same byte for byte."""
    block = {"type": "text", "text": "Long rules.", "cache_control": {"type": "ephemeral"}}
    (system, human) = with_instruction([SystemMessage([block]), HUMAN], "Be brief.")
    assert system.content == [block, {"type": "text", "text": "Be brief."}]
    assert human is HUMAN


def test_the_last_of_several_leading_system_messages_gets_it() -> None:
    """A system message further down belongs to the conversation."""
    later = SystemMessage("Later.")
    given = [SystemMessage("A"), SystemMessage(""), HUMAN, AIMessage("x"), later]
    assert with_instruction(given, "B")[1] == SystemMessage("B")
    assert with_instruction(given, "B")[-1] is later


def test_whatever_a_model_takes_is_understood() -> None:
    """Prompts give prompt values, users give pairs, texts and messages."""
    value = ChatPromptTemplate.from_messages([("human", "{q}")]).invoke({"q": "Why?"})
    assert messages_of(value) == messages_of([("human", "Why?")]) == messages_of("Why?") == [HUMAN]
    with pytest.raises(TypeError, match="is no prompt: give a text, messages"):
        messages_of({"q": "Why?"})
