"""BudgetGuard: the budgets of one handler, where their counters are kept, and who is told when they run out."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from langchain_costguard.budgets.contradictions import check_together
from langchain_costguard.budgets.status import statuses
from langchain_costguard.guard.alerts import AlertDispatcher
from langchain_costguard.guard.budget_alert import alert_of
from langchain_costguard.guard.leases import LEASES
from langchain_costguard.guard.uncounted import uncounted_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.budgets import Budget, BudgetStatus
    from langchain_costguard.budgets.claims import Crossing
    from langchain_costguard.guard.alerts import OnAlert
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.stores.budget_base import BudgetStore

OnStoreError = Literal["block", "allow"]
_POLICIES: Final = ("block", "allow")


class BudgetGuard:
    """Holds calls to budgets.

    Attributes:
        budgets: the budgets.
        store: where the counters are kept of budgets that outlive a run.
        prices: what bounds are made with.
        on_store_error: what happens to a call that a hard budget watches when the store does not answer: `"block"` or
            `"allow"`.
        unchecked: how many calls were let through without a check, because the store did not answer, or because a
            budget that refuses nothing contradicts one of another handler that is kept under the same key.
        recorder: who settles what this guard reserves; set by the handler.
    """

    def __init__(
        self,
        budgets: Budget | Iterable[Budget],
        store: BudgetStore | None,
        prices: PriceBook,
        *,
        on_store_error: OnStoreError = "block",
        on_alert: OnAlert | None = None,
    ) -> None:
        """Put budgets in force.

        Args:
            budgets: one budget, or several that do not contradict each other.
            store: where counters are kept; `None` will do if every budget is per run.
            prices: the price book.
            on_store_error: `"block"` refuses a call that cannot be checked, `"allow"` lets it through, unchecked.
            on_alert: who is told; `None` logs a warning.

        Raises:
            ValueError: two budgets contradict each other, or `on_store_error` is unknown.
        """
        if on_store_error not in _POLICIES:
            msg = f"on_store_error={on_store_error!r} is not known: give 'block' or 'allow'"
            raise ValueError(msg)
        self.budgets: tuple[Budget, ...] = check_together(budgets)
        self.store: BudgetStore | None = store
        self.prices = prices
        self.on_store_error: OnStoreError = on_store_error
        self.unchecked: int = 0
        self.recorder: object = None
        self._alerts = AlertDispatcher(on_alert)
        self._by_key = {key: budget for budget in self.budgets for key in budget.keys}
        if store is not None:
            LEASES.watch(store)

    @property
    def is_remote(self) -> bool:
        """Whether asking waits for a network, so that it must not be done on an event loop."""
        return self.store is not None and self.store.is_remote

    def store_of(self, budget: Budget) -> BudgetStore:
        """Where a budget's counters are: those of runs end with the process, and never leave it."""
        if not budget.outlives_process:
            return run_counters()
        assert self.store is not None  # noqa: S101 - the handler opened one, because such a budget is in force
        return self.store

    def tell(self, crossings: Iterable[Crossing]) -> None:
        """Have alerts sent, in the background."""
        alerts = [
            alert_of(budget, crossing, self.store_of(budget))
            for crossing in crossings
            if (budget := self._by_key.get(crossing.claim.budget)) is not None
        ]
        if alerts:
            self._alerts.send(alerts)

    def status(self) -> list[BudgetStatus]:
        """How the budgets stand now: one row per counter that was used in its current window.

        Raises:
            StoreError: the store cannot be read.
        """
        found: list[BudgetStatus] = []
        for budget in self.budgets:
            store = self.store_of(budget)
            now_us = store.now_us()
            slot_us, since_us, _ = budget.window_of(now_us)
            for status in statuses(budget, store.counters(budget.keys, since_us=since_us), store.settings(), now_us):
                uncounted = uncounted_in(store, status.counter, since_us, slot_us)
                found.append(replace(status, uncounted=uncounted) if uncounted else status)
        return found

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until the alerts handed in so far are delivered, or given up."""
        return self._alerts.flush(timeout_seconds)

    def __repr__(self) -> str:
        """The budgets."""
        return f"BudgetGuard({', '.join(map(repr, self.budgets))})"


_making: Final = threading.Lock()
_of_runs: list[BudgetStore] = []


def run_counters() -> BudgetStore:
    """The counters of budgets per run: one store in this process, because a run does not outlive it."""
    if not _of_runs:
        from langchain_costguard.stores.memory import InMemoryStore

        with _making:
            if not _of_runs:
                _of_runs.append(InMemoryStore(max_entries=1))
    return _of_runs[0]
