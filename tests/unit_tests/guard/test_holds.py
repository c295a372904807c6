"""What a call is charged when it ends, above all where part of what happened is not known."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import pytest

from langchain_costguard import Budget
from langchain_costguard.budgets.claims import Settlement
from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.guard.bound import CallBound, CallRequest, bound_call
from langchain_costguard.guard.guard import BudgetGuard
from langchain_costguard.guard.holds import Ending, Hold
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.usage import TokenUsage

BOOK = PriceBook()
BOUND = bound_call(
    CallRequest("chat", "hello", {"max_tokens": 100, "max_retries": 2}, model="gpt-4o", provider="openai"), BOOK
)
SECOND = 10**9


def charged(bound: CallBound = BOUND, budget: Budget | None = None, entry: Any = None, **ending: Any) -> int:
    """What a call that had reserved its bound is charged."""
    budget = Budget(1) if budget is None else budget
    store = InMemoryStore(clock=lambda: 0)
    guard = BudgetGuard(budget, store, BOOK)
    amount = bound.nano_usd if budget.unit == "usd" else bound.tokens
    assert amount is not None
    hold = Hold(guard, store, "call", budget.claims(CallFacts(), amount, 0), (budget,), bound)
    how: dict[str, Any] = {"status": "error", "is_unbilled": False, "is_reported": False, "has_output": False}
    line = LedgerEntry(run_id=UUID(int=1), started_at_us=0, kind="chat", status="ok", **(entry or {}))
    step = hold.settlement(line, Ending(**{**how, "output_bytes": 0, "latency_ns": SECOND, **ending}))
    assert isinstance(step, Settlement)
    return step.charges[0].amount


ATTEMPT = BOUND.nano_usd_per_attempt or 0
ANSWER = {"usage": TokenUsage(uncached_input=5, output_text=10), "billed_nano": 112_500}


def test_attempts_before_a_refused_one_are_charged_because_they_may_have_been_billed() -> None:
    """A dropped connection and then a 429: only the 429 is known to cost nothing."""
    assert BOUND.attempts == 3
    assert charged(is_unbilled=True, retries=0) == 0
    assert charged(is_unbilled=True, retries=1) == ATTEMPT
    assert charged(is_unbilled=True, retries=9) == 2 * ATTEMPT
    assert charged(budget=Budget(1, on_unknown="estimate"), is_unbilled=True, retries=2) == 0


def test_a_failure_that_says_how_often_it_was_tried_is_charged_for_so_many_attempts() -> None:
    """The retries that were not taken cost nothing."""
    assert [charged(retries=retries) for retries in (0, 1, 2)] == [ATTEMPT, 2 * ATTEMPT, 3 * ATTEMPT]
    assert charged(retries=None) == 3 * ATTEMPT


@pytest.mark.parametrize(
    ("timeout_seconds", "hidden"), [(0.4, 2), (0.6, 1), (2.0, 0), (0.0, 2), (math.inf, 0), (None, 0)]
)
def test_every_timeout_that_fits_into_the_time_may_have_been_an_attempt(
    timeout_seconds: float | None, hidden: int
) -> None:
    """A timeout that cannot be read is 0, and any time may hold all of them; one without end holds none."""
    bound = BOUND._replace(timeout_seconds=timeout_seconds)
    answered: dict[str, Any] = {"status": "ok", "is_reported": True, "has_output": True, "entry": ANSWER}
    assert charged(bound, **answered) == 112_500 + hidden * ATTEMPT


SILENT = {"usage": TokenUsage(uncached_input=5), "billed_nano": 12_500, "list_nano": 12_500}
ANSWERED: dict[str, Any] = {"status": "ok", "is_reported": True, "has_output": True, "latency_ns": 0}


def test_an_answer_that_is_reported_as_no_tokens_is_charged_by_its_length() -> None:
    """Some servers count nothing; a budget that believed them would never end."""
    most = BOUND.answered(20)
    assert most is not None
    assert charged(entry=SILENT, **ANSWERED, output_bytes=20) == most[0] > 12_500
    assert charged(budget=Budget(tokens=10**6), entry=SILENT, **ANSWERED, output_bytes=20) == most[1]
    assert charged(entry=SILENT, **ANSWERED, output_bytes=0) == 12_500
    assert charged(budget=Budget(1, on_unknown="estimate"), entry=SILENT, **ANSWERED, output_bytes=20) == 12_500


def test_a_cost_of_nothing_is_believed_only_of_what_has_a_price_of_nothing() -> None:
    """A gateway that writes 0 where it does not know would make every call free."""
    denied = {**ANSWER, "billed_nano": 0, "reported_nano": 0, "list_nano": 112_500}
    assert charged(entry=denied, **ANSWERED) == 112_500
    assert charged(entry={**denied, "list_nano": 0}, **ANSWERED) == 0
    assert charged(budget=Budget(1, on_unknown="estimate"), entry=denied, **ANSWERED) == 0
    unknown = {**ANSWERED, "is_reported": False, "output_bytes": 20}
    most = BOUND.answered(20)
    assert most is not None
    assert charged(entry=denied, **unknown) == most[0]


def test_a_budget_of_calls_counts_those_that_are_billed() -> None:
    """A refused request is no call."""
    calls = Budget(calls=9)
    bound = BOUND._replace(tokens=1)
    assert charged(bound, calls, entry={"calls": 2}) == 2
    assert charged(bound, calls, entry={"calls": 2}, is_unbilled=True) == 0


def test_an_estimate_of_what_nobody_counted_is_nothing() -> None:
    """A budget that estimates charges what the line says, and the line says nothing."""
    assert charged(budget=Budget(tokens=10**6, on_unknown="estimate")) == 0
    assert charged(budget=Budget(1, on_unknown="estimate")) == 0
    known = {"usage": TokenUsage(uncached_input=5, output_text=10)}
    assert charged(budget=Budget(tokens=10**6, on_unknown="estimate"), entry=known) == 15


def test_a_free_model_whose_usage_was_not_reported_is_still_free() -> None:
    """A cost of nothing at a price of nothing is no denial."""
    free = {**ANSWER, "billed_nano": 0, "reported_nano": 0, "list_nano": 0}
    assert charged(entry=free, **{**ANSWERED, "is_reported": False, "output_bytes": 20}) == 0
