"""Which budget store a user's words mean: memory, a file, PostgreSQL, Redis or Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.budget_base import BudgetStore
from langchain_costguard.stores.opening import open_store
from langchain_costguard.stores.redis_client import SCHEMES

if TYPE_CHECKING:
    import os


def open_budget_store(spec: BudgetStore | str | os.PathLike[str] | None = None) -> BudgetStore:
    """The budget store that is meant.

    Args:
        spec: a budget store (returned as it is); `"redis://host:6379/0"`, `"rediss://"` (TLS), `"valkey://"`,
            `"valkeys://"` or `"unix://"` for a Redis or Valkey server; everything else as `open_store` understands it:
            a path, `"sqlite:///costs.db"`, `"postgresql://user@host/database"`, `"memory"`, `"default"`, and `None` for
            what the environment variable `COSTGUARD_STORE` names, else memory.

    Returns:
        For a path, or a URL of SQLite or PostgreSQL, the same object each time, for as long as anybody holds it.

    Raises:
        StoreError: the place cannot be opened, or a ledger store was given that keeps no budgets; the message says
            what to do.
        OptionalDependencyError: the package that the place needs is not installed.

    Example:
        >>> open_budget_store("memory").location
        'memory'
    """
    if isinstance(spec, BudgetStore):
        return spec
    if isinstance(spec, str) and spec.partition("://")[0].lower() in SCHEMES:
        from langchain_costguard.stores.redis import RedisBudgetStore

        return RedisBudgetStore(spec)
    store = open_store(spec)
    if isinstance(store, BudgetStore):
        return store
    msg = (
        f"{type(store).__name__} keeps a ledger and no budgets: give the budgets a store of their own, such as "
        "'costs.db', 'postgresql://user@host/database' or 'redis://host:6379/0'"
    )
    raise StoreError(msg)
