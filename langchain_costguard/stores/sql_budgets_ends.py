"""The steps that end reservations: settled by who used them, or expired because their owner is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard.budgets.claims import Charge, Claim, Settled
from langchain_costguard.stores.sql_budgets_counters import Counters
from langchain_costguard.stores.sql_budgets_statements import Statement, keyed, unkeyed
from langchain_costguard.stores.sql_budgets_step import Outcome, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from langchain_costguard.budgets.claims import Crossing, Settlement
    from langchain_costguard.stores.owners import Owner
    from langchain_costguard.stores.sql_budgets_statements import BudgetStatements
    from langchain_costguard.stores.sql_budgets_step import Answers, Ask


class HeldClaim(NamedTuple):
    """A claim of a reservation, as its row holds it."""

    id: str
    """The reservation's key."""
    state: str
    claim: Claim


def settling(settlement: Settlement, sql: BudgetStatements, line: Sequence[Statement] = ()) -> Step[Settled]:
    """Take back what was held and charge what was used; nothing but the line if the reservation is unknown.

    Args:
        settlement: the end.
        sql: the SQL.
        line: what is written with it in any case.
    """
    key = keyed(settlement.reservation_id)
    counters = Counters((charge.claim for charge in settlement.charges), sql)

    def decide(answers: Answers, _: Ask) -> Outcome[Settled]:
        held = {(found.claim.counter, found.claim.slot_us): found for found in map(_read, answers[0])}
        if not held:
            return Outcome(Settled(is_applied=False), line)
        counters.read(answers[1:])
        for found in held.values():
            _take_back(found, counters)
        crossings: list[Crossing] = []
        for charge in settlement.charges:
            match = held.get((charge.claim.counter, charge.claim.slot_us))
            crossings += counters.settle(charge, 0 if match is None else match.claim.amount)
        writes = [*counters.writes(), Statement(sql.drop, (key,)), *line]
        return Outcome(Settled(is_applied=True, crossings=tuple(crossings)), writes)

    return Step(counters.names, [Statement(sql.claims, (key,)), *counters.reads()], decide)


def charging(charges: Sequence[Charge], sql: BudgetStatements) -> Step[tuple[Crossing, ...]]:
    """Charge what nobody reserved."""
    counters = Counters((charge.claim for charge in charges), sql)

    def decide(answers: Answers, _: Ask) -> Outcome[tuple[Crossing, ...]]:
        counters.read(answers)
        crossings: list[Crossing] = []
        for claim, amount, _freezes in charges:
            counters.slot(claim).add(spent=amount, overrun=max(0, amount))
            crossings += counters.thresholds(claim)
        return Outcome(tuple(crossings), counters.writes())

    return Step(counters.names, counters.reads(), decide, is_repeatable=False)


def held_by(owner: Owner, until_us: int | None, sql: BudgetStatements) -> Statement:
    """The question for the open claims of an owner, of all or of those whose lease has ended by a moment."""
    until = _NO_END if until_us is None else until_us
    return Statement(sql.claims_of_owner, (owner.host, owner.pid, owner.started or "", until))


def claims_of(rows: Iterable[Sequence[Any]]) -> list[Claim]:
    """The claims in the answer to `held_by`."""
    return [_read(row).claim for row in rows]


def expiring(claims: Sequence[Claim], question: Statement, sql: BudgetStatements) -> Step[tuple[Crossing, ...]]:
    """Charge or release what an owner holds that is gone.

    Args:
        claims: what it held a moment ago, so that its counters are known.
        question: asks what it holds now.
        sql: the SQL.
    """
    counters = Counters(claims, sql)
    known = {(claim.counter, claim.slot_us) for claim in claims}

    def decide(answers: Answers, _: Ask) -> Outcome[tuple[Crossing, ...]]:
        counters.read(answers[1:])
        found = [_read(row) for row in answers[0]]
        unknown = {held.id for held in found if (held.claim.counter, held.claim.slot_us) not in known}
        found = [held for held in found if held.id not in unknown]
        writes = [_mark(held, sql) for held in found]
        crossings = tuple(crossing for held in found for crossing in _expire(held, counters))
        return Outcome(crossings, [*counters.writes(), *writes])

    return Step(counters.names, [question, *counters.reads()], decide)


_NO_END = 2**63 - 1


def _take_back(held: HeldClaim, counters: Counters) -> None:
    amount = held.claim.amount
    if held.state == "open":
        counters.slot(held.claim).add(reserved=-amount)
    elif held.state == "charged":
        counters.slot(held.claim).add(spent=-amount, unsettled=-amount)


def _expire(held: HeldClaim, counters: Counters) -> Iterator[Crossing]:
    claim = held.claim
    charged = claim.amount if claim.charges_lost else 0
    counters.slot(claim).add(reserved=-claim.amount, spent=charged, unsettled=charged)
    return counters.thresholds(claim) if charged else iter(())


def _mark(held: HeldClaim, sql: BudgetStatements) -> Statement:
    """What becomes of the row: it stays for as long as a late settlement may still tell what was used."""
    state = "charged" if held.claim.charges_lost else "released"
    return Statement(sql.mark, (state, held.id, keyed(held.claim.counter), held.claim.slot_us))


def _read(row: Sequence[Any]) -> HeldClaim:
    """A row of `BudgetStatements.claims`."""
    key, state, counter, slot_us, since_us, budget, unit, amount, limit, refuses, charges_lost, alerts = row
    claim = Claim(
        unkeyed(budget),
        unkeyed(counter),
        slot_us,
        since_us,
        unit,
        amount,
        limit,
        bool(refuses),
        bool(charges_lost),
        tuple(map(int, alerts.split(","))) if alerts else (),
    )
    return HeldClaim(key, state, claim)
