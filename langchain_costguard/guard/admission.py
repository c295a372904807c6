"""Admission of one call: every budget that means it reserves the most it can cost, all of them or none.

The byte bound is asked first, because it costs next to nothing; only where it does not fit is the prompt tokenized.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from langchain_costguard.budgets.claims import Reservation
from langchain_costguard.budgets.identity import MissingIdentityError
from langchain_costguard.exceptions import StoreError
from langchain_costguard.guard.bound import bound_call
from langchain_costguard.guard.contradictions import contradict
from langchain_costguard.guard.holds import Hold
from langchain_costguard.guard.leases import LEASE_SECONDS, LEASES
from langchain_costguard.guard.wording import contradicting, no_bound, no_identity, not_admitted, store_failed
from langchain_costguard.stores.budget_base import JointStore
from langchain_costguard.stores.foreign_errors import foreign_errors_explained

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from langchain_costguard.budgets import Budget
    from langchain_costguard.budgets.claims import Admission, Claim, Crossing, Refusal
    from langchain_costguard.budgets.facts import CallFacts
    from langchain_costguard.guard.bound import CallBound, CallRequest
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.stores.budget_base import BudgetStore

_LEASE_US: Final = LEASE_SECONDS * 1_000_000
_ID_BYTES: Final = 16
"""As random as a UUID, and made in a fifth of its time."""


class Watching(NamedTuple):
    """A budget that means a call, and the guard that brought it."""

    guard: BudgetGuard
    budget: Budget
    store: BudgetStore


class Candidate(NamedTuple):
    """A call that asks to be admitted."""

    request: CallRequest
    facts: CallFacts
    wait_seconds: float | None
    """How long a store may be waited for; `None` for its own patience."""
    opening: Callable[[BudgetStore], LedgerEntry | None]
    """The line to be noted with a reservation in a store, `None` where there is none."""
    make_room: Callable[[], object] = bool
    """Closes calls that will not report their end, so that what they hold is free before anything is refused."""


def admit(candidate: Candidate, guards: Iterable[BudgetGuard], held: Collection[Hold] = ()) -> list[Hold]:
    """Reserve what a call may cost in every budget that means it.

    Args:
        candidate: the call.
        guards: the guards in force.
        held: what the call holds already; the counters in it are not asked again.

    Returns:
        What is reserved, one hold per guard and store.

    Raises:
        BudgetExceededError: a budget refuses, or two that are kept under one key contradict; nothing is reserved.
        BudgetStoreError: a hard budget cannot be checked; nothing is reserved.
    """
    taken = {
        (_place(hold.store), claim.budget): budget
        for hold in held
        for claim, budget in zip(hold.claims, hold.budgets, strict=True)
    }
    groups = _grouped(candidate.facts, guards, taken)
    holds: list[Hold] = []
    try:
        for watching in groups:
            hold = _reserve(candidate, watching)
            if hold is not None:
                holds.append(hold)
    except BaseException:  # an interrupt, too, leaves nothing reserved; raised again
        release(holds)
        raise
    return holds


def release(holds: Iterable[Hold]) -> None:
    """Give back what was reserved for a call that was not made."""
    for hold in holds:
        if hold.reservation_id and hold.charged is None:
            try:
                with foreign_errors_explained(hold.store):
                    hold.store.settle(hold.release())
            except StoreError:  # the lease gives it back, or charges it: never less than what was spent
                hold.guard.unchecked += 1


def _place(store: BudgetStore) -> object:
    return store.location if store.is_durable else id(store)


def _grouped(
    facts: CallFacts, guards: Iterable[BudgetGuard], taken: Mapping[tuple[object, str], Budget]
) -> list[list[Watching]]:
    """The budgets that mean a call, by store, those that cost least to ask first; of equal ones the strictest."""
    strictest: dict[tuple[object, str], Watching] = {}
    for guard in guards:
        for budget in guard.budgets:
            if not budget.matches(facts):
                continue
            store = guard.store_of(budget)
            key = (_place(store), budget.key)
            known = strictest.get(key)
            other = next((taken[key[0], name] for name in budget.keys if (key[0], name) in taken), None)
            if other is None and known is not None:
                other = known.budget
            if other is None:
                strictest[key] = Watching(guard, budget, store)
            elif contradict(other, budget):
                _refuse_either(other, budget, guard)
            elif known is not None and _strictness(budget) > _strictness(known.budget):
                strictest[key] = Watching(guard, budget, store)
    if len(strictest) == 1:
        return [list(strictest.values())]
    groups: dict[object, list[Watching]] = {}
    for (place, _), watching in strictest.items():
        groups.setdefault(place, []).append(watching)
    return sorted(groups.values(), key=lambda group: (group[0].store.is_durable, group[0].store.is_remote))


def _refuse_either(first: Budget, second: Budget, guard: BudgetGuard) -> None:
    """Refuse where either of two budgets that contradict each other insists; else only the first one watches."""
    if first.refuses or second.refuses:
        raise contradicting(first, second)
    guard.unchecked += 1


def _strictness(budget: Budget) -> tuple[bool, int]:
    return budget.refuses, -budget.limit_amount


def _reserve(candidate: Candidate, group: Sequence[Watching]) -> Hold | None:
    """Reserve in one store, with the byte bound, and if that does not fit, with the tokenizer's."""
    guard = group[0].guard
    bound = bound_call(candidate.request, guard.prices)
    attempt = _attempt(candidate, group, bound, is_tentative=True)
    if isinstance(attempt, Hold):
        return attempt
    if attempt.refusal.reason == "full":
        candidate.make_room()
        bound = _tightened(candidate, bound, guard)
    attempt = _attempt(candidate, group, bound, is_tentative=False)
    if isinstance(attempt, Hold):
        return attempt
    raise not_admitted(attempt.refusal, attempt.watching.budget, bound, candidate.request)


def _tightened(candidate: Candidate, bound: CallBound, guard: BudgetGuard) -> CallBound:
    """The bound with the prompt tokenized, where that is lower."""
    if bound.problem is not None:
        return bound
    tight = bound_call(candidate.request, guard.prices, tight=True)
    is_lower = tight.tokens is not None and bound.tokens is not None and tight.tokens < bound.tokens
    return tight if is_lower else bound


class _Refused(NamedTuple):
    refusal: Refusal
    watching: Watching


def _attempt(
    candidate: Candidate, group: Sequence[Watching], bound: CallBound, *, is_tentative: bool
) -> Hold | _Refused:
    """Ask the store once for each alternative the budgets leave; only the last refusal counts, if any."""
    options = [_alternatives(candidate, watching, bound) for watching in group]
    chosen = [0] * len(group)
    while True:
        claims = tuple(option[index] for option, index in zip(options, chosen, strict=True))
        hold = Hold(
            group[0].guard, group[0].store, os.urandom(_ID_BYTES).hex(), claims,
            tuple(watching.budget for watching in group), bound,
        )  # fmt: skip
        is_last = all(index + 1 >= len(option) for option, index in zip(options, chosen, strict=True))
        admission = _ask(candidate, group, hold, is_tentative=is_tentative or not is_last)
        if admission is None:
            hold.reservation_id = ""
            return hold
        if admission.crossings:
            _tell(group, admission.crossings)
        if admission.is_admitted:
            LEASES.beat()
            return hold
        final = _next_choice(claims, options, chosen, admission)
        if final is not None:
            return _Refused(final, group[claims.index(final.claim)])


def _tell(group: Sequence[Watching], crossings: Sequence[Crossing]) -> None:
    """Have each guard alert for its own budgets."""
    for watching in group:
        watching.guard.tell(crossing for crossing in crossings if crossing.claim.budget in watching.budget.keys)


def _next_choice(
    claims: Sequence[Claim], options: Sequence[Sequence[Claim]], chosen: list[int], admission: Admission
) -> Refusal | None:
    """Move every refused claim on to its next alternative; the refusal of one that has none left."""
    for refusal in admission.refusals:
        index = claims.index(refusal.claim)
        if chosen[index] + 1 >= len(options[index]):
            return refusal
        chosen[index] += 1
    return None


def _alternatives(candidate: Candidate, watching: Watching, bound: CallBound) -> tuple[Claim, ...]:
    budget = watching.budget
    try:
        return budget.claims(candidate.facts, _amount(budget, bound, candidate), watching.store.now_us())
    except MissingIdentityError as error:
        raise no_identity(budget, error) from None


def _amount(budget: Budget, bound: CallBound, candidate: Candidate) -> int:
    """The most a call can use of what a budget counts."""
    if budget.unit == "calls":
        return 1
    most = bound.nano_usd if budget.unit == "usd" else bound.tokens
    if most is not None:
        return most
    if budget.refuses:
        raise no_bound(budget, bound, candidate.request)
    return 0


def _ask(candidate: Candidate, group: Sequence[Watching], hold: Hold, *, is_tentative: bool) -> Admission | None:
    """Ask the store; `None` if it does not answer and the call is let through all the same."""
    reservation = Reservation(hold.reservation_id, hold.claims, _LEASE_US, is_tentative)
    store = hold.store
    try:
        opening = candidate.opening(store)
        with foreign_errors_explained(store):
            if opening is not None and isinstance(store, JointStore):
                return store.reserve_opening(reservation, opening, wait_seconds=candidate.wait_seconds)
            return store.reserve(reservation, wait_seconds=candidate.wait_seconds)
    except StoreError as error:
        strict = next((one for one in group if one.budget.refuses and one.guard.on_store_error == "block"), None)
        if strict is not None:
            raise store_failed(strict.budget, store, error) from error
        for watching in group:
            watching.guard.unchecked += 1
        return None
