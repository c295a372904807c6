"""The only writer of the ledger: prices, writes, waits for stores, and closes what dead processes left open."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from langchain_costguard import CostCallbackHandler, InMemoryStore, PriceBook, TokenUsage, open_store
from langchain_costguard.exceptions import StoreError, UntrackedStoreWarning
from langchain_costguard.recorder import Outcome, Recorder, StartedCall, StreamUsage
from langchain_costguard.stores.sql import SQLStore
from langchain_costguard.testing import Reply, ScriptedChatModel

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.ledger import LedgerEntry

USAGE = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
COST = Decimal("0.0075")


def model(*responses: Any) -> ScriptedChatModel:
    """A model that claims to be gpt-4o of OpenAI."""
    script = list(responses) or [Reply("fine", usage=USAGE)]
    return ScriptedChatModel(responses=script, cycle=True, model_name="gpt-4o", provider="openai")


def booked(outcome: Outcome, *, prices: PriceBook | None = None, **facts: Any) -> LedgerEntry:
    """The line that a gpt-4o call with this outcome makes."""
    call = StartedCall(uuid4(), "chat", "a prompt", str)
    call.provider, call.request_model = "openai", "gpt-4o"
    for name, value in facts.items():
        setattr(call, name, value)
    return Recorder(None, prices or PriceBook()).lines.finished(call, outcome, call.started_ns + 1_500_000)


def test_a_line_says_what_the_call_cost_and_which_price_that_was() -> None:
    """A figure without its source cannot be explained later."""
    entry = booked(Outcome("ok", TokenUsage(1000, output_text=500), "gpt-4o-2024-08-06"))
    assert entry.billed_cost == COST
    assert (entry.price.source, entry.price.provider, entry.price.model) == ("genai-prices", "openai", "gpt-4o")
    assert entry.latency_ms == 1.5


def test_the_models_answer_to_the_provider_is_priced_and_not_its_alias() -> None:
    """An alias moves; the model that answered has a price of its own."""
    entry = booked(Outcome("ok", TokenUsage(1000, output_text=500), "gpt-4o-2024-05-13"))
    assert entry.billed_cost == Decimal("0.0125")


def test_an_azure_deployment_is_priced_by_the_model_that_answered() -> None:
    """A deployment is called whatever the team likes."""
    entry = booked(
        Outcome("ok", TokenUsage(1000, output_text=500), "gpt-4o-2024-11-20"),
        provider="azure",
        request_model="our-chat-deployment",
    )
    assert entry.billed_cost == COST


def test_a_cost_the_provider_reports_wins_and_ours_stands_beside_it() -> None:
    """OpenRouter says what it charged; our list price is then only a comparison."""
    entry = booked(Outcome("ok", TokenUsage(1000, output_text=500), reported_usd=Decimal("0.0081234567")))
    assert (entry.reported_nano, entry.billed_nano, entry.list_nano) == (8_123_457, 8_123_457, 7_500_000)


def test_a_reported_cost_prices_an_unknown_model() -> None:
    """What was charged is known even where no list knows the model."""
    entry = booked(Outcome("ok", TokenUsage(10), "brand/new", reported_usd=Decimal("0.001")), request_model="brand/new")
    assert (entry.billed_cost, entry.unpriced_reason, entry.list_cost) == (Decimal("0.001"), None, None)


def test_a_cached_answer_costs_nothing_and_says_what_it_avoided() -> None:
    """The fault every other counter has: a hit is billed as real spend."""
    entry = booked(Outcome("cached", TokenUsage(1000, output_text=500)))
    assert (entry.billed_cost, entry.avoided_cost) == (Decimal(0), COST)


def test_a_cached_answer_without_usage_avoided_an_unknown_amount() -> None:
    """Old caches keep no usage: unknown is not zero."""
    entry = booked(Outcome("cached"))
    assert (entry.billed_cost, entry.avoided_cost, entry.unpriced_reason) == (Decimal(0), None, None)


def test_the_tier_the_provider_used_is_priced() -> None:
    """Flex is half of the standard price; LangChain's own handlers ignore it."""
    entry = booked(Outcome("ok", TokenUsage(1000, output_text=1000), "o3", service_tier="flex"))
    assert entry.billed_cost == Decimal("0.005")


def test_a_batch_call_is_priced_at_the_batch_rate() -> None:
    """`tags.BATCH` is how a batch job says what its calls are."""
    entry = booked(Outcome("ok", TokenUsage(1000, output_text=500)), metadata={"costguard_batch": True})
    assert (entry.batch, entry.billed_cost) == (True, Decimal("0.00375"))


def test_a_price_book_that_raises_for_unknown_models_does_not_lose_the_call() -> None:
    """`unknown="raise"` speaks to callers of `price`; a run that was paid is recorded all the same."""
    outcome = Outcome("ok", TokenUsage(10), "no-such-model")
    entry = booked(outcome, prices=PriceBook(unknown="raise"), request_model="no-such-model")
    assert entry.billed_cost is None
    assert "no-such-model" in entry.unpriced_reason


def test_cumulative_usage_of_a_stream_is_told_from_partial_usage() -> None:
    """VLLM repeats the running total in every chunk; Anthropic-like streams report the input once."""
    repeated = StreamUsage({"input_tokens": 100, "output_tokens": 1})
    repeated.add({"input_tokens": 100, "output_tokens": 2})
    repeated.add({"input_tokens": 100, "output_tokens": 3})
    assert (repeated.is_cumulative, repeated.last["output_tokens"]) == (True, 3)
    partial = StreamUsage({"input_tokens": 100, "output_tokens": 0})
    partial.add({"input_tokens": 0, "output_tokens": 7})
    assert not partial.is_cumulative


def test_a_stream_that_repeats_its_running_total_is_counted_once() -> None:
    """Merged chunks add every total up; four chunks would bill the input four times."""
    repeating = ScriptedChatModel(
        responses=[Reply("one two three four", usage=USAGE)],
        model_name="gpt-4o",
        provider="openai",
        stream_usage="cumulative",
    )
    handler = CostCallbackHandler()
    merged = None
    for chunk in repeating.stream("q", config={"callbacks": [handler]}):
        merged = chunk if merged is None else merged + chunk
    assert merged.usage_metadata["input_tokens"] > 1000
    assert (handler.input_tokens, handler.output_tokens, handler.total_cost) == (1000, 500, COST)


def test_a_model_name_that_chunks_repeat_is_still_found() -> None:
    """Merging chunks writes `gpt-4ogpt-4o`."""
    repeating = ScriptedChatModel(
        responses=[Reply("one two three", usage=USAGE)],
        model_name="gpt-4o-2024-05-13",
        provider="openai",
        stream_model_name="every",
    )
    handler = CostCallbackHandler()
    list(repeating.stream("q", config={"callbacks": [handler]}))
    assert handler.total_cost == Decimal("0.0125")


# -- stores ------------------------------------------------------------------------------------------------------------


def test_a_locked_database_keeps_the_answer_and_the_line(tmp_path: Path) -> None:
    """Another process may hold the file; the chain goes on, and the line is written when the file is free."""
    path = tmp_path / "costs.db"
    handler = CostCallbackHandler(store=SQLStore(path, timeout_seconds=0.05))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.warns(UntrackedStoreWarning):
        assert model().invoke("q", config={"callbacks": [handler]}).content == "fine"
    assert handler.total_cost == COST
    assert handler.recorder.unsaved_lines == 1
    assert not handler.flush()
    holder.execute("ROLLBACK")
    assert handler.flush()
    assert handler.recorder.unsaved_lines == 0
    assert handler.store.totals()[0].billed_cost == COST
    holder.close()


def test_lines_that_waited_are_written_before_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that answers again gets everything it missed, without anybody asking."""
    monkeypatch.setattr("langchain_costguard.recorder.writer.RETRY_AFTER_SECONDS", 0)
    path = tmp_path / "costs.db"
    handler = CostCallbackHandler(store=SQLStore(path, timeout_seconds=0.05))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.warns(UntrackedStoreWarning):
        model().invoke("q", config={"callbacks": [handler]})
    holder.execute("ROLLBACK")
    holder.close()
    model().invoke("q", config={"callbacks": [handler]})
    assert handler.store.totals()[0].calls == 2


class SlowStore(InMemoryStore):
    """A store that may block, and remembers which thread wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: list[str] = []

    @property
    def may_block(self) -> bool:
        return True

    def append(self, entry: LedgerEntry) -> bool:
        self.writers.append(threading.current_thread().name)
        return super().append(entry)


def test_a_write_leaves_the_event_loop_and_stays_in_a_plain_thread() -> None:
    """A loop must not wait for a disk; a script must find its line written when `invoke` returns."""
    store = SlowStore()
    handler = CostCallbackHandler(store=store)
    asyncio.run(model().ainvoke("q", config={"callbacks": [handler]}))
    handler.flush()
    model().invoke("q", config={"callbacks": [handler]})
    assert store.writers == ["costguard-worker", threading.current_thread().name]


class FailingStore(InMemoryStore):
    """A store that is down."""

    tries = 0

    @property
    def may_block(self) -> bool:
        return True

    def append(self, entry: LedgerEntry) -> bool:
        self.tries += 1
        msg = "the store is down: start it"
        raise StoreError(msg)


@pytest.mark.filterwarnings("ignore::langchain_costguard.exceptions.UntrackedStoreWarning")
def test_a_store_that_is_down_is_left_alone_for_a_while() -> None:
    """Each try may wait seconds for a lock or a server: not every call may pay for it."""
    store = FailingStore()
    handler = CostCallbackHandler(store=store)
    for _ in range(5):
        model().invoke("q", config={"callbacks": [handler]})
    assert store.tries == 1
    assert handler.recorder.unsaved_lines == 5


@pytest.mark.filterwarnings("ignore::langchain_costguard.exceptions.UntrackedStoreWarning")
def test_a_store_that_is_down_never_never_breaks_an_async_chain() -> None:
    """The error stays with us; the figures in memory are complete."""
    handler = CostCallbackHandler(store=FailingStore())
    assert asyncio.run(model().ainvoke("q", config={"callbacks": [handler]})).content == "fine"
    assert handler.total_cost == COST
    assert handler.recorder.unsaved_lines == 1


class Picky(InMemoryStore):
    """A store that is up, and takes no line of one model."""

    def append(self, entry: LedgerEntry) -> bool:
        if entry.request_model == "unwanted":
            msg = "the line is too long: shorten it"
            raise StoreError(msg)
        return super().append(entry)


@pytest.mark.filterwarnings("ignore::langchain_costguard.exceptions.UntrackedStoreWarning")
def test_a_line_that_the_store_refuses_keeps_no_other_from_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the last flush of a process, nobody asks again."""
    store = Picky()
    handler = CostCallbackHandler(store=store)
    unwanted = ScriptedChatModel(responses=["no"], cycle=True, model_name="unwanted", provider="openai")
    for asked in (unwanted, unwanted, model(), unwanted, model()):
        asked.invoke("q", config={"callbacks": [handler]})
    assert handler.recorder.unsaved_lines == 5, "after a refusal the store is left alone for a while"
    assert handler.flush() is False
    assert [entry.request_model for entry in store.entries()] == ["gpt-4o", "gpt-4o"]
    assert handler.recorder.unsaved_lines == 3
    handler.recorder._unsaved.pop()
    handler.recorder._unsaved.pop()
    monkeypatch.setattr("langchain_costguard.recorder.writer.RETRY_AFTER_SECONDS", 0)
    handler.recorder._down_until = 0.0
    model().invoke("q", config={"callbacks": [handler]})
    assert len(list(store.entries())) == 3, "a new line is written though a refused one waits"
    assert handler.recorder.unsaved_lines == 1


# -- processes ---------------------------------------------------------------------------------------------------------

CHILD = """
    import sys, threading
    from langchain_costguard import CostCallbackHandler
    from langchain_costguard.testing import Reply, ScriptedChatModel
    handler = CostCallbackHandler(store=sys.argv[1])
    usage = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
    replies = [Reply("fine", usage=usage), Reply("never", latency_seconds=60)]
    model = ScriptedChatModel(responses=replies, model_name="gpt-4o", provider="openai")
    config = {"callbacks": [handler], "metadata": {"user": "u1"}}
    model.invoke("first", config=config)
    threading.Thread(target=lambda: (print("asked", flush=True))).start()
    model.invoke("a question that is never answered", config=config)
"""


def test_the_call_of_a_killed_process_is_a_lost_line_with_its_input_estimated(tmp_path: Path) -> None:
    """A process that dies in the middle of a call has spent money that nobody else would know of."""
    path = str(tmp_path / "costs.db")
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(CHILD), path], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "asked\n"
    store = open_store(path)
    deadline = time.monotonic() + 20
    while not [entry for entry in store.entries() if entry.status == "open"] and time.monotonic() < deadline:
        time.sleep(0.05)  # the child's second call is about to be noted
    assert Recorder(store, PriceBook()).recover() == []
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    (lost,) = Recorder(store, PriceBook()).recover()
    assert (lost.status, lost.user, lost.request_model) == ("lost", "u1", "gpt-4o")
    assert lost.is_estimated
    assert 0 < lost.billed_cost < Decimal("0.001")
    assert [entry.status for entry in store.entries()] == ["ok", "lost"]
    assert Recorder(store, PriceBook()).recover() == []


def test_a_new_handler_closes_what_a_dead_process_left_open(tmp_path: Path) -> None:
    """Nobody has to know that there is something to recover."""
    path = str(tmp_path / "costs.db")
    script = textwrap.dedent(CHILD).replace(
        'model.invoke("a question',
        'import os, threading as t; t.Timer(0.5, os._exit, [0]).start(); model.invoke("a question',
    )
    subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True)
    handler = CostCallbackHandler(store=path)
    handler.flush()
    assert [entry.status for entry in handler.store.entries()] == ["ok", "lost"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_writes_its_own_lines(tmp_path: Path) -> None:
    """Web servers fork after loading the application; the worker thread and the open calls stay with the parent."""
    path = str(tmp_path / "costs.db")
    handler = CostCallbackHandler(store=path)
    asyncio.run(model().ainvoke("parent", config={"callbacks": [handler]}))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(model().ainvoke("child", config={"callbacks": [handler]}))
            status = 0 if handler.flush() else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    handler.flush()
    assert handler.store.totals()[0].calls == 2
