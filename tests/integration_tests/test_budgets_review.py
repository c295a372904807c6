"""Budgets in situations that a careful reader thought of: backups, nested models, shared ids, neighbours that raise."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler, guarded, track_costs
from langchain_costguard.budgets import Scope
from langchain_costguard.callbacks import track_embeddings
from langchain_costguard.callbacks.runs import RUNS_TO_READ
from langchain_costguard.guard.guard import run_counters
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider

_NOBODY_LISTENS = "http://127.0.0.1:9/v1"


def chat(provider: LoopbackProvider, **settings: Any) -> ChatOpenAI:
    """A chat model whose calls are bounded by a short answer, sent once."""
    return provider.chat_model(**{"max_tokens": 50, "max_retries": 0, **settings})


def unreachable() -> ChatOpenAI:
    """A model whose endpoint refuses every connection."""
    return ChatOpenAI(model="gpt-4o-mini", base_url=_NOBODY_LISTENS, api_key="x", max_tokens=50, max_retries=0)


def await_requests(provider: LoopbackProvider, wanted: int) -> None:
    """Wait until the provider has got so many requests."""
    while len(provider.requests) < wanted:
        time.sleep(0.01)  # asked again soon


class Remote(InMemoryStore):
    """Counters that are asked in another thread than the event loop's, as those across a network are."""

    @property
    def is_remote(self) -> bool:
        """As across a network."""
        return True


class Slow(Remote):
    """Counters that are asked when the test says so."""

    def __init__(self) -> None:
        """Wait to be told."""
        super().__init__()
        self.may_answer: threading.Event = threading.Event()
        self.is_asked: threading.Event = threading.Event()

    def reserve(self, *args: Any, **kwargs: Any) -> Any:
        """Reserve when told."""
        self.is_asked.set()
        assert self.may_answer.wait(20)
        return super().reserve(*args, **kwargs)


class Raising(BaseCallbackHandler):
    """Somebody else's guard rail, which keeps every call from being sent."""

    raise_error = True

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """Refuse."""
        msg = "guard rail"
        raise RuntimeError(msg)


def standing(costs: CostCallbackHandler) -> tuple[Any, Any]:
    """What the first budget holds: spent and reserved."""
    costs.flush()
    row = costs.budgets()[0]
    return row.spent, row.reserved


def test_a_backup_that_times_out_is_charged_although_the_primary_never_connected(provider: LoopbackProvider) -> None:
    """The backup is asked inside `except`: the primary's error stands in its context, and says nothing of it."""
    backup = chat(provider, timeout=0.2)
    with track_costs(budgets=[Budget("1.00")], budget_store="memory") as costs:
        provider.next(latency_seconds=0.6, text="ok " * 50)
        try:
            unreachable().invoke("hello")
        except Exception:  # noqa: BLE001 - whatever a client raises
            with pytest.raises(Exception, match="timed out"):
                backup.invoke("hello")
        spent, reserved = standing(costs)
    assert spent >= provider.billed > 0
    assert reserved == 0


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_that_never_connected_is_free(provider: LoopbackProvider, is_async: bool) -> None:
    """What the client raises names the refused connection as its cause, and nothing is owed for it."""
    with track_costs(budgets=[Budget("1.00")], budget_store="memory") as costs:
        with pytest.raises(Exception, match="Connection error"):
            asyncio.run(unreachable().ainvoke("hello")) if is_async else unreachable().invoke("hello")
        assert standing(costs) == (Decimal(0), Decimal(0))
    assert not provider.requests


class Refine(ChatOpenAI):
    """A model that asks itself once more."""

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        answer = super()._generate(messages, stop, run_manager, **kwargs)
        if "critique" not in str(messages[-1].content):
            self.invoke("critique")
        return answer


def test_a_model_that_calls_itself_keeps_what_its_outer_call_has_reserved(provider: LoopbackProvider) -> None:
    """The outer call is at work while the inner one begins: it must not be taken for one that was never sent."""
    model = Refine(model="gpt-4o-mini", max_tokens=50, max_retries=0, base_url=provider.base_url, api_key="x")
    with track_costs(budgets=[Budget("0.00004")], budget_store="memory") as costs:
        provider.next(text="ok " * 50)
        with pytest.raises(BudgetExceededError):
            model.invoke("hello")
        spent, reserved = standing(costs)
    assert len(provider.requests) == 1
    assert Decimal("0.00004") >= spent >= provider.billed
    assert reserved == 0


@pytest.mark.parametrize("kind", ["chat", "text"])
def test_a_run_id_used_at_once_by_several_threads_lets_nothing_past(provider: LoopbackProvider, kind: str) -> None:
    """The id and the prompt are the caller's own objects: each use is a call, and each has to be admitted."""
    settings: dict[str, Any] = {"max_tokens": 50, "max_retries": 0}
    model: Any = provider.text_model(**settings) if kind == "text" else provider.chat_model(**settings)
    prompts = ["hello"] if kind == "text" else [[("human", "hello")]]
    given = prompts if kind == "text" else [model._convert_input(prompts[0]).to_messages()]
    run_id = uuid4()
    together = threading.Barrier(4)
    refused: list[BudgetExceededError] = []
    with track_costs(budgets=[Budget(calls=2)], budget_store="memory", all_threads=True) as costs:

        def work() -> None:
            together.wait()
            try:
                model.generate(given, run_id=run_id)
            except BudgetExceededError as error:
                refused.append(error)

        for _ in range(2):
            provider.next(latency_seconds=0.5, text="ok")
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert standing(costs) == (2, 0)
        assert costs.calls == 2
    assert len(refused) == 2
    assert len(provider.requests) == 2


@pytest.mark.parametrize("attached", ["block", "config"])
@pytest.mark.parametrize("how", ["task", "timeout"])
def test_a_cancelled_call_is_settled_where_the_store_is_across_a_network(
    provider: LoopbackProvider, attached: str, how: str
) -> None:
    """The hooks run in another thread, and still know whose call it is: nothing stays reserved for an hour."""
    model = chat(provider)

    async def cancelled(config: Any) -> None:
        provider.next(latency_seconds=5, text="ok")
        sent = len(provider.requests)
        if how == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await model.ainvoke("hello", config)
        else:
            task = asyncio.create_task(model.ainvoke("hello", config))
            await asyncio.to_thread(await_requests, provider, sent + 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def run(costs: CostCallbackHandler, config: Any) -> None:
        await model.ainvoke("hello", config)
        await cancelled(config)
        await costs.aflush()
        spent, reserved = costs.budgets()[0].spent, costs.budgets()[0].reserved
        assert reserved == 0
        assert spent > Decimal("0.00003")  # the answered call, and what the other may have cost
        await model.ainvoke("hello", config)

    budget, store = Budget("0.0001"), Remote()
    if attached == "block":
        with track_costs(budgets=[budget], budget_store=store) as costs:
            asyncio.run(run(costs, None))
    else:
        costs = CostCallbackHandler(budgets=[budget], budget_store=store)
        asyncio.run(run(costs, {"callbacks": [costs]}))
    assert costs.calls == 3


def test_a_reader_in_another_thread_leaves_calls_under_way_alone(provider: LoopbackProvider) -> None:
    """What is noted of a task follows its context into threads, where it must not pass for the one that calls."""
    model = chat(provider)

    async def run(costs: CostCallbackHandler) -> Any:
        await model.ainvoke("hello")
        spent = costs.budgets()[0].spent
        provider.next(latency_seconds=0.5, text="ok")
        reading = asyncio.create_task(asyncio.to_thread(read, costs))
        await model.ainvoke("hello")
        return spent, await reading

    def read(costs: CostCallbackHandler) -> Any:
        await_requests(provider, 2)
        costs.flush()
        return costs.budgets()[0]

    with track_costs(budgets=[Budget("1.00")], budget_store=Remote()) as costs:
        spent, row = asyncio.run(run(costs))
        assert row.spent == spent
        assert row.reserved > 0
        assert costs.calls == 2


@pytest.mark.parametrize("store", [InMemoryStore, Remote])
@pytest.mark.parametrize("shape", ["task", "gather", "group", "chain"])
def test_a_neighbour_that_raises_on_an_event_loop_leaves_nothing_charged(
    provider: LoopbackProvider, store: type[InMemoryStore], shape: str
) -> None:
    """Nothing was sent, and LangChain reports no end: its budgets must neither charge it nor keep it reserved."""
    model = chat(provider)
    costs = CostCallbackHandler(budgets=[Budget("0.0001")], budget_store=store())
    # a neighbour beside non-inline hooks may be faster than they are: then the call ends up in the same place
    config: Any = {"callbacks": [costs, Raising()]}

    async def caught() -> None:
        chain = RunnableLambda(lambda text: text) | model
        with pytest.raises(RuntimeError, match="guard rail"):
            await chain.ainvoke("hello", config)

    async def run() -> None:
        for _ in range(4):
            if shape == "task":
                with pytest.raises(RuntimeError):
                    await asyncio.create_task(model.ainvoke("hello", config))
            elif shape == "gather":
                found = await asyncio.gather(*[model.ainvoke("hello", config)], return_exceptions=True)
                assert isinstance(found[0], RuntimeError)
            elif shape == "group":
                with pytest.raises(ExceptionGroup):
                    async with asyncio.TaskGroup() as group:
                        group.create_task(model.ainvoke("hello", config))
            else:
                await caught()
            await asyncio.sleep(0.1)  # the others settle
            await costs.aflush()

    asyncio.run(run())
    assert standing(costs) == (Decimal(0), Decimal(0))
    assert not provider.requests


def test_a_call_that_timed_out_stays_charged_although_its_task_fails_later(provider: LoopbackProvider) -> None:
    """An error that has nothing to do with the call does not show that it was never sent."""
    model = chat(provider)

    async def work() -> None:
        provider.next(latency_seconds=5, text="ok")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await model.ainvoke("hello")
        raise ValueError

    async def run() -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - the one above
            await asyncio.create_task(work())

    with track_costs(budgets=[Budget("1.00")], budget_store="memory") as costs:
        asyncio.run(run())
        spent, reserved = standing(costs)
    assert len(provider.requests) == 1
    assert spent > Decimal("0.00003")
    assert reserved == 0


def test_a_neighbour_that_raises_in_a_thread_that_ended_leaves_nothing_reserved(provider: LoopbackProvider) -> None:
    """A thread that is gone reports nothing any more: what it had begun was never sent."""
    model = chat(provider)
    costs = CostCallbackHandler(budgets=[Budget("0.0001")], budget_store="memory")

    def work() -> None:
        with pytest.raises(RuntimeError, match="guard rail"):
            model.invoke("hello", {"callbacks": [costs, Raising()]})

    for _ in range(4):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert standing(costs) == (Decimal(0), Decimal(0))
    assert not provider.requests


@pytest.mark.parametrize("does_loop_go_on", [True, False])
def test_embeddings_cancelled_while_their_budget_is_asked_reserve_nothing(
    provider: LoopbackProvider, does_loop_go_on: bool
) -> None:
    """The thread that asks cannot be cancelled: what it reserves for nobody is given back."""
    embeddings = track_embeddings(provider.embeddings(model="text-embedding-3-small", max_retries=0))
    store = Slow()

    async def run() -> None:
        task = asyncio.create_task(embeddings.aembed_query("hello"))
        await asyncio.to_thread(store.is_asked.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        store.may_answer.set()
        if does_loop_go_on:
            assert len(await embeddings.aembed_query("hello")) > 0

    with track_costs(budgets=[Budget("1.00")], budget_store=store) as costs:
        asyncio.run(run())
        assert costs.calls == (1 if does_loop_go_on else 0)
        assert standing(costs)[1] == 0
        assert (standing(costs)[0] > 0) is does_loop_go_on
    assert len(provider.requests) == costs.calls


def test_embeddings_cancelled_at_the_provider_are_charged(provider: LoopbackProvider) -> None:
    """They were sent: what they may have cost is spent, and nothing stays reserved."""
    embeddings = track_embeddings(provider.embeddings(model="text-embedding-3-small", max_retries=0))

    async def run() -> None:
        provider.next(latency_seconds=5)
        task = asyncio.create_task(embeddings.aembed_query("hello"))
        await asyncio.to_thread(await_requests, provider, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with track_costs(budgets=[Budget("1.00")], budget_store=Remote()) as costs:
        asyncio.run(run())
        spent, reserved = standing(costs)
    assert spent > 0
    assert reserved == 0


@pytest.mark.parametrize("kind", ["chat", "text"])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("store", [InMemoryStore, Remote])
def test_a_refused_generate_books_nothing_for_its_other_prompts(
    provider: LoopbackProvider, kind: str, is_async: bool, store: type[InMemoryStore]
) -> None:
    """None of them was sent, so no call was made."""
    settings: dict[str, Any] = {"max_tokens": 50, "max_retries": 0}
    model: Any = provider.text_model(**settings) if kind == "text" else provider.chat_model(**settings)
    prompts: Any = ["hi", "ho", "hu"] if kind == "text" else [[HumanMessage(text)] for text in ("hi", "ho", "hu")]
    with track_costs(budgets=[Budget(calls=2)], budget_store=store()) as costs:
        with pytest.raises(BudgetExceededError):
            asyncio.run(model.agenerate(prompts)) if is_async else model.generate(prompts)
        assert standing(costs) == (0, 0)
        assert costs.calls == 0
    assert not provider.requests


@pytest.mark.parametrize("is_async", [False, True])
def test_a_guarded_model_fits_into_budgets_that_are_bound_to_it(provider: LoopbackProvider, is_async: bool) -> None:
    """`with_config` attaches a handler, tags and metadata just as the config of a call does."""
    budgets = [
        Budget("0.001", each="user", on_missing="refuse"),
        Budget("0.0005", scope=Scope.tag("checkout"), name="checkout"),
        Budget("0.0002", scope=Scope.tag("own"), name="own"),
    ]
    handler = CostCallbackHandler(budgets=budgets, budget_store="memory")
    model = provider.chat_model(max_retries=0, tags=["own"])
    bound = model.with_config(callbacks=[handler], tags=["checkout"], metadata={"user": "alice"})
    asked = guarded(bound)
    answer = asyncio.run(asked.ainvoke("hello")) if is_async else asked.invoke("hello")
    assert answer.content
    assert [row.spent for row in handler.budgets()] == [provider.billed] * 3


def test_flush_waits_for_alerts(provider: LoopbackProvider) -> None:
    """A script that ends after `flush()` has told everybody."""
    told: list[Any] = []

    def tell(alert: Any) -> None:
        time.sleep(0.2)  # a slow sink
        told.append(alert)

    with track_costs(budgets=[Budget("0.00001", mode="soft")], budget_store="memory", on_alert=tell) as costs:
        chat(provider).invoke("hello")
        assert costs.flush()
        assert told
        told.clear()
        chat(provider).invoke("hello")
        assert asyncio.run(costs.aflush())
        assert told


def test_a_block_shows_its_own_runs_only(provider: LoopbackProvider) -> None:
    """All counters of runs are kept in one place, and another block's are none of its business."""
    model = chat(provider)
    budget = Budget(calls=1, per="run")
    with track_costs(budgets=[budget]) as first:
        model.invoke("hello")
    with track_costs(budgets=[budget]) as second:
        assert second.budgets() == []
        chain = RunnableLambda(lambda text: model.invoke(text).content) | model
        with pytest.raises(BudgetExceededError):
            chain.invoke("hello")
    assert [(row.spent, row.refused) for row in second.budgets()] == [(1, 1)]
    assert [(row.spent, row.refused) for row in first.budgets()] == [(1, 0)]


def test_runs_that_ended_are_forgotten_and_a_run_under_way_is_not() -> None:
    """A server makes millions of runs; a long one must not begin anew because others have ended."""
    model = ScriptedChatModel(responses=["x"] * 500, model="gpt-4o-mini", provider="openai", max_tokens=20)

    def work(text: str) -> None:
        model.invoke(text)
        for _ in range(RUNS_TO_READ + 50):
            contextvars.Context().run(model.invoke, text, {"callbacks": [costs]})
        model.invoke(text)
        model.invoke(text)

    costs = CostCallbackHandler(budgets=[Budget(calls=2, per="run")])
    with pytest.raises(BudgetExceededError):
        RunnableLambda(work).invoke("hello", {"callbacks": [costs]})
    assert len(run_counters().counters()) <= RUNS_TO_READ
    assert len(costs.budgets()) <= RUNS_TO_READ
    assert [(row.spent, row.refused) for row in costs.budgets() if row.refused] == [(2, 1)]
