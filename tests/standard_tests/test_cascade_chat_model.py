"""The cascade as a chat model behaves as LangChain's own suite asks of every integration, whichever tier answers."""

from __future__ import annotations

from typing import Any

from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_costguard.cascade import CascadeChatModel, Draft, NotUncertain
from langchain_costguard.testing import ScriptedChatModel
from tests.standard_tests.answering import answer


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
