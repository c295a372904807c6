"""The cascade as a chat model behaves as LangChain's own suite asks of every integration, whichever tier answers."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_costguard.cascade import CascadeChatModel, Draft, NotUncertain
from langchain_costguard.testing import Reply, ScriptedChatModel

DETAILED = {
    "input_tokens": 30,
    "output_tokens": 12,
    "total_tokens": 42,
    "input_token_details": {"cache_read": 10},
    "output_token_details": {"reasoning": 5},
}
TOOL_CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "magic_function(3)": ("magic_function", {"input": 3}),
    "weather in San Francisco": ("get_weather", {"location": "San Francisco"}),
    "你好啊集团": ("unicode_customer", {"customer_name": "你好啊集团", "description": "技术公司"}),
    "こんにちは株式会社": ("unicode_customer", {"customer_name": "こんにちは株式会社", "description": "会社"}),
}
"""The calls that the questions of the suite want."""


def answer(messages: list[BaseMessage]) -> Reply:
    """Call the tool that the suite's question wants; answer everything else in words."""
    question = messages[-1]
    calls = [
        call for words, call in TOOL_CALLS.items() if words in question.text and isinstance(question, HumanMessage)
    ]
    return Reply("" if calls else "A detailed, deliberate answer.", usage=DETAILED, tool_calls=calls)


def cascade_that(accept: Any) -> dict[str, Any]:
    """The arguments of a cascade of two models that know the questions of the suite."""
    tiers = [
        ScriptedChatModel(model="scripted-mini", responses=answer),
        ScriptedChatModel(model="scripted-full", responses=answer),
    ]
    return {"tiers": tiers, "accept": accept}


def never(draft: Draft) -> bool:
    """Accept nothing."""
    return False


class TestCascadeChatModelUnit(ChatModelUnitTests):
    """What can be known without a call."""

    @property
    def chat_model_class(self) -> type[CascadeChatModel]:
        """The class under test."""
        return CascadeChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Its arguments."""
        return cascade_that(NotUncertain())


class _Answers(ChatModelIntegrationTests):
    """What it answers, in every way LangChain can ask."""

    @property
    def chat_model_class(self) -> type[CascadeChatModel]:
        """The class under test."""
        return CascadeChatModel

    @property
    def has_tool_choice(self) -> bool:
        """`tool_choice` is honoured."""
        return True


class TestCascadeWhoseDraftsAreAccepted(_Answers):
    """The first tier's answers are good enough."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Both tiers answer."""
        return cascade_that(NotUncertain())


class TestCascadeThatEscalates(_Answers):
    """No draft is accepted, so that every answer comes from the second tier."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Both tiers answer; the first in vain."""
        return cascade_that(never)
