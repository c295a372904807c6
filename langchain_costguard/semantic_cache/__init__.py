"""The semantic cache: answer what was answered before, for the same model, tools, turns and tenant only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard._lazy import door

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.semantic_cache.cache import SemanticCache
    from langchain_costguard.semantic_cache.calibration import calibrate
    from langchain_costguard.semantic_cache.calibration_report import CacheCalibration
    from langchain_costguard.semantic_cache.candidates import VectorStoreIndex
    from langchain_costguard.semantic_cache.embedders import Embedder, LangChainEmbedder
    from langchain_costguard.semantic_cache.guards import Guards, Veto
    from langchain_costguard.semantic_cache.local_embedders import OnnxEmbedder, WordLlamaEmbedder
    from langchain_costguard.semantic_cache.matching import Match
    from langchain_costguard.semantic_cache.proposals import judge_pairs, propose_pairs
    from langchain_costguard.semantic_cache.recognition import reembed
    from langchain_costguard.semantic_cache.stats import CacheStats, Explanation
    from langchain_costguard.semantic_cache.streaming import CachedChatModel, cached

__all__ = [
    "CacheCalibration",
    "CacheStats",
    "CachedChatModel",
    "Embedder",
    "Explanation",
    "Guards",
    "LangChainEmbedder",
    "Match",
    "OnnxEmbedder",
    "SemanticCache",
    "VectorStoreIndex",
    "Veto",
    "WordLlamaEmbedder",
    "cached",
    "calibrate",
    "judge_pairs",
    "propose_pairs",
    "reembed",
]

_ROOMS = {
    "cache": ("SemanticCache",),
    "calibration": ("calibrate",),
    "calibration_report": ("CacheCalibration",),
    "candidates": ("VectorStoreIndex",),
    "embedders": ("Embedder", "LangChainEmbedder"),
    "guards": ("Guards", "Veto"),
    "local_embedders": ("OnnxEmbedder", "WordLlamaEmbedder"),
    "matching": ("Match",),
    "proposals": ("judge_pairs", "propose_pairs"),
    "recognition": ("reembed",),
    "stats": ("CacheStats", "Explanation"),
    "streaming": ("CachedChatModel", "cached"),
}
"""Where each name lives: calibrating is not loaded by whoever only runs a cache."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = door(__name__, _ROOMS)
