"""The advisor: what each technique would have saved on a ledger, before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.advisor.advice import Advice
    from langchain_costguard.advisor.advising import advise
    from langchain_costguard.advisor.findings import Finding, SavingRange

__all__ = ["Advice", "Finding", "SavingRange", "advise"]

_ROOMS = {
    "advice": ("Advice",),
    "advising": ("advise",),
    "findings": ("Finding", "SavingRange"),
}
"""Where each name lives."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
