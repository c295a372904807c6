"""Keeps budgets in the database that holds the ledger: reserved, settled and expired in one transaction each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from langchain_costguard.budgets.claims import Reservation
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.budget_base import JointStore, OutboxStore
from langchain_costguard.stores.outbox import from_text, to_text
from langchain_costguard.stores.owners import Owner, is_gone, this_process
from langchain_costguard.stores.rows import clean_text, to_row
from langchain_costguard.stores.sql_budgets_admission import Asked, admitting, gone
from langchain_costguard.stores.sql_budgets_counters import Counters
from langchain_costguard.stores.sql_budgets_doubts import Doubt, doubt_of, releasing
from langchain_costguard.stores.sql_budgets_ends import charging, claims_of, expiring, held_by, settling
from langchain_costguard.stores.sql_budgets_statements import Statement, budget_statements_for, keyed
from langchain_costguard.stores.sql_budgets_step import Outcome, Step, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from langchain_costguard.budgets.claims import (
        Admission,
        BudgetChange,
        BudgetSetting,
        Charge,
        Claim,
        CounterState,
        Crossing,
        Settled,
        Settlement,
    )
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.stores.backends import Backend
    from langchain_costguard.stores.connections import Connections
    from langchain_costguard.stores.sql_budgets_step import Answers, Ask

_T = TypeVar("_T")
_LEASE_US: Final[int] = Reservation._field_defaults["lease_us"]
_US_PER_SECOND: Final = 1_000_000
_CHANGES: Final = "changes of budgets"
"""What is locked while a change is numbered; no counter has this name."""


class SQLBudgets(JointStore, OutboxStore):
    """The budgets of a `SQLStore`: one transaction per step, over the connection that writes the ledger.

    Args:
        backend: the database.
        connections: the connections to it.
        timeout_seconds: how long a step waits for other threads, other processes and the server.
        lost_after_seconds: how old a settlement of another machine must be to be delivered from here.
        clock: gives the time in microseconds since 1970-01-01 UTC instead of the store's own, for tests.
    """

    def __init__(
        self,
        backend: Backend,
        connections: Connections,
        *,
        timeout_seconds: float,
        lost_after_seconds: float,
        clock: Callable[[], int] | None,
    ) -> None:
        """Note where and how."""
        self._backend = backend
        self._connections = connections
        self._timeout_seconds = timeout_seconds
        self._lost_after_seconds = lost_after_seconds
        self._clock = clock or backend.now_us
        self._budget_sql = budget_statements_for(backend.dialect().name)
        self._doubts: dict[str, Doubt] = {}

    @property
    def is_remote(self) -> bool:
        """Whether it is a server: a step waits for a network then."""
        return self._backend.is_remote

    def now_us(self) -> int:
        """The store's time; see `BudgetStore.now_us`.

        For a file it is this machine's clock as the process found it, advanced by the monotonic clock. For PostgreSQL
        it is the server's, read when the connection is opened and about once a minute afterwards.
        """
        return self._clock()

    def reserve(self, reservation: Reservation, *, wait_seconds: float | None = None) -> Admission:
        """Reserve every claim, or none; see `BudgetStore.reserve`.

        When the database does not say whether it has reserved, the reservation is released as soon as it answers again:
        with the next step of this process, or when it renews its leases.
        """
        return self._reserve(reservation, None, wait_seconds)

    def reserve_opening(
        self, reservation: Reservation, opening: LedgerEntry, *, wait_seconds: float | None = None
    ) -> Admission:
        """`reserve`, and if it is admitted `open_call`, in one transaction."""
        return self._reserve(reservation, to_row(opening), wait_seconds)

    def extend(self, reservation_id: str, claims: Sequence[Claim]) -> Admission:
        """Reserve more under an open reservation; see `BudgetStore.extend`.

        Where the connection breaks while the database commits, the error does not say whether it did.
        """
        return self._admit(Asked(reservation_id, claims, self.now_us(), _LEASE_US, extends=True), None)

    def settle(self, settlement: Settlement) -> Settled:
        """End a reservation; see `BudgetStore.settle`.

        One that is ended with no charge is released later if it cannot be now.
        """
        try:
            return self._step(settling(settlement, self._budget_sql))
        except StoreError:
            if not any(charge.amount for charge in settlement.charges):
                self._doubt(doubt_of(settlement.reservation_id, (charge.claim for charge in settlement.charges)))
            raise

    def append_settled(self, entry: LedgerEntry, settlement: Settlement) -> Settled:
        """`append` and `settle` in one transaction."""
        line = Statement(self._connections.statements.append, to_row(entry))
        return self._step(settling(settlement, self._budget_sql, (line,)))

    def charge(self, charges: Sequence[Charge]) -> tuple[Crossing, ...]:
        """Charge counters for what nobody reserved; see `BudgetStore.charge`.

        Where the connection breaks while the database commits, the error does not say whether it did.
        """
        return self._step(charging(charges, self._budget_sql))

    def renew(self, lease_us: int) -> int:
        """Have the leases of this process's open reservations end so much from now; see `BudgetStore.renew`."""
        host, pid, started = this_process()
        mine = (host, pid, started or "")
        renewal = Statement(self._budget_sql.renew, (self.now_us() + lease_us, *mine))
        question = Statement(self._budget_sql.count_open, mine)
        return self._step(Step((), (question,), lambda answers, _: Outcome(int(answers[0][0][0]), (renewal,))))

    def expire(self) -> list[Crossing]:
        """Charge or release what processes that are gone have reserved; see `BudgetStore.expire`.

        A process of this machine is asked for by number and start time. For one of another machine, and where the
        start time is unknown, the end of its lease decides.
        """
        return self._expire(time.monotonic() + self._timeout_seconds)

    def counters(self, budgets: Sequence[str] | None = None, *, since_us: int = 0) -> list[CounterState]:
        """What the counters of these budgets hold; see `BudgetStore.counters`.

        Counters of windows that have ended are kept; each is one small row.
        """
        from langchain_costguard.stores.sql_budgets_reading import select_counters, to_state

        return [to_state(row) for row in self._connections.read(select_counters(budgets, since_us))]

    def headroom(self, claim: Claim) -> int:
        """How much a claim could reserve at this moment; see `BudgetStore.headroom`."""
        counters = Counters((claim,), self._budget_sql)

        def decide(answers: Answers, _: Ask) -> Outcome[int]:
            counters.read(answers)
            return Outcome(counters.headroom(claim))

        return self._step(Step(counters.names, counters.reads(), decide))

    def settings(self) -> list[BudgetSetting]:
        """What operators have set; see `BudgetStore.settings`."""
        from langchain_costguard.stores.sql_budgets_reading import select_settings, to_setting

        rows = self._connections.read(select_settings())
        return sorted((to_setting(row) for row in rows), key=lambda setting: setting.budget)

    def change(self, change: BudgetChange) -> None:
        """Set a budget's limit, freeze it or unfreeze it; see `BudgetStore.change`."""
        budget, note, sql = keyed(change.budget), clean_text(change.note), self._budget_sql
        at_us = change.at_us or self.now_us()
        writes = {
            "set": [Statement(sql.set_limit, (budget, change.limit)), Statement(sql.unfreeze_counters, (budget,))],
            "freeze": [Statement(sql.set_frozen, (budget, note))],
            "unfreeze": [Statement(sql.set_frozen, (budget, None)), Statement(sql.unfreeze_counters, (budget,))],
        }[change.action]
        kept = Statement(sql.keep_change, (budget, change.action, at_us, clean_text(change.by), change.limit, note))
        self._step(Step((_CHANGES,), (), lambda _answers, _ask: Outcome(None, [*writes, kept]), is_repeatable=False))

    def changes(self, budget: str | None = None) -> list[BudgetChange]:
        """Operators' changes, oldest first."""
        from langchain_costguard.stores.sql_budgets_reading import select_changes, to_change

        return [to_change(row) for row in self._connections.read(select_changes(budget))]

    def append_with_outbox(self, entry: LedgerEntry, settlement: Settlement, budget_location: str) -> bool:
        """Write a line, and the settlement that another store is still to be told; see `OutboxStore`."""
        line = Statement(self._connections.statements.append, to_row(entry))
        kept = Statement(
            self._budget_sql.put_in_outbox,
            (
                keyed(settlement.reservation_id),
                budget_location,
                to_text(settlement),
                self.now_us(),
                *this_process(),
            ),
        )
        step = Step((), (), lambda _answers, _ask: Outcome(None, (line, kept)))
        return self._connections.step(step, wait_seconds=self._timeout_seconds).changed[0] > 0

    def pending_settlements(self) -> list[tuple[Settlement, str]]:
        """The settlements to deliver from here, with the place of their budgets, oldest first; see `OutboxStore`."""
        from langchain_costguard.stores.sql_budgets_reading import select_outbox

        oldest_us = self.now_us() - int(self._lost_after_seconds * _US_PER_SECOND)
        return [
            (from_text(text), location)
            for text, location, written_us, *owner in self._connections.read(select_outbox())
            if self._delivers(Owner(*owner), was_written_long_ago=written_us < oldest_us)
        ]

    def settled(self, reservation_id: str) -> None:
        """Forget a settlement that was delivered."""
        taken = Statement(self._budget_sql.take_from_outbox, (keyed(reservation_id),))
        self._step(Step((), (), lambda _answers, _ask: Outcome(None, (taken,))))

    def _reserve(self, reservation: Reservation, line: Sequence[Any] | None, wait_seconds: float | None) -> Admission:
        """Reserve, and open a line with it; what is in doubt afterwards is not given to the caller, and released."""
        open_call = self._connections.statements.open_call
        opening = () if line is None else (Statement(open_call, (*line, *this_process())),)
        asked = Asked(
            reservation.id,
            reservation.claims,
            self.now_us(),
            reservation.lease_us,
            opening,
            is_tentative=reservation.is_tentative,
        )
        try:
            return self._admit(asked, wait_seconds)
        except BaseException as error:  # an interruption leaves the same doubt as a lost answer
            if isinstance(error, UnansweredError) or not isinstance(error, Exception):
                self._doubt(doubt_of(reservation.id, reservation.claims, None if line is None else line[0]))
            raise

    def _admit(self, asked: Asked, wait_seconds: float | None) -> Admission:
        """Reserve; where the reservations of a process that is gone are in the way, expire them and try once more."""
        deadline = time.monotonic() + (self._timeout_seconds if wait_seconds is None else wait_seconds)
        admission = self._step(admitting(asked, self._budget_sql, may_wait_for_expiry=True), wait_seconds)
        if admission is not None:
            return admission
        told = self._expire(deadline)
        again = admitting(asked, self._budget_sql, may_wait_for_expiry=False)
        admission = self._step(again, _until(deadline))
        assert admission is not None  # noqa: S101 - it answers `None` only where it may
        return admission._replace(crossings=(*told, *admission.crossings))

    def _expire(self, deadline: float) -> list[Crossing]:
        owners = self._ask(Statement(self._budget_sql.owners), deadline)
        crossings: list[Crossing] = []
        for owner, until_us in gone(owners, self.now_us()):
            question = held_by(owner, until_us, self._budget_sql)
            claims = claims_of(self._ask(question, deadline))
            told = self._step(expiring(claims, question, self._budget_sql), _until(deadline))
            crossings.extend(told)
        return crossings

    def _ask(self, question: Statement, deadline: float) -> Sequence[Sequence[Any]]:
        return self._step(Step((), (question,), lambda answers, _: Outcome(answers[0])), _until(deadline))

    def _step(self, step: Step[_T], wait_seconds: float | None = None) -> _T:
        wait = self._timeout_seconds if wait_seconds is None else wait_seconds
        self._release_doubts(wait)
        return self._connections.step(step, wait_seconds=wait).result

    def _doubt(self, doubt: Doubt) -> None:
        self._doubts[doubt.reservation_id] = doubt

    def _release_doubts(self, wait_seconds: float) -> None:
        """Release what the database may hold of calls that were not made; what it does not answer waits on."""
        while self._doubts:
            try:
                _, doubt = self._doubts.popitem()
            except KeyError:
                return  # another thread was faster
            try:
                self._connections.step(releasing(doubt, self._budget_sql), wait_seconds=wait_seconds)
            except StoreError:
                self._doubt(doubt)
                raise

    @staticmethod
    def _delivers(owner: Owner, *, was_written_long_ago: bool) -> bool:
        if owner == this_process():
            return True
        has_ended = is_gone(owner)
        return was_written_long_ago if has_ended is None else has_ended


def _until(deadline: float) -> float:
    """How many seconds are left."""
    return max(0.0, deadline - time.monotonic())
