"""The hold that budgets keep for a job: taken for all of it before anything is sent, settled part by part.

A reservation belongs to a part. While a process lives it is renewed; when the process is gone a hard budget charges it,
so that the money stays held for as long as the provider works, and the settlement at collection replaces that charge by
what was used. A soft budget lets it go then and is charged at collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

from langchain_costguard.batching.jobs.places import has_ended, place_of, store_at
from langchain_costguard.budgets.claims import Charge, Claim, Reservation, Settlement
from langchain_costguard.budgets.identity import MissingIdentityError
from langchain_costguard.budgets.limits import outside
from langchain_costguard.exceptions import BudgetExceededError, StoreError
from langchain_costguard.guard.contradictions import contradict
from langchain_costguard.guard.guard import run_counters
from langchain_costguard.guard.leases import LEASE_SECONDS, LEASES
from langchain_costguard.guard.wording import contradicting, no_bound, no_identity, shown, store_failed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from langchain_costguard.batching.jobs.bounding import ItemBound
    from langchain_costguard.budgets import Budget
    from langchain_costguard.budgets.claims import Refusal, Unit
    from langchain_costguard.budgets.facts import CallFacts
    from langchain_costguard.guard.guard import BudgetGuard
    from langchain_costguard.guard.requests import CallRequest
    from langchain_costguard.stores.budget_base import BudgetStore

_LEASE_US: Final = LEASE_SECONDS * 1_000_000


class Need(NamedTuple):
    """The most that a part can use."""

    nano_usd: int
    tokens: int
    calls: int

    def of(self, unit: Unit) -> int:
        """How much of what a budget counts."""
        return {"usd": self.nano_usd, "tokens": self.tokens, "calls": self.calls}[unit]


class Meant(NamedTuple):
    """A budget that means the calls of a job, and where its counter is."""

    guard: BudgetGuard
    budget: Budget
    store: BudgetStore


def budgets_for(guards: Iterable[BudgetGuard], facts: CallFacts) -> list[Meant]:
    """The budgets that mean a job's calls; of equal ones of several handlers the strictest.

    Raises:
        BudgetExceededError: two that are kept under one key contradict each other.
    """
    found: dict[tuple[object, str], Meant] = {}
    for guard in guards:
        for budget in guard.budgets:
            if not budget.matches(facts):
                continue
            store = guard.store_of(budget)
            key = (store.location if store.is_durable else id(store), budget.key)
            known = found.get(key)
            if known is None:
                found[key] = Meant(guard, budget, store)
            elif contradict(known.budget, budget):
                raise contradicting(known.budget, budget)
            elif (budget.refuses, -budget.limit_amount) > (known.budget.refuses, -known.budget.limit_amount):
                found[key] = Meant(guard, budget, store)
    return list(found.values())


def refuse_unbounded(meant: Sequence[Meant], unbounded: ItemBound, request: CallRequest) -> None:
    """Refuse a job in which an item has no bound that a hard budget counts.

    Raises:
        BudgetExceededError: there is such a budget.
    """
    for one in meant:
        missing = {"usd": unbounded.nano_usd, "tokens": unbounded.tokens, "calls": 0}[one.budget.unit]
        if one.budget.refuses and missing is None:
            raise no_bound(one.budget, unbounded.bound, request)


def refuse_too_small(meant: Sequence[Meant], facts: CallFacts, needs: Sequence[Need], fits: Mapping[str, Any]) -> None:
    """Refuse a job that does not fit, with how much of it does.

    Args:
        meant: the budgets.
        facts: what they are told of its calls.
        needs: what each part needs.
        fits: for each unit, a function of what is left that says how many of the first items fit.

    Raises:
        BudgetExceededError: a hard budget has not so much left.
        BudgetStoreError: one cannot be asked.
    """
    for one in meant:
        if not one.budget.refuses:
            continue
        total = sum(need.of(one.budget.unit) for need in needs)
        claim = _claim(one, facts, total)
        try:
            left = one.store.headroom(claim)
        except StoreError as error:
            if one.guard.on_store_error == "block":
                raise store_failed(one.budget, one.store, error) from error
            continue
        if total > left:
            raise _too_small(one, claim, left, fits[one.budget.unit](left))


def intend(meant: Sequence[Meant], facts: CallFacts, need: Need) -> tuple[dict[str, Any], ...]:
    """What is to be reserved for a part, to be noted before it is: one reservation for each store."""
    by_store: dict[int, list[Meant]] = {}
    for one in meant:
        by_store.setdefault(id(one.store), []).append(one)
    return tuple(
        {
            "store": place_of(group[0].store),
            "id": uuid4().hex,
            "claims": [list(_claim(one, facts, need.of(one.budget.unit))) for one in group],
            "on_unknown": [one.budget.on_unknown for one in group],
        }
        for group in by_store.values()
    )


def reserve(meant: Sequence[Meant], intents: Sequence[Mapping[str, Any]]) -> None:
    """Reserve what is intended, all of it or nothing.

    Raises:
        BudgetExceededError: a budget refuses; nothing is reserved.
        BudgetStoreError: a hard budget cannot be asked; nothing is reserved.
    """
    done: list[Mapping[str, Any]] = []
    try:
        for intent in intents:
            _reserve(meant, intent)
            done.append(intent)
    except BaseException:  # an interrupt, too, leaves nothing reserved; raised again
        for intent in done:
            settle(intent, {}, {place_of(one.store): one.store for one in meant})
        raise


def _reserve(meant: Sequence[Meant], intent: Mapping[str, Any]) -> None:
    claims = claims_of(intent)
    group = [one for one in meant if place_of(one.store) == intent["store"]]
    store = group[0].store
    try:
        admission = store.reserve(Reservation(intent["id"], claims, _LEASE_US))
    except StoreError as error:
        strict = next((one for one in group if one.budget.refuses and one.guard.on_store_error == "block"), None)
        if strict is not None:
            raise store_failed(strict.budget, store, error) from error
        for one in group:
            one.guard.unchecked += 1
        return
    for one in group:
        one.guard.tell(crossing for crossing in admission.crossings if crossing.claim.budget in one.budget.keys)
    if not admission.is_admitted:
        refusal = admission.refusals[0]
        owner = next(one for one in group if refusal.claim.budget in one.budget.keys)
        raise _too_small(owner, refusal.claim, refusal.limit - refusal.spent - refusal.reserved, None, refusal)
    LEASES.beat()


def settle(intent: Mapping[str, Any], used: Mapping[str, int], stores: Mapping[str, BudgetStore]) -> bool:
    """End a reservation with what was used; doing it again changes nothing.

    Args:
        intent: what was reserved.
        used: for each unit, how much; a unit that is missing is charged nothing.
        stores: the budget stores at hand, by the names of their places.

    Returns:
        Whether nothing is held any more; `False` if the store is not at hand.

    Raises:
        StoreError: it does not answer.
    """
    store = stores.get(intent["store"]) or store_at(intent["store"])
    if store is None:
        return has_ended(intent["store"])
    charges = tuple(Charge(claim, used.get(claim.unit, 0), claim.refuses) for claim in claims_of(intent))
    store.settle(Settlement(intent["id"], charges))
    return True


def claims_of(intent: Mapping[str, Any]) -> tuple[Claim, ...]:
    """The claims of what was reserved."""
    return tuple(Claim._make([*claim[:-1], tuple(claim[-1])]) for claim in intent["claims"])


def stores_at_hand(guards: Iterable[BudgetGuard]) -> dict[str, BudgetStore]:
    """The budget stores of these guards, and that of runs, by the names of their places."""
    runs = run_counters()
    return {place_of(store): store for store in [runs, *(guard.store for guard in guards)] if store is not None}


def _claim(one: Meant, facts: CallFacts, amount: int) -> Claim:
    """What is asked of a budget: of its common pool, where some users are guaranteed a share."""
    try:
        return one.budget.claims(facts, amount, one.store.now_us())[-1]
    except MissingIdentityError as error:
        raise no_identity(one.budget, error) from None


def _too_small(
    one: Meant, claim: Claim, left: int, fitting: int | None, refusal: Refusal | None = None
) -> BudgetExceededError:
    """The error of a job that does not fit."""
    name = one.budget.name or one.budget.key
    left = max(0, left)
    if refusal is not None and refusal.reason == "frozen":
        how = f"it is frozen ({refusal.note}): `langchain-costguard budgets unfreeze {claim.budget}`"
    elif fitting is None:
        how = "others have reserved it meanwhile: submit again when they have ended, or raise the limit"
    else:
        how = f"the first {fitting:,} items fit: submit those, set max_tokens on the model, or raise the limit"
    msg = (
        f"budget {name!r} refuses the batch: it reserves up to {shown(claim.amount, claim.unit)}, with "
        f"{shown(left, claim.unit)} of {shown(claim.limit, claim.unit)} left; nothing was sent; {how}"
    )
    return BudgetExceededError(
        msg,
        budget=name,
        reason="frozen" if refusal is not None and refusal.reason == "frozen" else "limit",
        unit=claim.unit,
        limit=outside(claim.limit, claim.unit),
        requested=outside(claim.amount, claim.unit),
    )
