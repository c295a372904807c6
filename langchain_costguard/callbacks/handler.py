"""CostCallbackHandler: the callback users attach, and the calls they tell it of by hand."""

from __future__ import annotations

import asyncio
import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Self

from langchain_costguard._settings import is_disabled
from langchain_costguard.budgets.contradictions import check_together
from langchain_costguard.callbacks.afterwards import charge_unreserved
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.callbacks.manual import adjustment, record_call
from langchain_costguard.callbacks.scopes import current_views, register_hooks
from langchain_costguard.callbacks.seen import SeenCalls
from langchain_costguard.exceptions import StoreError
from langchain_costguard.guard.guard import BudgetGuard
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.recorder import Recorder
from langchain_costguard.stores import open_store
from langchain_costguard.stores.budget_base import BudgetStore
from langchain_costguard.stores.location import STORE_VARIABLE, default_location
from langchain_costguard.stores.memory import InMemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from langchain_costguard.budgets import Budget
    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.guard.alerts import OnAlert
    from langchain_costguard.guard.guard import OnStoreError
    from langchain_costguard.ledger import CallKind, LedgerEntry
    from langchain_costguard.pricing.quotes import Dollars
    from langchain_costguard.stores.base import LedgerStore

_FLUSH_SECONDS: Final = 10.0


class CostCallbackHandler(SeenCalls):
    """Records what every model call costs; attach it to a chain, a model or a call, or `install` it.

    The handler itself answers for the calls it has seen in this process: `total_cost`, `entries()`, `report()`. With a
    durable `store` the lines are also written there, where other processes and later sessions find them.

    Example:
        ```python
        handler = CostCallbackHandler(store="sqlite:///costs.db")
        chain.invoke(x, config={"callbacks": [handler], "tags": ["checkout"], "metadata": {"user": "u1"}})
        print(handler.total_cost, handler.report())
        ```
    """

    def __init__(
        self,
        store: LedgerStore | str | os.PathLike[str] | None = None,
        prices: PriceBook | Mapping[str, Any] | None = None,
        *,
        budgets: Budget | Iterable[Budget] = (),
        budget_store: BudgetStore | str | os.PathLike[str] | None = None,
        on_store_error: OnStoreError = "block",
        on_alert: OnAlert | None = None,
        baseline_model: str | None = None,
        max_entries: int = 10_000,
    ) -> None:
        """Make a handler.

        Args:
            store: where lines are kept: a URL (`sqlite:///costs.db`, `postgresql://...`), a path, or a store; `None`
                for what the environment variable `COSTGUARD_STORE` names, else for this handler's memory only; with
                budgets that outlive a run, for the file at `default_location()`.
            prices: a `PriceBook`, or just its overrides (`{"my-model": gpu_hour("0.50")}`); `None` for list prices.
            budgets: what the calls this handler sees may cost; a call that does not fit is refused before it is sent.
            budget_store: where the counters of budgets are kept, if not in `store`: Redis, for instance.
            on_store_error: what happens to calls under a hard budget when its store does not answer: `"block"` refuses
                them, `"allow"` lets them through unchecked.
            on_alert: who is told of thresholds, refusals and overruns: a callable, a `LoggingAlert`, a `WebhookAlert`,
                or several; `None` logs a warning.
            baseline_model: the model you would have used without a saving technique; savings are measured against it.
            max_entries: so many lines are kept in this handler's memory; older ones live on in its sums.

        Raises:
            StoreError: a store cannot be opened.
            PriceFormatError: an override is not understood.
            ValueError: two budgets contradict each other.
        """
        self.is_disabled: bool = is_disabled()
        """Whether `COSTGUARD_DISABLED` was set when the handler was made: it then sees and writes nothing."""
        allowed = check_together(budgets)
        if store is None and budget_store is None and any(budget.outlives_process for budget in allowed):
            store = default_location()
        opened = (
            None if self.is_disabled or (store is None and not os.environ.get(STORE_VARIABLE)) else open_store(store)
        )
        seen = InMemoryStore(max_entries=max_entries)
        super().__init__(seen, seen if opened is None else opened, Recorder.of(opened, _prices(prices), baseline_model))
        self._views = (self,)
        if allowed and not self.is_disabled:
            kept_in = _counters(allowed, budget_store, opened)
            guard = BudgetGuard(
                allowed, kept_in, self._recorder.prices, on_store_error=on_store_error, on_alert=on_alert
            )
            guard.recorder = self._recorder
            self.guard: BudgetGuard | None = guard
            if kept_in is not None:
                self._recorder.deliver(kept_in)
            self.is_inline: bool = not guard.is_remote
        if not self.is_disabled:
            register_hooks()  # one of them notes whose task each call is
            self.prices.warm()
        self.is_closed: bool = False
        """Whether this handler no longer takes note of calls that begin (its `with` block has ended)."""

    @property
    def views(self) -> Sequence[CallView]:
        """This handler alone."""
        return self._views

    def open_views(self) -> Sequence[CallView]:
        """This handler, unless it is closed."""
        return () if self.is_closed or self.is_disabled else self._views

    def record(  # noqa: PLR0913 - the facts of a call; all but the first are named
        self,
        usage: object = None,
        *,
        model: str | None = None,
        provider: str | None = None,
        cost: Dollars | None = None,
        gpu_hours: Dollars | None = None,
        usd_per_gpu_hour: Dollars | None = None,
        calls: int = 1,
        usd_per_call: Dollars | None = None,
        service_tier: str | None = None,
        batch: bool = False,
        kind: CallKind = "manual",
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        started_at: datetime | None = None,
        latency_seconds: float | None = None,
        run_id: UUID | str | None = None,
    ) -> LedgerEntry:
        """Book a call that LangChain did not report: a raw SDK call, a tool, hours of training.

        It is priced and written like any other, and seen by the blocks around it and by what is installed.

        Args:
            usage: LangChain's `usage_metadata`, the provider's own usage object, a whole response of its SDK, or a
                `TokenUsage`.
            model: the model whose price applies; read from a response that names it.
            provider: who served it.
            cost: what it cost in US dollars, if you know; nothing else is then priced.
            gpu_hours: hours of GPU time it took, for models priced by `gpu_hour(...)` or with `usd_per_gpu_hour`.
            usd_per_gpu_hour: the price of one GPU-hour in US dollars.
            calls: how many calls the line stands for.
            usd_per_call: the price of each call in US dollars.
            service_tier: the provider's tier.
            batch: whether it went through a provider's Batch API.
            kind: what kind of call it was.
            tags: tags, as in a run's config.
            metadata: metadata, as in a run's config (`{"user": "u1"}`).
            started_at: when it began, with its time zone; now if not given.
            latency_seconds: how long it took.
            run_id: an id of yours: a run is booked once, so the same id twice is one line.

        Returns:
            The line; its `billed_cost` is `None` if the price is not known. For a `run_id` that was booked before, the
            line that stands.

        Raises:
            ValueError: there is nothing to record, or a figure is impossible.
            PriceFormatError: an amount is negative or no number.
            TypeError: `usage` is of no known shape.

        Example:
            >>> costs = CostCallbackHandler()
            >>> costs.record(gpu_hours=10, usd_per_gpu_hour="0.1", calls=1000, usd_per_call="0.01").billed_cost
            Decimal('11')
        """
        entry = record_call(
            current_views(self),
            self._recorder,
            usage=usage,
            model=model,
            provider=provider,
            cost=cost,
            gpu_hours=gpu_hours,
            usd_per_gpu_hour=usd_per_gpu_hour,
            calls=calls,
            usd_per_call=usd_per_call,
            service_tier=service_tier,
            batch=batch,
            kind=kind,
            tags=tags,
            metadata=metadata,
            started_at=started_at,
            latency_seconds=latency_seconds,
            run_id=run_id,
        )
        if run_id is None or self.is_disabled:
            return entry
        return next(self._seen.entries(LedgerQuery(run_id=entry.run_id)), entry)

    def reconcile(
        self,
        since: datetime,
        until: datetime,
        billed: Dollars,
        *,
        reason: str,
        provider: str | None = None,
    ) -> LedgerEntry | None:
        """Book the difference between what the ledger says of a period and what the provider billed for it.

        Args:
            since: the beginning of the period, with its time zone.
            until: its end, not included.
            billed: what the provider billed, in US dollars.
            reason: what the difference is; it stands on the line.
            provider: whose bill it is; `None` for all providers together.

        Returns:
            The adjustment, which may be negative, or `None` if there is no difference. Doing it again with the same
            bill books nothing.

        Raises:
            ValueError: the period is empty, a moment has no time zone, or there is no reason.
            PriceFormatError: `billed` is negative or no number.

        Example:
            ```python
            handler.reconcile(october, november, "12.34", reason="invoice 2026-10", provider="openai")
            ```
        """
        if self.is_disabled:
            return None
        self.flush()
        entry = adjustment(self._store, since, until, billed, reason, provider)
        if entry is not None:
            self._seen.append(entry)
            self._recorder.write(entry)
            charge_unreserved(current_views(self), entry)
            self.flush()
        return entry

    def flush(self) -> bool:
        """See to it that every finished call is counted and written, and every alert delivered.

        A store that was down is tried again.

        Returns:
            Whether nothing waits any more; `False` when the store cannot be written right now, or whoever is to be
            told of an alert does not answer.
        """
        CALLS.sweep()
        return self._flush()

    async def aflush(self) -> bool:
        """The same as `flush`, without holding up the event loop."""
        CALLS.sweep()
        return await asyncio.to_thread(self._flush)

    def _flush(self) -> bool:
        is_written = self._recorder.flush(_FLUSH_SECONDS)  # first: what is settled may raise alerts
        return (self.guard is None or self.guard.flush(_FLUSH_SECONDS)) and is_written

    def close(self) -> None:
        """Take note of no call that begins after this one; calls under way are still recorded."""
        self.settle()
        self.is_closed = True

    def __copy__(self) -> Self:
        """The handler itself: a copied chain is still watched by it."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The handler itself: a copied chain is still watched by it."""
        return self

    def __reduce__(self) -> Any:  # noqa: ANN401 - never returns
        """Refuse to be sent to another process.

        Raises:
            TypeError: always; the message says what to do instead.
        """
        msg = (
            f"a {type(self).__name__} belongs to its process and cannot be pickled: make one in the other process, "
            "with the same store"
        )
        raise TypeError(msg)


def _counters(
    budgets: Sequence[Budget], budget_store: BudgetStore | str | os.PathLike[str] | None, ledger: LedgerStore | None
) -> BudgetStore | None:
    """Where counters are kept: where the user says, else with the ledger; `None` where all budgets are per run."""
    if budget_store is not None:
        from langchain_costguard.stores.opening_budgets import open_budget_store

        return open_budget_store(budget_store)
    if isinstance(ledger, BudgetStore) or not any(budget.outlives_process for budget in budgets):
        return ledger if isinstance(ledger, BudgetStore) else None
    msg = (
        f"{type(ledger).__name__} keeps no budgets: give budget_store=, such as a path, 'postgresql://...' or "
        "'redis://...'"
    )
    raise StoreError(msg)


@cache
def _list_prices() -> PriceBook:
    return PriceBook()


def _prices(prices: PriceBook | Mapping[str, Any] | None) -> PriceBook:
    if prices is None:
        return _list_prices()
    return prices if isinstance(prices, PriceBook) else PriceBook(prices)
