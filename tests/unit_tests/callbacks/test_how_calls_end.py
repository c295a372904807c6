"""Calls that do not end well still end as a line: closed streams, errors, cancellations, calls LangChain forgets."""

from __future__ import annotations

import asyncio
import gc
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableLambda

from langchain_costguard import CostCallbackHandler, track_costs
from langchain_costguard.callbacks import calls as calls_module
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.testing import Reply, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
COST = Decimal("0.0075")


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """No test may leave an open call behind: that would be a leak."""
    yield
    CALLS.sweep()
    assert len(CALLS) == 0


def model(*responses: Any, **settings: Any) -> ScriptedChatModel:
    """A model that claims to be gpt-4o of OpenAI."""
    return ScriptedChatModel(responses=list(responses), cycle=True, model_name="gpt-4o", provider="openai", **settings)


class RefusedError(Exception):
    """An error with an HTTP status, as the providers' clients raise it."""

    def __init__(self, status_code: int) -> None:
        super().__init__("text that must not be kept")
        self.status_code = status_code


def test_a_stream_without_usage_is_counted_and_marked() -> None:
    """A custom base_url turns stream usage off; LangChain's own handlers then record nothing."""
    with track_costs() as costs:
        list(model(Reply("one two three four"), stream_usage="missing").stream("How many words?"))
    (entry,) = costs.entries()
    assert entry.status == "ok"
    assert entry.estimate_method == "tiktoken:o200k_base"
    assert (entry.usage.output_tokens, entry.is_priced) == (4, True)
    assert entry.usage.input_tokens >= 4


def test_a_stream_closed_early_is_a_cancelled_line_with_what_had_arrived() -> None:
    """The provider bills what it generated until it noticed; nothing must not be recorded."""
    with track_costs() as costs:
        stream = model(Reply("one two three four five six")).stream("Count.")
        next(stream)
        next(stream)
        stream.close()
    (entry,) = costs.entries()
    assert (entry.status, entry.error, entry.is_estimated) == ("cancelled", "GeneratorExit", True)
    assert 0 < entry.usage.output_tokens < 6
    assert entry.billed_cost > 0


def test_a_stream_that_breaks_is_an_error_line_with_what_had_arrived() -> None:
    """A dropped connection is billed up to the drop."""
    with track_costs() as costs, pytest.raises(ConnectionError):
        list(model(Reply("one two three four five six", fail_after_chunks=3)).stream("Count."))
    (entry,) = costs.entries()
    assert (entry.status, entry.error) == ("error", "ConnectionError")
    assert 0 < entry.usage.output_tokens < 6


@pytest.mark.parametrize("code", [400, 401, 404, 422, 429])
def test_what_the_provider_refused_costs_nothing(code: int) -> None:
    """A 4xx is not billed: an estimate here would invent money."""
    with track_costs() as costs, pytest.raises(RefusedError):
        model(RefusedError(code)).invoke("q")
    (entry,) = costs.entries()
    assert (entry.status, entry.error, entry.billed_cost) == ("error", "RefusedError", Decimal(0))
    assert entry.usage.total_tokens == 0


@pytest.mark.parametrize("error", [RefusedError(500), RefusedError(408), TimeoutError("late")])
def test_what_may_have_been_billed_is_estimated(error: Exception) -> None:
    """A timed-out request is often billed; zero would be a guess in the user's disfavour."""
    with track_costs() as costs, pytest.raises(type(error)):
        model(error).invoke("How much is this?")
    (entry,) = costs.entries()
    assert (entry.status, entry.is_estimated) == ("error", True)
    assert entry.usage.input_tokens > 0
    assert entry.usage.output_tokens == 0


def test_a_server_that_was_never_reached_costs_nothing() -> None:
    """A refused connection has billed nobody."""

    class ConnectError(Exception):
        """Named like the HTTP client's."""

    def fail(_: Any) -> Any:
        msg = "no route"
        raise RuntimeError(msg) from ConnectError()

    with track_costs() as costs, pytest.raises(RuntimeError):
        ScriptedChatModel(responses=fail, model_name="gpt-4o", provider="openai").invoke("q")
    assert costs.total_cost == Decimal(0)


def test_a_cancelled_task_is_a_line() -> None:
    """LangChain fires neither end nor error when an `ainvoke` is cancelled."""

    async def main() -> None:
        task = asyncio.create_task(model(Reply("x", latency_seconds=30)).ainvoke("q"))
        await asyncio.sleep(0.05)  # until it is under way
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with track_costs() as costs:
        asyncio.run(main())
    (entry,) = costs.entries()
    assert (entry.status, entry.error, entry.is_estimated) == ("cancelled", "CancelledError", True)


def test_a_timeout_inside_a_living_task_is_a_line_as_soon_as_somebody_reads() -> None:
    """`asyncio.timeout` cancels without ending the task: the task's end tells nothing."""

    async def main() -> list[str]:
        with track_costs() as costs:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await model(Reply("x", latency_seconds=30)).ainvoke("q")
            return [entry.status for entry in costs.entries()]

    assert asyncio.run(main()) == ["cancelled"]


def test_a_cancelled_chain_closes_the_calls_below_it() -> None:
    """The chain does report its cancellation, and knows what was under way."""
    chain = RunnableLambda(lambda text: text) | model(Reply("x", latency_seconds=30))
    handler = CostCallbackHandler()

    async def main() -> None:
        task = asyncio.create_task(chain.ainvoke("q", config={"callbacks": [handler]}))
        await asyncio.sleep(0.05)  # until it is under way
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(CALLS) == 0

    asyncio.run(main())
    (entry,) = handler.entries()
    assert (entry.status, entry.chain) == ("cancelled", "RunnableSequence")


def test_of_a_cancelled_gather_each_call_is_a_line() -> None:
    """Siblings that had answered keep their real usage, the others are cancelled."""

    async def main() -> None:
        quick = model(Reply("done", usage=USAGE))
        slow = model(Reply("x", latency_seconds=30))
        group = asyncio.gather(quick.ainvoke("q"), *(slow.ainvoke("q") for _ in range(4)))
        await asyncio.sleep(0.05)  # until it is under way
        group.cancel()
        with pytest.raises(asyncio.CancelledError):
            await group

    with track_costs() as costs:
        asyncio.run(main())
    statuses = sorted(entry.status for entry in costs.entries())
    assert statuses == ["cancelled"] * 4 + ["ok"]


def test_a_cancelled_stream_is_a_line() -> None:
    """A web client that goes away cancels the stream that serves it."""

    async def main() -> None:
        with pytest.raises(TimeoutError):  # noqa: PT012 - what is left early is the block
            async with asyncio.timeout(0.1):
                async for _ in model(Reply("one two three")).astream("q"):
                    await asyncio.sleep(30)  # the timeout comes first

    with track_costs() as costs:
        asyncio.run(main())
        gc.collect()
    (entry,) = costs.entries()
    assert entry.status == "cancelled"


def test_when_one_prompt_of_a_generate_fails_the_paid_one_is_kept_and_the_unsent_one_is_free() -> None:
    """Synchronous `generate` reports the failing prompt only: not the one before, which was paid, nor the one after."""

    def script(messages: Any) -> Any:
        return ValueError("no") if messages[0].content == "bad" else Reply("fine", usage=USAGE)

    prompts = [[HumanMessage(text)] for text in ("a good prompt", "bad", "never sent")]
    failing = ScriptedChatModel(responses=script, model_name="gpt-4o", provider="openai")
    with track_costs() as costs, pytest.raises(ValueError, match="no"):
        failing.generate(prompts)
    paid, failed, unsent = costs.entries()
    assert (paid.status, paid.is_estimated, paid.billed_cost > 0) == ("lost", True, True)
    assert (failed.status, failed.error) == ("error", "ValueError")
    assert (unsent.status, unsent.billed_cost) == ("cancelled", Decimal(0))


def test_a_late_end_corrects_a_line_that_was_given_up() -> None:
    """Giving a call up is a presumption; the truth, when it comes, replaces it and is not added to it."""
    handler = CostCallbackHandler()
    slow = model(Reply("x", usage=USAGE, latency_seconds=0.2))

    async def main() -> None:
        task = asyncio.create_task(slow.ainvoke("q", config={"callbacks": [handler]}))
        await asyncio.sleep(0.05)  # until it is under way
        (call,) = list(CALLS._open.values())
        CALLS.give_up(call, calls_module.Outcome("lost"))
        assert [entry.status for entry in handler.entries()] == ["lost"]
        await task

    asyncio.run(main())
    (entry,) = handler.entries()
    assert (entry.status, entry.billed_cost) == ("ok", COST)
    assert handler.total_cost == COST


def test_a_call_of_which_nothing_is_heard_is_lost_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded and the bill complete even if a run vanishes in a thread of its own."""
    handler = CostCallbackHandler()
    stream = model(Reply("one two three")).stream("q", config={"callbacks": [handler]})
    next(stream)
    assert handler.entries() == []
    monkeypatch.setattr(calls_module, "LOST_AFTER_SECONDS", 0)
    (entry,) = handler.entries()
    assert entry.status == "lost"
    monkeypatch.undo()
    assert [entry.status for entry in handler.entries()] == ["lost"]
    list(stream)
    assert [entry.status for entry in handler.entries()] == ["ok"]


def test_a_stream_being_read_is_not_taken_for_dead() -> None:
    """Reading the figures between two chunks must not close the stream's line."""
    with track_costs() as costs:
        for _ in model(Reply("one two three", usage=USAGE)).stream("q"):
            assert costs.entries() == []
    assert costs.total_cost == COST


class OddMessage(AIMessage):
    """A message whose usage cannot be read."""

    def __getattribute__(self, name: str) -> Any:
        if name == "usage_metadata":
            msg = "canary-text"
            raise RuntimeError(msg)
        return super().__getattribute__(name)


def test_a_result_that_cannot_be_read_still_leaves_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Tracking never breaks the chain and never loses a call, whatever is wrong with it."""
    handler = CostCallbackHandler()
    running = model(Reply("x", latency_seconds=0.2))

    async def main() -> None:
        task = asyncio.create_task(running.ainvoke("q", config={"callbacks": [handler]}))
        await asyncio.sleep(0.05)  # until it is under way
        (call,) = list(CALLS._open.values())
        message = OddMessage("x")
        result = LLMResult(generations=[[ChatGeneration.model_construct(message=message, text="x")]])
        with caplog.at_level(logging.ERROR, logger="langchain_costguard"):
            handler.on_llm_end(result, run_id=call.run_id)
        await task

    asyncio.run(main())
    (entry,) = handler.entries()
    assert (entry.status, entry.error) == ("error", "tracking: RuntimeError")
    assert handler.recorder.faults > 0
    assert "canary-text" not in caplog.text


def test_prices_that_fail_leave_an_unpriced_line() -> None:
    """A broken price book must not cost a line either."""
    handler = CostCallbackHandler()
    handler.recorder.prices.price  # noqa: B018 - it exists

    class Broken(type(handler.prices)):  # type: ignore[misc]  # a class made on the spot
        def price(self, *args: Any, **kwargs: Any) -> Any:
            msg = "broken"
            raise RuntimeError(msg)

    broken = CostCallbackHandler(prices=Broken())
    assert model(Reply("fine", usage=USAGE)).invoke("q", config={"callbacks": [broken]}).content == "fine"
    (entry,) = broken.entries()
    assert (entry.billed_cost, entry.unpriced_reason) == (None, "tracking failed: RuntimeError")
    assert entry.usage.input_tokens == 1000
