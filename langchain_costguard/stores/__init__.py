"""Where lines are kept."""

from langchain_costguard.stores.base import LedgerStore
from langchain_costguard.stores.location import default_location
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.stores.opening import open_store
from langchain_costguard.stores.sql import SQLStore

__all__ = ["InMemoryStore", "LedgerStore", "SQLStore", "default_location", "open_store"]
