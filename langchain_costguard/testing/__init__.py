"""What we test with, for users too: models that follow a script, a provider on this machine, a cap on a test's cost."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_costguard.testing.answers import ScriptedCall
    from langchain_costguard.testing.loopback import Behaviour, LoopbackProvider, LoopbackRequest, ModelPrice
    from langchain_costguard.testing.reply import Reply
    from langchain_costguard.testing.scripted import ScriptedChatModel
    from langchain_costguard.testing.scripted_llm import ScriptedLLM

__all__ = [
    "Behaviour",
    "LoopbackProvider",
    "LoopbackRequest",
    "ModelPrice",
    "Reply",
    "ScriptedCall",
    "ScriptedChatModel",
    "ScriptedLLM",
]

_ROOMS = {
    "Behaviour": "loopback",
    "LoopbackProvider": "loopback",
    "LoopbackRequest": "loopback",
    "ModelPrice": "loopback",
    "Reply": "reply",
    "ScriptedCall": "answers",
    "ScriptedChatModel": "scripted",
    "ScriptedLLM": "scripted_llm",
}
"""Where each name lives: it is imported when it is asked for, so that our pytest plugin starts at no cost."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names above
    """Import a name of this room."""
    if name not in _ROOMS:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
