"""How many calls the budgets of this process let through and could not count: what they cost was never known."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from langchain_costguard.budgets.claims import Claim
    from langchain_costguard.stores.budget_base import BudgetStore

_MOST_KEPT: Final = 4096
"""So many counters and slots are kept for a store; beyond that the oldest are forgotten."""
_noting: Final = threading.Lock()
_of_stores: Final[WeakKeyDictionary[BudgetStore, Counter[tuple[str, int]]]] = WeakKeyDictionary()


def note_uncounted(store: BudgetStore, claim: Claim) -> None:
    """Note that a call was charged nothing for a claim, because what it used is not known."""
    with _noting:
        kept = _of_stores.setdefault(store, Counter())
        kept[claim.counter, claim.slot_us] += 1
        if len(kept) > _MOST_KEPT:
            del kept[next(iter(kept))]


def uncounted_in(store: BudgetStore, counter: str, since_us: int, slot_us: int) -> int:
    """How many calls were not counted in one counter.

    Args:
        store: where the counter is.
        counter: its name.
        since_us: the first slot that counts, in microseconds since 1970-01-01 UTC.
        slot_us: the last.
    """
    with _noting:
        kept = _of_stores.get(store, Counter())
        return sum(number for (name, slot), number in kept.items() if name == counter and since_us <= slot <= slot_us)
