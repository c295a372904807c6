"""The scripted chat model behaves as LangChain's own suite asks of every integration."""

from __future__ import annotations

from typing import Any

from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_costguard.testing import ScriptedChatModel
from tests.standard_tests.answering import answer


class _Scripted:
    """What is true of the model in either suite."""

    @property
    def chat_model_class(self) -> type[ScriptedChatModel]:
        """The class under test."""
        return ScriptedChatModel

    @property
    def supports_model_override(self) -> bool:
        """`model=` of one call is honoured."""
        return True

    @property
    def model_override_value(self) -> str:
        """The other model."""
        return "other-model"


class TestScriptedChatModelUnit(_Scripted, ChatModelUnitTests):
    """What can be known without a call."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Its arguments."""
        return {"model": "scripted-model", "responses": "An answer."}


class TestScriptedChatModelAnswers(_Scripted, ChatModelIntegrationTests):
    """What it answers, in every way LangChain can ask."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        """Its arguments: a script that knows the questions of the suite."""
        return {"model": "scripted-model", "responses": answer}

    @property
    def has_tool_choice(self) -> bool:
        """`tool_choice` is honoured."""
        return True
