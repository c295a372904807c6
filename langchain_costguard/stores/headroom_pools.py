"""What a process has leased of one counter: how much of it calls hold, how much is spent, how much is free."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_costguard.budgets.claims import Charge, Claim


class Part(NamedTuple):
    """One reservation in the store behind."""

    id: str
    amount: int


class Pool:
    """Headroom of one counter in one slot, leased under one limit.

    At every moment its parts are together what is free, held and spent.

    Attributes:
        claim: a claim such as those it serves.
        parts: its reservations in the store behind, oldest first.
        free: what no call holds.
        held: what calls under way hold.
        spent: what calls that ended have used, and the store behind has not been told.
    """

    __slots__ = ("claim", "free", "held", "parts", "spent")

    def __init__(self, claim: Claim) -> None:
        """Nothing is leased yet."""
        self.claim: Claim = claim
        self.parts: deque[Part] = deque()
        self.free: int = 0
        self.held: int = 0
        self.spent: int = 0

    @property
    def is_used_up(self) -> bool:
        """Whether the oldest part can be booked in full."""
        return bool(self.parts) and self.spent >= self.parts[0].amount

    def add(self, part: Part) -> None:
        """Have more to give."""
        self.parts.append(part)
        self.free += part.amount

    def pop_oldest(self) -> tuple[Part, int]:
        """Take out the oldest part, and with it as much of what is spent as it holds.

        Returns:
            The part, and what it is to be charged.
        """
        part = self.parts.popleft()
        used = min(self.spent, part.amount)
        self.spent -= used
        self.free -= part.amount - used
        return part, used


class Hold(NamedTuple):
    """What one call holds of one pool."""

    pool: Pool
    amount: int


def take(holds: Iterable[Hold]) -> None:
    """Have a call hold what is free."""
    for pool, amount in holds:
        pool.free -= amount
        pool.held += amount


def end(holds: Iterable[Hold], charges: Iterable[Charge]) -> list[Charge]:
    """End a call: what it used is spent, what it did not use is free again.

    Returns:
        What was used above what was held, as charges that nobody reserved.
    """
    for pool, amount in holds:
        pool.held -= amount
        pool.free += amount
    above: list[Charge] = []
    for charge in charges:
        claim, left, _ = charge
        for pool, amount in holds:
            if left > 0 and pool.claim.counter == claim.counter and pool.claim.slot_us == claim.slot_us:
                used = min(left, amount)
                pool.free -= used
                pool.spent += used
                left -= used
        if left:
            above.append(charge._replace(amount=left))
    return above
