"""Where lines are kept."""

from langchain_costguard.stores.base import LedgerStore
from langchain_costguard.stores.location import default_location
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.stores.opening import open_store

__all__ = ["InMemoryStore", "LedgerStore", "default_location", "open_store"]
