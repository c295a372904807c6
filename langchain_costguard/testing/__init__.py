"""What we test with, for users too: models that follow a script, a provider on this machine, a cap on a test's cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.testing.answers import ScriptedCall
    from langchain_costguard.testing.budget_stores import BudgetStoreSuite, JointStoreSuite, SharedBudgetStoreSuite
    from langchain_costguard.testing.cache_stores import CacheStoreSuite
    from langchain_costguard.testing.loopback import (
        BatchBehaviour,
        BatchLimits,
        Behaviour,
        Fault,
        LoopbackProvider,
        LoopbackRequest,
        ModelPrice,
    )
    from langchain_costguard.testing.reply import Reply
    from langchain_costguard.testing.scripted import ScriptedChatModel
    from langchain_costguard.testing.scripted_llm import ScriptedLLM
    from langchain_costguard.testing.stores import LedgerStoreSuite

__all__ = [
    "BatchBehaviour",
    "BatchLimits",
    "Behaviour",
    "BudgetStoreSuite",
    "CacheStoreSuite",
    "Fault",
    "JointStoreSuite",
    "LedgerStoreSuite",
    "LoopbackProvider",
    "LoopbackRequest",
    "ModelPrice",
    "Reply",
    "ScriptedCall",
    "ScriptedChatModel",
    "ScriptedLLM",
    "SharedBudgetStoreSuite",
]

_ROOMS = {
    "answers": ("ScriptedCall",),
    "budget_stores": ("BudgetStoreSuite", "JointStoreSuite", "SharedBudgetStoreSuite"),
    "cache_stores": ("CacheStoreSuite",),
    "loopback": (
        "BatchBehaviour",
        "BatchLimits",
        "Behaviour",
        "Fault",
        "LoopbackProvider",
        "LoopbackRequest",
        "ModelPrice",
    ),
    "reply": ("Reply",),
    "scripted": ("ScriptedChatModel",),
    "scripted_llm": ("ScriptedLLM",),
    "stores": ("LedgerStoreSuite",),
}
"""Where each name lives: it is imported when it is asked for, so that our pytest plugin starts at no cost."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
