"""Budgets whose store is in trouble: closed by default, open where asked for, and settled exactly once afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import Budget, BudgetExceededError, BudgetStoreError, CostCallbackHandler, Prepaid, track_costs
from langchain_costguard.exceptions import StoreError
from langchain_costguard.pricing import Credit
from langchain_costguard.recorder.settling import deliver_pending
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.stores.opening_budgets import open_budget_store
from tests.servers import valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_costguard.testing import LoopbackProvider

_OUR_WARNING = "ignore::langchain_costguard.exceptions.UntrackedStoreWarning"


def chat(provider: LoopbackProvider, **settings: Any) -> Any:
    """A chat model whose calls are bounded by a short answer, sent once."""
    return provider.chat_model(**{"max_tokens": 50, "max_retries": 0, **settings})


def standing(costs: CostCallbackHandler) -> tuple[Any, Any]:
    """What the first budget holds: spent and reserved."""
    costs.flush()
    row = costs.budgets()[0]
    return row.spent, row.reserved


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else writes to the file, and takes their time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_locked_file_refuses_at_once_on_an_event_loop(provider: LoopbackProvider, tmp_path: Path) -> None:
    """Other tasks of the loop must go on; the call is not made unchecked."""
    place = tmp_path / "costs.db"
    handler = CostCallbackHandler(place, budgets=[Budget("1.00")])
    chat(provider).invoke("hello", {"callbacks": [handler]})
    spent = standing(handler)
    gaps: list[float] = []

    async def tick() -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(0)  # lets others run
            now = time.monotonic()
            gaps.append(now - before)
            before = now

    async def run() -> None:
        ticking = asyncio.create_task(tick())
        model = chat(provider)
        for _ in range(5):
            await asyncio.sleep(0)  # lets others run
            with pytest.raises(BudgetStoreError, match="on_store_error='allow'"):
                await model.ainvoke("hello", {"callbacks": [handler]})
        ticking.cancel()

    with locked(place):
        asyncio.run(run())
    assert gaps
    assert max(gaps) < 2  # a store's own patience is several times that
    assert len(provider.requests) == 1
    assert standing(handler) == spent


@pytest.mark.filterwarnings(_OUR_WARNING)
def test_a_locked_file_may_let_calls_through(provider: LoopbackProvider, tmp_path: Path) -> None:
    """Where availability counts more; what they cost is booked and charged once the file is free."""
    place = tmp_path / "costs.db"
    handler = CostCallbackHandler(place, budgets=[Budget("1.00")], on_store_error="allow")

    async def run() -> None:
        await chat(provider).ainvoke("hello", {"callbacks": [handler]})

    with locked(place):
        asyncio.run(run())
    assert handler.guard is not None
    assert handler.guard.unchecked == 1
    assert standing(handler) == (provider.billed, Decimal(0))
    assert handler.flush()
    assert standing(handler) == (provider.billed, Decimal(0))


class _Outage:
    """Has one store fail whenever it is asked, for as long as it is `on`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Any, *names: str) -> None:
        self.on = False
        for name in names:
            monkeypatch.setattr(store, name, self._failing(getattr(store, name)))

    def _failing(self, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.on:
                msg = "no answer"
                raise StoreError(msg)
            return method(*args, **kwargs)

        return call


@pytest.mark.filterwarnings(_OUR_WARNING)
def test_a_store_that_fails_after_the_answer_is_settled_later_and_once(
    provider: LoopbackProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is the user's; until the settlement is taken the budget stands too high, never too low."""
    handler = CostCallbackHandler(tmp_path / "costs.db", budgets=[Budget("1.00")])
    outage = _Outage(monkeypatch, handler.store, "append_settled", "settle", "append")

    def reply(_: Any) -> str:
        outage.on = True
        return "an answer"

    provider._service._usual_reply = reply
    answer = chat(provider).invoke("hello", {"callbacks": [handler]})
    assert answer.content == "an answer"
    row = handler.budgets()[0]
    assert row.reserved >= provider.billed
    outage.on = False
    for _ in range(2):
        assert handler.flush()
        assert standing(handler) == (provider.billed, Decimal(0))
    assert len(list(handler.store.entries())) == 1


@pytest.mark.required
@pytest.mark.filterwarnings(_OUR_WARNING)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_valkey_server_that_stops_refuses_or_lets_through(
    provider: LoopbackProvider, tmp_path: Path, *, is_async: bool
) -> None:
    """As the user has said; nothing waits for minutes."""
    with valkey_server() as url:
        strict = CostCallbackHandler(tmp_path / "a.db", budgets=[Budget("1.00")], budget_store=url)
        loose = CostCallbackHandler(
            tmp_path / "b.db", budgets=[Budget("2.00", name="loose")], budget_store=url, on_store_error="allow"
        )
        model = chat(provider)

        def ask(handler: CostCallbackHandler) -> Any:
            config: Any = {"callbacks": [handler]}
            return asyncio.run(model.ainvoke("hello", config)) if is_async else model.invoke("hello", config)

        ask(strict)
        ask(loose)
        assert standing(strict)[0] + standing(loose)[0] == provider.billed
    with pytest.raises(BudgetStoreError):
        ask(strict)
    assert len(list(provider.requests)) == 2
    ask(loose)
    assert len(provider.requests) == 3
    assert loose.guard is not None
    assert loose.guard.unchecked == 1


@pytest.mark.required
def test_a_settlement_left_in_the_ledger_is_delivered_once(
    provider: LoopbackProvider, tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ledger and budgets in two stores: who dies between them leaves the settlement with the line."""
    handler = CostCallbackHandler(tmp_path / "costs.db", budgets=[Budget("1.00")], budget_store=valkey_url)
    assert handler.guard is not None
    counters = handler.guard.store
    outage = _Outage(monkeypatch, counters, "settle")
    outage.on = True
    chat(provider).invoke("hello", {"callbacks": [handler]})
    assert not handler.flush()
    with open_budget_store_twice(valkey_url) as other:
        outbox: Any = handler.store
        assert deliver_pending(outbox, other) == 1
        assert deliver_pending(outbox, other) == 0
    outage.on = False
    assert handler.flush()
    assert standing(handler) == (provider.billed, Decimal(0))


@contextmanager
def open_budget_store_twice(url: str) -> Iterator[Any]:
    """The store as another process would open it."""
    store = open_budget_store(url)
    yield store
    store.close()


@pytest.mark.parametrize("seconds", [61, 3600])
def test_a_call_is_charged_to_the_window_that_admitted_it(
    provider: LoopbackProvider, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """A call over midnight belongs to yesterday: tomorrow's money is not spent by it."""
    store = InMemoryStore()
    ahead, clock = [0], store.now_us
    monkeypatch.setattr(store, "now_us", lambda: clock() + ahead[0])

    def reply(_: Any) -> str:
        ahead[0] = seconds * 1_000_000
        return "an answer"

    provider._service._usual_reply = reply
    with track_costs(store, budgets=[Budget("1.00", per="minute")]) as costs:
        chat(provider).invoke("hello")
        assert standing(costs) == (Decimal(0), Decimal(0))
        states = store.counters()
        assert [(state.spent, state.reserved) for state in states] == [(int(provider.billed * 10**9), 0)]


def test_what_the_ledger_says_is_what_the_budget_says_and_the_provider_billed(
    provider: LoopbackProvider, tmp_path: Path
) -> None:
    """Forty calls of all kinds."""
    with track_costs(tmp_path / "costs.db", budgets=[Budget("1.00")]) as costs:
        model = chat(provider, stream_usage=True)
        model.batch([f"question {number}" for number in range(10)])
        asyncio.run(model.abatch([f"question {number}" for number in range(10)]))
        for number in range(10):
            list(model.stream(f"question {number}"))
        provider.text_model(max_retries=0).batch([f"question {number}" for number in range(10)])
        spent, reserved = standing(costs)
        assert (spent, reserved) == (provider.billed, Decimal(0))
        assert sum(entry.billed_cost or 0 for entry in costs.store.entries()) == costs.total_cost == provider.billed


def test_a_providers_bill_is_charged_to_the_budget(provider: LoopbackProvider) -> None:
    """`reconcile` books what was missing, and the budget has it, once."""
    since, until = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    with track_costs(InMemoryStore(), budgets=[Budget("1.00")]) as costs:
        chat(provider).invoke("hello")
        for _ in range(2):
            costs.reconcile(since, until, provider.billed + Decimal("0.25"), reason="the invoice")
        assert standing(costs) == (provider.billed + Decimal("0.25"), Decimal(0))


def test_a_prepaid_plan_is_a_budget(provider: LoopbackProvider) -> None:
    """What was paid in can be spent, and no more."""
    plan = Prepaid([Credit("0.0001", datetime(2026, 1, 1, tzinfo=UTC))], name="credit")
    model = chat(provider)
    with track_costs(InMemoryStore(), budgets=[Budget.from_plan(plan)]) as costs:
        answers = model.batch(["hello"] * 30, {"max_concurrency": 1}, return_exceptions=True)
        refusals = [answer for answer in answers if isinstance(answer, BudgetExceededError)]
        assert refusals
        assert len(refusals) + len(provider.requests) == 30
        assert standing(costs)[0] == provider.billed
        assert Decimal(0) < provider.billed <= Decimal("0.0001")
