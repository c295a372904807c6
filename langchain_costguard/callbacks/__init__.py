"""Watching LangChain: the callback, the block and the process-wide attachment."""

from langchain_costguard.callbacks.attach import install, track_costs, uninstall
from langchain_costguard.callbacks.handler import CostCallbackHandler

__all__ = ["CostCallbackHandler", "install", "track_costs", "uninstall"]
