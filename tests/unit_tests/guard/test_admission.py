"""Admission: what is reserved covers everything that is sent, and what cannot be checked is not let through."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from langchain_costguard import Budget, BudgetAlert, BudgetExceededError, PriceBook, track_costs
from langchain_costguard.budgets import Scope
from langchain_costguard.guard import admission
from langchain_costguard.guard.bound import CallRequest, bound_call
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Reply, ScriptedChatModel


def model(*responses: Any) -> ScriptedChatModel:
    """A model that claims to be gpt-4o of OpenAI."""
    settings: dict[str, Any] = {"model_name": "gpt-4o", "provider": "openai"}
    return ScriptedChatModel(responses=list(responses) or [Reply("hello")], cycle=True, **settings)


TOOLS = {"tools": [{"type": "function", "function": {"name": "lookup", "description": "A long description. " * 50}}]}


@pytest.mark.parametrize("limit", [{}, {"max_tokens": 50}])
def test_tools_are_bounded_whether_or_not_the_answer_is_limited(limit: dict[str, int]) -> None:
    """They are input like any other: left out, a call costs more than was reserved for it."""
    prices = PriceBook()
    bare = bound_call(CallRequest("llm", "hello", limit, model="gpt-4o", provider="openai"), prices)
    with_tools = bound_call(CallRequest("llm", "hello", {**limit, **TOOLS}, model="gpt-4o", provider="openai"), prices)
    assert bare.input_tokens is not None
    assert with_tools.input_tokens is not None
    assert with_tools.input_tokens > bare.input_tokens + 900


def test_a_tier_that_only_the_run_names_is_bounded() -> None:
    """Priority costs more, also where nothing else is set."""
    prices = PriceBook()
    standard = bound_call(CallRequest("llm", "hello", model="gpt-5", provider="openai"), prices)
    fast = bound_call(CallRequest("llm", "hello", model="gpt-5", provider="openai", service_tier="priority"), prices)
    assert standard.nano_usd is not None
    assert fast.nano_usd is not None
    assert fast.nano_usd > standard.nano_usd


@pytest.mark.parametrize(
    ("budget", "settings", "is_refused"),
    [
        (Budget("1.00"), {}, True),
        (Budget("1.00"), {"on_store_error": "allow"}, False),
        (Budget("1.00", mode="soft"), {}, False),
    ],
)
def test_a_fault_while_checking_refuses_under_a_hard_budget(
    monkeypatch: pytest.MonkeyPatch, budget: Budget, settings: dict[str, Any], is_refused: bool
) -> None:
    """A budget that opens when it breaks is none; one that only watches never stops a call."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(admission, "bound_call", broken)
    with track_costs(InMemoryStore(), budgets=[budget], **settings) as costs:
        if is_refused:
            with pytest.raises(BudgetExceededError, match=r"ZeroDivisionError.*on_store_error='allow'"):
                model().invoke("hello")
        else:
            model().invoke("hello")
        assert len(costs.entries()) == (0 if is_refused else 1)
    assert costs.recorder.faults == (0 if is_refused else 1)


def test_a_prompt_that_fits_by_its_tokens_is_admitted() -> None:
    """The bound by bytes is only the first try: English has four of them to a token."""
    text = "The quick brown fox jumps over the lazy dog. " * 100
    prices = PriceBook()
    by_bytes = bound_call(CallRequest("llm", text, {"max_tokens": 10}, model="gpt-4o", provider="openai"), prices)
    assert by_bytes.tokens is not None
    with track_costs(InMemoryStore(), budgets=[Budget(tokens=by_bytes.tokens // 2)]) as costs:
        model().invoke(text, max_tokens=10)
        assert costs.budgets()[0].refused == 0
        assert costs.budgets()[0].reserved == 0


def test_the_strictest_of_equal_budgets_decides() -> None:
    """Two blocks with the same budget share its counter; the smaller limit holds."""
    store = InMemoryStore()
    with track_costs(store, budgets=[Budget(calls=5)]), track_costs(store, budgets=[Budget(calls=1)]) as inner:
        model().invoke("hello")
        with pytest.raises(BudgetExceededError) as caught:
            model().invoke("hello")
        assert caught.value.limit == 1
        assert [row.spent for row in inner.budgets()] == [1]


def test_a_refusal_by_one_store_gives_back_what_another_had_reserved() -> None:
    """Budgets of several blocks are all or nothing, wherever they are kept."""
    outer_budget, inner_budget = Budget("1.00"), Budget("0.00000001", name="small")
    with (
        track_costs(InMemoryStore(), budgets=[outer_budget]) as outer,
        track_costs(InMemoryStore(), budgets=[inner_budget]),
    ):
        with pytest.raises(BudgetExceededError):
            model().invoke("hello")
        (row,) = outer.budgets()
        assert (row.spent, row.reserved) == (Decimal(0), Decimal(0))


def test_a_refused_call_counts_once() -> None:
    """It is asked for twice, by its bytes and by its tokens: whoever reads the figure counts calls."""
    alerts: list[BudgetAlert] = []
    with track_costs(budgets=[Budget("0.0001", per="day")], store=InMemoryStore(), on_alert=alerts.append) as costs:
        with pytest.raises(BudgetExceededError):
            model().invoke("Why is the sky blue? " * 20, max_tokens=1000)
        assert costs.guard is not None
        assert costs.guard.flush(10)
        (status,) = costs.budgets()
    assert status.refused == 1
    assert [alert.kind for alert in alerts] == ["refused"]


def test_a_call_that_fits_by_its_tokens_is_no_refusal() -> None:
    """Its bytes alone do not fit: nobody is to be told of a refusal that never was."""
    prompt = "Why is the sky blue? " * 2000
    request = CallRequest("llm", prompt, {"max_tokens": 5}, model="gpt-4o", provider="openai")
    by_bytes, by_tokens = bound_call(request, PriceBook()), bound_call(request, PriceBook(), tight=True)
    assert by_bytes.nano_usd is not None
    assert by_tokens.nano_usd is not None
    between = Decimal(by_bytes.nano_usd + by_tokens.nano_usd) / 2 / 10**9
    budget = Budget(between.quantize(Decimal("0.000001")), per="day")
    with track_costs(budgets=[budget], store=InMemoryStore(), on_alert=[]) as costs:
        model().invoke(prompt, max_tokens=5)
        (status,) = costs.budgets()
    assert status.refused == 0
    assert status.spent is not None
    assert status.spent > 0


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (Budget("0.01", name="team"), Budget(calls=1000, name="team")),
        (Budget(1, per="day", name="team"), Budget(1, per="month", name="team")),
        (Budget(1, per="day", name="team"), Budget(1, per="day", tz="Asia/Tokyo", name="team")),
        (Budget(1, name="team"), Budget(1, each="user", on_missing="shared", name="team")),
        (Budget(1, name="team"), Budget(9, scope=~Scope.tag("x"), name="team")),
        (Budget(1, name="team"), Budget(tokens=10**6, name="team", mode="observe")),
        (Budget(1, name="team"), Budget(2, name="team", on_unknown="estimate")),
    ],
)
def test_budgets_of_two_handlers_that_share_a_counter_and_not_its_rules_refuse_the_call(
    outer: Budget, inner: Budget
) -> None:
    """Only one of them could be in force, and nobody would learn which."""
    store, asked = InMemoryStore(), model()
    for first, second in ((outer, inner), (inner, outer)):
        with track_costs(store, budgets=[first]) as costs, track_costs(store, budgets=[second]):
            with pytest.raises(BudgetExceededError, match=r"under 'team'.*name=") as caught:
                asked.invoke("hello")
            assert caught.value.reason == "contradiction"
            assert [(row.spent, row.reserved) for row in costs.budgets()] in ([], [(0, 0)])
    assert not asked.calls


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (Budget(1, name="team"), Budget(2, name="team", mode="soft", alerts_at=[0.1])),
        (Budget(1, tz="Asia/Tokyo"), Budget(1)),
        (Budget(1, name="team", mode="soft"), Budget(calls=5, name="team", mode="soft")),
    ],
)
def test_budgets_that_count_the_same_or_refuse_nothing_let_calls_through(outer: Budget, inner: Budget) -> None:
    """A limit, a mode and alerts may differ, and a time zone where it says nothing; the last are not both counted."""
    store = InMemoryStore()
    with track_costs(store, budgets=[outer]) as first, track_costs(store, budgets=[inner]) as second:
        model().invoke("hello")
        assert first.guard is not None
        assert second.guard is not None
        assert first.guard.unchecked + second.guard.unchecked == (1 if outer.unit != inner.unit else 0)
