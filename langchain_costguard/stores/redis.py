"""Keeps budgets in Redis or Valkey: every step is one Lua script, which the server runs as a whole."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from langchain_costguard.budgets.claims import Settled
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores import redis_client as server
from langchain_costguard.stores import redis_wire as wire
from langchain_costguard.stores.budget_base import BudgetStore
from langchain_costguard.stores.owners import is_gone, this_process
from langchain_costguard.stores.redis_clock import ServerClock
from langchain_costguard.stores.redis_scripts import script
from langchain_costguard.stores.units import check_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_costguard.budgets.claims import (
        Admission,
        BudgetChange,
        BudgetSetting,
        Charge,
        Claim,
        CounterState,
        Crossing,
        Reservation,
        Settlement,
    )

_US_PER_SECOND: Final = 1_000_000
_STEPS: Final = ("admit", "settle", "charge", "expire", "renew", "abandon", "change", "read")
_FROZEN_WITHOUT_NOTE: Final = "frozen by an operator"


class RedisBudgetStore(BudgetStore):
    """Budgets on a Redis or Valkey server, shared by every process that can reach it.

    All keys begin with `{prefix}:`; the braces put them into one slot of a cluster, so that one script can change
    several counters together. Counters never expire and must not be evicted. They outlive the server's end only as far
    as its persistence goes: with `appendonly yes` and `appendfsync everysec` a crash can lose the last second, with
    snapshots alone the minutes since the last one, and with a failover what its replica had not received. A budget
    that must not lose a cent keeps `appendfsync always`, or PostgreSQL.

    Amounts are exact in 64 bits. A late settlement of a lost reservation counts for 90 days.

    It is a synchronous client: a step is one round trip (a refusal may take two), never to be made on an event loop.

    Args:
        place: a URL (`redis://`, `rediss://`, `valkey://`, `valkeys://`, `unix://`), or a client of the package
            `redis` (for a cluster, for Sentinel).
        prefix: what all keys begin with; budgets that shall not meet have different ones.
        timeout_seconds: how long to wait for a connection and for each answer. A client that is given keeps its own.
        allow_eviction: whether a server is accepted that may throw counters away when its memory is full.

    Raises:
        StoreError: the server cannot be reached, or may evict counters.
        OptionalDependencyError: the package redis is not installed.
    """

    def __init__(
        self,
        place: Any,  # noqa: ANN401 - a URL, `Redis` or `RedisCluster`, which share no class
        *,
        prefix: str = "costguard",
        timeout_seconds: float = 2.0,
        allow_eviction: bool = False,
    ) -> None:
        """Connect, learn the server's time, and see that it keeps what it is given."""
        if not prefix or set(prefix) & set("{}"):
            msg = f"prefix={prefix!r} cannot name a slot: give some characters without braces"
            raise ValueError(msg)
        self._client: Any = server.connect(place, timeout_seconds) if isinstance(place, str) else place
        self._place: str = server.place(self._client)
        self._root: str = f"{{{prefix}}}"
        self._scripts: dict[str, Any] = {name: self._client.register_script(script(name)) for name in _STEPS}
        self._clock: ServerClock = ServerClock()
        self._doubtful: deque[str] = deque()
        self._read("owners")
        if not allow_eviction:
            self._check_eviction()

    @property
    def location(self) -> str:
        """The server's address, without user name and password."""
        return self._place

    @property
    def is_durable(self) -> bool:
        """True: counters outlive the process; whether they outlive the server is its configuration's matter."""
        return True

    @property
    def is_remote(self) -> bool:
        """True: each step is a round trip."""
        return True

    def now_us(self) -> int:
        """The server's time, as its last answer told it; see `BudgetStore.now_us`."""
        return self._clock.now_us()

    def reserve(self, reservation: Reservation, *, wait_seconds: float | None = None) -> Admission:  # noqa: ARG002 - a step waits for nobody
        """Reserve every claim, or none; see `BudgetStore.reserve`.

        The server runs one step after the other, so there is nobody to wait for: `timeout_seconds` bounds the whole.
        When it does not answer, the reservation is released as soon as it does.
        """
        try:
            return self._admit(
                reservation.id,
                reservation.claims,
                reservation.lease_us,
                extends=False,
                is_tentative=reservation.is_tentative,
            )
        except LookupError:
            msg = f"The reservation was given up before it reached {self._place}: reserve again under a new id"
            raise StoreError(msg) from None
        except StoreError:
            self._doubtful.append(reservation.id)
            raise

    def settle(self, settlement: Settlement) -> Settled:
        """End a reservation; see `BudgetStore.settle`.

        One that is ended with no charge is released later if it cannot be now.
        """
        claims = [charge.claim for charge in settlement.charges]
        ask = (settlement.reservation_id, wire.write_claims(claims), wire.write_amounts(settlement.charges))
        try:
            is_applied, crossings = self._run("settle", *ask)
        except StoreError:
            if not any(charge.amount for charge in settlement.charges):
                self._doubtful.append(settlement.reservation_id)
            raise
        return Settled(is_applied == 1, wire.read_crossings(crossings, claims))

    def charge(self, charges: Sequence[Charge]) -> tuple[Crossing, ...]:
        """Charge counters for what nobody reserved; see `BudgetStore.charge`.

        A client that repeats commands by itself charges once all the same.
        """
        claims = [charge.claim for charge in charges]
        (crossings,) = self._run("charge", uuid4().hex, wire.write_claims(claims), wire.write_amounts(charges))
        return wire.read_crossings(crossings, claims)

    def extend(self, reservation_id: str, claims: Sequence[Claim]) -> Admission:
        """Reserve more under an open reservation; see `BudgetStore.extend`."""
        return self._admit(reservation_id, claims, 0, extends=True)

    def renew(self, lease_us: int) -> int:
        """Have the leases of this process's open reservations end so much from now; see `BudgetStore.renew`."""
        (count,) = self._run("renew", wire.write_owner(this_process()), lease_us)
        return int(count)

    def expire(self) -> list[Crossing]:
        """Charge or release what belongs to nobody any more; see `BudgetStore.expire`."""
        (crossings,) = self._run("expire", *_judged(self._read("owners")))
        return list(wire.read_crossings(crossings))

    def counters(self, budgets: Sequence[str] | None = None, *, since_us: int = 0) -> list[CounterState]:
        """What counters hold; see `BudgetStore.counters`."""
        return wire.read_counters(self._read("counters", "" if budgets is None else wire.write_list(budgets), since_us))

    def headroom(self, claim: Claim) -> int:
        """What could still be reserved, in one small step; see `BudgetStore.headroom`."""
        return int(self._read("headroom", wire.write_claim(claim))[0])

    def settings(self) -> list[BudgetSetting]:
        """What operators have set; see `BudgetStore.settings`."""
        return wire.read_settings(self._read("settings"))

    def change(self, change: BudgetChange) -> None:
        """Do what an operator asks; see `BudgetStore.change`."""
        wire.check_size(change.limit or 0)
        limit = "" if change.limit is None else change.limit
        note = change.note or _FROZEN_WITHOUT_NOTE
        self._run("change", change.budget, change.action, limit, note, wire.write_change(change))

    def changes(self, budget: str | None = None) -> list[BudgetChange]:
        """Operators' changes, oldest first; see `BudgetStore.changes`."""
        found = map(wire.read_change, self._read("changes"))
        return [change for change in found if budget is None or change.budget == budget]

    def close(self) -> None:
        """Close the connections; the store can be used again afterwards."""
        self._client.close()

    def __repr__(self) -> str:
        """Where the counters are, without credentials."""
        return f"RedisBudgetStore({self._place!r})"

    def _admit(
        self, key: str, claims: Sequence[Claim], lease_us: int, *, extends: bool, is_tentative: bool = False
    ) -> Admission:
        """Ask once, and where others may have died holding what is missing, once more with what is known of them."""
        claims = tuple(claims)
        owner, text = wire.write_owner(this_process()), wire.write_claims(claims)
        ask = ("admit", key, owner, lease_us, text, "1" if extends else "0")
        tentative = "1" if is_tentative else "0"
        answer = self._run(*ask, "0", "[]", "[]", tentative)
        if answer[0] == "undecided":
            answer = self._run(*ask, "1", *_judged(answer[-1]), tentative)
        if answer[0] == "decided" or (answer[0] == "open" and not extends):
            return wire.read_admission(answer, claims)
        if answer[0] == "unit":
            number, counted = answer[1]
            check_unit(claims[int(number)], counted)
        msg = f"The reservation {key!r} is not open ({answer[0]}): reserve before you extend"
        raise LookupError(msg)

    def _read(self, *arguments: str | int) -> list[Any]:
        (found,) = self._run("read", *arguments)
        return list(found)

    def _run(self, name: str, *arguments: str | int) -> list[Any]:
        """One step; its answer without the time it begins with."""
        if self._doubtful and name != "abandon":
            self._release_doubtful()
        from redis.exceptions import RedisError

        try:
            answer = self._scripts[name](keys=[self._root], args=[wire.to_bytes(str(part)) for part in arguments])
        except RedisError as error:
            raise server.failure(error, self._place) from error
        seconds, micros, *rest = wire.as_text(answer)
        self._clock.learn(int(seconds) * _US_PER_SECOND + int(micros))
        return list(rest)

    def _release_doubtful(self) -> None:
        """Release the reservations that were sent and not answered, so that their owner's life does not keep them."""
        while self._doubtful:
            key = self._doubtful.popleft()
            try:
                self._run("abandon", key)
            except StoreError:
                self._doubtful.append(key)
                raise

    def _check_eviction(self) -> None:
        from redis.exceptions import RedisError

        try:
            memory = self._client.info("memory")
        except RedisError:
            return  # a hosted server may forbid the question
        policy = str(memory.get("maxmemory_policy", ""))
        if memory.get("maxmemory") and policy.startswith("allkeys"):
            msg = (
                f"{self._place} throws keys away when its memory is full (maxmemory-policy {policy}), and a counter "
                "that is thrown away is a budget that begins anew: set `maxmemory-policy noeviction`, use another "
                "server, or accept it with RedisBudgetStore(..., allow_eviction=True)"
            )
            raise StoreError(msg)


def _judged(owners: Iterable[str]) -> tuple[str, str]:
    """The owners that are certainly gone, and those that certainly live, each as a JSON list."""
    verdicts = {owner: is_gone(wire.read_owner(owner)) for owner in owners}
    return tuple(
        wire.write_list(owner for owner, is_out in verdicts.items() if is_out is wanted) for wanted in (True, False)
    )  # type: ignore[return-value] # two of them
