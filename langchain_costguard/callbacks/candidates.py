"""What the budgets of a call are asked, and told of it, before it is sent."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard._worker import WORKER
from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.budgets.identity import MissingIdentityError
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.callbacks.runs import RUNS
from langchain_costguard.exceptions import BudgetExceededError, BudgetStoreError
from langchain_costguard.guard.admission import Candidate, admit
from langchain_costguard.guard.requests import CallRequest
from langchain_costguard.stores.budget_base import JointStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.guard.holds import Hold
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.recorder import StartedCall
    from langchain_costguard.stores.budget_base import BudgetStore

LOOP_PATIENCE_SECONDS: Final = 0.005
"""The longest that an event loop is held up for other processes at a budget's store; in front of a SQLite file it may
wait a little longer for this process's own threads, behind which it comes first."""


def reserve_for(
    call: StartedCall, views: Sequence[CallView], guards: Sequence[BudgetGuard], serialized: Mapping[str, Any] | None
) -> list[Hold]:
    """Reserve what a call may cost; before anything is refused, calls that will not report are closed.

    Args:
        call: the call, which begins.
        views: who watches it.
        guards: those of their guards that it has not asked yet.
        serialized: the client's constructor mapping.

    Raises:
        BudgetExceededError: a budget refuses; nothing is reserved.
        BudgetStoreError: a hard budget cannot be checked; nothing is reserved.
    """

    def make_room() -> None:
        if CALLS.sweep_before(call):
            WORKER.drain(candidate.wait_seconds)

    candidate = candidate_of(call, views, serialized, make_room)
    root = candidate.facts.root_run_id
    if root is not None:
        RUNS.see(root, guards)
    try:
        holds = admit(candidate, guards, call.holds)
    except (BudgetExceededError, BudgetStoreError):
        if root is not None:
            _note_refused(call, guards, candidate.facts)
        raise
    if root is not None:
        RUNS.note(call.root_run_id or call.run_id, holds)
    return holds


def _note_refused(call: StartedCall, guards: Sequence[BudgetGuard], facts: CallFacts) -> None:
    """Note the counters of its run that a refused call may have made, so that they end with the run.

    A call that is a run by itself has ended with its refusal: nobody reports its end.
    """
    counters: set[str] = set()
    for budget in (budget for guard in guards for budget in guard.budgets if not budget.outlives_process):
        with suppress(MissingIdentityError):  # then there is no counter
            counters.update(claim.counter for claim in budget.claims(facts, 0, 0))
    RUNS.note_counters(call.root_run_id or call.run_id, counters)
    if call.parent_run_id is None:
        RUNS.end(call.run_id)


def candidate_of(
    call: StartedCall,
    views: Sequence[CallView],
    serialized: Mapping[str, Any] | None,
    make_room: Callable[[], object] = bool,
) -> Candidate:
    """What budgets are told of a call that asks to be admitted.

    Args:
        call: the call.
        views: who watches it.
        serialized: the client's constructor mapping.
        make_room: closes calls that will not report their end, see `Candidate.make_room`.
    """
    is_loop = asyncio._get_running_loop() is not None  # noqa: SLF001 - exported for this; the public twin raises instead
    root = (call.root_run_id or call.run_id) if call.is_root_known else None
    facts = CallFacts(
        model=call.request_model,
        provider=call.served_by,
        tags=call.tags if isinstance(call.tags, list | tuple) else tuple(call.tags),
        metadata=call.metadata,
        chain=call.chain,
        root_run_id=None if root is None else str(root),
    )
    request = CallRequest(
        kind=call.kind,  # type: ignore[arg-type] # only kinds that LangChain calls come here
        prompt=call.sent,
        params=call.params,
        serialized=serialized,
        model=call.request_model,
        provider=call.served_by,
        service_tier=call.requested_tier,
        region=call.region,
        metadata=call.metadata,
    )

    def opening(store: BudgetStore) -> LedgerEntry | None:
        """The call's opening line, where its recorder writes into the very store that reserves."""
        if is_loop or not store.is_durable:
            return None
        for view in views:
            ledger = view.recorder.store
            if isinstance(ledger, JointStore) and ledger is store:
                call.noted_in = ledger
                return view.recorder.lines.opening(call)
        return None

    return Candidate(request, facts, LOOP_PATIENCE_SECONDS if is_loop else None, opening, make_room)
