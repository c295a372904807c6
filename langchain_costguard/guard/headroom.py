"""Headroom: how long an answer the budgets in force allow right now; only reads, and reserves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard.budgets.identity import MissingIdentityError
from langchain_costguard.guard.bound import bound_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.budgets import Budget
    from langchain_costguard.budgets.claims import Claim
    from langchain_costguard.guard.admission import Candidate
    from langchain_costguard.guard.bound import CallBound
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.stores.budget_base import BudgetStore


class Headroom(NamedTuple):
    """What fits a call's budgets."""

    output_tokens: int | None = None
    """The longest answer that fits now, in tokens; `None` if no hard budget limits it."""
    after_waiting: int | None = None
    """The longest that fits once all calls under way have ended; `None` if no hard budget limits it."""


def headroom(candidate: Candidate, guards: Iterable[BudgetGuard]) -> Headroom:
    """How long an answer to a call may be, by every hard budget that means it.

    Args:
        candidate: the call.
        guards: the guards in force.

    Raises:
        StoreError: a store cannot be read.
    """
    now, later = [], []
    for guard in guards:
        bound = bound_call(candidate.request, guard.prices)
        for budget in guard.budgets:
            if not (budget.refuses and budget.matches(candidate.facts)):
                continue
            room = _best_room(budget, guard.store_of(budget), candidate)
            if room is not None:
                now.append(_output(budget, bound, room[0]))
                later.append(_output(budget, bound, room[1]))
    return Headroom(_least(now), _least(later))


def _best_room(budget: Budget, store: BudgetStore, candidate: Candidate) -> tuple[int, int] | None:
    """What is left of a budget for this call now, and without what is reserved; `None` if it is refused anyway."""
    now_us = store.now_us()
    try:
        claims = budget.claims(candidate.facts, 0, now_us)
    except MissingIdentityError:
        return None
    settings = {setting.budget: setting for setting in store.settings()}
    rooms = []
    for claim in claims:
        setting = settings.get(claim.budget)
        limit = claim.limit if setting is None or setting.limit is None else setting.limit
        spent, reserved = _used(claim, store)
        rooms.append((limit - spent - reserved, limit - spent))
    return max(rooms)


def _used(claim: Claim, store: BudgetStore) -> tuple[int, int]:
    states = [
        state for state in store.counters([claim.budget], since_us=claim.since_us) if state.counter == claim.counter
    ]
    return sum(state.spent for state in states), sum(state.reserved for state in states)


def _output(budget: Budget, bound: CallBound, room: int) -> int | None:
    """The longest answer that a budget has room for, below zero if there is none; `None` if its length is all one."""
    if budget.unit == "calls":
        return None if room > 0 else -1
    most = bound.nano_usd if budget.unit == "usd" else bound.tokens
    if most is not None and most <= room:
        return None
    if budget.unit == "usd":
        fitting = bound.output_that_fits(room)
        return -1 if fitting is None else fitting
    if bound.input_tokens is None:
        return None
    return room // bound.attempts - bound.input_tokens


def _least(amounts: list[int | None]) -> int | None:
    return min((amount for amount in amounts if amount is not None), default=None)
