"""Spending that nobody reserved: what `record` and `reconcile` book is charged to the budgets that mean it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_costguard.budgets.claims import Charge
from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.budgets.identity import MissingIdentityError
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.foreign_errors import foreign_errors_explained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.budgets import Budget
    from langchain_costguard.budgets.claims import Claim
    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.stores.budget_base import BudgetStore


def charge_unreserved(views: Iterable[CallView], entry: LedgerEntry) -> None:
    """Charge a line to every budget that means it, once per counter, in the window in which it began.

    A budget per run, and one whose counter the line does not name, is not charged. A store that does not answer is
    charged nothing; the recorder counts the fault.

    Args:
        views: the handlers whose budgets are in force.
        entry: the line.
    """
    charged: set[tuple[object, str]] = set()
    for view in views:
        if view.guard is None:
            continue
        for budget in view.guard.budgets:
            store = view.guard.store_of(budget)
            key = (store.location if store.is_durable else id(store), budget.key)
            if key in charged:
                continue
            charged.add(key)
            claim = _claim(budget, entry, store)
            if claim is None or not claim.amount:
                continue
            try:
                with foreign_errors_explained(store):
                    crossings = store.charge([Charge(claim, claim.amount)])
                view.guard.tell(crossings)
            except StoreError as error:
                view.recorder.note_fault(error)


def _claim(budget: Budget, entry: LedgerEntry, store: BudgetStore) -> Claim | None:
    """The counter that a line is charged to, and with how much."""
    facts = CallFacts(
        model=entry.request_model or entry.response_model,
        provider=entry.provider,
        tags=entry.tags,
        metadata={**entry.metadata, **({} if entry.user is None else {"user": entry.user})},
        chain=entry.chain,
        root_run_id=str(entry.root_run_id) if entry.root_run_id is not None else None,
    )
    if not budget.matches(facts):
        return None
    try:
        return budget.claims(facts, _amount(budget, entry), min(entry.started_at_us, store.now_us()))[-1]
    except MissingIdentityError:
        return None


def _amount(budget: Budget, entry: LedgerEntry) -> int:
    if budget.unit == "usd":
        return entry.billed_nano or 0
    if budget.unit == "calls":
        return entry.calls
    return 0 if entry.usage is None else entry.usage.total_tokens
