"""Which budget store a command means, and which budget in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from langchain_costguard.cli.ledgers import existing_ledger, lasting_place
from langchain_costguard.exceptions import StoreError

if TYPE_CHECKING:
    from langchain_costguard.budgets.claims import Unit
    from langchain_costguard.stores.budget_base import BudgetStore

_UNITS: Final[tuple[Unit, ...]] = ("usd", "tokens", "calls")
_LONGEST_KEY: Final = 1000
_NEAR: Final = 3


def budget_store(place: str | None, *, may_begin: bool = False) -> BudgetStore:
    """The budget store that is meant.

    Args:
        place: a path or a URL, that of a Redis server included; `None` for what `COSTGUARD_STORE` names, else the
            user's own file.
        may_begin: whether a store that is not there is begun; otherwise that is a mistake.

    Raises:
        StoreError: there is no store, or it cannot be opened.
    """
    from langchain_costguard.stores.opening_budgets import open_budget_store

    meant = lasting_place(place)
    if not may_begin and not _is_server_without_files(meant):
        existing_ledger(place).close()
    return open_budget_store(meant)


def known_budgets(store: BudgetStore) -> dict[str, Unit | None]:
    """Every budget that has a counter or a setting, and what it counts where that is known."""
    found: dict[str, Unit | None] = {setting.budget: unit_in(setting.budget) for setting in store.settings()}
    return found | {state.budget: state.unit for state in store.counters()}


def meant_budget(store: BudgetStore, key: str, *, is_new: bool) -> Unit | None:
    """What the budget counts that is meant; `None` where that is not known.

    Args:
        store: where it is kept.
        key: what was typed.
        is_new: whether it need not be known.

    Raises:
        StoreError: it is not known, or cannot be a key.
    """
    known = known_budgets(store)
    if key in known:
        return known[key]
    if not is_new:
        raise StoreError(_unknown(key, known, store.location))
    if not key.strip() or not key.isprintable() or len(key) > _LONGEST_KEY:
        msg = f"{key!r} cannot be the key of a budget: give the key that Budget(...).key says, such as usd/day"
        raise StoreError(msg)
    return unit_in(key)


def unit_in(key: str) -> Unit | None:
    """What a budget counts according to its key; `None` for one with a name of its own."""
    return next((unit for unit in _UNITS if key.startswith(f"{unit}/")), None)


def _unknown(key: str, known: dict[str, Unit | None], location: str) -> str:
    import difflib

    owner = key.partition("|")[0]
    if owner in known:
        return f"{key!r} is a counter, and limits and freezes are kept for its whole budget: give {owner!r}"
    near = difflib.get_close_matches(key, known, n=_NEAR) or sorted(known)[:_NEAR]
    named = f" Known are {', '.join(map(repr, near))}." if near else ""
    return f"{location} knows no budget {key!r}.{named} See `budgets show`, or give --new for one not used yet"


def _is_server_without_files(place: str) -> bool:
    from langchain_costguard.stores.redis_client import SCHEMES

    scheme, is_url, _ = place.partition("://")
    return bool(is_url) and scheme.lower() in SCHEMES
