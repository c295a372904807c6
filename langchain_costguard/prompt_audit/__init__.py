"""Prompt audits: what a prompt costs by its parts, what it could do without, and the edits that lose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.prompt_audit.audit import PromptAudit
    from langchain_costguard.prompt_audit.findings import Finding
    from langchain_costguard.prompt_audit.ledger_audit import ChainAudit, LedgerAudit
    from langchain_costguard.prompt_audit.lossless import Edit, Slimmed, slim_text
    from langchain_costguard.prompt_audit.parts import Part
    from langchain_costguard.prompt_audit.slimming import SlimmedPrompt, SlimmingModel, slim_messages, slim_prompt

__all__ = [
    "ChainAudit",
    "Edit",
    "Finding",
    "LedgerAudit",
    "Part",
    "PromptAudit",
    "Slimmed",
    "SlimmedPrompt",
    "SlimmingModel",
    "slim_messages",
    "slim_prompt",
    "slim_text",
]

_ROOMS = {
    "audit": ("PromptAudit",),
    "findings": ("Finding",),
    "ledger_audit": ("ChainAudit", "LedgerAudit"),
    "lossless": ("Edit", "Slimmed", "slim_text"),
    "parts": ("Part",),
    "slimming": ("SlimmedPrompt", "SlimmingModel", "slim_messages", "slim_prompt"),
}

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
