"""Calls that a budget lets through without knowing what they cost are said to be missing, never shown as nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from langchain_costguard import Budget, track_costs
from langchain_costguard.guard import uncounted
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import ScriptedChatModel

BUDGETS: list[dict[str, Any]] = [{}, {"mode": "observe", "per": "24h"}, {"on_unknown": "reserved"}]


def asked(budget: Budget, model: str) -> Any:
    """How a budget stands after two calls to a model, and what the report says of it."""
    scripted: Any = ScriptedChatModel(responses=["It is."] * 2, model=model, provider="openai")
    with track_costs(InMemoryStore(), budgets=[budget], budget_store="memory") as costs:
        for _ in range(2):
            scripted.invoke("hello", max_tokens=10)
        return costs.budgets()[0], str(costs.report())


@pytest.mark.parametrize("settings", BUDGETS)
def test_calls_without_a_price_are_said_to_be_missing(settings: dict[str, Any]) -> None:
    """A budget that shows $0.00 spent reads as if nothing had been."""
    status, report = asked(Budget("0.01", **{"mode": "soft", **settings}), "nobody-knows-it")
    assert (status.spent, status.uncounted) == (Decimal(0), 2)
    assert "2 not counted, because what they cost is not known" in str(status)
    assert "does not count 2 calls of this process" in " ".join(report.split())


def test_calls_with_a_price_are_counted_and_nothing_is_missing() -> None:
    """The remark means something only where it is not always there."""
    status, report = asked(Budget("0.01", mode="soft"), "gpt-4o")
    assert status.spent > 0
    assert status.uncounted == 0
    assert "not count" not in report


def test_budgets_of_tokens_count_what_has_no_price() -> None:
    """Their unit is known."""
    status, _ = asked(Budget(tokens=1000, mode="soft"), "nobody-knows-it")
    assert status.spent > 0
    assert status.uncounted == 0


def test_only_the_calls_of_the_window_are_missing_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Yesterday's calls are yesterday's; and what is kept has an end."""
    monkeypatch.setattr(uncounted, "_MOST_KEPT", 2)
    store = InMemoryStore()
    (claim,) = Budget(1, per="day", mode="soft").claims(None, 0, 0)  # type: ignore[arg-type] # no scope asks for facts
    for slot_us in (1, 2, 2, 3):
        uncounted.note_uncounted(store, claim._replace(slot_us=slot_us))
    assert uncounted.uncounted_in(store, claim.counter, 2, 2) == 2
    assert uncounted.uncounted_in(store, claim.counter, 0, 9) == 3
    assert uncounted.uncounted_in(store, "other", 0, 9) == 0
