"""Two and three actors, every way each can end, and every order of their steps: the promises hold in all of them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, combinations_with_replacement
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.budgets.claims import Charge, Settlement
from langchain_costguard.stores.counters import Counters
from langchain_costguard.testing.claims import make_claim, make_reservation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LIMIT = 10
AMOUNTS = ((6, 5), (5, 5), (4, 1))
"""Per actor: what it reserves, and what its call really costs. Some pairs fit together; all three never do."""


class World:
    """The counters under test, and what the provider knows."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.billed = 0
        """What the provider has billed: the truth that no ledger can change."""
        self.accounted = 0
        """What has been settled, and charged for owners that are gone."""

    def held(self) -> tuple[int, int, int]:
        """What is spent, reserved and overrun."""
        states = self.counters.states(None, 0)
        return (states[0].spent, states[0].reserved, states[0].overrun) if states else (0, 0, 0)

    def check(self) -> None:
        """I1, I2 and I3, after every step."""
        spent, reserved, overrun = self.held()
        assert spent + reserved <= LIMIT + overrun, "I1: more is held than may be spent"
        assert overrun == 0, "I2: no call cost more than its bound"
        assert self.billed <= LIMIT, "I2: the provider billed more than the limit"
        assert spent == self.accounted, "I3: what is spent is what was settled or charged"

    def check_end(self) -> None:
        """I5: with nothing open, exactly what is left is admitted."""
        spent, reserved, _ = self.held()
        assert reserved == 0, "I5: something stayed held"
        assert not self.counters.reserve(make_reservation(make_claim(LIMIT - spent + 1, limit=LIMIT))).is_admitted
        assert self.counters.reserve(make_reservation(make_claim(LIMIT - spent, limit=LIMIT))).is_admitted


class Actor:
    """One call: a reservation and the steps that may follow; each is atomic, and none is taken unless it is admitted.

    The provider bills no later than the call is admitted, unless it is released.
    """

    def __init__(self, world: World, amount: int, cost: int, *, charges_lost: bool = True) -> None:
        self.world = world
        self.cost = cost
        self.reservation = make_reservation(make_claim(amount, limit=LIMIT, charges_lost=charges_lost))
        self.is_admitted = False
        self.charged = 0

    def reserve(self) -> None:
        """The step that decides."""
        self.is_admitted = self.world.counters.reserve(self.reservation).is_admitted
        again = self.world.held()
        if self.is_admitted:
            assert self.world.counters.reserve(self.reservation).is_admitted
        assert self.world.held() == again, "I4: a repeated reservation changed something"

    def bill(self) -> None:
        """The request is sent, and the provider bills it."""
        if self.is_admitted:
            self.world.billed += self.cost

    def settle(self) -> None:
        """The answer came; it is told a second time."""
        self._end(self.cost)

    def release(self) -> None:
        """The request was never sent."""
        self._end(0)

    def expire(self) -> None:
        """Somebody finds the owner gone, and somebody else finds it again."""
        if self.is_admitted and self.reservation.id in self.world.counters.open_ids:
            self.world.counters.expire([self.reservation.id])
            claim = self.reservation.claims[0]
            self.charged = claim.amount if claim.charges_lost else 0
            self.world.accounted += self.charged
            held = self.world.held()
            assert self.world.counters.expire([self.reservation.id]) == []
            assert self.world.held() == held, "I4: a repeated expiry changed something"

    def extend(self) -> None:
        """One more is needed, and if it is refused the call goes on with what it has."""
        if self.is_admitted:
            self.world.counters.extend(self.reservation.id, [self.reservation.claims[0]._replace(amount=1)])

    def _end(self, amount: int) -> None:
        if not self.is_admitted:
            return
        end = Settlement(self.reservation.id, (Charge(self.reservation.claims[0], amount, freezes=True),))
        assert self.world.counters.settle(end).is_applied
        self.world.accounted += amount - self.charged
        held = self.world.held()
        assert not self.world.counters.settle(end).is_applied
        assert self.world.held() == held, "I4: a repeated settlement changed something"


class CheckThenAct(Actor):
    """A broken actor: it asks whether its claim fits, and holds it in another step."""

    fits = False

    def reserve(self) -> None:
        spent, reserved, _ = self.world.held()
        self.fits = spent + reserved + self.reservation.claims[0].amount <= LIMIT

    def act(self) -> None:
        if self.fits:
            claims = (self.reservation.claims[0]._replace(refuses=False),)
            self.is_admitted = self.world.counters.reserve(self.reservation._replace(claims=claims)).is_admitted


class Refunding(Actor):
    """A broken actor: what it holds is given back when it is gone, although the provider has billed."""

    def __init__(self, world: World, amount: int, cost: int) -> None:
        super().__init__(world, amount, cost, charges_lost=False)


ENDS = {
    "settled": ("reserve", "bill", "settle"),
    "released": ("reserve", "release"),
    "extended": ("reserve", "extend", "bill", "settle"),
    "crashed": ("reserve", "bill", "expire"),
    "crashed before it was sent": ("reserve", "expire"),
    "thought dead": ("reserve", "bill", "expire", "settle"),
}


def orders(lengths: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every order in which actors with so many steps can take them, as the actors' numbers."""
    if not lengths:
        yield ()
        return
    *others, last = lengths
    total = sum(lengths)
    for order in orders(others):
        for places in combinations(range(total), last):
            rest, taken = iter(order), set(places)
            yield tuple(len(others) if place in taken else next(rest) for place in range(total))


def run_all(programs: Sequence[Sequence[str]], make: Callable[[World, int, int], Actor] = Actor) -> int:
    """Run every order of these actors' steps, and check after each step; how many orders there were."""
    count = 0
    for order in orders([len(program) for program in programs]):
        world = World()
        actors = [make(world, *AMOUNTS[number]) for number in range(len(programs))]
        taken: Counter[int] = Counter()
        for number in order:
            getattr(actors[number], programs[number][taken[number]])()
            taken[number] += 1
            world.check()
        world.check_end()
        count += 1
    return count


def test_every_order_is_enumerated_once() -> None:
    """A checker that skips an order proves nothing about it."""
    found = list(orders((3, 2, 2)))
    assert len(found) == len(set(found)) == 210
    assert {tuple(sorted(order)) for order in found} == {(0, 0, 0, 1, 1, 2, 2)}


def test_two_actors_keep_the_promises_in_every_order() -> None:
    """Every end of the one against every end of the other."""
    assert sum(run_all((ENDS[one], ENDS[other])) for one in ENDS for other in ENDS) == 864


@pytest.mark.parametrize(
    "ends", list(combinations_with_replacement(("settled", "released", "crashed"), 3)), ids="-".join
)
def test_three_actors_keep_the_promises_in_every_order(ends: tuple[str, ...]) -> None:
    """Three are enough for one to slip between two."""
    assert run_all([ENDS[end] for end in ends]) >= 90


@pytest.mark.parametrize("end", ["thought dead", "extended"])
def test_one_that_ends_late_or_needs_more_keeps_them_beside_two_others(end: str) -> None:
    """What was charged is replaced while others reserve, and what grows grows beside what is held."""
    assert run_all((ENDS[end], ENDS["settled"], ENDS["crashed"])) == 4200


def test_the_checker_finds_that_checking_and_acting_are_two_steps() -> None:
    """If this passed, the checker would see nothing: it is the fault by which counters overspend."""
    program = ("reserve", "act", "bill", "settle")
    with pytest.raises(AssertionError, match="I1"):
        run_all((program, program), CheckThenAct)


def test_the_checker_finds_that_a_lost_call_is_refunded() -> None:
    """The provider has billed the lost call, and the refund pays for one call too many."""
    with pytest.raises(AssertionError, match="I2: the provider"):
        run_all((ENDS["crashed"], ENDS["settled"], ENDS["settled"]), Refunding)
