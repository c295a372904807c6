"""Batch jobs from end to end: a chain and inputs in, its outputs in order, its cost and its saving out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from langchain_costguard import track_costs
from langchain_costguard.batching import estimate_batch, list_batches, open_batch, submit_batch
from langchain_costguard.testing.loopback.behaviour import Behaviour
from tests.unit_tests.batching.jobs.job_helpers import PROMPT, chain_of, echo, inputs_of, wait

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.testing import LoopbackProvider


def test_outputs_come_in_the_order_of_the_inputs(provider: LoopbackProvider, store: Path) -> None:
    """The provider shuffles its lines; an answer under the wrong input is worse than none."""
    for _ in range(3):
        provider.next_batch(answer=echo, seed=7)
    job = submit_batch(chain_of(provider), inputs_of(20), store=store, provider="openai", max_requests_per_file=8)
    results = job.collect()
    assert list(results) == [f"Say {number}." for number in range(20)]
    assert results.errors == {}
    assert len(provider.batches) == 3


def test_each_item_is_booked_once_at_half_price(provider: LoopbackProvider, store: Path, tmp_path: Path) -> None:
    """The ledger must say what the bill says, however often a job is collected, and what the batch has saved."""
    with track_costs(store=tmp_path / "ledger.db") as costs:
        job = submit_batch(chain_of(provider), inputs_of(10), store=store, provider="openai")
        first, again = job.collect(), job.collect()
    lines = costs.entries()
    assert len({line.run_id for line in lines}) == len(lines) == 10
    assert costs.total_cost == provider.billed == Decimal("0.0006125")
    assert first.cost == again.cost == Decimal("0.0006125")
    assert (first.synchronous_cost, first.saved) == (Decimal("0.001225"), Decimal("0.0006125"))
    assert all(line.batch and line.techniques == ("batch",) for line in lines)
    assert sum(line.baseline_nano or 0 for line in lines) == 1_225_000


def test_a_job_that_nobody_watched_is_booked_by_the_first_who_does(provider: LoopbackProvider, store: Path) -> None:
    """Whoever looked at the results first, outside a handler, must not hide the spending from the ledger."""
    chain = chain_of(provider)
    job = submit_batch(chain, inputs_of(3), store=store, provider="openai")
    assert job.collect().cost == provider.billed
    with track_costs() as costs:
        open_batch(job.id, chain, store=store).collect()
    with track_costs() as later:
        open_batch(job.id, chain, store=store).collect()
    assert costs.total_cost == provider.billed
    assert later.calls == 0


def test_another_process_collects(provider: LoopbackProvider, store: Path) -> None:
    """Nothing of the chain is kept in the file: who opens the job brings it, and gets the same outputs."""
    provider.next_batch(answer=echo)
    chain = chain_of(provider)
    job = submit_batch(chain, inputs_of(4), store=store, provider="openai", name="nightly")
    other = open_batch("nightly", chain, store=store)
    assert other.id == job.id
    assert list(other.collect()) == [f"Say {number}." for number in range(4)]
    assert [(one.job_id, one.state) for one in list_batches(store)] == [(job.id, "collected")]


def test_progress_is_told_while_it_waits(slow_provider: LoopbackProvider, store: Path) -> None:
    """A job of a day that says nothing looks like one that hangs."""
    job = submit_batch(chain_of(slow_provider), inputs_of(3), store=store, provider="openai")
    told: list[str | None] = []
    job.wait(
        20,
        first_pause_seconds=0.01,
        longest_pause_seconds=0.01,
        on_progress=lambda status: told.append(status.parts[0].provider_state),
    )
    assert told[-1] == "completed"
    assert "in_progress" in told
    assert not job.collect().errors


def test_waiting_ends_with_its_time(slow_provider: LoopbackProvider, store: Path) -> None:
    """A script with an hour to spare must get its control back, and what is there."""
    job = submit_batch(chain_of(slow_provider), inputs_of(2), store=store, provider="openai")
    assert not job.wait(0).is_done
    results = job.collect(wait=False)
    assert [error.cause for error in results.errors.values()] == ["pending", "pending"]
    assert results.cost is None
    wait(job)
    assert not job.collect().errors


class Country(BaseModel):
    """A country."""

    name: str


def test_structured_output_comes_back_parsed(provider: LoopbackProvider, store: Path) -> None:
    """`with_structured_output` nests a sequence and sends a class: what breaks the one rival package for LangChain."""
    provider.next_batch(answer=lambda *_: Behaviour(text='{"name": "Chile"}'))
    model = provider.chat_model(model="gpt-4o")
    plain = submit_batch(
        PROMPT | model.with_structured_output(Country), inputs_of(2), store=store, provider="openai"
    ).collect()
    provider.next_batch(answer=lambda *_: Behaviour(text='{"name": "Chile"}'))
    raw = submit_batch(
        PROMPT | model.with_structured_output(Country, include_raw=True), inputs_of(2), store=store, provider="openai"
    ).collect()
    assert list(plain) == [Country(name="Chile")] * 2
    assert [one["parsed"] for one in raw] == [Country(name="Chile")] * 2
    assert raw[0]["raw"].usage_metadata["input_tokens"] > 0


def test_a_chain_with_two_models_runs_step_by_step(slow_provider: LoopbackProvider, store: Path) -> None:
    """Each step is a batch over what the one before has answered."""
    slow_provider.next_batch(answer=echo)
    slow_provider.next_batch(answer=echo)
    model = slow_provider.chat_model(model="gpt-4o", max_tokens=50)
    shout = RunnableLambda(lambda text: {"x": text.upper()})
    chain = PROMPT | model | StrOutputParser() | shout | PROMPT | model | StrOutputParser()
    with track_costs() as costs:
        job = submit_batch(chain, inputs_of(3), store=store, provider="openai")
        status = wait(job)
        results = job.collect()
    assert (status.steps, status.is_done, len(status.parts)) == (2, True, 2)
    assert list(results) == [f"Say SAY {number}.." for number in range(3)]
    assert costs.calls == 6
    assert results.cost == costs.total_cost == slow_provider.billed


def test_the_rest_of_the_chain_fails_for_one_item_alone(provider: LoopbackProvider, store: Path) -> None:
    """A parser that cannot read one answer must not cost the others, which are paid."""
    provider.next_batch(answer=echo)

    def fussy(text: str) -> str:
        if "1" in text:
            msg = "no ones"
            raise ValueError(msg)
        return text

    results = submit_batch(chain_of(provider) | fussy, inputs_of(3), store=store, provider="openai").collect()
    assert list(results) == ["Say 0.", None, "Say 2."]
    assert results.errors[1].cause == "local"
    assert str(results.errors[1]) == "local (ValueError): no ones"


class Tracer(BaseCallbackHandler):
    """Somebody else's handler."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.asked: list[str] = []

    def on_chat_model_start(self, serialized: dict[str, Any], messages: list[list[Any]], **kwargs: Any) -> None:
        self.asked.append(messages[0][0].content)

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.ended.append(response.generations[0][0].text)

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.ended.append(str(error))


def test_tracers_hear_of_each_call_once(provider: LoopbackProvider, store: Path) -> None:
    """LangSmith and its like see a batch only if the calls are told to them; twice would double their figures."""
    provider.next_batch(answer=echo, seed=None)
    tracer = Tracer()
    with track_costs():
        job = submit_batch(
            chain_of(provider), inputs_of(2), store=store, provider="openai", config={"callbacks": [tracer]}
        )
        job.collect()
        job.collect()
    assert tracer.asked == tracer.ended == ["Say 0.", "Say 1."]


def test_tags_and_metadata_stand_on_the_lines(provider: LoopbackProvider, store: Path) -> None:
    """A report by user or by tag must find what went overnight."""
    with track_costs() as costs:
        config = {"tags": ["night"], "metadata": {"user": "u1"}}
        submit_batch(chain_of(provider), inputs_of(1), store=store, provider="openai", config=config).collect()
    (line,) = costs.entries()
    assert (line.tags, line.user, line.request_model) == (("night",), "u1", "gpt-4o")


async def test_everything_has_an_async_face(slow_provider: LoopbackProvider, store: Path) -> None:
    """A server submits and collects without holding up its event loop."""
    job = submit_batch(chain_of(slow_provider), inputs_of(2), store=store, provider="openai")
    assert not (await job.astatus()).is_done
    await job.aresume()
    await job.await_(20, first_pause_seconds=0.01, longest_pause_seconds=0.01)
    results = await job.acollect()
    assert len(results) == 2
    assert not results.errors
    assert (await job.aresubmit_failed()).is_done
    assert (await job.acancel()).state == "cancelled"


def test_what_asks_anthropic_goes_through_message_batches(slow_provider: LoopbackProvider, store: Path) -> None:
    """Anthropic has no files, other states and other counts; the ledger must be as exact."""
    slow_provider.next_batch(answer=echo)
    chain = PROMPT | slow_provider.anthropic_model(max_tokens=50) | StrOutputParser()
    with track_costs() as costs:
        job = submit_batch(chain, inputs_of(5), store=store, provider="anthropic")
        wait(job)
        results = job.collect()
    assert list(results) == [f"Say {number}." for number in range(5)]
    assert costs.total_cost == results.cost == slow_provider.billed


def test_an_estimate_is_what_is_billed_at_most(provider: LoopbackProvider, store: Path) -> None:
    """Half of the synchronous price, and never less than the bill."""
    chain = chain_of(provider)
    estimate = estimate_batch(
        chain, inputs_of(10), provider="openai", expected_output_tokens=10, max_requests_per_file=4
    )
    assert (estimate.requests, estimate.files, estimate.steps, estimate.models) == (10, 3, 1, ("gpt-4o",))
    assert estimate.high is not None
    assert estimate.synchronous_high is not None
    assert estimate.high * 2 == estimate.synchronous_high
    assert estimate.expected is not None
    results = submit_batch(chain, inputs_of(10), store=store, provider="openai").collect()
    assert results.cost is not None
    assert (estimate.low or 0) < results.cost <= estimate.high
    assert "10 requests to gpt-4o in 3 files" in str(estimate)


def test_an_estimate_of_a_model_without_a_price_says_so(provider: LoopbackProvider) -> None:
    """Unknown is not zero."""
    estimate = estimate_batch(chain_of(provider, model="our-own-model"), inputs_of(1), provider="openai")
    assert (estimate.low, estimate.high) == (None, None)
    assert estimate.reasons


def test_no_prompt_is_kept_in_a_pickle(provider: LoopbackProvider, store: Path) -> None:
    """The state is rows and JSON, which nobody has to execute to read, for the user's eyes only."""
    job = submit_batch(chain_of(provider), inputs_of(2), store=store, provider="openai")
    (requests,) = (store.with_name("batches.db.files") / job.id).glob("*.jsonl")
    lines = [json.loads(line) for line in requests.read_text().splitlines()]
    assert [line["body"]["messages"][0]["content"] for line in lines] == ["Say 0.", "Say 1."]
    assert store.stat().st_mode & 0o077 == requests.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("share", [0.5])
def test_a_cancelled_job_gives_what_was_answered(slow_provider: LoopbackProvider, store: Path, share: float) -> None:
    """What is answered before a cancellation is billed, so it must be delivered."""
    slow_provider.next_batch(answer=echo, cancelled_after_share=share)
    job = submit_batch(chain_of(slow_provider), inputs_of(10), store=store, provider="openai")
    job.status()
    job.cancel()
    assert wait(job).state == "cancelled"
    with track_costs() as costs:
        results = job.collect()
    assert len(results.errors) == 5
    assert {error.cause for error in results.errors.values()} == {"cancelled"}
    assert costs.total_cost == slow_provider.billed
