"""What each of many items costs: a view of its calls that its recorder shows their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackManager

from langchain_costguard.budgets import Budget
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.callbacks.handler import CostCallbackHandler
from langchain_costguard.callbacks.scopes import current_views
from langchain_costguard.callbacks.watcher import CallWatcher
from langchain_costguard.cost import NANO_PER_USD, to_usd

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from decimal import Decimal
    from uuid import UUID

    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.recorder import Recorder
    from langchain_costguard.stores.base import LedgerStore


class ItemBill:
    """The calls of one item, as they are booked; later lines correct it."""

    __slots__ = ("_lines", "_watch", "is_closed")

    def __init__(self, watch: Watch) -> None:
        """Begin with no calls."""
        self._watch = watch
        self._lines: dict[UUID, int | None] = {}
        self.is_closed: bool = False
        """Whether calls that begin are no longer its own."""

    @property
    def recorder(self) -> Recorder:
        """Who prices and writes."""
        return self._watch.recorder

    @property
    def guard(self) -> BudgetGuard | None:
        """The budgets of the run."""
        return self._watch.guard

    @property
    def is_disabled(self) -> bool:
        """Whether nothing is tracked."""
        return self._watch.is_disabled

    @property
    def is_tracked(self) -> bool:
        """Whether the calls are seen at all."""
        return not self._watch.is_disabled

    def see(self, entry: LedgerEntry) -> None:
        """Take note of a line; a call that is booked anew replaces what was noted of it."""
        self._lines[entry.run_id] = entry.billed_nano

    def flush(self) -> bool:
        """See to it that every finished call is written."""
        return self._watch.recorder.flush()

    @property
    def calls(self) -> int:
        """How many model calls were made."""
        return len(self._lines)

    @property
    def known_nano(self) -> int:
        """The sum of what is known, in nano-dollars."""
        return sum(nano for nano in list(self._lines.values()) if nano is not None)

    @property
    def priced_calls(self) -> int:
        """How many calls have a price."""
        return sum(nano is not None for nano in list(self._lines.values()))

    @property
    def unpriced_calls(self) -> int:
        """How many have none."""
        return sum(nano is None for nano in list(self._lines.values()))

    @property
    def nano(self) -> int | None:
        """The cost in nano-dollars; `None` when that of one of its calls is not known."""
        return None if self.unpriced_calls or not self.is_tracked else self.known_nano

    @property
    def cost(self) -> Decimal | None:
        """The cost in US dollars; `None` when that of one of its calls is not known."""
        return None if self.nano is None else to_usd(self.nano, NANO_PER_USD)


class Watch:
    """Who prices the calls of a run and which budgets hold them."""

    def __init__(self, recorder: Recorder, handler: CostCallbackHandler | None = None) -> None:
        """Price as this recorder does; with a handler of the run's own, hold the calls to its budgets."""
        self.recorder: Recorder = recorder
        self.guard: BudgetGuard | None = None if handler is None else handler.guard
        self.is_disabled: bool = handler is not None and handler.is_disabled
        self._handler = handler

    def bill(self) -> ItemBill:
        """The bill of one item, still empty."""
        return ItemBill(self)

    def close(self) -> None:
        """Have everything booked that has ended; this may wait for tokens to be counted."""
        CALLS.sweep(own=False)
        self.recorder.settle()
        if self._handler is not None:
            self._handler.close()


def open_watch(
    budgets: Budget | Iterable[Budget],
    store: LedgerStore | str | os.PathLike[str] | None,
    config: Mapping[str, Any],
) -> Watch:
    """Watch a run: with a handler of its own, or, without budgets and a store, as those do who watch here already.

    Args:
        budgets: the budgets of the run.
        store: where lines and counters are kept, as `track_costs` takes it.
        config: the run's config, whose callbacks may watch too.
    """
    limits = (budgets,) if isinstance(budgets, Budget) else tuple(budgets)
    around = current_views(*_views_in(config))
    if around and not limits and store is None:
        return Watch(around[0].recorder)
    prices = around[0].recorder.prices if around else None
    handler = CostCallbackHandler(store, prices, budgets=limits, max_entries=1)
    return Watch(handler.recorder, handler)


def _views_in(config: Mapping[str, Any]) -> list[CallView]:
    """The handlers of ours among a config's callbacks."""
    callbacks = config.get("callbacks")
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or ()
    return [view for handler in handlers if isinstance(handler, CallWatcher) for view in handler.open_views()]
