"""What the budgets of a call are told when it ends, and what becomes of it while their store does not answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from langchain_costguard import Budget, InMemoryStore, PriceBook, TokenUsage
from langchain_costguard.budgets.claims import Charge, Crossing, Settled, Settlement
from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.cost import Cost
from langchain_costguard.exceptions import StoreError
from langchain_costguard.guard.bound import CallBound
from langchain_costguard.guard.guard import BudgetGuard
from langchain_costguard.guard.holds import Ending, Hold
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.recorder import Outcome, StartedCall, settling
from langchain_costguard.recorder.settling import Due, Settler, deliver_pending, dues_of, ending_of
from langchain_costguard.testing.claims import make_claim


class Store(InMemoryStore):
    """A store that notes what it is told, and may be down."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: 0)
        self.told: list[Any] = []
        self.is_down = False

    def settle(self, settlement: Settlement) -> Settled:
        self._note(settlement.reservation_id)
        return Settled(is_applied=True, crossings=(CROSSING,))

    def charge(self, charges: Any) -> tuple[Crossing, ...]:
        self._note(tuple(charge.amount for charge in charges))
        return (CROSSING,)

    def _note(self, what: object) -> None:
        if self.is_down:
            msg = "the store is down: start it"
            raise StoreError(msg)
        self.told.append(what)


class Guard(BudgetGuard):
    """A guard that notes what it is told."""

    def __init__(self, store: Store) -> None:
        super().__init__(BUDGET, store, PriceBook())
        self.told: list[Any] = []

    def tell(self, crossings: Any) -> None:
        self.told += crossings


class Outbox:
    """A ledger that keeps settlements for others."""

    def __init__(self, *pending: tuple[Settlement, str]) -> None:
        self.pending = list(pending)
        self.done: list[str] = []

    def pending_settlements(self) -> list[tuple[Settlement, str]]:
        return self.pending

    def settled(self, reservation_id: str) -> None:
        self.done.append(reservation_id)


BUDGET = Budget(tokens=100, name="b")
CROSSING = Crossing(make_claim(), "overrun", 1_000_000, 100, 100, 0)


def due(store: Store, key: str = "call", *, step: Any = None, outbox: Any = None) -> Due:
    """What is due for one call."""
    hold = Hold(Guard(store), store, key, BUDGET.claims(CallFacts(), 10, 0), (BUDGET,), CallBound())
    return Due(hold, Settlement(key, ()) if step is None else step, outbox)


def test_a_settlement_is_told_to_its_store_then_its_outbox_and_its_guard() -> None:
    """In this order: what the outbox forgot before the store had it would be lost."""
    store, known = Store(), []

    class Watching(Outbox):
        def settled(self, reservation_id: str) -> None:
            known.append([*store.told])
            super().settled(reservation_id)

    outbox = Watching()
    one = due(store, outbox=outbox)
    Settler().carry_out(one)
    assert known == [["call"]], "the store had it when the outbox was told"
    assert (store.told, outbox.done, one.hold.guard.told) == (["call"], ["call"], [CROSSING])


def test_an_outbox_that_fails_is_named_and_not_the_budgets_store() -> None:
    """Who reads the error looks where the fault is."""

    class Broken(Outbox):
        def settled(self, reservation_id: str) -> None:
            raise KeyError(reservation_id)

    store = Store()
    with pytest.raises(StoreError, match=r"^Broken raised KeyError"):
        due(store, outbox=Broken()).carry_out()
    assert store.told == ["call"]


def test_what_nobody_reserved_is_charged() -> None:
    """It has no reservation that could be settled."""
    store = Store()
    one = due(store, step=[Charge(make_claim(), 7)])
    Settler().carry_out(one)
    assert (store.told, one.hold.guard.told) == ([(7,)], [CROSSING])


def test_what_a_store_would_not_take_waits_in_order_until_it_does() -> None:
    """Until then the budget stands too high, never too low."""
    store, settler, outbox = Store(), Settler(), Outbox()
    store.is_down = True
    for key in "abc":
        settler.carry_out(due(store, key, outbox=outbox))
    assert (len(settler), settler.retry(), len(settler)) == (3, False, 3)
    store.is_down = False
    assert (settler.retry(), len(settler), store.told) == (True, 0, ["a", "b", "c"])
    assert outbox.done == ["a", "b", "c"]
    assert settler.retry() is True


def test_a_settlement_that_its_store_always_refuses_keeps_no_other_waiting() -> None:
    """The others' reservations would stay open until their leases end."""

    class Picky(Store):
        def settle(self, settlement: Settlement) -> Settled:
            if settlement.reservation_id.startswith("bad"):
                raise KeyError(settlement.reservation_id)
            return super().settle(settlement)

    store, settler = Picky(), Settler()
    store.is_down = True
    for key in ("bad 1", "bad 2", "a", "bad 3", "b"):
        settler.carry_out(due(store, key))
    store.is_down = False
    assert settler.retry() is False
    assert (store.told, len(settler)) == (["a", "b"], 3)


def test_no_more_wait_than_the_limit_and_the_oldest_are_left_to_their_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that never comes back must not fill the memory."""
    monkeypatch.setattr(settling, "WAITING_LIMIT", 2)
    store, settler = Store(), Settler()
    store.is_down = True
    for key in "abc":
        settler.carry_out(due(store, key))
    store.is_down = False
    assert (len(settler), settler.retry(), store.told) == (2, True, ["b", "c"])


def test_what_a_dead_process_left_is_delivered_to_the_store_it_is_for() -> None:
    """Another store would take it for unknown, and the money would stay held."""
    store = Store()
    outbox = Outbox((Settlement("mine", ()), store.location), (Settlement("other", ()), "elsewhere"))
    assert deliver_pending(outbox, store) == 1  # type: ignore[arg-type]  # what it asks of an outbox is there
    assert (store.told, outbox.done) == (["mine"], ["mine"])


# -- endings --------------------------------------------------------------------------------------------------------


def ended(
    kind: Any = "chat", method: str | None = None, *, first_token_ns: int | None = None, **outcome: Any
) -> Ending:
    """How a call ended that began at 100 ns."""
    call = StartedCall(UUID(int=1), kind, "text", str)
    call.started_ns, call.first_token_ns = 100, first_token_ns
    entry = LedgerEntry(run_id=UUID(int=1), started_at_us=0, kind=kind, status="ok", estimate_method=method)
    return ending_of(call, Outcome(**{"status": "ok", **outcome}), 350, entry)


def test_an_ending_says_what_its_budgets_care_for() -> None:
    """The length of what was answered, how long it took, and how often it was tried."""
    ending = ended(status="error", output_text="zwölf", is_unbilled=True, retries=2)
    assert ending == Ending("error", True, False, True, 6, 250, 2)  # noqa: FBT003 - in the order of its fields


@pytest.mark.parametrize(
    ("ending", "reported"),
    [
        (ended(usage=TokenUsage(1)), True),
        (ended(cost=Cost(5)), True),
        (ended(), False),
        (ended("embedding", "tiktoken:cl100k_base"), True),
        (ended("embedding", "tiktoken:cl100k_base", status="error"), False),
        (ended("embedding", "bytes/4"), False),
        (ended("embedding"), False),
        (ended("chat", "tiktoken:cl100k_base"), False),
    ],
)
def test_usage_is_known_where_it_was_reported_or_counted_as_the_provider_counts(
    ending: Ending, *, reported: bool
) -> None:
    """Embeddings are charged by the tokens of their texts; an answer's are known to the provider alone."""
    assert ending.is_reported is reported


def test_an_answer_has_begun_with_its_first_token() -> None:
    """An agent's tool call has no text, and is billed."""
    assert [ended().has_output, ended(first_token_ns=120).has_output, ended(output_text="a").has_output] == [
        *(False, True, True)
    ]


def test_every_hold_of_a_call_is_settled() -> None:
    """One of several stores that is not told keeps the money held."""
    first, second = due(Store(), "a").hold, due(Store(), "b").hold
    entry = LedgerEntry(run_id=UUID(int=1), started_at_us=0, kind="chat", status="ok", usage=TokenUsage(3))
    call = StartedCall(UUID(int=1), "chat", "text", str)
    dues = dues_of(call, Outcome("ok", TokenUsage(3)), call.started_ns + 1, entry, [first, second])
    assert [(one.hold, one.step.reservation_id, one.step.charges[0].amount) for one in dues] == [
        (first, "a", 3),
        (second, "b", 3),
    ]
