"""What a handler answers about the calls it has seen: sums, lines, budgets, reports, receipts; and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from uuid import UUID

from langchain_costguard._amounts import counted
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.callbacks.runs import RUNS
from langchain_costguard.callbacks.watcher import CallWatcher
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores.base import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from langchain_costguard.budgets import BudgetStatus
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.ledger import GroupKey, LedgerEntry, LedgerTotals
    from langchain_costguard.pricing.book import PriceBook
    from langchain_costguard.recorder import Recorder
    from langchain_costguard.reports.receipt import Receipt
    from langchain_costguard.reports.report import CostReport
    from langchain_costguard.stores.base import LedgerStore
    from langchain_costguard.stores.memory import InMemoryStore


class SeenCalls(CallWatcher):
    """The answers of a `CostCallbackHandler` about the calls it has seen in this process.

    Args:
        seen: keeps their lines in memory.
        store: keeps them for good; the same as `seen` if no store was named.
        recorder: prices and writes them.
    """

    def __init__(self, seen: InMemoryStore, store: LedgerStore, recorder: Recorder) -> None:
        """Begin with what is there already."""
        super().__init__()
        self._seen = seen
        self._store = store
        self._recorder = recorder
        self.guard: BudgetGuard | None = None
        """What holds calls to the budgets; `None` if there are none."""
        self._observers: tuple[Callable[[LedgerEntry], object], ...] = ()

    @property
    def recorder(self) -> Recorder:
        """The recorder that prices and writes this handler's calls."""
        return self._recorder

    @property
    def prices(self) -> PriceBook:
        """The prices in use."""
        return self._recorder.prices

    @property
    def store(self) -> LedgerStore:
        """Where the lines are kept; this handler's memory if no store was named."""
        return self._store

    def see(self, entry: LedgerEntry) -> None:
        """Take note of a finished call (called by the recorder)."""
        is_new = self._seen.append(entry)
        if is_new and self._observers:
            self._show(entry)

    def subscribe(self, observer: Callable[[LedgerEntry], object]) -> Self:
        """Have somebody told of each line that this handler sees from here on, when its call has ended.

        The observer is called where the call ended, on its event loop too, so it must not wait; it may be called from
        several threads at once. What it raises is counted and logged, and never reaches the chain. A call that was
        given up and ends after all is told again, with its true line. Adjustments are not told.

        Args:
            observer: what takes the line, such as an `OpenTelemetryExporter`; once is enough, twice changes nothing.

        Returns:
            The handler.

        Example:
            >>> from langchain_costguard import CostCallbackHandler
            >>> lines = []
            >>> CostCallbackHandler().subscribe(lines.append).record(cost="0.25").billed_cost == lines[0].billed_cost
            True
        """
        if observer not in self._observers:
            self._observers = (*self._observers, observer)
        return self

    def _show(self, entry: LedgerEntry) -> None:
        for observer in self._observers:
            try:
                observer(entry)
            except Exception as error:  # noqa: BLE001 - who only looks on must not break a chain that was paid for
                self._recorder.note_fault(error)

    def entries(self, query: LedgerQuery = EVERYTHING) -> list[LedgerEntry]:
        """The lines of the calls this handler has seen, oldest first.

        Args:
            query: which of them.
        """
        self.settle()
        return list(self._seen.entries(query))

    def totals(
        self, query: LedgerQuery = EVERYTHING, *, by: Sequence[GroupKey] = (), tz: str = "UTC"
    ) -> list[LedgerTotals]:
        """Sums over the calls this handler has seen; see `LedgerStore.totals`."""
        self.settle()
        return self._seen.totals(query, by=by, tz=tz)

    @property
    def total_cost(self) -> Decimal | None:
        """What the seen calls cost, in US dollars, as far as it is known: `unpriced_calls` says what is missing.

        `None` when calls were made and the price of none of them is known; zero means free.
        """
        return self.totals()[0].billed_cost

    @property
    def calls(self) -> int:
        """How many model calls this handler has seen."""
        return self.totals()[0].calls

    @property
    def unpriced_calls(self) -> int:
        """How many of them have no known price; `report()` says why."""
        return self.totals()[0].unpriced_calls

    @property
    def input_tokens(self) -> int:
        """Input tokens billed by providers."""
        return self.totals()[0].input_tokens

    @property
    def output_tokens(self) -> int:
        """Output tokens billed by providers."""
        return self.totals()[0].output_tokens

    def budgets(self) -> list[BudgetStatus]:
        """How this handler's budgets stand: one row per counter that was used in its current window.

        Of budgets per run, there is one for each run under way and for each of the last 100 that ended.

        Raises:
            StoreError: their store cannot be read.
        """
        self.settle()
        return [] if self.guard is None else RUNS.standing(self.guard)

    def report(self, query: LedgerQuery = EVERYTHING, *, tz: str = "UTC") -> CostReport:
        """A report over the calls this handler has seen; `CostReport(handler.store)` reads a whole durable ledger.

        Args:
            query: which calls.
            tz: the time zone whose days are meant.
        """
        from langchain_costguard.reports.report import CostReport

        self.settle()
        standing = () if self.guard is None else RUNS.standing(self.guard)
        return CostReport(self._seen, query=query, tz=tz, prices=self.prices, kept_in=self._store, budgets=standing)

    def explain(self, run_id: UUID | str) -> Receipt:
        """The receipt of one call: every bucket of its usage times its rate, with the rate's source and date.

        Args:
            run_id: the run's id, as on its line.

        Raises:
            LookupError: this handler's store has no such call.
        """
        from langchain_costguard.reports.receipt import Receipt

        self.settle()
        try:
            wanted = LedgerQuery(run_id=UUID(str(run_id)))
        except ValueError as error:
            msg = f"run_id={run_id!r} is no id of a call: entries() lists the calls and their ids"
            raise LookupError(msg) from error
        for store in (self._seen, self._store):
            for entry in store.entries(wanted):
                return Receipt(entry, self.prices)
        msg = f"no call with run_id={run_id} is known here: entries() lists the calls and their ids"
        raise LookupError(msg)

    def settle(self) -> bool:
        """Bring the figures up to date, as every reading method does; on an event loop no store is waited for.

        Returns:
            Whether nothing waits any more.
        """
        CALLS.sweep()
        return self._recorder.settle()

    def __repr__(self) -> str:
        """The sums in one line."""
        sums = self._seen.totals()[0]
        cost = sums.billed_cost
        shown = "unknown" if cost is None else f"${cost:f}"
        unpriced = f", {sums.unpriced_calls} unpriced" if sums.unpriced_calls else ""
        return f"{type(self).__name__}({counted(sums.calls, 'call')}, {shown}{unpriced})"

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()
