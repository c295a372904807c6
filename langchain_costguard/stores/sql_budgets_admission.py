"""The step that reserves claims or refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard.budgets.claims import Admission
from langchain_costguard.stores.owners import Owner, is_gone, this_process
from langchain_costguard.stores.sql_budgets_counters import Counters
from langchain_costguard.stores.sql_budgets_statements import Statement, keyed
from langchain_costguard.stores.sql_budgets_step import Outcome, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from langchain_costguard.budgets.claims import Claim, Crossing, Refusal
    from langchain_costguard.stores.sql_budgets_statements import BudgetStatements
    from langchain_costguard.stores.sql_budgets_step import Answers, Ask


class Asked(NamedTuple):
    """What is to be reserved."""

    reservation_id: str
    claims: Sequence[Claim]
    now_us: int
    lease_us: int
    opening: Sequence[Statement] = ()
    """What is written with it if it is admitted."""
    extends: bool = False
    """Whether the reservation must be open already."""
    is_tentative: bool = False
    """Whether a refusal is not counted."""


def admitting(asked: Asked, sql: BudgetStatements, *, may_wait_for_expiry: bool) -> Step[Admission | None]:
    """Reserve all claims or none.

    Args:
        asked: what to reserve.
        sql: the SQL.
        may_wait_for_expiry: whether to answer `None` instead of refusing while there are reservations to expire.

    Raises:
        LookupError: an extension's reservation is not open; raised by the step.
        StoreError: a counter counts in another unit; raised by the step.
    """
    key = keyed(asked.reservation_id)
    known = Statement(sql.is_open if asked.extends else sql.is_reserved, (key,))

    def decide(answers: Answers, ask: Ask) -> Outcome[Admission | None]:
        if asked.extends and not answers[0]:
            msg = f"The reservation {asked.reservation_id} is not open: reserve anew"
            raise LookupError(msg)
        if answers[0] and not asked.extends:
            return Outcome(Admission(), asked.opening)
        counters.read(answers[1:])
        counters.check_units(asked.claims)
        unfit = [refusal for refusal in map(counters.refusal, asked.claims) if refusal is not None]
        refusals = tuple(refusal for refusal in unfit if refusal.claim.refuses)
        if refusals and may_wait_for_expiry and gone(ask([Statement(sql.owners)])[0], asked.now_us):
            return Outcome(None)
        if refusals and asked.is_tentative:
            return Outcome(Admission(refusals))
        crossings = _count(refusals or unfit, counters)
        if refusals:
            return Outcome(Admission(refusals, (), crossings), counters.writes())
        for claim in asked.claims:
            counters.slot(claim).add(reserved=claim.amount)
        held = [_hold(key, claim, asked, sql) for claim in asked.claims]
        return Outcome(Admission((), tuple(unfit), crossings), [*counters.writes(), *held, *asked.opening])

    counters = Counters(asked.claims, sql)
    return Step(counters.names, [known, *counters.reads()], decide, is_repeatable=not asked.extends)


def gone(owners: Iterable[Sequence[Any]], now_us: int) -> list[tuple[Owner, int | None]]:
    """The owners whose reservations are to be expired.

    Args:
        owners: rows of `BudgetStatements.owners`.
        now_us: the store's time.

    Returns:
        Each with the latest end of the leases that are over; `None` where the owner is certainly gone, so that all are.
    """
    found: list[tuple[Owner, int | None]] = []
    for host, pid, started, lease_until_us in owners:
        owner = Owner(host, pid, started)
        has_ended = is_gone(owner)
        if has_ended:
            found.append((owner, None))
        elif has_ended is None and lease_until_us <= now_us:
            found.append((owner, now_us))
    return found


def _count(unfit: Iterable[Refusal], counters: Counters) -> tuple[Crossing, ...]:
    return tuple(crossing for refusal in unfit for crossing in counters.refuse(refusal.claim))


def _hold(key: str, claim: Claim, asked: Asked, sql: BudgetStatements) -> Statement:
    return Statement(
        sql.hold,
        (
            key,
            keyed(claim.counter),
            claim.slot_us,
            claim.since_us,
            keyed(claim.budget),
            claim.unit,
            claim.amount,
            claim.limit,
            claim.refuses,
            claim.charges_lost,
            ",".join(map(str, claim.alerts_ppm)),
            asked.now_us + asked.lease_us,
            *this_process(),
        ),
    )
