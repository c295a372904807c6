"""What a budget is charged when the truth is missing, through real clients: never less than the provider billed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.runnables import RunnableLambda

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler, track_costs, track_embeddings
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Behaviour, LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Callable

PLACES = ["memory", "sqlite"]
WORDS = "one two three four five six seven eight nine ten"


def chat(provider: LoopbackProvider, **settings: Any) -> Any:
    """A chat model whose calls are bounded by a short answer, sent once."""
    return provider.chat_model(**{"max_tokens": 50, "max_retries": 0, **settings})


def standing(costs: CostCallbackHandler) -> tuple[Any, Any]:
    """What the first budget holds: spent and reserved."""
    costs.flush()
    row = costs.budgets()[0]
    return row.spent, row.reserved


def close_early(provider: LoopbackProvider) -> None:
    """Leave a stream after two pieces."""
    stream = chat(provider).stream("hello")
    next(stream)
    next(stream)
    stream.close()


def close_early_async(provider: LoopbackProvider) -> None:
    """The same on an event loop."""

    async def run() -> None:
        stream = chat(provider).astream("hello")
        await anext(stream)
        await anext(stream)
        await stream.aclose()

    asyncio.run(run())


def fail(call: Callable[[], Any], provider: LoopbackProvider | None = None, **behaviour: Any) -> bool:
    """Make a call that fails by the client's own error, after saying how it is served."""
    if provider is not None:
        provider.next(**behaviour)
    with pytest.raises(Exception):  # noqa: B017, PT011 - the client's own, and it varies
        call()
    return True


def cancel(provider: LoopbackProvider, *, in_chain: bool = False) -> None:
    """Cancel a call once its request has arrived."""
    provider.next(latency_seconds=1)
    model = chat(provider)
    target = RunnableLambda(lambda text: text) | model if in_chain else model

    async def run() -> None:
        task = asyncio.create_task(target.ainvoke("hello"))
        while not provider.requests:  # noqa: ASYNC110 - the provider serves from a thread, and has no event
            await asyncio.sleep(0.005)  # asked again soon
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def time_out(provider: LoopbackProvider) -> None:
    """Give up on a call by `asyncio.timeout`."""
    provider.next(latency_seconds=1)

    async def run() -> None:
        async with asyncio.timeout(0.3):
            await chat(provider).ainvoke("hello")

    with pytest.raises(TimeoutError):
        asyncio.run(run())


ENDINGS: dict[str, Callable[[LoopbackProvider], Any]] = {
    "stream without usage": lambda p: list(chat(p).stream("hello")),
    "async stream without usage": lambda p: asyncio.run(_consume(chat(p).astream("hello"))),
    "stream closed early": close_early,
    "async stream closed early": close_early_async,
    "stream that breaks": lambda p: fail(lambda: list(chat(p).stream("hello")), p, text=WORDS, drop_after_chunks=3),
    "5xx that is billed": lambda p: fail(lambda: chat(p).invoke("hello"), p, status=500, billed=True),
    "timeout": lambda p: fail(lambda: chat(p, timeout=0.2).invoke("hello"), p, latency_seconds=0.6),
    "cancelled": cancel,
    "cancelled in a chain": lambda p: cancel(p, in_chain=True),
    "asyncio.timeout": time_out,
    "answer that is lost": lambda p: fail(lambda: chat(p).invoke("hello"), p, drop_after_chunks=0),
}


async def _consume(stream: Any) -> None:
    async for _ in stream:
        pass


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("stores", PLACES, indirect=True)
def test_a_call_of_unknown_usage_is_charged_no_less_than_was_billed(
    provider: LoopbackProvider, stores: dict[str, Any], ending: str
) -> None:
    """And no more than it had reserved; nothing stays reserved."""
    with track_costs(budgets=[Budget("1.00")], **stores) as costs:
        ENDINGS[ending](provider)
        spent, reserved = standing(costs)
    assert reserved == Decimal(0)
    assert provider.billed > 0
    assert provider.billed <= spent < Decimal("0.0001")


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429])
@pytest.mark.parametrize("stores", PLACES, indirect=True)
def test_what_the_provider_refuses_is_given_back(
    provider: LoopbackProvider, stores: dict[str, Any], status: int
) -> None:
    """A 4xx is not billed; a budget that kept it would fill up with nothing."""
    provider.script(status)
    with track_costs(budgets=[Budget("1.00")], **stores) as costs:
        fail(lambda: chat(provider).invoke("hello"))
        assert standing(costs) == (Decimal(0), Decimal(0))


def test_a_provider_that_is_not_there_is_owed_nothing() -> None:
    """Nothing was sent."""
    with LoopbackProvider() as gone:
        model = chat(gone)
    with track_costs(InMemoryStore(), budgets=[Budget("1.00")]) as costs:
        with pytest.raises(openai.APIConnectionError):
            model.invoke("hello")
        assert standing(costs) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("stores", PLACES, indirect=True)
def test_a_provider_that_bills_and_answers_too_late_is_paid_within_the_limit(
    provider: LoopbackProvider, stores: dict[str, Any], seed: int
) -> None:
    """With the client's own retries one run sends three requests, and each of them is billed."""
    draw = random.Random(seed)
    provider.script(*(Behaviour(text=WORDS, latency_seconds=draw.choice([0, 0, 0.25])) for _ in range(40)))
    limit = Decimal("0.0004")
    model = provider.chat_model(max_tokens=50, timeout=0.1)
    with track_costs(budgets=[Budget(limit)], **stores) as costs:
        for _ in range(12):
            with contextlib.suppress(openai.APITimeoutError, BudgetExceededError):
                model.invoke("hello")
        spent, reserved = standing(costs)
    assert len(provider.requests) > 2
    assert provider.billed <= spent <= limit
    assert reserved == Decimal(0)


def test_attempts_that_timed_out_before_the_answer_are_charged_however_the_timeout_was_given(
    provider: LoopbackProvider,
) -> None:
    """They were billed, and nothing in the answer says that they were made."""
    late = Behaviour(latency_seconds=1, text=WORDS)
    provider.script(late, late, Behaviour(text=WORDS))
    model = chat(provider, timeout=httpx.Timeout(0.3), max_retries=2)
    with track_costs(budgets=[Budget(1)], budget_store="memory") as costs:
        model.invoke("hello")
        spent, reserved = standing(costs)
    assert len(provider.requests) == 3
    assert reserved == 0
    assert spent >= provider.billed > 0


def test_an_attempt_that_was_billed_before_a_refused_one_is_charged(provider: LoopbackProvider) -> None:
    """The connection was dropped after the provider had begun, and the client's retries met its rate limit."""
    refused = Behaviour(status=429, retry_after_seconds=0.01)
    provider.script(Behaviour(drop_after_chunks=0, text=WORDS), refused, refused)
    with track_costs(budgets=[Budget(1)], budget_store="memory") as costs:
        assert fail(lambda: chat(provider, max_retries=2).invoke("hello"))
        spent, reserved = standing(costs)
    assert len(provider.requests) == 3
    assert reserved == 0
    assert spent >= provider.billed > 0


def test_a_cancellation_storm_leaves_nothing_reserved(provider: LoopbackProvider) -> None:
    """Twenty calls, cancelled in the middle of whatever they were doing."""
    draw = random.Random(7)
    provider.script(*(Behaviour(latency_seconds=draw.random() * 0.3) for _ in range(40)))
    model, limit = chat(provider), Decimal("0.01")

    async def run() -> None:
        for _ in range(3):
            gathered = asyncio.gather(*(model.ainvoke(f"hello {number}") for number in range(6)))
            await asyncio.sleep(draw.random() * 0.2)  # a random moment
            gathered.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gathered

    with track_costs(InMemoryStore(), budgets=[Budget(limit)]) as costs:
        asyncio.run(run())
        spent, reserved = standing(costs)
        assert provider.billed <= spent <= limit
        assert reserved == Decimal(0)


def test_a_cost_the_provider_reports_is_charged() -> None:
    """OpenRouter's `usage.cost` is the bill itself."""
    with LoopbackProvider(report_cost=True) as provider, track_costs(InMemoryStore(), budgets=[Budget(1)]) as costs:
        chat(provider, model="gpt-4o").invoke("hello")
        assert standing(costs) == (provider.billed, Decimal(0))


@pytest.mark.parametrize("stores", PLACES, indirect=True)
def test_a_hit_of_langchains_cache_is_given_back(provider: LoopbackProvider, stores: dict[str, Any]) -> None:
    """It reached nobody; neither dollars nor calls are used."""
    model = chat(provider, cache=InMemoryCache())
    with track_costs(budgets=[Budget("1.00", name="money"), Budget(calls=5, name="calls")], **stores) as costs:
        for _ in range(4):
            model.invoke("the same question")
        costs.flush()
        assert {row.name: (row.spent, row.reserved) for row in costs.budgets()} == {
            "money": (provider.billed, Decimal(0)),
            "calls": (1, 0),
        }


@pytest.mark.parametrize("stores", PLACES, indirect=True)
def test_tokens_and_calls_are_budgets_too(provider: LoopbackProvider, stores: dict[str, Any]) -> None:
    """What is charged is what the provider counted."""
    model = chat(provider)
    with track_costs(budgets=[Budget(tokens=500), Budget(calls=9)], **stores) as costs:
        for _ in range(4):
            model.invoke("hello")
        costs.flush()
        rows = {row.unit: (row.spent, row.reserved) for row in costs.budgets()}
    tokens = sum(request.tokens.input_tokens + request.tokens.output_tokens for request in provider.requests)
    assert rows == {"tokens": (tokens, 0), "calls": (4, 0)}


def test_embeddings_are_charged_what_their_tokenizer_counts(provider: LoopbackProvider) -> None:
    """LangChain drops their usage; OpenAI's own count is known, so the dearest guess need not be charged."""
    with track_costs(InMemoryStore(), budgets=[Budget("1.00")]) as costs:
        track_embeddings(provider.embeddings()).embed_documents(["A text to be embedded, with some words in it."] * 3)
        spent, reserved = standing(costs)
    assert (spent, reserved) == (costs.total_cost, Decimal(0))
    assert spent > 0


@pytest.mark.parametrize("is_async", [False, True])
def test_the_prompts_of_a_text_model_share_one_bill(provider: LoopbackProvider, is_async: bool) -> None:
    """One request answers them all, and its usage stands in the first result: that is no overrun."""
    model = provider.text_model(max_tokens=20, max_retries=0)
    provider.script(*[Behaviour(text=WORDS)] * 2)
    prompts: list[Any] = [f"question {number}" for number in range(12)]
    with track_costs(InMemoryStore(), budgets=[Budget("1.00"), Budget(tokens=100_000)]) as costs:
        asyncio.run(model.abatch(prompts)) if is_async else model.batch(prompts)
        costs.flush()
        money, tokens = sorted(costs.budgets(), key=lambda row: row.unit, reverse=True)
        assert (money.spent, money.reserved, money.overrun) == (provider.billed, Decimal(0), Decimal(0))
        assert (tokens.reserved, tokens.overrun) == (0, 0)
        assert money.frozen is None
    assert len(provider.requests) == 1
