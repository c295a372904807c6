"""Budgets attached in several ways at once, beside neighbours that fail, and per run, user and window."""

from __future__ import annotations

import asyncio
import gc
import time
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer

from langchain_costguard import (
    Budget,
    BudgetExceededError,
    CostCallbackHandler,
    install,
    track_costs,
    track_embeddings,
    uninstall,
)
from langchain_costguard.pricing.quotes import per_token
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import LoopbackProvider

PLACES = ["memory", "sqlite"]


def chat(provider: LoopbackProvider, **settings: Any) -> Any:
    """A chat model whose calls are bounded by a short answer, sent once."""
    return provider.chat_model(**{"max_tokens": 50, "max_retries": 0, **settings})


def standing(costs: CostCallbackHandler) -> tuple[Any, Any]:
    """What the first budget holds: spent and reserved."""
    costs.flush()
    row = costs.budgets()[0]
    return row.spent, row.reserved


class Neighbour(BaseCallbackHandler):
    """Somebody else's handler that fails when a model starts."""

    raise_error = True
    run_inline = True

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> Any:
        msg = "the neighbour"
        raise ValueError(msg)


class Inline(BaseCallbackHandler):
    """Somebody else's handler that runs on the event loop, as LangSmith's tracer does."""

    run_inline = True


class Remote(InMemoryStore):
    """Counters as across a network: not to be asked on an event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_on_loop: list[bool] = []

    @property
    def is_remote(self) -> bool:
        """As across a network."""
        return True

    def reserve(self, *args: Any, **kwargs: Any) -> Any:
        """Reserve, and note whether a loop was held up."""
        self.asked_on_loop.append(asyncio._get_running_loop() is not None)
        return super().reserve(*args, **kwargs)


class Tracer(BaseTracer):
    """A tracer that keeps what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, bool]] = []

    def _persist_run(self, run: Any) -> None:
        self._keep(run)

    def _keep(self, run: Any) -> None:
        self.seen.append((run.run_type, run.name, run.error is None))
        for child in run.child_runs:
            self._keep(child)


@pytest.mark.parametrize("stores", PLACES, indirect=True)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_counts_once_however_often_it_is_watched(
    provider: LoopbackProvider, stores: dict[str, Any], *, is_async: bool
) -> None:
    """Installed, in a block, in the config and on the model: one store, one budget, one charge."""

    def make() -> CostCallbackHandler:
        return CostCallbackHandler(budgets=[Budget("1.00")], **stores)

    installed, on_model, in_config = install(make()), make(), make()
    try:
        with track_costs(budgets=[Budget("1.00")], **stores) as block:
            model = chat(provider, callbacks=[on_model])
            config: Any = {"callbacks": [in_config]}
            asyncio.run(model.ainvoke("hello", config)) if is_async else model.invoke("hello", config)
            for costs in (installed, on_model, in_config, block):
                assert standing(costs) == (provider.billed, Decimal(0))
                assert costs.total_cost == provider.billed
    finally:
        uninstall(installed)
    assert len(list(block.store.entries())) == 1


def test_every_store_is_charged_once(provider: LoopbackProvider) -> None:
    """Different stores are different budgets."""
    handler = CostCallbackHandler(InMemoryStore(), budgets=[Budget("2.00")])
    with track_costs(InMemoryStore(), budgets=[Budget("1.00")]) as block:
        chat(provider).invoke("hello", {"callbacks": [handler]})
    assert standing(block) == standing(handler) == (provider.billed, Decimal(0))


@pytest.mark.parametrize("stores", PLACES, indirect=True)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_second_handler_that_refuses_undoes_the_first(
    provider: LoopbackProvider, stores: dict[str, Any], *, is_async: bool
) -> None:
    """LangChain asks them one after the other; what the first had reserved comes back."""
    first = CostCallbackHandler(budgets=[Budget("1.00")], **stores)
    second = CostCallbackHandler(InMemoryStore(), budgets=[Budget("0.0000001")])
    config: Any = {"callbacks": [first, second]}
    model = chat(provider)
    with pytest.raises(BudgetExceededError):
        asyncio.run(model.ainvoke("hello", config)) if is_async else model.invoke("hello", config)
    assert provider.requests == ()
    assert standing(first) == standing(second) == (Decimal(0), Decimal(0))


@pytest.mark.filterwarnings("ignore:coroutine 'ahandle_event' was never awaited:RuntimeWarning")  # LangChain's own
@pytest.mark.parametrize("stores", PLACES, indirect=True)
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_neighbour_that_fails_costs_nothing_or_no_more_than_one_call(
    provider: LoopbackProvider, stores: dict[str, Any], *, is_first: bool, is_async: bool
) -> None:
    """Nothing was sent. Without an event loop that is known; on one it looks like a cancelled call, and is charged."""
    handler = CostCallbackHandler(budgets=[Budget("1.00")], **stores)
    config: Any = {"callbacks": [Neighbour(), handler] if is_first else [handler, Neighbour()]}
    model = chat(provider)
    with pytest.raises(ValueError, match="the neighbour"):
        asyncio.run(model.ainvoke("hello", config)) if is_async else model.invoke("hello", config)
    gc.collect()  # the coroutines that LangChain leaves behind
    spent, reserved = standing(handler)
    assert reserved == Decimal(0)
    assert provider.requests == ()
    assert spent <= Decimal("0.0001")
    if is_first or not is_async:
        assert spent == Decimal(0)


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("limit", ["1.00", "0.0000001"])
def test_a_tracer_sees_what_it_would_see_without_us(provider: LoopbackProvider, limit: str, *, is_first: bool) -> None:
    """Traces with runs that never end, or that are missing, would be our fault."""
    chain = RunnableLambda(lambda text: text) | chat(provider)
    alone, tracer = Tracer(), Tracer()
    chain.invoke("hello", {"callbacks": [alone]})
    handler = CostCallbackHandler(InMemoryStore(), budgets=[Budget(limit)])
    config: Any = {"callbacks": [tracer, handler] if is_first else [handler, tracer]}
    if limit == "1.00":
        chain.invoke("hello", config)
        assert sorted(tracer.seen) == sorted(alone.seen)
    else:
        with pytest.raises(BudgetExceededError):
            chain.invoke("hello", config)
        assert ("chain", "RunnableSequence", False) in tracer.seen


@pytest.mark.parametrize("is_async", [False, True])
def test_a_budget_per_run_is_the_outermost_runs(provider: LoopbackProvider, *, is_async: bool) -> None:
    """However deep the calls are; the next run begins with a new one."""
    model = chat(provider)

    async def deep(text: str) -> Any:
        return [await model.ainvoke(text), await model.ainvoke(text)]

    chain = RunnableLambda(lambda text: [model.invoke(text), model.invoke(text)], afunc=deep)
    outer = RunnableLambda(lambda text: text) | chain | RunnableLambda(lambda answers: answers[0].content) | model
    with track_costs(budgets=[Budget(calls=2, per="run")]):
        for turn in (1, 2):
            with pytest.raises(BudgetExceededError):
                asyncio.run(outer.ainvoke("hello")) if is_async else outer.invoke("hello")
            assert len(provider.requests) == 2 * turn


def test_a_budget_per_run_on_a_model_alone_says_where_it_belongs(provider: LoopbackProvider) -> None:
    """There the outermost run is not known, and a guess would let a loop run for ever."""
    handler = CostCallbackHandler(budgets=[Budget(calls=2, per="run")])
    model = chat(provider, callbacks=[handler])
    chain = RunnableLambda(lambda text: text) | model
    with pytest.raises(BudgetExceededError) as caught:
        chain.invoke("hello")
    assert caught.value.reason == "identity"
    assert "config={'callbacks': [handler]} or a track_costs() block" in str(caught.value)
    assert provider.requests == ()


def test_embeddings_belong_to_the_run_around_them(provider: LoopbackProvider) -> None:
    """A loop of embeddings is a loop, too."""
    embeddings = track_embeddings(provider.embeddings())
    chain: Any = RunnableLambda[Any, Any](lambda texts: [embeddings.embed_query(text) for text in texts])
    with track_costs(budgets=[Budget(calls=2, per="run")]):
        with pytest.raises(BudgetExceededError):
            chain.invoke(["one", "two", "three"])
        assert len(provider.requests) == 2


@pytest.mark.parametrize("metadata", [{}, {"user": None}, {"user": ""}, {"user": "  "}])
def test_a_run_without_an_identity_is_refused(provider: LoopbackProvider, metadata: dict[str, Any]) -> None:
    """Else leaving it out would be the way around the budget."""
    with track_costs(InMemoryStore(), budgets=[Budget("1.00", each="user")]):
        with pytest.raises(BudgetExceededError) as caught:
            chat(provider).invoke("hello", {"metadata": metadata})
        assert caught.value.reason == "identity"
    assert provider.requests == ()


def test_every_user_has_a_counter(provider: LoopbackProvider) -> None:
    """One who spends all does not stop the other."""
    with track_costs(InMemoryStore(), budgets=[Budget(calls=1, each="user")]) as costs:
        for user in ("alice", "bob"):
            chat(provider).invoke("hello", {"metadata": {"user": user}})
        with pytest.raises(BudgetExceededError):
            chat(provider).invoke("hello", {"metadata": {"user": "bob"}})
        assert {row.each_value: row.spent for row in costs.budgets()} == {"alice": 1, "bob": 1}


def test_spending_beyond_a_reservation_is_booked_in_full_and_freezes() -> None:
    """A price that is too low cannot be known before; after it nothing goes on as if nothing had happened."""
    told: list[Any] = []
    prices = {"gpt-4o-mini": per_token("0.01", "0.01")}
    with (
        LoopbackProvider(report_cost=True) as provider,
        track_costs(InMemoryStore(), prices, budgets=[Budget("1.00")], on_alert=told.append) as costs,
    ):
        chat(provider).invoke("hello")
        assert standing(costs) == (provider.billed, Decimal(0))
        assert Decimal(0) < costs.budgets()[0].overrun < provider.billed
        with pytest.raises(BudgetExceededError) as caught:
            chat(provider).invoke("hello")
        assert caught.value.reason == "frozen"
        assert costs.guard is not None
        costs.flush()
        assert len(provider.requests) == 1
    assert any("more" in str(alert) for alert in told)


def test_what_is_recorded_by_hand_is_charged_once(provider: LoopbackProvider) -> None:
    """A raw SDK call uses the same money; the same id twice is one call."""
    with track_costs(InMemoryStore(), {"m": per_token(1, 1)}, budgets=[Budget("10.00"), Budget(calls=9)]) as costs:
        run_id = "00000000-0000-4000-8000-000000000001"
        for _ in range(2):
            costs.record(
                {"input_tokens": 1_000_000, "output_tokens": 0, "total_tokens": 1_000_000}, model="m", run_id=run_id
            )
        costs.record(cost="2.5")
        assert {row.unit: row.spent for row in costs.budgets()} == {"usd": Decimal("3.5"), "calls": 2}


def await_request(provider: LoopbackProvider) -> None:
    """Wait until a call is under way."""
    while not provider.requests:
        time.sleep(0.01)  # asked again soon


async def _stream(model: Any, config: Any) -> None:
    async for _ in model.astream("hello", config):
        pass


ASKED = {
    "ainvoke": lambda model, config: model.ainvoke("hello", config),
    "agenerate": lambda model, config: model.agenerate(["hello"], **config),
    "astream": _stream,
}


@pytest.mark.parametrize("how", ASKED)
@pytest.mark.parametrize("beside", ["handler", "installed", "attached"])
def test_a_remote_budget_holds_async_text_models_beside_handlers_that_are_inline(
    provider: LoopbackProvider, how: str, beside: str
) -> None:
    """LangChain tells handlers that are not inline of no async text call if any other is (langchain#39633)."""
    model = provider.text_model(max_tokens=50, max_retries=0)
    store = Remote()
    installed = install(CostCallbackHandler()) if beside == "installed" else None
    config: Any = {"callbacks": [Inline()]} if beside == "handler" else {"callbacks": [CostCallbackHandler()]}
    try:
        with track_costs(budgets=[Budget(calls=1)], budget_store=store) as costs:
            asyncio.run(ASKED[how](model, config))
            with pytest.raises(BudgetExceededError):
                asyncio.run(ASKED[how](model, config))
    finally:
        if installed is not None:
            uninstall(installed)
    assert costs.calls == len(provider.requests) == 1
    if how != "astream":  # the stream of a text model reports no usage: its cost is estimated
        assert costs.total_cost == provider.billed
    assert store.asked_on_loop
    assert not any(store.asked_on_loop)


@pytest.mark.parametrize("store", [InMemoryStore, Remote])
def test_figures_read_while_an_async_text_call_runs_do_not_call_it_cancelled(
    provider: LoopbackProvider, store: type[InMemoryStore]
) -> None:
    """LangChain announces it in a task of its own, which has ended long before the call.

    The provider holds its answer back until the figures are read, however long that takes on a busy machine.
    """
    model = provider.text_model(max_tokens=50, max_retries=0)
    figures_read = Event()
    provider.on_request(lambda moment, *_: moment == "served" and figures_read.wait())

    async def run() -> None:
        asked = asyncio.create_task(model.agenerate(["hello", "world"]))
        try:
            await asyncio.to_thread(await_request, provider)
            assert costs.entries() == []
            assert costs.budgets()[0].spent == 0
            assert costs.budgets()[0].reserved > 0
            assert not asked.done()
        finally:
            figures_read.set()
        await asked

    with track_costs(budgets=[Budget("1.00")], budget_store=store()) as costs:
        asyncio.run(run())
        assert standing(costs) == (provider.billed, 0)
        assert [entry.status for entry in costs.entries()] == ["ok", "ok"]
