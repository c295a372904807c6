"""ManyRun: one run over many inputs, put together; its loops in threads and in tasks share what they do here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_costguard.batching.displays import display_of
from langchain_costguard.batching.many.asking import Asker
from langchain_costguard.batching.many.bills import open_watch
from langchain_costguard.batching.many.checkpoints import open_keeper
from langchain_costguard.batching.many.course import Course
from langchain_costguard.batching.many.inputs import Reader, check_call
from langchain_costguard.batching.many.progress import Tally
from langchain_costguard.batching.many.results import ItemOutcome, ManyResults

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable, Sequence

    from langchain_core.runnables import Runnable, RunnableConfig

    from langchain_costguard.batching.displays import Display
    from langchain_costguard.batching.many.bills import Watch
    from langchain_costguard.batching.many.checkpoints import Checkpoint, Keeper
    from langchain_costguard.batching.many.course import Ending, Item, OnError
    from langchain_costguard.batching.many.progress import ManyProgress
    from langchain_costguard.batching.retries import Retries
    from langchain_costguard.budgets import Budget
    from langchain_costguard.stores.base import LedgerStore


class ManyRun:
    """A run: what reads, asks, decides, shows and keeps."""

    def __init__(
        self,
        chain: Runnable[Any, Any],
        inputs: Iterable[Any] | AsyncIterable[Any],
        max_concurrency: int,
        checkpoint: Checkpoint | str | os.PathLike[str] | None,
        budgets: Budget | Iterable[Budget],
        on_error: OnError,
        retries: Retries,
        progress: bool | Callable[[ManyProgress], object] | None,
        config: RunnableConfig | None,
        store: LedgerStore | str | os.PathLike[str] | None,
    ) -> None:
        """Refuse what cannot be run, and open nothing yet.

        Raises:
            TypeError: the chain is no Runnable, or an argument is of the wrong kind.
            ValueError: an argument has no meaning.
        """
        check_call(chain, max_concurrency, on_error, retries, config)
        self._chain = chain
        self._config = config
        self._budgets = budgets
        self._store = store
        self._checkpoint = checkpoint
        self._retries = retries
        self._progress = progress
        self.reader: Reader = Reader(inputs)
        self.course: Course = Course(max_concurrency, on_error=on_error, is_kept=checkpoint is not None)
        self.width: int = max_concurrency if self.reader.total is None else min(max_concurrency, self.reader.total)
        """How many workers there is work for."""
        self.keeper: Keeper | None = None
        """The checkpoint, once it is open."""
        self._watch: Watch | None = None
        self._display: Display | None = None
        self._tally = Tally(self.reader.total)

    def open(self) -> Asker:
        """Open the checkpoint and the stores, and begin to show how far it is.

        Returns:
            What asks for each item.

        Raises:
            CheckpointError: the checkpoint cannot be used, or could not know an input again.
            StoreError: a store cannot be opened.
        """
        self.keeper = open_keeper(self._checkpoint, self._chain)
        self.reader.open(self.keeper)
        self._watch = open_watch(self._budgets, self._store, self._config or {})
        self._display = display_of(self._progress, "run_many")
        return Asker(self._chain, self._config, self._retries, self._watch, self.keeper)

    def is_kept(self, item: Item) -> bool:
        """Whether the checkpoint holds it."""
        return self.keeper is not None and item.key is not None and item.key in self.keeper

    def restored(self, item: Item) -> ItemOutcome:
        """The outcome of an item that the checkpoint holds.

        Raises:
            CheckpointError: it is damaged.
        """
        if self.keeper is None or item.key is None:
            msg = "only what is kept can be restored"
            raise AssertionError(msg)
        return self.course.restored(item, *self.keeper.find(item.key))

    def ended(self, ending: Ending) -> ItemOutcome | None:
        """The outcome of an item that came back; `None` if it begins again."""
        outcome = self.course.end(ending)
        return None if outcome is None else self.told(outcome)

    def told(self, outcome: ItemOutcome) -> ItemOutcome:
        """The same outcome, counted and shown."""
        self._tally.add(outcome)
        if self._display is not None:
            self._display.show(self._tally)
        return outcome

    def close(self) -> None:
        """Close what was opened, and show how it ended; this may wait for tokens to be counted."""
        if self.keeper is not None:
            self.keeper.close()
        if self._watch is not None:
            self._watch.close()
        if self._display is not None:
            self._display.close(self._tally)

    def results(self, outcomes: Sequence[ItemOutcome]) -> ManyResults:
        """The outcomes in the order of the inputs, with those of inputs that were not begun."""
        stopped_by = self.course.stopped_by
        unread = [ItemOutcome(index, "not_run", error=stopped_by) for index in self.reader.unread()]
        return ManyResults(
            [*sorted(outcomes, key=lambda outcome: outcome.index), *unread],
            stopped_by=stopped_by,
            checkpoint=None if self.keeper is None else self.keeper.path,
            is_read=self.reader.is_at_end or self.reader.taken + len(unread) == self.reader.total,
        )


def must_wait(run: ManyRun) -> bool:
    """Whether nothing can be done before one of the items under way has ended."""
    course = run.course
    is_out_of_items = run.reader.is_at_end and not course.has_held
    return bool(course.under_way) and (is_out_of_items or not course.may_begin)
