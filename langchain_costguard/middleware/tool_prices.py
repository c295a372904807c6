"""What a call of a tool costs: reserved before the tool runs, booked when it has, in every allowance around it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4
from weakref import WeakKeyDictionary

from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.callbacks.afterwards import charge_unreserved
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.callbacks.scopes import current_views
from langchain_costguard.guard.admission import Candidate, admit, release
from langchain_costguard.guard.bound import CallRequest
from langchain_costguard.guard.guard import BudgetGuard
from langchain_costguard.pricing import PriceBook, per_call
from langchain_costguard.recorder import Outcome, StartedCall
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from langchain_costguard.budgets.claims import Crossing
    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.middleware.watching import AgentRun
    from langchain_costguard.pricing.quotes import Dollars

_NOTHING_SAID: Final = ""
_NO_TOKENS: Final = TokenUsage()


class ToolPrices:
    """The prices of an agent's tools, and the allowances that pay them.

    Args:
        prices: US dollars per call, by the tool's name.

    Raises:
        PriceFormatError: a price is negative or no number.
    """

    def __init__(self, prices: Mapping[str, Dollars]) -> None:
        """Read the prices."""
        self.names: frozenset[str] = frozenset(prices)
        self._book: PriceBook = PriceBook({name: per_call(price) for name, price in prices.items()})
        self._guards: WeakKeyDictionary[BudgetGuard, BudgetGuard] = WeakKeyDictionary()

    def reserve(
        self,
        name: str,
        runs: Sequence[AgentRun],
        metadata: Mapping[str, Any],
        parent_run_id: UUID | None,
        others: Sequence[CallView] = (),
    ) -> StartedCall:
        """Have a call of a tool admitted by every allowance around it.

        Args:
            name: the tool's name, which has a price.
            runs: the agents with an allowance around it.
            metadata: whose call it is.
            parent_run_id: the run below which the tool is called.
            others: who else watches it; their budgets are charged, and do not refuse.

        Returns:
            The call, which is to be ended by `book` or `give_back`.

        Raises:
            BudgetExceededError: a budget refuses; the tool must not be called.
            BudgetStoreError: a hard budget cannot be checked.
        """
        call = StartedCall(uuid4(), "tool", None, str)
        call.metadata = metadata
        call.parent_run_id = parent_run_id
        CALLS.place(call)
        costs = [one.costs for one in runs]
        guards = [self._guard(one.guard) for one in costs if one.guard is not None and not one.is_disabled]
        request = CallRequest("embedding", _NOTHING_SAID, model=name, metadata=metadata)
        facts = CallFacts(metadata=metadata, chain=call.chain, root_run_id=str(call.root_run_id or call.run_id))
        call.holds = admit(Candidate(request, facts, None, lambda _store: None), guards)
        call.watch(current_views(*costs, *others))
        for recorder in call.recorders:
            recorder.begin(call)
        return call

    def book(self, name: str, call: StartedCall, runs: Sequence[AgentRun], others: Sequence[CallView] = ()) -> None:
        """Book a tool that was called, whatever came of it: who is called may charge for it."""
        outcome = Outcome("ok", _NO_TOKENS, cost=self._book.price(None, model=name))
        ended_ns = time.perf_counter_ns()
        lines = [recorder.book(call, outcome, ended_ns) for recorder in call.recorders]
        held = [one.costs for one in runs]
        if lines:
            charge_unreserved([view for view in current_views(*others) if view not in held], lines[0])

    @staticmethod
    def give_back(call: StartedCall) -> None:
        """Give back what was reserved for a tool that was not called after all."""
        for recorder in call.recorders:
            recorder.withdraw(call, _NOT_CALLED)
        if not call.recorders:
            release(call.holds)

    def _guard(self, guard: BudgetGuard) -> BudgetGuard:
        """The same budgets, which know what tools cost."""
        known = self._guards.get(guard)
        if known is None:
            known = self._guards[guard] = _ToolGuard(guard, self._book)
        return known


_NOT_CALLED: Final = Outcome("cancelled", error="never sent", is_unbilled=True)


class _ToolGuard(BudgetGuard):
    """A guard of the same budgets with the prices of tools; its alerts are those of the guard it stands for."""

    def __init__(self, guard: BudgetGuard, prices: PriceBook) -> None:
        super().__init__(guard.budgets, guard.store, prices, on_store_error=guard.on_store_error)
        self.recorder = guard.recorder
        self._tell = guard.tell

    def tell(self, crossings: Iterable[Crossing]) -> None:
        """Have alerts sent by the guard it stands for."""
        self._tell(crossings)
