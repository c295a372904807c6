"""Errors in the middle of a batch: each item ends as a result or as an error with its cause; what is paid counts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from langchain_costguard import track_costs
from langchain_costguard.batching import BatchProviderError, submit_batch
from langchain_costguard.batching.jobs.batch_results import BatchItemError
from langchain_costguard.batching.jobs.openai import _answer
from langchain_costguard.batching.jobs.transport import save_stream
from tests.unit_tests.batching.jobs.job_helpers import PROMPT, chain_of, echo, inputs_of, wait

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.testing import LoopbackProvider


def test_failed_items_are_errors_and_the_others_results(provider: LoopbackProvider, store: Path) -> None:
    """Three in a hundred fail in real batches; the paid rest must not go with them."""
    provider.next_batch(answer=echo, failed_share=0.3)
    with track_costs() as costs:
        job = submit_batch(chain_of(provider), inputs_of(10), store=store, provider="openai")
        results = job.collect()
    assert len(results.errors) == 3
    for position, output in enumerate(results):
        assert output == (None if position in results.errors else f"Say {position}.")
    assert {error.cause for error in results.errors.values()} == {"failed"}
    assert {error.http_status for error in results.errors.values()} <= {400, 500}
    assert costs.total_cost == results.cost == provider.billed


def test_an_expired_batch_gives_what_was_answered(provider: LoopbackProvider, store: Path) -> None:
    """The documented `"response": null` lines crash the rival, and its user loses the part that was paid."""
    provider.next_batch(answer=echo, expires_after_share=0.4)
    with track_costs() as costs:
        results = submit_batch(chain_of(provider), inputs_of(10), store=store, provider="openai").collect()
    assert len(results.errors) == 6
    assert {(error.cause, error.code) for error in results.errors.values()} == {("expired", "batch_expired")}
    assert costs.total_cost == provider.billed == results.cost


def test_only_what_failed_is_submitted_again(provider: LoopbackProvider, store: Path) -> None:
    """What was answered is paid; to send it once more would pay it twice."""
    provider.next_batch(answer=echo, expires_after_share=0.4)
    provider.next_batch(answer=echo)
    with track_costs() as costs:
        job = submit_batch(chain_of(provider), inputs_of(10), store=store, provider="openai")
        job.collect()
        job.resubmit_failed()
        results = job.collect()
    assert list(results) == [f"Say {number}." for number in range(10)]
    assert [batch["request_counts"]["total"] for batch in provider.batches] == [10, 6]
    assert costs.total_cost == results.cost == provider.billed
    assert len(provider.batch_items) == 10


def test_a_line_that_is_no_json_is_one_items_error(provider: LoopbackProvider, store: Path) -> None:
    """One broken line must not cost a file of 50,000; which item it was, the beginning of the line often tells."""
    provider.next_batch(answer=echo, malformed_lines=1)
    results = submit_batch(chain_of(provider), inputs_of(5), store=store, provider="openai").collect()
    assert len(results.errors) == 1
    assert {error.cause for error in results.errors.values()} <= {"malformed", "missing"}
    assert sum(output is not None for output in results) == 4


def test_an_item_that_no_file_has_is_missing(provider: LoopbackProvider, store: Path) -> None:
    """Counts cannot be trusted: what is in no file is an error, and its line says that its cost is a guess."""
    provider.next_batch(answer=echo, missing_lines=2)
    with track_costs() as costs:
        results = submit_batch(chain_of(provider), inputs_of(5), store=store, provider="openai").collect()
    assert [error.cause for error in results.errors.values()] == ["missing", "missing"]
    assert sorted(line.status for line in costs.entries()) == ["lost", "lost", "ok", "ok", "ok"]


def test_a_refused_file_says_why_and_costs_nothing(provider: LoopbackProvider, store: Path) -> None:
    """A batch that fails validation raises nothing at the provider's client; the job must tell."""
    provider.next_batch(validation_error="invalid_json_line")
    with track_costs() as costs:
        job = submit_batch(chain_of(provider), inputs_of(3), store=store, provider="openai")
        status = job.wait()
        results = job.collect()
    assert status.state == "failed"
    assert status.parts[0].errors
    assert "invalid_json_line" in str(status)
    assert {error.cause for error in results.errors.values()} == {"refused"}
    assert costs.total_cost == results.cost == provider.billed == Decimal(0)


def test_a_full_queue_is_waited_for(store: Path) -> None:
    """The enqueued-token limit shows only when a batch is looked at; with others under way it will pass."""
    from langchain_costguard.testing import LoopbackProvider
    from langchain_costguard.testing.loopback.batch_rules import BatchLimits

    with LoopbackProvider(batch_limits=BatchLimits(max_enqueued_tokens=40)) as provider:
        for _ in range(20):
            provider.next_batch(answer=echo)
        job = submit_batch(chain_of(provider), inputs_of(6), store=store, provider="openai", max_requests_per_file=3)
        wait(job)
        results = job.collect()
        assert list(results) == [f"Say {number}." for number in range(6)]
        assert len(provider.batch_items) == 6


def test_parts_wait_for_the_limit_they_are_given(slow_provider: LoopbackProvider, store: Path) -> None:
    """Who knows the account's limit need not be refused to learn it."""
    for _ in range(3):
        slow_provider.next_batch(answer=echo)
    job = submit_batch(
        chain_of(slow_provider), inputs_of(6), store=store, provider="openai",
        max_requests_per_file=2, max_enqueued_tokens=70,
    )  # fmt: skip
    assert [part.state for part in job.status().parts] == ["submitted", "ready", "ready"]
    assert len(slow_provider.batches) == 1
    wait(job)
    assert list(job.collect()) == [f"Say {number}." for number in range(6)]


@pytest.mark.parametrize("ends_cleanly", [False, True])
def test_a_truncated_download_is_fetched_again(
    provider: LoopbackProvider, store: Path, monkeypatch: pytest.MonkeyPatch, *, ends_cleanly: bool
) -> None:
    """Half a file taken for a whole one would call paid answers missing."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    provider.next_batch(answer=echo)
    provider.fault("GET /v1/files/*/content", times=2, arriving_share=0.5, ends_cleanly=ends_cleanly)
    results = submit_batch(chain_of(provider), inputs_of(5), store=store, provider="openai").collect()
    assert not results.errors
    assert len(results) == 5


def test_truncated_results_of_anthropic_are_fetched_again(
    provider: LoopbackProvider, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anthropic does not tell the length: a file that ends within a line is not whole."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    provider.next_batch(answer=echo)
    provider.fault("GET /v1/messages/batches/*/results", times=1, arriving_share=0.5, ends_cleanly=True)
    chain = PROMPT | provider.anthropic_model(max_tokens=20)
    results = submit_batch(chain, inputs_of(5), store=store, provider="anthropic").collect()
    assert not results.errors


def test_a_download_that_never_comes_whole_is_an_error(tmp_path: Path) -> None:
    """The part stays ended, so that it is fetched next time."""

    class Response:
        def iter_bytes(self) -> list[bytes]:
            return [b'{"a": 1}\n{"b"']

    for expected in (None, 100):
        with pytest.raises(BatchProviderError, match="collect"):
            save_stream(Response(), tmp_path / "out", expected)
    assert not (tmp_path / "out").exists()


def test_rate_limits_are_waited_for(provider: LoopbackProvider, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 429 while a job is submitted is no reason to lose it."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    provider.next_batch(answer=echo)
    provider.fault("POST /v1/batches", times=2, status=429, retry_after_seconds=0)
    results = submit_batch(chain_of(provider), inputs_of(2), store=store, provider="openai").collect()
    assert not results.errors
    assert len(provider.batches) == 1


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b'{"custom_id":"a","response":null,"error":{"code":"batch_expired","message":"late"}}', "expired"),
        (b'{"custom_id":"a","response":null,"error":{"code":"batch_cancelled","message":"stop"}}', "cancelled"),
        (b'{"custom_id":"a","response":{"status_code":0,"body":null},"error":null}', "failed"),
        (b'{"custom_id":"a","response":{"status_code":400,"body":{"error":{"code":"bad"}}},"error":null}', "failed"),
        (b'{"custom_id":"a","response":{"status_code":200,"body":{"error":{"message":"x"}}}}', "failed"),
    ],
)
def test_every_documented_line_has_a_cause(line: bytes, cause: str) -> None:
    """`"response": null`, status 0 and bodies with an error are all met in the wild."""
    answer = _answer(line)
    assert not isinstance(answer, bytes)
    assert answer.body is None
    assert isinstance(answer.error, BatchItemError)
    assert answer.error.cause == cause


@pytest.mark.parametrize("line", [b"", b"[]", b"null", b'{"custom_id": 7}', b'{"custom_id":"a"', b'"a"'])
def test_what_is_no_line_is_handed_on_as_it_is(line: bytes) -> None:
    """Whatever is in the file, reading it goes on."""
    assert _answer(line) == line
