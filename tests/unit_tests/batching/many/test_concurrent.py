"""run_many: every item ends as a result or an error, in order, with no more under way than was asked for."""

from __future__ import annotations

import asyncio
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from langchain_costguard import CostCallbackHandler, track_costs
from langchain_costguard.batching import (
    ItemsFailedError,
    Retries,
    arun_many,
    arun_many_as_completed,
    run_many,
    run_many_as_completed,
)
from langchain_costguard.testing import LoopbackProvider, ScriptedChatModel
from tests.unit_tests.batching.many.many_runners import BOTH_COMPLETED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.unit_tests.batching.many.many_runners import Many


class Gauge:
    """Counts how many of its calls are under way at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, number: int) -> int:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002)  # long enough that others begin meanwhile
        with self._lock:
            self.now -= 1
        return number * number


def odd_fails(number: int) -> int:
    """Fails for odd numbers."""
    if number % 2:
        msg = f"{number} is odd"
        raise ValueError(msg)
    return number


def test_results_stand_in_the_order_of_their_inputs(many: Many) -> None:
    """An answer beside the wrong question is worse than none."""
    results = many(RunnableLambda(Gauge()), range(50), 8)
    assert list(results) == [number * number for number in range(50)]
    assert (len(results), results[7], results[-1], results[2:4]) == (50, 49, 2401, [4, 9])
    assert results.is_complete
    results.raise_if_failed()


def test_no_more_are_under_way_than_was_asked_for(many: Many) -> None:
    """It is what keeps a provider's limit, and a laptop's memory."""
    gauge = Gauge()
    many(RunnableLambda(gauge), range(60), 4)
    assert 2 <= gauge.most <= 4


def test_a_failed_item_keeps_its_error_beside_the_results_of_the_others(many: Many) -> None:
    """One bad input in a hundred thousand must not throw the rest away."""
    results = many(RunnableLambda(odd_fails), range(5))
    assert list(results) == [0, None, 2, None, 4]
    assert {index: str(error) for index, error in results.errors.items()} == {1: "1 is odd", 3: "3 is odd"}
    assert [outcome.status for outcome in results.outcomes] == ["done", "failed", "done", "failed", "done"]
    with pytest.raises(ItemsFailedError, match=r"3 of 5 items done, 2 failed.*checkpoint=") as caught:
        results.raise_if_failed()
    assert caught.value.__cause__ is results.errors[1]
    assert (set(caught.value.errors), caught.value.not_run) == ({1, 3}, 0)


def test_the_first_error_is_raised_where_that_is_asked_for(many: Many) -> None:
    """For a job that is worthless unless it is whole; it says which item it was."""
    begun: list[int] = []

    def noted(number: int) -> int:
        begun.append(number)
        return odd_fails(number)

    with pytest.raises(ValueError, match="1 is odd") as caught:
        many(RunnableLambda(noted), range(1000), 2, on_error="raise")
    assert caught.value.__notes__ == ["raised by item 1 of run_many"]
    assert len(begun) < 20


@pytest.mark.parametrize("completed", BOTH_COMPLETED)
def test_outcomes_come_as_they_end(completed: Callable[..., Any]) -> None:
    """A slow item must not hide those behind it."""
    free = threading.Event()

    def first_is_last(number: int) -> int:
        if number == 0:
            assert free.wait(30)
        if number == 9:
            free.set()
        return number

    outcomes = completed(RunnableLambda(first_is_last), range(10), 2)
    assert [outcome.index for outcome in outcomes] == [*range(1, 9), outcomes[8].index, outcomes[9].index]
    assert sorted(outcome.output for outcome in outcomes) == list(range(10))


def test_whoever_stops_reading_stops_the_run() -> None:
    """The rest is not paid, and what was under way has ended when the loop is left."""
    gauge, read = Gauge(), []

    def numbers() -> Iterator[int]:
        for number in range(10_000):
            read.append(number)
            yield number

    outcomes = run_many_as_completed(RunnableLambda(gauge), numbers(), 4)
    next(outcomes)
    outcomes.close()
    assert gauge.now == 0
    assert len(read) <= 8


@pytest.mark.parametrize("completed", BOTH_COMPLETED)
def test_inputs_are_read_as_workers_become_free(completed: Callable[..., Any]) -> None:
    """A generator over a million rows must never be held as a list."""
    ended = 0
    ahead: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(300):
            ahead.append(number - ended)
            yield number

    def count(_: object) -> None:
        nonlocal ended
        ended += 1

    assert len(completed(RunnableLambda(lambda number: number), numbers(), 3, progress=count)) == 300
    assert max(ahead) <= 4


async def test_inputs_may_be_waited_for() -> None:
    """Rows of a database come through an async iterator."""

    async def rows() -> AsyncIterator[int]:
        for number in range(20):
            await asyncio.sleep(0)  # others run meanwhile
            yield number

    assert list(await arun_many(RunnableLambda(lambda number: number + 1), rows(), 3)) == list(range(1, 21))


async def test_it_runs_where_an_event_loop_runs() -> None:
    """A notebook's cell runs inside one; `asyncio.run` would fail there."""
    with LoopbackProvider() as provider:
        chain = ChatPromptTemplate.from_template("{x}") | provider.chat_model() | StrOutputParser()
        results = run_many(chain, [{"x": "a"}, {"x": "b"}])
        assert list(results) == ["An answer from the loopback provider."] * 2
        assert results.cost == provider.billed


def test_a_cancelled_run_cancels_what_is_under_way() -> None:
    """An abandoned request that goes on in the background goes on costing."""
    cancelled: list[int] = []
    under_way: list[int] = []
    begun = asyncio.Event()

    async def forever(number: int) -> None:
        under_way.append(number)
        if len(under_way) == 3:
            begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(number)

    async def give_up() -> None:
        run = asyncio.create_task(arun_many(RunnableLambda(forever), range(10), 3))
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert not any(task.get_name() == "costguard-run-many" for task in asyncio.all_tasks())

    asyncio.run(give_up())
    assert sorted(cancelled) == [0, 1, 2]


async def test_a_cancellation_inside_a_chain_is_that_items_error() -> None:
    """A timeout somewhere in a chain is not the user who gives up."""

    async def sometimes(number: int) -> int:
        if number == 1:
            raise asyncio.CancelledError
        return number

    results = await arun_many(RunnableLambda(sometimes), range(3), 1)
    assert list(results) == [0, None, 2]
    assert isinstance(results.errors[1], asyncio.CancelledError)


async def test_leaving_the_loop_over_outcomes_ends_the_tasks() -> None:
    """A task that nobody waits for is a warning at best."""
    outcomes = arun_many_as_completed(RunnableLambda(lambda number: number), range(1000), 4)
    async for _ in outcomes:
        break
    await outcomes.aclose()
    assert not any(task.get_name() == "costguard-run-many" for task in asyncio.all_tasks())


def test_config_goes_for_every_item(many: Many) -> None:
    """Tags and metadata are how the ledger tells one job from another."""
    handler = CostCallbackHandler()
    model = ScriptedChatModel(model_name="gpt-4o-mini")
    config = {"callbacks": [handler], "tags": ["import"], "metadata": {"user": "u1"}}
    results = many(model, ["a", "b", "c"], config=config)
    assert [(entry.tags, entry.user) for entry in handler.entries()] == [(("import",), "u1")] * 3
    assert results.cost == handler.total_cost
    assert handler.total_cost


def test_calls_are_booked_once_however_many_watch(many: Many) -> None:
    """A block around the run and the run itself must not pay twice."""
    model = ScriptedChatModel(model_name="gpt-4o-mini")
    with track_costs() as costs:
        results = many(model, ["a", "b", "c"])
    assert costs.calls == 3
    assert results.cost == costs.total_cost
    assert sum(outcome.cost for outcome in results.outcomes) == costs.total_cost


def test_inside_a_chain_its_runs_are_children_of_that_run() -> None:
    """Traces and budgets of the outer run must see them."""
    model = ScriptedChatModel(model_name="gpt-4o-mini")

    def fan_out(questions: list[str]) -> int:
        return len(run_many(model, questions))

    with track_costs() as costs:
        assert RunnableLambda(fan_out).with_config(run_name="outer").invoke(["a", "b"]) == 2
    entries = costs.entries()
    assert {entry.chain for entry in entries} == {"outer"}
    assert len({entry.root_run_id for entry in entries}) == 1


def test_the_cost_is_the_providers_own_bill_to_the_last_digit(many: Many) -> None:
    """The figure a user reports upwards."""
    with LoopbackProvider(reply=lambda body: "word " * len(str(body))) as provider:
        results = many(provider.chat_model(), [f"question {'x' * number}" for number in range(20)], 5)
        assert results.cost == provider.billed
        assert results.unpriced_calls == 0


def test_an_unknown_price_is_unknown_and_not_zero(many: Many) -> None:
    """Zero means free."""
    results = many(ScriptedChatModel(model_name="nobody-knows-it"), ["a"])
    assert results.cost is None
    assert results.outcomes[0].cost is None
    assert results.unpriced_calls == 1
    assert "cost unknown" in repr(results)


def test_nothing_is_fine_and_costs_nothing(many: Many) -> None:
    """An empty table is a usual Monday."""
    results = many(RunnableLambda(odd_fails), [])
    assert (list(results), results.cost, results.is_complete) == ([], Decimal(0), True)
    results.raise_if_failed()


def test_equal_inputs_are_items_of_their_own(many: Many) -> None:
    """Two samples of one prompt are two answers."""
    model = ScriptedChatModel(responses=["a", "b", "c"])
    assert sorted(answer.content for answer in many(model, ["same"] * 3)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"chain": len}, TypeError, r"no chain: give a Runnable, such as prompt \| model or RunnableLambda"),
        ({"inputs": "hello"}, TypeError, "a single str: give a list of inputs"),
        ({"inputs": {"x": 1}}, TypeError, "a single dict: give a list of inputs"),
        ({"inputs": 3}, TypeError, "give a list or any other iterable"),
        ({"max_concurrency": 0}, ValueError, "max_concurrency=0 runs nothing: give a whole number from 1"),
        ({"max_concurrency": 2.5}, ValueError, "give a whole number"),
        ({"max_concurrency": True}, ValueError, "give a whole number"),
        ({"on_error": "ignore"}, ValueError, "give 'keep' or 'raise'"),
        ({"retries": 3}, TypeError, r"give Retries\(attempts=...\)"),
        ({"config": [{}]}, TypeError, "give one config, which goes for every item"),
        ({"config": {"run_id": "1"}}, ValueError, "leave it out"),
        ({"checkpoint": 7}, TypeError, r"give a path, or Checkpoint\(path=...\)"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_paid(
    many: Many, changed: dict[str, Any], error: type[Exception], words: str
) -> None:
    """A dict by mistake would run the chain over its keys, and be billed for it."""
    model = ScriptedChatModel()
    with pytest.raises(error, match=words):
        many(**{"chain": model, "inputs": ["a"], **changed})
    assert model.calls == ()


def test_threads_cannot_wait_for_async_inputs() -> None:
    """The error names the function that can."""

    async def rows() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(TypeError, match="use arun_many"):
        run_many(ScriptedChatModel(), rows())


def test_retries_that_mean_nothing_are_refused() -> None:
    """No attempt at all would give no result and no error."""
    with pytest.raises(ValueError, match="attempts=0 makes no call"):
        Retries(attempts=0)
    with pytest.raises(ValueError, match="longest_seconds=-1 is no time"):
        Retries(longest_seconds=-1)
