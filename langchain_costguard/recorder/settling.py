"""Settling: what a call's budgets are told when it ends, kept until their store has taken it."""

from __future__ import annotations

import logging
import time
from collections import deque
from threading import RLock
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.budgets.claims import Settlement
from langchain_costguard.exceptions import StoreError
from langchain_costguard.guard.holds import Ending
from langchain_costguard.stores.foreign_errors import foreign_errors_explained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.budgets.claims import Charge, Crossing
    from langchain_costguard.guard.holds import Hold
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.recorder.calls import Outcome, StartedCall
    from langchain_costguard.stores.budget_base import BudgetStore, OutboxStore

_logger = logging.getLogger("langchain_costguard")

WAITING_LIMIT: Final = 100_000
"""So many settlements wait for a store that does not answer; beyond that the oldest are left to their leases."""

_PATIENCE_SECONDS: Final = 0.2
"""So long what waits is gone through though two in a row were refused."""


class Due(NamedTuple):
    """What is to be done in a budget store for one call that has ended."""

    hold: Hold
    step: Settlement | Sequence[Charge]
    outbox: OutboxStore | None = None
    """The ledger that keeps the settlement until its store has it."""

    def carry_out(self) -> Sequence[Crossing]:
        """Do it, and say what it crossed.

        Raises:
            StoreError: the store does not answer; nothing was changed, or repeating it changes nothing more.
        """
        with foreign_errors_explained(self.hold.store):
            if not isinstance(self.step, Settlement):
                return self.hold.store.charge(self.step)
            crossings = self.hold.store.settle(self.step).crossings
        if self.outbox is not None:
            with foreign_errors_explained(self.outbox):
                self.outbox.settled(self.step.reservation_id)
        return crossings


class Settler:
    """Carries settlements out, and keeps those that a store would not take."""

    def __init__(self) -> None:
        """Nothing waits."""
        self._waiting: deque[Due] = deque()
        self._lock = RLock()

    def __len__(self) -> int:
        """How many settlements wait."""
        return len(self._waiting)

    def carry_out(self, due: Due) -> None:
        """Settle now, or later if the store does not answer: until then the budget stands too high, never too low."""
        try:
            due.hold.guard.tell(due.carry_out())
        except StoreError as error:
            _logger.warning("a settlement waits, its budget store did not answer: %s", error)
            with self._lock:
                self._waiting.append(due)
                if len(self._waiting) > WAITING_LIMIT:
                    self._waiting.popleft()

    def retry(self) -> bool:
        """Try again what waits, in its order; whether nothing waits any more.

        What a store refuses keeps nothing else waiting; only where two in a row are refused, and slowly, it is down.
        """
        gives_up_at = time.monotonic() + _PATIENCE_SECONDS
        refused: list[Due] = []
        is_down = refused_before = False
        with self._lock:
            try:
                while self._waiting and not is_down:
                    due = self._waiting.popleft()
                    refused.append(due)
                    try:
                        due.hold.guard.tell(due.carry_out())
                    except StoreError:
                        is_down = refused_before and time.monotonic() >= gives_up_at
                        refused_before = True
                    else:
                        refused.pop()
                        refused_before = False
            finally:
                self._waiting.extendleft(reversed(refused))
            return not self._waiting


def deliver_pending(ledger: OutboxStore, budgets: BudgetStore) -> int:
    """Settle what processes that died had written to their ledger and not yet to their budgets.

    Args:
        ledger: the ledger that keeps the settlements.
        budgets: the store they are for; those for other stores are left.

    Returns:
        How many were delivered.

    Raises:
        StoreError: one of the stores does not answer; what was not delivered is still kept.
    """
    mine = [settlement for settlement, place in ledger.pending_settlements() if place == budgets.location]
    for settlement in mine:
        budgets.settle(settlement)
        ledger.settled(settlement.reservation_id)
    return len(mine)


def ending_of(call: StartedCall, outcome: Outcome, ended_ns: int, entry: LedgerEntry) -> Ending:
    """How a call ended, as far as its budgets care.

    Embeddings are charged by the tokens of their texts: counted with the model's own vocabulary, that is no guess.
    """
    is_counted = call.kind == "embedding" and (entry.estimate_method or "").startswith("tiktoken:")
    return Ending(
        status=outcome.status,
        is_unbilled=outcome.is_unbilled,
        is_reported=outcome.usage is not None or outcome.cost is not None or (is_counted and outcome.status == "ok"),
        has_output=bool(outcome.output_text) or call.first_token_ns is not None,
        output_bytes=len(outcome.output_text.encode("utf-8", "surrogatepass")),
        latency_ns=ended_ns - call.started_ns,
        retries=outcome.retries,
    )


def dues_of(call: StartedCall, outcome: Outcome, ended_ns: int, entry: LedgerEntry, holds: Sequence[Hold]) -> list[Due]:
    """What is due in the budget stores for a call that has ended."""
    ending = ending_of(call, outcome, ended_ns, entry)
    return [Due(hold, hold.settlement(entry, ending)) for hold in holds]
