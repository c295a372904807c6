"""Faults that were found by trying to break the callbacks, each by the behaviour that must hold."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sqlite3
import subprocess
import sys
import textwrap
import time
import warnings
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from langchain_costguard import CostCallbackHandler, open_store, track_costs
from langchain_costguard.callbacks.results import read_answer, read_failure
from langchain_costguard.callbacks.scopes import SCOPE
from langchain_costguard.recorder import StartedCall
from langchain_costguard.stores.sql import SQLStore
from langchain_costguard.testing import LoopbackProvider, Reply, ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USAGE = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
COST = Decimal("0.0075")


def model(*responses: Any, **settings: Any) -> ScriptedChatModel:
    """A model that claims to be gpt-4o of OpenAI."""
    script = list(responses) or [Reply("fine", usage=USAGE)]
    return ScriptedChatModel(responses=script, cycle=True, model_name="gpt-4o", provider="openai", **settings)


def started(kind: Any = "chat") -> StartedCall:
    """A call that has begun."""
    return StartedCall(uuid4(), kind, "a prompt", str)


def test_a_run_id_used_twice_is_two_paid_calls() -> None:
    """LangChain lets a caller name the run; the provider bills each use."""
    run_id = uuid4()
    with track_costs() as costs:
        for _ in range(3):
            model().invoke("q", {"run_id": run_id})
    assert costs.total_cost == 3 * COST
    assert len({entry.run_id for entry in costs.entries()}) == 3


def test_a_run_id_used_at_once_by_two_calls_is_two_paid_calls() -> None:
    """The same, while the first is still at work."""
    run_id = uuid4()
    slow = model(Reply("x", usage=USAGE, latency_seconds=0.1))

    async def main() -> None:
        await asyncio.gather(*(slow.ainvoke("q", {"run_id": run_id}) for _ in range(2)))

    with track_costs() as costs:
        asyncio.run(main())
    assert costs.total_cost == 2 * COST


def test_blocks_may_end_in_another_order_than_they_began() -> None:
    """Generators hold blocks open across each other."""

    def block() -> Iterator[CostCallbackHandler]:
        with track_costs() as costs:
            model().invoke("first")
            yield costs
            model().invoke("second")
            yield costs

    first, second = block(), block()
    next(first)
    costs = next(second)
    first.close()
    next(second)
    assert costs.calls == 2
    second.close()
    assert SCOPE.get() is None


def test_an_answer_that_could_not_be_parsed_is_priced_by_its_own_usage() -> None:
    """A structured output cut at the limit is raised as an error, and is paid in full."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 16_384}
    error = ValueError("could not parse")
    error.completion = SimpleNamespace(usage=usage, model="gpt-4o-2024-08-06", service_tier=None)  # type: ignore[attr-defined]  # as the client sets it
    outcome = read_failure(started(), error, None)
    assert (outcome.status, outcome.error) == ("error", "ValueError")
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (1000, 16_384)


def test_usage_of_nothing_but_zeros_is_counted_instead() -> None:
    """Some servers report zeros for what they do not count: a silent $0."""
    zeros = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    with track_costs() as costs:
        model(Reply("one two three four", usage=zeros)).invoke("How many words?")
    (entry,) = costs.entries()
    assert entry.is_estimated
    assert entry.billed_cost > 0


@pytest.mark.parametrize(
    ("usage", "reported"),
    [
        ({"cost": 0.0125}, Decimal("0.0125")),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0125}}, Decimal("0.0125")),
        ({"cost": 0, "is_byok": True, "cost_details": {}}, None),
        ({"cost": 1e40}, None),
        ({"cost": "n/a"}, None),
    ],
)
def test_a_reported_cost_is_believed_where_it_can_be(usage: dict[str, Any], reported: Decimal | None) -> None:
    """A key of one's own at OpenRouter bills nothing there and something behind it."""
    generation = ChatGeneration(message=AIMessage("x", usage_metadata=USAGE))
    result = LLMResult(generations=[[generation]], llm_output={"token_usage": usage})
    assert read_answer(started(), result).reported_usd == reported


def test_a_tier_that_merged_chunks_repeat_is_still_found() -> None:
    """Two choices in one stream write `defaultdefault`."""
    message = AIMessage("x", usage_metadata=USAGE, response_metadata={"service_tier": "defaultdefault"})
    call = started()
    call.first_token_ns = 1
    result = LLMResult.model_construct(generations=[[SimpleNamespace(message=message)]], llm_output=None)
    assert read_answer(call, result).service_tier == "default"


def test_a_text_model_that_reports_usage_with_its_generation_is_read() -> None:
    """Ollama's text models put their counts into `generation_info`."""
    info = {"model": "llama3.1", "prompt_eval_count": 26, "eval_count": 50}
    result = LLMResult(generations=[[Generation(text="x", generation_info=info)]])
    outcome = read_answer(started("llm"), result)
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (26, 50)
    assert outcome.response_model == "llama3.1"


def test_tools_the_provider_ran_are_flagged_because_it_bills_them_apart() -> None:
    """A web search costs more than the tokens around it."""
    raw = {"server_tool_use": {"web_search_requests": 5, "web_fetch_requests": 0}}
    message = AIMessage("x", usage_metadata=USAGE, response_metadata={"model_name": "gpt-4o", "usage": raw})
    handler = CostCallbackHandler()
    model(message).invoke("q", {"callbacks": [handler]})
    (entry,) = handler.entries()
    assert any("5 web_search_requests" in flag for flag in entry.usage.flags)


def test_an_estimate_counts_images() -> None:
    """A picture is hundreds of tokens, however short the words beside it."""
    url = {"type": "image_url", "image_url": {"url": "https://example.com/picture.png", "detail": "high"}}
    prompt = [HumanMessage([{"type": "text", "text": "What is this?"}, url])]
    with track_costs() as costs:
        model(Reply("A cat.", usage=None)).invoke(prompt)
    (entry,) = costs.entries()
    assert entry.usage.input_tokens > 500


def test_a_metadata_key_that_is_no_text_costs_nobody_a_price() -> None:
    """LangChain lets anything be a key."""
    with track_costs() as costs:
        model().invoke("q", {"metadata": {1: "x"}})
    assert costs.total_cost == COST


def test_a_chain_that_holds_a_handler_can_be_copied_but_not_sent_away() -> None:
    """Deep copies of configured chains are made by users and by LangChain."""
    handler = CostCallbackHandler()
    copied = copy.deepcopy(FakeListChatModel(responses=["x"]).with_config(callbacks=[handler]))
    copied.invoke("q")
    assert handler.calls == 1
    with pytest.raises(TypeError, match="make one in the other process"):
        pickle.dumps(handler)


@pytest.mark.filterwarnings("ignore::langchain_costguard.exceptions.UntrackedStoreWarning")
def test_a_locked_store_does_not_hold_up_an_event_loop(tmp_path: Path) -> None:
    """Leaving the block and reading the figures must not wait for a lock."""
    path = tmp_path / "costs.db"
    store = SQLStore(path, timeout_seconds=20)
    holder = sqlite3.connect(path, isolation_level=None)
    longest = 0.0

    async def heartbeat() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)  # how late it wakes is how long the loop was held up
            longest = max(longest, time.perf_counter() - before)

    async def main() -> Decimal | None:
        beat = asyncio.create_task(heartbeat())
        with track_costs(store=store) as costs:
            await model().ainvoke("warm")
            await costs.aflush()
            holder.execute("BEGIN EXCLUSIVE")
            await model().ainvoke("q")
            await asyncio.sleep(0.05)  # what is handed to the worker begins
            assert costs.calls == 2
        beat.cancel()
        holder.execute("ROLLBACK")
        await costs.aflush()
        return costs.total_cost

    assert asyncio.run(main()) == 2 * COST
    assert longest < 15  # a loop that waits for the lock waits for 20 seconds; this is no measure of speed
    holder.close()
    assert store.totals()[0].calls == 2


def test_warnings_turned_into_errors_lose_no_line(tmp_path: Path) -> None:
    """A strict test suite turns our warning into an exception; the line must come through it."""
    path = tmp_path / "costs.db"
    handler = CostCallbackHandler(store=SQLStore(path, timeout_seconds=0.05))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().invoke("q", {"callbacks": [handler]})
    holder.execute("ROLLBACK")
    holder.close()
    assert handler.flush()
    assert [(entry.status, entry.billed_cost) for entry in handler.store.entries()] == [("ok", COST)]


CHILD = """
    import asyncio, multiprocessing, sys
    from langchain_costguard import CostCallbackHandler
    from langchain_costguard.testing import Reply, ScriptedChatModel

    def work(path):
        usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
        model = ScriptedChatModel(responses=Reply("x", usage=usage), model_name="gpt-4o", provider="openai")
        handler = CostCallbackHandler(store=path)
        async def main():
            for _ in range(200):
                await model.ainvoke("q", {"callbacks": [handler]})
        asyncio.run(main())

    if __name__ == "__main__":
        child = multiprocessing.get_context("fork").Process(target=work, args=(sys.argv[1],))
        child.start()
        child.join()
        sys.exit(child.exitcode)
"""


def test_a_child_of_multiprocessing_writes_all_its_lines_before_it_ends(tmp_path: Path) -> None:
    """Such a child ends without running what `atexit` was told."""
    path = str(tmp_path / "costs.db")
    subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(CHILD), path], check=True, timeout=60)
    sums = open_store(path).totals()[0]
    assert (sums.calls, sums.open_calls, sums.billed_cost) == (200, 0, 200 * COST)


def test_two_choices_in_one_stream_are_priced() -> None:
    """The whole way, with the real client."""
    with LoopbackProvider() as provider, track_costs() as costs:
        list(provider.chat_model(model="gpt-4o", n=2, stream_usage=True).stream("hello"))
        assert costs.total_cost == provider.billed
