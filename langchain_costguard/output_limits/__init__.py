"""Output limits: answers that are bounded, asked to be short, and never cut off without a word about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.output_limits.concise import CONCISE, CONCISE_CHINESE
    from langchain_costguard.output_limits.errors import OutputTruncatedError
    from langchain_costguard.output_limits.limited_model import LimitedModel
    from langchain_costguard.output_limits.limiting import limit_output
    from langchain_costguard.output_limits.truncation import TRUNCATED_KEY, is_truncated

__all__ = [
    "CONCISE",
    "CONCISE_CHINESE",
    "TRUNCATED_KEY",
    "LimitedModel",
    "OutputTruncatedError",
    "is_truncated",
    "limit_output",
]

_ROOMS = {
    "concise": ("CONCISE", "CONCISE_CHINESE"),
    "errors": ("OutputTruncatedError",),
    "limited_model": ("LimitedModel",),
    "limiting": ("limit_output",),
    "truncation": ("TRUNCATED_KEY", "is_truncated"),
}

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
