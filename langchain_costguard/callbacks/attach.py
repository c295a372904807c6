"""Attaching a handler to a block of code, or to the whole process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from langchain_costguard.callbacks.handler import CostCallbackHandler
from langchain_costguard.callbacks.scopes import INSTALLED, enter_scope, leave_scope
from langchain_costguard.stores import default_location

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

    from langchain_costguard.budgets import Budget
    from langchain_costguard.guard.alerts import OnAlert
    from langchain_costguard.guard.guard import OnStoreError
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.stores.base import LedgerStore
    from langchain_costguard.stores.budget_base import BudgetStore


@contextmanager
def track_costs(
    store: LedgerStore | str | os.PathLike[str] | None = None,
    prices: PriceBook | Mapping[str, Any] | None = None,
    *,
    budgets: Budget | Iterable[Budget] = (),
    budget_store: BudgetStore | str | os.PathLike[str] | None = None,
    on_store_error: OnStoreError = "block",
    on_alert: OnAlert | None = None,
    baseline_model: str | None = None,
    all_threads: bool = False,
    max_entries: int = 10_000,
) -> Iterator[CostCallbackHandler]:
    """Record every model call made inside the block, and hold it to budgets.

    Blocks nest: each sees its own calls, and the outer one sees those of the inner ones too. Like any context
    variable the block follows `await`, tasks, and the threads LangChain starts (`batch`, `RunnableParallel`); threads
    you start yourself do not inherit it: use `all_threads=True`, or `install`.

    Args:
        store: where lines are kept: `None` for memory only (with budgets that outlive a run: for the file at
            `default_location()`), a URL, a path, or a store.
        prices: a `PriceBook`, or just its overrides; `None` for list prices.
        budgets: what the calls of the block may cost; see `CostCallbackHandler` for this and the next three.
        budget_store: where the counters of budgets are kept, if not in `store`.
        on_store_error: `"block"` or `"allow"` calls when a hard budget's store does not answer.
        on_alert: who is told of thresholds, refusals and overruns; `None` logs a warning.
        baseline_model: the model you would have used without a saving technique.
        all_threads: also record the calls of every other thread of this process while the block is open.
        max_entries: so many lines are kept in memory; older ones live on in the sums.

    Yields:
        The handler that has seen the calls of the block; it answers during the block and after it.

    Example:
        ```python
        with track_costs() as costs:
            chain.invoke({"question": "..."})
        print(costs.total_cost, costs.report())
        ```
    """
    view = CostCallbackHandler(
        store,
        prices,
        budgets=budgets,
        budget_store=budget_store,
        on_store_error=on_store_error,
        on_alert=on_alert,
        baseline_model=baseline_model,
        max_entries=max_entries,
    )
    enter_scope(view)
    if all_threads:
        INSTALLED.add(view)
    try:
        yield view
    finally:
        if all_threads:
            INSTALLED.remove(view)
        leave_scope(view)
        view.close()


def install(handler: CostCallbackHandler | None = None) -> CostCallbackHandler:
    """Record every model call of this process, raw threads included, until `uninstall`.

    Args:
        handler: who records; `None` makes one that writes to the default store (`COSTGUARD_STORE`, else one file per
            user; `langchain_costguard.stores.default_location()` says where). Installing it twice changes nothing.

    Returns:
        The handler.

    Example:
        ```python
        handler = install()          # or install(CostCallbackHandler(store="sqlite:///costs.db"))
        ...
        uninstall(handler)
        ```
    """
    installed = CostCallbackHandler(default_location()) if handler is None else handler
    installed.is_closed = False
    INSTALLED.add(installed)
    return installed


def uninstall(handler: CostCallbackHandler | None = None) -> None:
    """Stop recording the process; what was recorded stays.

    Args:
        handler: the handler to remove; `None` removes all that are installed.
    """
    for view in tuple(INSTALLED.views) if handler is None else (handler,):
        if INSTALLED.remove(view):
            view.flush()
