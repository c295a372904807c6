"""guarded(): calls are fitted into what their budgets still allow, and wait only where waiting can help."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from langchain_costguard import Budget, BudgetExceededError, guarded, track_costs
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Iterator


class City(BaseModel):
    """A city."""

    name: str


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that answers with so many words and remembers what it was asked."""
    with LoopbackProvider(reply="word " * 24, keep_bodies=True) as served:
        yield served


def budget(limit: str = "0.001") -> Any:
    """A block with a hard budget in memory."""
    return track_costs(InMemoryStore(), budgets=[Budget(limit)], on_alert=lambda _: None)


def capped(provider: LoopbackProvider) -> list[int | None]:
    """The limits on the answer that the provider was asked with."""
    return [(request.body or {}).get("max_completion_tokens") for request in provider.requests]


@pytest.mark.parametrize("own_limit", [None, 2000])
def test_an_answer_is_capped_to_what_fits(provider: LoopbackProvider, own_limit: int | None) -> None:
    """Unguarded, the model's own limit would have it refused."""
    model = provider.chat_model(max_tokens=own_limit, max_retries=0)
    with budget() as costs:
        with pytest.raises(BudgetExceededError):
            model.invoke("hello")
        guarded(model).invoke("hello")
        assert costs.budgets()[0].spent == provider.billed == costs.total_cost
    (cap,) = capped(provider)
    assert cap is not None
    assert 1500 < cap < 1700


def test_an_own_lower_limit_stays(provider: LoopbackProvider) -> None:
    """What the user asked for is never raised."""
    with budget():
        guarded(provider.chat_model(max_tokens=30, max_retries=0)).invoke("hello")
        guarded(provider.chat_model(max_retries=0), max_output_tokens=70).invoke("hello")
    assert capped(provider) == [30, 70]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_batch_makes_every_call_it_can_pay_for(provider: LoopbackProvider, *, is_async: bool) -> None:
    """Twenty at once each reserve much and use little: they wait for one another, and all of them run."""
    model = guarded(provider.chat_model(max_retries=0), min_output_tokens=500)
    prompts = [f"question {number}" for number in range(20)]
    with budget() as costs:
        answers = asyncio.run(model.abatch(prompts)) if is_async else model.batch(prompts)
        assert len(answers) == len(provider.requests) == 20
        assert costs.budgets()[0].spent == provider.billed
        assert costs.budgets()[0].reserved == Decimal(0)


@pytest.mark.parametrize("when_full", ["wait", "raise"])
def test_a_call_that_waiting_cannot_help_is_refused_at_once(provider: LoopbackProvider, when_full: Any) -> None:
    """What is spent does not come back."""
    model = guarded(provider.chat_model(max_retries=0), when_full=when_full)
    with budget("0.00001"), pytest.raises(BudgetExceededError) as caught:
        model.invoke("hello")
    assert provider.requests == ()
    assert caught.value.reserved == Decimal(0)


def test_a_full_budget_may_raise_instead_of_waiting(provider: LoopbackProvider) -> None:
    """A web server would rather answer that it is busy."""
    model = guarded(provider.chat_model(max_retries=0), when_full="raise", min_output_tokens=1000)
    provider.next(latency_seconds=0.5)

    async def run() -> None:
        first = asyncio.create_task(model.ainvoke("one"))
        while not provider.requests:  # noqa: ASYNC110 - the provider serves from a thread, and has no event
            await asyncio.sleep(0.005)  # asked again soon
        with pytest.raises(BudgetExceededError) as caught:
            await model.ainvoke("two")
        assert caught.value.reserved
        await first

    with budget():
        asyncio.run(run())
    assert len(provider.requests) == 1


def test_waiting_ends_at_the_timeout(provider: LoopbackProvider) -> None:
    """A call that never ends must not hold others up for ever."""
    model = guarded(provider.chat_model(max_retries=0), min_output_tokens=1000, timeout_seconds=0.05)
    provider.next(latency_seconds=0.8)

    async def run() -> None:
        first = asyncio.create_task(model.ainvoke("one"))
        while not provider.requests:  # noqa: ASYNC110 - the provider serves from a thread, and has no event
            await asyncio.sleep(0.005)  # asked again soon
        with pytest.raises(BudgetExceededError):
            await model.ainvoke("two")
        await first

    with budget():
        asyncio.run(run())


def test_streams_are_capped_too(provider: LoopbackProvider) -> None:
    """Synchronous and not."""
    model = guarded(provider.chat_model(max_retries=0, stream_usage=True))

    async def run() -> list[Any]:
        return [chunk async for chunk in model.astream("hello")]

    with budget() as costs:
        assert "word" in "".join(str(chunk.content) for chunk in model.stream("hello"))
        assert "word" in "".join(str(chunk.content) for chunk in asyncio.run(run()))
        assert costs.budgets()[0].spent == provider.billed
    assert None not in capped(provider)


def test_tools_and_structured_output_stay_guarded(provider: LoopbackProvider) -> None:
    """They wrap the model, and the cap has to get inside."""
    model = guarded(provider.chat_model(model="gpt-4o-mini", max_retries=0))
    with budget() as costs:
        model.bind_tools([City]).invoke("hello")
        model.bind(temperature=0).invoke("hello")
        assert isinstance(model.with_structured_output(City).invoke("a city"), City)
        both = model.with_structured_output(City, include_raw=True).invoke("a city")
        assert isinstance(both["parsed"], City)
        assert costs.budgets()[0].spent == provider.billed
    assert None not in capped(provider)
    assert len(provider.requests) == 4


def test_without_a_budget_nothing_is_capped(provider: LoopbackProvider) -> None:
    """The model is asked as it is."""
    guarded(provider.chat_model(max_retries=0)).invoke("hello")
    assert capped(provider) == [None]


@pytest.mark.parametrize(
    "arguments", [{"when_full": "queue"}, {"min_output_tokens": 0}, {"max_output_tokens": 0}, {"timeout_seconds": -1}]
)
def test_settings_that_make_no_sense_are_refused(provider: LoopbackProvider, arguments: dict[str, Any]) -> None:
    """At construction, with the argument that mends it."""
    with pytest.raises(ValueError, match=next(iter(arguments))):
        guarded(provider.chat_model(), **arguments)


def test_only_chat_models_are_guarded(provider: LoopbackProvider) -> None:
    """A chain would be capped nowhere."""
    with pytest.raises(TypeError, match="is no chat model"):
        guarded(provider.text_model())
