"""Watching LangChain: the callback, the block, the process-wide attachment, and embeddings."""

from langchain_costguard.callbacks.attach import install, track_costs, uninstall
from langchain_costguard.callbacks.embeddings import TrackedEmbeddings, track_embeddings
from langchain_costguard.callbacks.handler import CostCallbackHandler

__all__ = [
    "CostCallbackHandler",
    "TrackedEmbeddings",
    "install",
    "track_costs",
    "track_embeddings",
    "uninstall",
]
