"""What admission asks of a store, and which of several answers counts."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from langchain_core.messages import HumanMessage

from langchain_costguard import Budget, BudgetExceededError, InMemoryStore, PriceBook
from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.exceptions import BudgetStoreError, StoreError
from langchain_costguard.guard import admission
from langchain_costguard.guard.admission import Candidate, admit, release
from langchain_costguard.guard.bound import CallRequest, bound_call
from langchain_costguard.guard.guard import BudgetGuard
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.pricing import per_token
from langchain_costguard.pricing.quotes import OVERRIDE
from langchain_costguard.pricing.rates import card_of

if TYPE_CHECKING:
    from langchain_costguard.budgets.claims import Admission, Reservation, Settled, Settlement
    from langchain_costguard.guard.holds import Hold

PRICES = PriceBook({"mine": per_token(1, 2)})
REQUEST = CallRequest("chat", [], {"max_tokens": 1000}, model="mine")
OPENING = LedgerEntry(run_id=UUID(int=1), started_at_us=0, kind="chat", status="open")


class Noting(InMemoryStore):
    """A store that notes what it is asked, and may be down."""

    def __init__(self, *, is_down: bool = False) -> None:
        super().__init__(clock=lambda: 1_000)
        self.asked: list[tuple[str, float | None, bool]] = []
        self.is_down = is_down

    def reserve(self, reservation: Reservation, *, wait_seconds: float | None = None) -> Admission:
        self.asked.append(("reserve", wait_seconds, bool(reservation.is_tentative)))
        if self.is_down:
            msg = "the store is down: start it"
            raise StoreError(msg)
        return super().reserve(reservation)

    def reserve_opening(
        self, reservation: Reservation, opening: LedgerEntry, *, wait_seconds: float | None = None
    ) -> Admission:
        self.asked.append(("opening", wait_seconds, bool(reservation.is_tentative)))
        return super().reserve_opening(reservation, opening)

    def settle(self, settlement: Settlement) -> Settled:
        self.asked.append(("settle", None, False))
        if self.is_down:
            msg = "the store is down: start it"
            raise StoreError(msg)
        return super().settle(settlement)


def ask(*guards: BudgetGuard, held: list[Hold] | None = None, **candidate: Any) -> list[Hold]:
    """Have a call admitted by these guards."""
    facts = {"request": REQUEST, "facts": CallFacts(), "wait_seconds": 1.5, "opening": lambda _: None, **candidate}
    return admit(Candidate(**facts), guards, held or [])


def guard(store: Noting, *budgets: Budget, **settings: Any) -> BudgetGuard:
    """Budgets in force."""
    return BudgetGuard(budgets, store, PRICES, **settings)


def test_a_store_is_asked_once_and_waited_for_as_long_as_the_call_can_wait() -> None:
    """An event loop cannot wait for seconds."""
    store = Noting()
    ask(guard(store, Budget(1)))
    assert store.asked == [("reserve", 1.5, True)]


def test_the_beginning_of_a_call_is_noted_with_its_reservation_in_one_step() -> None:
    """Otherwise a process that dies between both leaves money held that no line explains."""
    store = Noting()
    ask(guard(store, Budget(1)), opening=lambda _: OPENING)
    assert store.asked[0] == ("opening", 1.5, True)


def test_a_refusal_is_first_tried_out_then_counted_after_room_was_made() -> None:
    """Calls that will not report their end hold money that is free."""
    store, made = Noting(), list[int]()
    with pytest.raises(BudgetExceededError):
        ask(guard(store, Budget("0.000001")), make_room=lambda: made.append(1))
    assert [tentative for _, _, tentative in store.asked] == [True, False]
    assert made == [1]
    assert [state.refused for state in store.counters()] == [1]


@pytest.mark.parametrize("mode", ["hard", "soft"])
@pytest.mark.parametrize("on_store_error", ["block", "allow"])
def test_a_store_that_is_down_refuses_only_for_a_hard_budget_that_blocks(mode: Any, on_store_error: Any) -> None:
    """A budget that only watches never stops a call; one that was told to let it through counts that it did."""
    store = Noting(is_down=True)
    watching = guard(store, Budget(1, mode=mode), on_store_error=on_store_error)
    if mode == "hard" and on_store_error == "block":
        with pytest.raises(BudgetStoreError):
            ask(watching)
        assert watching.unchecked == 0
    else:
        (hold,) = ask(watching)
        assert (hold.reservation_id, watching.unchecked) == ("", 1)


def test_what_was_reserved_in_one_store_is_given_back_where_another_refuses() -> None:
    """All budgets or none: half of an admission would hold money for a call that was never made."""
    first, second = Noting(), Noting()
    with pytest.raises(BudgetExceededError):
        ask(guard(first, Budget(1)), guard(second, Budget("0.000001")))
    assert first.asked[-1][0] == "settle"
    assert [(state.spent, state.reserved) for state in first.counters()] == [(0, 0)]


def test_a_release_that_the_store_does_not_take_is_counted_and_not_raised() -> None:
    """The lease gives it back; the call's own error is the one to be seen."""
    store = Noting()
    watching = guard(store, Budget(1))
    holds = ask(watching)
    store.is_down = True
    release(holds)
    assert watching.unchecked == 1
    release(holds)
    assert store.asked.count(("settle", None, False)) == 1


def test_of_equal_budgets_the_strictest_is_asked_and_a_counter_that_is_held_is_not_asked_again() -> None:
    """Two handlers with one budget are one budget."""
    store = Noting()
    wide, tight = guard(store, Budget(2, name="b")), guard(store, Budget(1, name="b"))
    (hold,) = ask(wide, tight)
    assert [claim.limit for claim in hold.claims] == [10**9]
    assert (hold.guard, ask(wide, tight, held=[hold])) == (tight, [])


def test_a_soft_budget_reserves_nothing_for_what_has_no_bound() -> None:
    """It watches what was used; refusing a call that cannot be bounded is for hard ones."""
    store = Noting()
    request = CallRequest("chat", [], model="nobody/knows-it")
    (hold,) = ask(guard(store, Budget(1, mode="soft")), request=request)
    assert [claim.amount for claim in hold.claims] == [0]
    with pytest.raises(BudgetExceededError):
        ask(guard(store, Budget(1, name="hard")), request=request)


def test_each_kind_of_budget_reserves_in_its_own_unit() -> None:
    """A call is one call; its tokens and its dollars are the bound's."""
    bound = bound_call(REQUEST, PRICES)
    (hold,) = ask(guard(Noting(), Budget(1), Budget(tokens=10**6), Budget(calls=9)))
    assert [claim.amount for claim in hold.claims] == [bound.nano_usd, bound.tokens, 1]


def test_a_budget_for_other_calls_is_not_asked() -> None:
    """Its store may be far away."""
    store = Noting()
    assert ask(guard(store, Budget(1, scope={"user": "bob"}))) == []
    assert store.asked == []


def test_a_price_that_says_nothing_about_input_is_no_bound() -> None:
    """The message names what is missing."""
    card = card_of((*[None] * 5, *[Decimal(1)] * 3), source=OVERRIDE)
    book = PriceBook({"odd": card})
    bound = bound_call(REQUEST._replace(model="odd"), book)
    assert (bound.nano_usd, bound.reason) == (None, "unpriced")
    assert bound.problem is not None
    assert bound.problem.startswith("the price of odd says nothing about uncached_input, or set prices=")


def test_thinking_that_no_limit_covers_is_left_out_of_the_limit_that_fits() -> None:
    """Gemini thinks on top of its limit: an answer as long as the money lasts would overrun by that."""
    request = CallRequest("chat", [], {"max_tokens": 8000, "thinking_budget": 1000}, None, "gemini-2.5-flash", "google")
    bound = bound_call(request, PriceBook())
    assert bound.nano_usd is not None
    assert bound.work is not None
    assert bound.work.beside == 1000
    fitting = bound.output_that_fits(bound.nano_usd // 2)
    assert fitting is not None
    limited = bound_call(request._replace(params={**request.params, "max_tokens": fitting}), PriceBook())
    longer = bound_call(request._replace(params={**request.params, "max_tokens": fitting + 1}), PriceBook())
    assert limited.nano_usd is not None
    assert longer.nano_usd is not None
    assert limited.nano_usd <= bound.nano_usd // 2 < longer.nano_usd


def test_all_the_money_there_is_needs_no_shorter_answer() -> None:
    """A limit that equals the one in force is no advice."""
    bound = bound_call(REQUEST, PRICES)
    assert bound.nano_usd is not None
    assert bound.output_that_fits(bound.nano_usd) is None
    assert bound.output_that_fits(bound.nano_usd - 2_000) == 999
    assert bound.output_that_fits(0) is None


def test_two_stores_on_one_file_are_one_place_and_two_in_memory_are_two() -> None:
    """Two handlers that opened the same file share its budgets."""
    first, second = (SimpleNamespace(location="costs.db", is_durable=True) for _ in range(2))
    assert admission._place(first) == admission._place(second)  # type: ignore[arg-type]  # what it asks is there
    one, other = Noting(), Noting()
    assert admission._place(one) != admission._place(other)


def test_a_prompt_is_tokenized_where_its_bytes_do_not_fit() -> None:
    """A byte for a token is safe and three times too much."""
    request = CallRequest("chat", [HumanMessage("hello " * 1000)], {"max_tokens": 10}, None, "gpt-4o", "openai")
    wide, tight = (bound_call(request, PRICES, tight=tight).tokens for tight in (False, True))
    assert wide is not None
    assert tight is not None
    assert tight < wide
    (hold,) = ask(guard(Noting(), Budget(tokens=tight)), request=request)
    assert [claim.amount for claim in hold.claims] == [tight]
    with pytest.raises(BudgetExceededError):
        ask(guard(Noting(), Budget(tokens=tight - 1)), request=request)


def test_soft_budgets_that_contradict_are_counted_each_time() -> None:
    """Only the first one watches, and somebody should know how often."""
    store = Noting()
    first = guard(store, Budget(1, mode="soft", name="b"))
    other = guard(store, Budget(tokens=5, mode="soft", name="b"))
    for _ in range(2):
        (hold,) = ask(first, other)
        assert [claim.unit for claim in hold.claims] == ["usd"]
    assert (first.unchecked, other.unchecked) == (0, 2)


def test_an_answer_shows_what_is_billed_only_where_one_is_made_and_nothing_is_thought() -> None:
    """By its length an answer is charged whose usage nobody reported."""
    base = CallRequest("chat", [], {"max_tokens": 100}, None, "gpt-4o", "openai")
    assert bound_call(base, PRICES).answered(10) is not None
    assert bound_call(base._replace(params={"max_tokens": 100, "n": 2}), PRICES).answered(10) is None
    assert bound_call(base._replace(params={"max_tokens": 100, "audio": {"voice": "a"}}), PRICES).answered(10) is None
    assert bound_call(base._replace(model="gpt-5"), PRICES).answered(10) is None
    embedded = CallRequest("embedding", "abc", {}, None, "text-embedding-3-small", "openai")
    assert bound_call(embedded, PRICES).answered(0) is not None


def test_only_a_model_that_speaks_is_bounded_at_the_rate_of_speech() -> None:
    """A token of speech costs several of text."""
    dear = per_token(1, 2, audio_output_usd_per_mtok=9)
    book = PriceBook({"mine": dear, "mine-audio": dear})
    text, speech = (bound_call(REQUEST._replace(model=model), book) for model in ("mine", "mine-audio"))
    assert text.nano_usd is not None
    assert speech.nano_usd == text.nano_usd + 1000 * 7_000
