"""Fewer tokens in a prompt: a context shortened to what its question needs, and whether that pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.compression.before import CompressingModel
    from langchain_costguard.compression.compressor import ContextCompressor
    from langchain_costguard.compression.economics import NetSaving, net_saving
    from langchain_costguard.compression.result import Compressed, KeptSpan
    from langchain_costguard.compression.turns import CompressedMessages

__all__ = [
    "Compressed",
    "CompressedMessages",
    "CompressingModel",
    "ContextCompressor",
    "KeptSpan",
    "NetSaving",
    "net_saving",
]

_ROOMS = {
    "before": ("CompressingModel",),
    "compressor": ("ContextCompressor",),
    "economics": ("NetSaving", "net_saving"),
    "result": ("Compressed", "KeptSpan"),
    "turns": ("CompressedMessages",),
}
"""Where each name lives: LangChain's documents are not loaded by whoever only reckons what compression saves."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
