"""What a budget store can do: reserve, settle, extend and expire claims on counters, each in one atomic step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from langchain_costguard.stores.base import LedgerStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_costguard.budgets.claims import (
        Admission,
        BudgetChange,
        BudgetSetting,
        Charge,
        Claim,
        CounterState,
        Crossing,
        Reservation,
        Settled,
        Settlement,
    )
    from langchain_costguard.ledger import LedgerEntry


class BudgetStore(ABC):
    """Keeps counters and reservations; safe to use from many threads, and from many processes where it is shared.

    Every method is one atomic step over all counters it names. At every instant, for a counter that refuses, the spent
    and reserved amounts of its slots from `since_us` on are at most its limit, plus what was charged above what had
    been reserved. A reservation is `open`, then settled once, or expired (charged or released) and then still settled
    once: what it was charged is replaced by what was used, and what it used is charged if it was released.

    Methods that touch a database raise `StoreError`; nothing was changed then, or the step was done in whole and its
    repetition changes nothing.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where counters are kept, for people to read; without user name and password."""

    @property
    @abstractmethod
    def is_durable(self) -> bool:
        """Whether counters outlive the process."""

    @property
    @abstractmethod
    def is_remote(self) -> bool:
        """Whether a step waits for a network, so that it must never be done on an event loop."""

    @abstractmethod
    def now_us(self) -> int:
        """The store's time, in microseconds since 1970-01-01 UTC: the same for all processes that share the store.

        It costs no round trip: the difference to this machine's monotonic clock is known since the store was opened.
        """

    @abstractmethod
    def reserve(self, reservation: Reservation, *, wait_seconds: float | None = None) -> Admission:
        """Reserve every claim, or none.

        A claim that refuses is admitted if neither its budget nor its counter is frozen, and spent + reserved + amount
        over its slots is at most the limit in force (the operator's, else the claim's). Before it is refused,
        reservations whose owner is gone are expired. A refused claim adds to its counter's `refused`; the first
        refusal of a window is a crossing.

        Args:
            reservation: what to reserve; its id is new.
            wait_seconds: how long to wait for other processes' steps; `None` for the store's own patience.

        Raises:
            StoreError: the store cannot be reached in time, or a counter of this name counts in another unit; nothing
                is reserved.
        """

    @abstractmethod
    def settle(self, settlement: Settlement) -> Settled:
        """End a reservation: take back what it reserved, or was charged when it expired, and charge what was used.

        A reservation that is unknown, because it was settled before, is left as it is.
        """

    @abstractmethod
    def charge(self, charges: Sequence[Charge]) -> tuple[Crossing, ...]:
        """Charge counters for what nobody reserved (spending recorded afterwards, corrections)."""

    @abstractmethod
    def extend(self, reservation_id: str, claims: Sequence[Claim]) -> Admission:
        """Reserve more under an open reservation: the claims' amounts come on top; the same test, all or nothing.

        Raises:
            LookupError: the reservation is not open.
            StoreError: as `reserve`.
        """

    @abstractmethod
    def renew(self, lease_us: int) -> int:
        """Have the leases of this process's open reservations end so much from now.

        Returns:
            How many are open.
        """

    @abstractmethod
    def expire(self) -> list[Crossing]:
        """Charge or release, as their claims say, the reservations whose owner is certainly gone or whose lease ended.

        A lease that has ended does not count against an owner that is known to live.
        """

    @abstractmethod
    def counters(self, budgets: Sequence[str] | None = None, *, since_us: int = 0) -> list[CounterState]:
        """What the counters of these budgets (or of all) hold, for slots from a time on, oldest first."""

    def headroom(self, claim: Claim) -> int:
        """How much a claim could reserve at this moment; its own `amount` does not matter.

        It is a hint: others may reserve before you do. A store that can find it without reading all counters of the
        budget does so.

        Returns:
            What is left of the limit in force, below zero where more is spent; 0 where the budget or the counter is
            frozen.
        """
        set_by_operator = {setting.budget: setting for setting in self.settings()}.get(claim.budget)
        last_us = claim.slot_us if claim.since_us == claim.slot_us else None
        slots = [
            state
            for state in self.counters([claim.budget], since_us=claim.since_us)
            if state.counter == claim.counter and (last_us is None or state.slot_us <= last_us)
        ]
        if (set_by_operator and set_by_operator.frozen is not None) or any(state.frozen is not None for state in slots):
            return 0
        limit = claim.limit
        if set_by_operator is not None and set_by_operator.limit is not None:
            limit = set_by_operator.limit
        return limit - sum(state.spent + state.reserved for state in slots)

    @abstractmethod
    def settings(self) -> list[BudgetSetting]:
        """What operators have set, one row per budget, in order of the key."""

    @abstractmethod
    def change(self, change: BudgetChange) -> None:
        """Set a budget's limit, freeze it, or unfreeze it, and keep the change with when and by whom.

        Setting a limit and unfreezing also unfreeze the counters that an overrun has frozen.
        """

    @abstractmethod
    def changes(self, budget: str | None = None) -> list[BudgetChange]:
        """Operators' changes, oldest first."""

    def close(self) -> None:  # noqa: B027 - a store may hold nothing to let go of
        """Let go of connections; the store can be used again afterwards."""


class JointStore(LedgerStore, BudgetStore):
    """A store that keeps the ledger and the budgets in one place, and writes both in one step."""

    @abstractmethod
    def reserve_opening(
        self, reservation: Reservation, opening: LedgerEntry, *, wait_seconds: float | None = None
    ) -> Admission:
        """`reserve`, and if it is admitted `open_call`, in one step."""

    @abstractmethod
    def append_settled(self, entry: LedgerEntry, settlement: Settlement) -> Settled:
        """`append` and `settle` in one step."""


@runtime_checkable
class OutboxStore(Protocol):
    """A ledger that keeps settlements for budgets in another store until that store has them.

    Line and settlement are written in one step, so that a process that dies between its ledger and its budgets loses
    neither. Delivering is `BudgetStore.settle`, then `settled`; settling twice does nothing, so delivering may be
    repeated, by whichever process finds a settlement whose owner is gone.
    """

    def append_with_outbox(self, entry: LedgerEntry, settlement: Settlement, budget_location: str) -> bool:
        """`LedgerStore.append`, and keep a settlement in the same step, whether or not the line was new.

        Args:
            entry: the finished line.
            settlement: the end of the call's reservation.
            budget_location: the `location` of the store that keeps the budgets.

        Returns:
            Whether the line was written.

        Raises:
            StoreError: neither was written.
        """

    def pending_settlements(self) -> list[tuple[Settlement, str]]:
        """Kept settlements of this process and of processes that are gone, oldest first.

        Returns:
            Each with the location of the store that keeps its budgets.

        Raises:
            StoreError: the ledger cannot be read, or a newer release kept one of them.
        """

    def settled(self, reservation_id: str) -> None:
        """Forget a settlement that was delivered; nothing where there is none.

        Raises:
            StoreError: it is still kept.
        """
