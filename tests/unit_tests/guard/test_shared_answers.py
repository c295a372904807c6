"""One answer that bills several prompts: what goes beyond one reservation is charged to the others that have room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langchain_costguard import Budget, InMemoryStore, PriceBook
from langchain_costguard.budgets.claims import Charge, Settlement
from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.guard.bound import CallBound
from langchain_costguard.guard.guard import BudgetGuard
from langchain_costguard.guard.holds import Ending, Hold
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.usage import TokenUsage

STORE = InMemoryStore(clock=lambda: 0)
TOKENS, CALLS = Budget(tokens=1000), Budget(calls=10)
ANSWERED = Ending("ok", is_unbilled=False, is_reported=True, has_output=True, output_bytes=0, latency_ns=0)


def hold(reserved: int = 100, *budgets: Budget, store: InMemoryStore = STORE, key: str = "call") -> Hold:
    """What one prompt has reserved."""
    budgets = budgets or (TOKENS,)
    claims = tuple(claim for budget in budgets for claim in budget.claims(CallFacts(), reserved, 0))
    return Hold(BudgetGuard(budgets, store, PriceBook()), store, key, claims, budgets, CallBound())


def line(tokens: int) -> LedgerEntry:
    """The line of an answer of so many tokens."""
    usage = TokenUsage(output_text=tokens)
    return LedgerEntry(run_id=UUID(int=1), started_at_us=0, kind="llm", status="ok", usage=usage)


def charged(settled: Any) -> list[int]:
    """What a step charges, claim by claim."""
    return [charge.amount for charge in (settled.charges if isinstance(settled, Settlement) else settled)]


def test_what_goes_beyond_one_reservation_is_charged_to_its_siblings_in_turn() -> None:
    """Charged to the first alone it would be an overrun, which freezes the budget, though all of it was reserved."""
    first, second, third = hold(), hold(), hold()
    first.siblings = (second, third)
    assert charged(first.settlement(line(250), ANSWERED)) == [100]
    assert charged(second.settlement(line(0), ANSWERED)) == [100]
    assert charged(third.settlement(line(0), ANSWERED)) == [50]


def test_what_goes_beyond_all_reservations_stays_with_the_first() -> None:
    """That much is an overrun, and is told as one."""
    first, second = hold(), hold()
    first.siblings = (second,)
    assert charged(first.settlement(line(230), ANSWERED)) == [130]
    assert charged(second.settlement(line(0), ANSWERED)) == [100]


def test_what_fits_stays_where_it_was_used() -> None:
    """Only the rest is shared."""
    first, second = hold(), hold()
    first.siblings = (second,)
    assert charged(first.settlement(line(100), ANSWERED)) == [100]
    assert charged(second.settlement(line(7), ANSWERED)) == [7]


def test_a_sibling_that_has_ended_or_is_kept_elsewhere_takes_nothing() -> None:
    """Its reservation is gone; charging it would spend what nobody holds."""
    first, ended, elsewhere, open_ = hold(), hold(), hold(store=InMemoryStore(clock=lambda: 0)), hold()
    ended.settlement(line(1), ANSWERED)
    first.siblings = (ended, elsewhere, open_)
    assert charged(first.settlement(line(150), ANSWERED)) == [100]
    assert (ended.carried, elsewhere.carried, open_.carried) == (None, None, [50])


def test_each_budget_shares_by_itself() -> None:
    """Tokens that go beyond say nothing of calls, and a sibling may be meant by fewer budgets."""
    first, second = hold(100, CALLS, TOKENS), hold(100, TOKENS)
    first.siblings = (second,)
    assert charged(first.settlement(line(160), ANSWERED)) == [1, 100]
    assert charged(second.settlement(line(0), ANSWERED)) == [60]


def test_a_later_ending_charges_the_difference_only() -> None:
    """The provider's last word comes after the first settlement."""
    call = hold()
    assert charged(call.settlement(line(40), ANSWERED)) == [40]
    assert call.settlement(line(55), ANSWERED) == [Charge(call.claims[0], 15)]
    assert call.settlement(line(55), ANSWERED) == []
    assert call.charged == (55,)


def test_a_call_without_a_reservation_is_charged_as_it_is() -> None:
    """The store did not answer and the guard let it through: its charge is all there is."""
    call = hold(key="")
    assert call.settlement(line(40), ANSWERED) == [Charge(call.claims[0], 40)]


def test_a_hard_budget_is_frozen_by_an_overrun_and_a_soft_one_is_not() -> None:
    """A soft one refuses nothing, frozen or not."""
    soft = Budget(tokens=500, mode="soft", name="soft")
    settled = hold(100, TOKENS, soft).settlement(line(40), ANSWERED)
    assert isinstance(settled, Settlement)
    assert [charge.freezes for charge in settled.charges] == [True, False]


def test_a_call_that_was_never_made_gives_everything_back() -> None:
    """Whatever it had carried for others, nothing of it was used here."""
    call = hold(100, TOKENS, CALLS)
    assert call.release() == Settlement("call", tuple(Charge(claim, 0) for claim in call.claims))
    assert call.charged == (0, 0)
