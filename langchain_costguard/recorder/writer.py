"""Recorder: the only writer of the ledger; it has calls that ended priced, shown to their views, and written."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import warnings
from collections import deque
from contextlib import suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from langchain_costguard._worker import COUNTER, WORKER
from langchain_costguard.budgets.claims import Settlement
from langchain_costguard.exceptions import StoreError, UntrackedStoreWarning
from langchain_costguard.pricing.busy import BusyClock
from langchain_costguard.pricing.rates import GpuHourCard
from langchain_costguard.recorder.lines import MEMORY_KEY, LineMaker
from langchain_costguard.recorder.settling import Due, Settler, deliver_pending, dues_of
from langchain_costguard.stores.budget_base import JointStore, OutboxStore
from langchain_costguard.stores.foreign_errors import foreign_errors_explained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.recorder.calls import Outcome, StartedCall
    from langchain_costguard.stores.base import LedgerStore
    from langchain_costguard.stores.budget_base import BudgetStore

_SETTLE_SECONDS: Final = 5.0
_MAX_DOUBLINGS: Final = 6

_logger = logging.getLogger("langchain_costguard")

UNSAVED_LIMIT: Final = 100_000
"""So many lines wait in memory for a store that cannot be written; beyond that the oldest are given up, and logged."""

RETRY_AFTER_SECONDS: Final = 5.0
"""A store that failed is left alone for so long, so that not every call waits for it; twice as long after each failure
in a row."""

MAX_RETRY_AFTER_SECONDS: Final = 300.0
"""The longest such pause."""


class Recorder:
    """Prices finished calls and writes their lines into one store.

    Attributes:
        store: where lines go; `None` if only views in memory want them.
        prices: the price book.
        lines: what makes the lines.
        faults: how many times tracking itself failed; the chain was never disturbed by it.
    """

    def __init__(self, store: LedgerStore | None, prices: PriceBook, baseline_model: str | None = None) -> None:
        """Write into a store with these prices; see `of` for sharing one recorder among handlers."""
        self.store = store
        ledger: object = store
        self._outbox: OutboxStore | None = ledger if isinstance(ledger, OutboxStore) else None
        self.prices = prices
        self.faults: int = 0
        self.lines: LineMaker = LineMaker(
            prices, baseline_model, lambda: MEMORY_KEY if store is None else store.digest_key
        )
        self._clocks: dict[GpuHourCard, BusyClock] = {}
        self._unsaved: deque[tuple[LedgerEntry, Due | None]] = deque()
        self._settler = Settler()
        self._unsaved_lock = threading.RLock()
        self._down_until = 0.0
        self._failures = 0
        self._warned = False

    @classmethod
    def of(cls, store: LedgerStore | None, prices: PriceBook, baseline_model: str | None = None) -> Recorder:
        """The recorder of this store and these prices; all handlers that use both share it."""
        key = (id(store), id(prices), baseline_model)
        with _known_lock:
            recorder = _known.get(key)
            if recorder is None:
                recorder = _known[key] = cls(store, prices, baseline_model)
                if store is not None and store.is_durable:
                    WORKER.submit(recorder.recover)
            return recorder

    @property
    def unsaved_lines(self) -> int:
        """Lines that wait in memory because the store could not be written."""
        return len(self._unsaved)

    # -- calls -------------------------------------------------------------------------------------------------------

    def begin(self, call: StartedCall) -> None:
        """Note that a call has begun: starts the meter of a GPU, and tells a durable store."""
        if self.prices.has_hourly_prices:
            self._begin_busy(call)
        if self.store is not None and self.store.is_durable and call.noted_in is not self.store:
            self._send(partial(self._open, self.lines.opening(call)))

    def finish(self, call: StartedCall, outcome: Outcome) -> None:
        """Write the line of a call that has ended, and show it to the call's views.

        A line whose tokens have to be counted is made on the worker thread when an event loop is running here, because
        the first count loads a vocabulary; everything else is done at once.
        """
        ended_ns = time.perf_counter_ns()
        busy_ns = None if call.busy is None else self._end_busy(call, ended_ns)
        if call.is_counting or (outcome.usage is None and not outcome.is_unbilled and _on_event_loop()):
            call.is_counting = True
            COUNTER.submit(partial(self.book, call, outcome, ended_ns, busy_ns))
        else:
            self.book(call, outcome, ended_ns, busy_ns)

    def withdraw(self, call: StartedCall, outcome: Outcome) -> None:
        """Take back the beginning of a call that was never sent: nothing is booked, and what it held is free.

        A durable store was told of the beginning, and keeps the line it was told; there it ends as `outcome` says.
        """
        if self.store is not None and self.store.is_durable:
            self.finish(call, outcome)
            return
        if call.busy is not None:
            self._end_busy(call, time.perf_counter_ns())
        held = [hold for hold in call.holds if hold.recorder is self and hold.reservation_id and hold.charged is None]
        self.settle_now([Due(hold, hold.release()) for hold in held])

    def book(self, call: StartedCall, outcome: Outcome, ended_ns: int, busy_ns: int | None = None) -> LedgerEntry:
        """Make the line of a call that has ended, show it to the call's views, and write it.

        Args:
            call: what was known at the beginning.
            outcome: what became of it.
            ended_ns: `time.perf_counter_ns()` at its end.
            busy_ns: its share of the busy time of a machine, in nanoseconds.

        Returns:
            The line.
        """
        try:
            entry = self.lines.finished(call, outcome, ended_ns, busy_ns)
        except Exception as error:  # noqa: BLE001 - a call that was paid for is never lost, whatever is wrong with it
            self.note_fault(error)
            entry = self.lines.salvaged(call, outcome, error)
        for view in call.views:
            if view.recorder is self:
                view.see(entry)
        holds = [hold for hold in call.holds if hold.recorder is self] if call.holds else ()
        if holds:
            self._write_and_settle(entry, dues_of(call, outcome, ended_ns, entry, holds))
        elif self.store is not None:
            self.write(entry)
        return entry

    def write(self, entry: LedgerEntry) -> None:
        """Write a finished line; a store that cannot be reached gets it later."""
        if self.store is None:
            return
        if self.store.may_block:
            self._send(partial(self._append, entry))
        else:
            self._append(entry)

    def settle_now(self, dues: Sequence[Due]) -> None:
        """Carry out what is due in budget stores, without waiting for one on an event loop."""
        for due in dues:
            if due.hold.store.is_durable:
                self._send(partial(self._settler.carry_out, due))
            else:
                self._settler.carry_out(due)

    def settle(self) -> bool:
        """Have everything counted that was handed in, as a reader wants it, without waiting for a store that is down.

        On an event loop nothing is waited for but the counting of tokens: writes go on in the background.

        Returns:
            Whether nothing waits any more.
        """
        counted = COUNTER.drain(_SETTLE_SECONDS)
        if _on_event_loop() or self._is_down():
            return counted and WORKER.is_idle and not self._unsaved and not len(self._settler)
        return self.flush(_SETTLE_SECONDS)

    def flush(self, timeout_seconds: float | None = 30.0) -> bool:
        """Wait until everything handed in so far is written, and try a store that was down again.

        Returns:
            Whether nothing waits any more; `False` when the store still cannot be written.
        """
        done = COUNTER.drain(timeout_seconds) and WORKER.drain(timeout_seconds)
        failure = self._write_unsaved(timeout_seconds)
        if failure is not None:
            self._note_down(failure)
        return self._settler.retry() and done and not self._unsaved

    def recover(self) -> list[LedgerEntry]:
        """Close the lines of processes that died in the middle of a call.

        What such a call used is not known: its input is counted from the length noted at its beginning, its output is
        not counted, and the line says so.

        Returns:
            The lines as they are now, status `lost`.
        """
        if self.store is None:
            return []
        lost = [self.lines.lost(entry) for entry in self.store.orphans()]
        for entry in lost:
            self._append(entry)
        return lost

    def deliver(self, budgets: BudgetStore) -> None:
        """Have budgets settled by what processes that died had written to this ledger alone, in the background."""
        if self._outbox is not None and self.store is not None and self.store.location != budgets.location:
            WORKER.submit(partial(deliver_pending, self._outbox, budgets))

    def note_fault(self, error: BaseException) -> None:
        """Count a failure of tracking itself; its text is not logged, because it may quote a prompt."""
        self.faults += 1
        _logger.error("tracking a call failed: %s at %s", type(error).__name__, _place(error))

    # -- the meter of a machine --------------------------------------------------------------------------------------

    def _begin_busy(self, call: StartedCall) -> None:
        """Start the meter of the machine that serves the model, if it is paid by the hour."""
        if call.request_model is None:
            return
        price = self.prices.resolve(call.request_model, call.served_by)
        if isinstance(price, GpuHourCard):
            clock = self._clocks.setdefault(price, BusyClock())
            call.busy = call.busy or {}
            call.busy[id(self)] = (clock, clock.begin(call.started_ns))

    def _end_busy(self, call: StartedCall, ended_ns: int) -> Any:  # noqa: ANN401 - whole nanoseconds, or None
        assert call.busy is not None  # noqa: S101 - `finish` asked
        if id(self) not in call.busy:
            return None
        clock, token = call.busy[id(self)]
        if clock is None:  # closed before, as a call given up for lost: the share stands
            return token
        share = clock.end(token, ended_ns)
        call.busy[id(self)] = (None, share)
        return share

    # -- writing -----------------------------------------------------------------------------------------------------

    def _write_and_settle(self, entry: LedgerEntry, dues: Sequence[Due]) -> None:
        """Write a line and settle its budgets: in one step where both are in one store, else the line first."""
        with_line = next((due for due in dues if self._goes_with_the_line(due)), None)
        if with_line is None:
            self.write(entry)
        elif self.store is not None and self.store.may_block:
            self._send(partial(self._append, entry, with_line))
        else:
            self._append(entry, with_line)
        self.settle_now([due for due in dues if due is not with_line])

    def _goes_with_the_line(self, due: Due) -> bool:
        """Whether a settlement is written in the same step as the line: settled there, or kept for its own store."""
        if not isinstance(due.step, Settlement):
            return False
        if isinstance(self.store, JointStore) and due.hold.store is self.store:
            return True
        return self._outbox is not None and due.hold.store.is_durable

    def _send(self, job: Callable[[], None]) -> None:
        """Do a write here and now, or on the worker where a loop must not wait."""
        if _on_event_loop() or COUNTER.is_current:
            WORKER.submit(job)
        else:
            job()

    def _open(self, entry: LedgerEntry) -> None:
        """Note a beginning; one that cannot be noted is not tried again, because its end is written anyway."""
        assert self.store is not None  # noqa: S101 - `begin` asked
        if self._is_down():
            return
        try:
            with foreign_errors_explained(self.store):
                self.store.open_call(entry)
        except StoreError as error:
            self._note_down(error)

    def _append(self, entry: LedgerEntry, due: Due | None = None) -> None:
        assert self.store is not None  # noqa: S101 - `write` asked
        failure = None
        if not self._is_down():
            failure = self._write_unsaved(patience_seconds=0)
            if failure is None:
                try:
                    self._save(entry, due)
                except StoreError as error:
                    failure = error
                else:
                    self._failures = 0
                    return
        with self._unsaved_lock:
            self._unsaved.append((entry, due))
            if len(self._unsaved) > UNSAVED_LIMIT:
                self._unsaved.popleft()
                _logger.error("a ledger line is given up: more than %d wait for %s", UNSAVED_LIMIT, self.store.location)
        if failure is not None:
            self._note_down(failure)

    def _write_unsaved(self, patience_seconds: float | None) -> StoreError | None:
        """Write the lines that wait; those that the store refuses go on waiting, behind the others.

        Args:
            patience_seconds: so long they are gone through though two in a row were refused; `None`: to the end.

        Returns:
            Why the store seems to be down: it refused two in a row, and patience is over; `None` where it does not.
        """
        if not self._unsaved or self.store is None:
            return None
        with self._unsaved_lock:
            refused_before = False
            gives_up_at = inf if patience_seconds is None else time.monotonic() + patience_seconds
            for _ in range(len(self._unsaved)):
                try:
                    self._save(*self._unsaved[0])
                except StoreError as error:
                    self._unsaved.rotate(-1)
                    if refused_before and time.monotonic() >= gives_up_at:
                        return error
                    refused_before = True
                else:
                    self._unsaved.popleft()
                    refused_before = False
            if self._unsaved:
                return None
            self._down_until = 0.0
            self._failures = 0
            self._warned = False
            return None

    def _save(self, entry: LedgerEntry, due: Due | None) -> None:
        """Write a line, and settle in the same step what is due in the same store, or keep it for another one.

        Raises:
            StoreError: the store did not take it, whatever it raised.
        """
        assert self.store is not None  # noqa: S101 - those who call this asked
        with foreign_errors_explained(self.store):
            self._save_in(self.store, entry, due)

    def _save_in(self, store: LedgerStore, entry: LedgerEntry, due: Due | None) -> None:
        if due is None or not isinstance(due.step, Settlement):
            store.append(entry)
        elif isinstance(store, JointStore) and due.hold.store is store:
            due.hold.guard.tell(store.append_settled(entry, due.step).crossings)
        elif self._outbox is not None:
            self._outbox.append_with_outbox(entry, due.step, due.hold.store.location)
            self._settler.carry_out(due._replace(outbox=self._outbox))

    def _is_down(self) -> bool:
        return self._down_until > 0 and time.monotonic() < self._down_until

    def _note_down(self, error: StoreError) -> None:
        pause = min(RETRY_AFTER_SECONDS * 2**self._failures, MAX_RETRY_AFTER_SECONDS)
        self._failures = min(self._failures + 1, _MAX_DOUBLINGS)
        self._down_until = time.monotonic() + pause
        _logger.error("the ledger cannot be written, its lines wait in memory: %s", error)
        if not self._warned:
            self._warned = True
            # A user who turns warnings into errors must not have a chain broken, or a line lost, by ours.
            with suppress(UntrackedStoreWarning):
                warnings.warn(f"{error} (lines wait in memory until it answers)", UntrackedStoreWarning, stacklevel=2)


_known: Final[WeakValueDictionary[tuple[int, int, str | None], Recorder]] = WeakValueDictionary()
_known_lock: Final = threading.Lock()


def _on_event_loop() -> bool:
    return asyncio._get_running_loop() is not None  # noqa: SLF001 - exported for this; the public twin raises instead


def _place(error: BaseException) -> str:
    """Where an exception was raised, as file and line, without what it says."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
