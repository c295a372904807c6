"""How jobs end that do not end as planned: cancelled too late or too early, refused on the way, their files gone."""

from __future__ import annotations

import shutil
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler

from langchain_costguard import Budget, BudgetExceededError, track_costs
from langchain_costguard.batching import (
    BatchNotFoundError,
    BatchProviderError,
    BatchStateError,
    delete_batch,
    list_batches,
    resume_batch,
    submit_batch,
)
from langchain_costguard.batching.jobs.anthropic import AnthropicBatches
from langchain_costguard.batching.jobs.submitting import hold_parts
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import LoopbackProvider
from tests.unit_tests.batching.jobs.job_helpers import PROMPT, chain_of, inputs_of, wait

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard import CostCallbackHandler

CANCEL = "POST /v1/batches/*/cancel"


def held(costs: CostCallbackHandler) -> tuple[Decimal | int, Decimal | int]:
    """What is spent of the only budget, and what is reserved."""
    (status,) = costs.budgets()
    return status.spent, status.reserved


def test_what_has_ended_when_it_is_cancelled_is_collected(provider: LoopbackProvider, store: Path) -> None:
    """The provider refuses to cancel what is complete; that is no fault of the job, and the answers are paid."""
    job = submit_batch(chain_of(provider), inputs_of(4), store=store, provider="openai", max_requests_per_file=2)
    assert job.cancel().state == "cancelled"
    results = job.collect()
    assert (len(results.errors), results.cost) == (0, Decimal("0.000245"))


def test_a_part_that_cannot_be_cancelled_does_not_keep_the_others(store: Path) -> None:
    """Whoever cancels wants to pay no more: one refusal must not leave the rest at work."""
    with LoopbackProvider(batch_seconds=1_000) as provider:
        job = submit_batch(chain_of(provider), inputs_of(4), store=store, provider="openai", max_requests_per_file=2)
        provider.fault(CANCEL, status=404)
        with pytest.raises(BatchProviderError, match="cancel the batch"):
            job.cancel()
        assert sorted(batch["status"] for batch in provider.batches) == ["cancelling", "validating"]


def test_cancelling_lets_go_of_what_was_never_sent(slow_provider: LoopbackProvider, store: Path) -> None:
    """Money held for files that are never sent would be missing until somebody collects a job they have given up."""
    with track_costs(store=InMemoryStore(), budgets=Budget(1, name="night")) as costs:
        job = submit_batch(
            chain_of(slow_provider), inputs_of(4), store=store, provider="openai", max_enqueued_tokens=40
        )
        assert held(costs) == (0, Decimal("0.00115"))
        job.cancel()
        assert held(costs) == (0, Decimal("0.0002875"))
        wait(job)
        assert len(job.collect().errors) == 4
        assert held(costs) == (0, 0)


def test_a_refused_second_step_leaves_the_first_booked_and_settled(provider: LoopbackProvider, store: Path) -> None:
    """The first step is billed: a ledger without it, and money still held for it, are both wrong."""
    chain = chain_of(provider) | (lambda text: {"x": text}) | chain_of(provider, max_tokens=5_000)
    with track_costs(store=InMemoryStore(), budgets=Budget("0.01", name="night")) as costs:
        job = submit_batch(chain, inputs_of(3), store=store, provider="openai")
        with pytest.raises(BudgetExceededError):
            job.collect()
        assert held(costs) == (Decimal("0.00018375"), 0)
        assert costs.total_cost == provider.billed == Decimal("0.00018375")


def test_what_the_first_step_has_not_used_is_there_for_the_second(provider: LoopbackProvider, store: Path) -> None:
    """A job that fits is not refused for money that its own first step held and did not use."""
    chain = chain_of(provider, max_tokens=500) | (lambda text: {"x": text}) | chain_of(provider, max_tokens=500)
    with track_costs(store=InMemoryStore(), budgets=Budget("0.01", name="night")) as costs:
        job = submit_batch(chain, inputs_of(3), store=store, provider="openai")
        assert held(costs)[1] > Decimal("0.005")
        assert not job.collect().errors
        assert held(costs) == (provider.billed, 0)


def test_two_budgets_in_memory_are_held_each_in_its_own_store(provider: LoopbackProvider, store: Path) -> None:
    """Stores in memory have one name for all of them; a hold that goes to the wrong one is spending nobody counts."""
    from langchain_costguard import CostCallbackHandler

    handler = CostCallbackHandler(store=InMemoryStore(), budgets=Budget(2, name="team"))
    with track_costs(store=InMemoryStore(), budgets=Budget(1, name="night")) as costs:
        job = submit_batch(
            chain_of(provider), inputs_of(3), store=store, provider="openai", config={"callbacks": [handler]}
        )
        assert held(costs) == held(handler) == (0, Decimal("0.0008625"))
        job.collect()
        assert held(costs) == held(handler) == (Decimal("0.00018375"), 0)


def test_a_hold_in_memory_is_settled_wherever_the_answers_are_collected(
    provider: LoopbackProvider, store: Path
) -> None:
    """The budget that held the job is charged, and so is one of the same name that is kept somewhere else."""
    with track_costs(store=InMemoryStore(), budgets=Budget(1, name="night")) as costs:
        job = submit_batch(chain_of(provider), inputs_of(3), store=store, provider="openai")
    with track_costs(store=InMemoryStore(), budgets=Budget(1, name="night")) as later:
        job.collect()
        assert held(later) == (Decimal("0.00018375"), 0)
    assert held(costs) == (Decimal("0.00018375"), 0)


def test_answers_are_collected_without_the_files_of_requests(provider: LoopbackProvider, store: Path) -> None:
    """Who tidies up too early has paid all the same, and gets the answers."""
    with track_costs(store=InMemoryStore()) as costs:
        job = submit_batch(chain_of(provider), inputs_of(2), store=store, provider="openai")
        shutil.rmtree(store.with_name(store.name + ".files"))
        assert not job.collect().errors
    assert costs.total_cost == provider.billed


def test_what_was_not_sent_when_its_file_was_deleted_is_named(slow_provider: LoopbackProvider, store: Path) -> None:
    """Nothing can be sent any more, and the error says how the job is ended."""
    job = submit_batch(chain_of(slow_provider), inputs_of(2), store=store, provider="openai", max_enqueued_tokens=40)
    shutil.rmtree(store.with_name(store.name + ".files"))
    with pytest.raises(BatchStateError, match=r"part-1.jsonl is missing.*cancel\(\) the job"):
        wait(job)
    job.cancel()
    assert len(job.collect().outputs) == 2


def test_a_job_is_not_dropped_under_a_second_one_that_goes_on_with_it(
    provider: LoopbackProvider, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who made a job and gives up deletes it: nobody else may have sent it by then."""
    second: list[Any] = []
    waiting: list[threading.Thread] = []

    def slowly(context: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=lambda: second.append(_submitted(provider, store)))
            waiting.append(other)
            other.start()
            other.join(1)
            assert not second  # it waits
            raise KeyboardInterrupt
        hold_parts(context)

    monkeypatch.setattr("langchain_costguard.batching.jobs.opening_jobs.hold_parts", slowly)
    with pytest.raises(KeyboardInterrupt):
        _submitted(provider, store)
    waiting[0].join(10)
    assert second
    assert len(provider.batches) == len(list_batches(store)) == 0


def _submitted(provider: LoopbackProvider, store: Path) -> str:
    try:
        return submit_batch(chain_of(provider), inputs_of(2), store=store, provider="openai").id
    except BatchNotFoundError as error:  # it was given up while this one waited
        return str(error)


def test_a_batch_of_another_job_is_never_taken_for_a_lost_one(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anthropic's batches bear no name: another job's of the same length would be waited for, or be cancelled."""

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with LoopbackProvider(batch_seconds=1_000) as provider:
        chain = PROMPT | provider.anthropic_model(max_tokens=50)
        submit_batch(chain, inputs_of(2), store=store, provider="anthropic", name="first")
        with monkeypatch.context() as patched:
            patched.setattr(AnthropicBatches, "create", die)
            with pytest.raises(KeyboardInterrupt):
                submit_batch(chain, inputs_of(2), store=store, provider="anthropic", name="second")
        resume_batch("second", chain, store=store)
        assert len(provider.batches) == 2
        first, second = (one.batch_ids for one in list_batches(store))
        assert first != second


def test_a_collected_job_is_deleted_with_its_requests_and_answers(provider: LoopbackProvider, store: Path) -> None:
    """What a provider is asked may be private: nothing of it stays once it is not wanted."""
    submit_batch(chain_of(provider), [{"x": "secret"}], store=store, provider="openai", name="night").collect()
    delete_batch("night", store=store)
    assert list_batches(store) == []
    assert [
        path for path in store.parent.rglob("*") if b"secret" in (path.read_bytes() if path.is_file() else b"")
    ] == []
    submit_batch(chain_of(provider), [{"x": "secret"}], store=store, provider="openai", name="night")
    assert len(provider.batches) == 2


def test_a_job_that_is_not_collected_is_deleted_only_by_force(provider: LoopbackProvider, store: Path) -> None:
    """Its answers are paid, and would be lost."""
    job = submit_batch(chain_of(provider), inputs_of(2), store=store, provider="openai")
    with pytest.raises(BatchStateError, match=r"collect\(\) first"):
        delete_batch(job.id, store=store)
    assert len(job.collect(wait=False).outputs) == 2
    other = submit_batch(chain_of(provider), inputs_of(2), store=store, provider="openai")
    delete_batch(other.id, store=store, force=True)
    assert [one.job_id for one in list_batches(store)] == [job.id]


class Tracer(BaseCallbackHandler):
    """Counts what it is told, and may fail at it."""

    def __init__(self, *, fails: bool = False) -> None:
        self.raise_error = fails
        self.told: list[str] = []

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        """A call begins."""
        self.told.append("start")

    def on_llm_end(self, *_: Any, **__: Any) -> None:
        """A call ends."""
        self.told.append("end")
        if self.raise_error:
            msg = "the tracer is down"
            raise RuntimeError(msg)

    def on_llm_error(self, *_: Any, **__: Any) -> None:
        """A call fails."""
        self.told.append("error")


def test_tracers_are_told_of_each_call_once(provider: LoopbackProvider, store: Path) -> None:
    """Who looks twice has not worked twice; items that are sent once more are new calls."""
    tracer = Tracer()
    provider.next_batch(failed_share=0.5)
    job = submit_batch(chain_of(provider), inputs_of(2), store=store, provider="openai", config={"callbacks": [tracer]})
    job.collect()
    assert sorted(tracer.told) == ["end", "error", "start", "start"]
    job.collect()
    with track_costs(store=InMemoryStore()):
        job.collect()
    assert len(tracer.told) == 4
    job.resubmit_failed()
    job.collect()
    assert tracer.told[4:] == ["start", "end"]


def test_a_tracer_that_fails_keeps_no_answer_from_being_booked(provider: LoopbackProvider, store: Path) -> None:
    """The answers are paid whatever a tracer makes of them."""
    chain, tracer = chain_of(provider), Tracer(fails=True)
    with track_costs(store=InMemoryStore(), budgets=Budget(1, name="night")) as costs:
        job = submit_batch(chain, inputs_of(2), store=store, provider="openai", config={"callbacks": [tracer]})
        with pytest.raises(RuntimeError, match="tracer is down"):
            job.collect()
        assert not job.collect().errors
        assert held(costs) == (provider.billed, 0)
        assert costs.total_cost == provider.billed


def test_a_full_disk_is_named_and_collected_again(
    provider: LoopbackProvider, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are at the provider still; the error says which file had no room."""
    job = submit_batch(chain_of(provider), inputs_of(2), store=store, provider="openai")

    def fill(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("langchain_costguard.batching.jobs.openai.save_stream", fill)
        with pytest.raises(
            BatchStateError, match=r"answers-0 cannot be written \(No space left on device\): make room"
        ):
            job.collect()
    assert not job.collect().errors
