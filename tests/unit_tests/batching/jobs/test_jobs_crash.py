"""Whoever dies on the way submits nothing twice: each note that a job takes is one place to die at.

Real processes killed by a signal are in the integration tests; here every single note is tried, quickly.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.output_parsers import StrOutputParser

from langchain_costguard import Budget, track_costs
from langchain_costguard.batching import BatchJob, BatchProviderError, list_batches, resume_batch, submit_batch
from langchain_costguard.batching.jobs.state import JobFile
from langchain_costguard.testing import LoopbackProvider
from tests.unit_tests.batching.jobs.job_helpers import PROMPT, chain_of, echo, inputs_of, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_core.runnables import Runnable


class Killed(BaseException):
    """The process is gone."""


class Killer:
    """Dies at the n-th note, before it is taken or just after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, is_after: bool) -> None:
        self.left = at
        self.is_dead = False
        for name in ("update_part", "write", "update_job"):
            self._wrap(monkeypatch, name, is_after=is_after)
        # a process that is killed tidies nothing up
        real_drop = JobFile.drop_job
        monkeypatch.setattr(JobFile, "drop_job", lambda file, job: None if self.is_dead else real_drop(file, job))

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, name: str, *, is_after: bool) -> None:
        real: Callable[..., Any] = getattr(JobFile, name)

        def noted(file: JobFile, *given: Any, **columns: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not is_after:
                self.is_dead = True
                raise Killed
            result = real(file, *given, **columns)
            if self.left == 0:
                self.is_dead = True
                raise Killed
            return result

        monkeypatch.setattr(JobFile, name, noted)


def _run(chain: Runnable[Any, Any], store: Path, provider: str) -> BatchJob:
    job = submit_batch(chain, inputs_of(5), store=store, provider=provider, name="nightly", max_requests_per_file=3)
    wait(job)
    job.collect()
    return job


def _try(chain: Runnable[Any, Any], store: Path, ledger: Path, name: str) -> BatchJob | None:
    try:
        with track_costs(store=ledger, budgets=Budget(1, per="day")):
            return _run(chain, store, name)
    except Killed:
        return None


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_no_note_is_a_place_to_pay_twice(tmp_path: Path, name: str, *, is_after: bool) -> None:
    """Each item is billed once, delivered once and booked once, wherever the script died that is run again."""
    at, was_killed = 0, True
    with track_costs(store=tmp_path / "empty.db"):
        pass
    while was_killed:
        at += 1
        folder = tmp_path / str(at)
        folder.mkdir()
        shutil.copy(tmp_path / "empty.db", folder / "ledger.db")  # a new one takes longer than all the rest
        with LoopbackProvider(batch_seconds=0) as provider:
            for _ in range(4):
                provider.next_batch(answer=echo)
            model = provider.chat_model(model="gpt-4o", max_tokens=50)
            if name == "anthropic":
                model = provider.anthropic_model(max_tokens=50)
            chain = PROMPT | model | StrOutputParser()
            with pytest.MonkeyPatch.context() as monkeypatch:
                Killer(monkeypatch, at, is_after=is_after)
                was_killed = _try(chain, folder / "b.db", folder / "ledger.db", name) is None
            with track_costs(store=folder / "ledger.db", budgets=Budget(1, per="day")) as costs:
                results = _run(chain, folder / "b.db", name).collect()
                assert list(results) == [f"Say {number}." for number in range(5)], at
                assert sorted(str(item.custom_id) for item in provider.batch_items) == sorted(
                    {str(item.custom_id) for item in provider.batch_items}
                ), at
                assert len(provider.batch_items) == 5, at
                assert len(provider.batches) == 2, at
                assert costs.store.totals()[0].billed_cost == provider.billed, at
                (status,) = costs.budgets()
                assert (status.spent, status.reserved) == (provider.billed, 0), at
            assert len(list_batches(folder / "b.db")) == 1
    assert at > 10


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_lost_answer_to_create_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The provider has created the batch and the connection broke: its own client would create a second one."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    with LoopbackProvider(batch_seconds=0) as provider:
        provider.next_batch(answer=echo)
        route = "POST /v1/batches" if name == "openai" else "POST /v1/messages/batches"
        provider.fault(route, times=1, answer_lost=True)
        model = provider.chat_model(model="gpt-4o") if name == "openai" else provider.anthropic_model()
        results = submit_batch(PROMPT | model, inputs_of(3), store=tmp_path / "b.db", provider=name).collect()
        assert not results.errors
        assert len(provider.batches) == 1


def test_a_provider_that_is_down_leaves_a_job_to_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the job, and the same call goes on with it."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    store = tmp_path / "b.db"
    with LoopbackProvider(batch_seconds=0) as provider:
        provider.next_batch(answer=echo)
        chain = chain_of(provider)
        provider.fault("POST /v1/batches", times=5, status=500)
        with pytest.raises(BatchProviderError, match="resume_batch") as down:
            submit_batch(chain, inputs_of(3), store=store, provider="openai")
        (left,) = list_batches(store)
        assert left.job_id in down.value.__notes__[0]
        assert left.state in {"in_progress", "prepared", "waiting"}
        job = resume_batch(left.job_id, chain, store=store)
        assert list(job.collect()) == ["Say 0.", "Say 1.", "Say 2."]
        assert len(provider.batches) == 1
        assert len(provider.files) <= 3


def test_a_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    """No retry mends it."""
    with LoopbackProvider(batch_seconds=0) as provider:
        provider.fault("POST /v1/files", times=9, status=401)
        with pytest.raises(BatchProviderError, match="mend what it says"):
            submit_batch(chain_of(provider), inputs_of(1), store=tmp_path / "b.db", provider="openai")
        assert provider.batches == []


def test_a_batch_of_somebody_else_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Anthropic's batches bear no name: one of the same length is let go once its results show other ids."""
    with LoopbackProvider(batch_seconds=0) as provider:
        for _ in range(3):
            provider.next_batch(answer=echo)
        chain = PROMPT | provider.anthropic_model(max_tokens=20) | StrOutputParser()
        foreign = submit_batch(chain, [{"x": "theirs"}], store=tmp_path / "theirs.db", provider="anthropic")
        job = submit_batch(chain, [{"x": "ours"}], store=tmp_path / "ours.db", provider="anthropic")
        file = JobFile(tmp_path / "ours.db")
        (part,) = file.parts(job.id)
        file.update_part(part, state="submitted", batch_id=provider.batches[0]["id"])
        assert foreign.id != job.id
        job.collect(wait=False)
        wait(job)
        assert list(job.collect()) == ["Say ours."]
        assert len(provider.batches) == 2


def test_who_opens_a_new_file_that_another_is_making_waits_for_it(tmp_path: Path) -> None:
    """SQLite does not wait where a file gets its log: one of three submits failed with `database is locked`."""
    other = sqlite3.connect(tmp_path / "b.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE made (x)")
    other.execute("DROP TABLE made")
    end = threading.Timer(0.3, other.execute, ["COMMIT"])
    end.start()
    assert JobFile(tmp_path / "b.db").jobs() == []
    end.join()
    other.close()
