"""Drafts to be judged, and an `Asking` that asks without a cascade around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langchain_costguard.cascade import Draft
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import Runnable


@dataclass
class PlainAsking:
    """Asks at once, and remembers what for and with which settings."""

    asked: list[tuple[str, Sequence[BaseMessage], dict[str, Any]]] = field(default_factory=list)

    @property
    def purposes(self) -> list[str]:
        return [purpose for purpose, _, _ in self.asked]

    def ask(self, model: Runnable[Any, Any], messages: Sequence[BaseMessage], *, purpose: str, **settings: Any) -> Any:
        self.asked.append((purpose, messages, settings))
        return model.bind(**settings).invoke(messages)

    async def aask(
        self, model: Runnable[Any, Any], messages: Sequence[BaseMessage], *, purpose: str, **settings: Any
    ) -> Any:
        self.asked.append((purpose, messages, settings))
        return await model.bind(**settings).ainvoke(messages)


@pytest.fixture(scope="session")
def draft() -> Callable[..., Draft]:
    """Makes a draft of an answer, from a text or a message."""

    def make(answer: Any, model: Any = None, **fields: Any) -> Draft:
        messages = [HumanMessage("What is the capital of France?")]
        return Draft(
            messages=messages,
            sent=fields.pop("sent", messages),
            answer=answer if isinstance(answer, AIMessage) else AIMessage(answer),
            tier=0,
            model=model or ScriptedChatModel(responses=()),
            asking=PlainAsking(),
            **fields,
        )

    return make
