"""The gate a call passes when it begins: its budgets admit it, then it is noted as open; or it is refused, unnoted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.callbacks.whereabouts import locate
from langchain_costguard.exceptions import BudgetExceededError, BudgetStoreError
from langchain_costguard.recorder import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_costguard.callbacks.watcher import CallView
    from langchain_costguard.exceptions import CostGuardError
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.recorder import StartedCall


def begin_call(
    call: StartedCall,
    views: Sequence[CallView],
    serialized: Mapping[str, Any] | None,
    *,
    is_new: bool,
    is_inline: bool,
) -> None:
    """Let a call begin, if every budget in force admits it.

    Args:
        call: the call, as one of its watchers is told of it.
        views: for whom that watcher watches.
        serialized: the client's constructor mapping.
        is_new: whether this watcher is the first to be told.
        is_inline: whether the watcher's hooks may run on an event loop.

    Raises:
        BudgetExceededError: a budget refuses; nothing is booked or reserved.
        BudgetStoreError: a hard budget cannot be checked; nothing is booked or reserved.
    """
    views = _in_force(views, is_inline=is_inline)
    if is_new:
        locate(call, is_inline=is_inline)
    admit_call(call, views, serialized, is_new=is_new)
    if is_new:
        CALLS.add(call)
    for recorder in call.watch(views):
        recorder.begin(call)
    if not is_inline and call.batch_group is not None and CALLS.is_refused(call.batch_group):
        refusal = CALLS.refusal_of(call.batch_group)  # of a sibling, on another thread, while this one was admitted
        CALLS.withdraw(call, _never_sent(refusal))
        raise refusal


def admit_call(
    call: StartedCall, views: Sequence[CallView], serialized: Mapping[str, Any] | None, *, is_new: bool = True
) -> None:
    """Have a call admitted by the budgets of these views, all of them or none; see `begin_call`."""
    guards = [view.guard for view in views if view.guard is not None and view not in call.views]
    is_refused = call.batch_group is not None and CALLS.is_refused(call.batch_group)
    if not guards and not is_refused:
        return
    if is_refused:
        earlier = CALLS.refusal_of(call.batch_group)
        _refuse(call, earlier, is_new=is_new)
        raise earlier
    try:
        from langchain_costguard.callbacks.candidates import reserve_for  # what budgets need loads with the first one

        call.holds = (*call.holds, *reserve_for(call, views, guards, serialized))
    except (BudgetExceededError, BudgetStoreError) as error:
        _refuse(call, error, is_new=is_new)
        raise
    except Exception as fault:  # a fault of ours: a hard budget stays shut, anything else lets the call go on, noted
        refusal = _refusal_for(fault, guards)
        if refusal is not None:
            _refuse(call, refusal, is_new=is_new)
            raise refusal from fault
        for view in views:
            if view.guard in guards and view.guard is not None:
                view.guard.unchecked += 1
                view.recorder.note_fault(fault)


def _in_force(views: Sequence[CallView], *, is_inline: bool) -> Sequence[CallView]:
    """These views and, once there are budgets, all others around the call: what they allow is reserved in one step.

    A view whose budgets are across a network is left to its own watcher, which does not run on the event loop.
    """
    from langchain_costguard.callbacks.scopes import current_views  # it imports the watchers, which import this

    around = current_views()
    if all(view.guard is None for view in around):
        return views
    is_held_up = is_inline and asyncio._get_running_loop() is not None  # noqa: SLF001 - exported for this; the public twin raises instead
    others = [view for view in around if not (is_held_up and view.guard is not None and view.guard.is_remote)]
    return [*views, *(view for view in others if view not in views)]


def _refusal_for(fault: Exception, guards: Sequence[BudgetGuard]) -> BudgetExceededError | None:
    """The refusal of a call that could not be checked because of a fault of ours; `None` if no budget insists."""
    from langchain_costguard.guard.wording import not_checked

    strict = (
        budget for guard in guards if guard.on_store_error == "block" for budget in guard.budgets if budget.refuses
    )
    budget = next(strict, None)
    return None if budget is None else not_checked(budget, fault)


def _never_sent(error: CostGuardError) -> Outcome:
    return Outcome("cancelled", error=type(error).__name__, is_unbilled=True)


def _refuse(call: StartedCall, error: CostGuardError, *, is_new: bool) -> None:
    """Undo what was done for a refused call and for those that were to be sent with it."""
    outcome = _never_sent(error)
    if not is_new:  # an earlier watcher has noted it already
        CALLS.withdraw(call, outcome)
    if call.batch_group is not None:
        for sibling in CALLS.refuse_group(call.batch_group, error):
            CALLS.withdraw(sibling, outcome)
