"""Where budgets are kept, by a name under which a hold on them is found again: of stores in memory each has its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4
from weakref import WeakKeyDictionary, WeakValueDictionary

from langchain_costguard.stores.owners import Owner, is_gone, this_process

if TYPE_CHECKING:
    from langchain_costguard.stores.budget_base import BudgetStore

_names: Final[WeakKeyDictionary[BudgetStore, str]] = WeakKeyDictionary()
_alive: Final[WeakValueDictionary[str, BudgetStore]] = WeakValueDictionary()
_MEMORY: Final = "memory:"


def place_of(store: BudgetStore) -> str:
    """The name of a store: its location, and for one that ends with the process a name that no other has."""
    if store.is_durable:
        return store.location
    name = _names.setdefault(store, f"{_MEMORY}{json.dumps([uuid4().hex, *this_process()])}")
    _alive[name] = store
    return name


def store_at(place: str) -> BudgetStore | None:
    """The store of this name, if it can be had: one in this process's memory, or in a file, which needs no password."""
    from langchain_costguard.stores.opening_budgets import open_budget_store

    if place.startswith(_MEMORY):
        return _alive.get(place)
    return open_budget_store(place) if Path(place).is_file() else None


def shown(place: str) -> str:
    """A place, as a message names it."""
    return "the memory of another process" if place.startswith(_MEMORY) else place


def has_ended(place: str) -> bool:
    """Whether it was in the memory of a process that is gone, and all that was held there with it."""
    if not place.startswith(_MEMORY):
        return False
    owner = Owner(*json.loads(place.removeprefix(_MEMORY))[1:])
    return is_gone(owner) is True or (owner == this_process() and place not in _alive)
