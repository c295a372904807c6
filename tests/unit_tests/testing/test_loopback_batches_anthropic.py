"""The loopback provider's Message Batches API, driven by the real `anthropic` client."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from langchain_costguard.testing import LoopbackProvider
from langchain_costguard.testing.loopback import BatchLimits
from tests.unit_tests.testing.batch_clients import anthropic_client, message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that serves."""
    with LoopbackProvider() as provider:
        yield provider


@pytest.fixture
def client(provider: LoopbackProvider) -> Iterator[anthropic.Anthropic]:
    """The real client."""
    with anthropic_client(provider) as client:
        yield client


def create(client: anthropic.Anthropic, number: int) -> MessageBatch:
    """A batch of so many requests, `r0`, `r1` ..."""
    return client.messages.batches.create(requests=[message(f"r{index}") for index in range(number)])


def ended(client: anthropic.Anthropic, batch: MessageBatch) -> MessageBatch:
    """The batch when it has ended."""
    for _ in range(3):
        batch = client.messages.batches.retrieve(batch.id)
    assert batch.processing_status == "ended"
    return batch


def results(client: anthropic.Anthropic, batch: MessageBatch) -> list[MessageBatchIndividualResponse]:
    """What came of each request."""
    return list(client.messages.batches.results(batch.id))


def test_a_batch_is_in_progress_until_all_has_ended(client: anthropic.Anthropic) -> None:
    """The counts move only at the end, as Anthropic says."""
    batch = create(client, 3)
    assert (batch.processing_status, batch.results_url) == ("in_progress", None)
    assert batch.request_counts.processing == 3
    with pytest.raises(anthropic.BadRequestError, match="no results yet"):
        client.get(f"/v1/messages/batches/{batch.id}/results", cast_to=object)
    done = ended(client, batch)
    assert (done.request_counts.processing, done.request_counts.succeeded) == (0, 3)
    assert done.ended_at is not None


def test_results_come_in_another_order_at_half_the_price(
    provider: LoopbackProvider, client: anthropic.Anthropic
) -> None:
    """8 tokens in at 0.50 and 10 out at 2.50 dollars per million, and each is billed once."""
    batch = ended(client, create(client, 20))
    found = results(client, batch)
    assert {row.result.type for row in found} == {"succeeded"}
    ids = [row.custom_id for row in found]
    assert ids != [f"r{index}" for index in range(20)]
    assert sorted(ids) == sorted(f"r{index}" for index in range(20))
    assert results(client, batch) == found
    assert provider.billed == 20 * Decimal("0.000029")
    assert found[0].result.type == "succeeded"
    assert found[0].result.message.usage.service_tier == "batch"


def test_requests_end_as_errored_or_expired_and_cost_nothing(
    provider: LoopbackProvider, client: anthropic.Anthropic
) -> None:
    """Only what succeeded is billed."""
    provider.next_batch(failed_share=0.2)
    provider.next_batch(expires_after_share=0.4)
    first, second = ended(client, create(client, 10)), ended(client, create(client, 10))
    assert (first.request_counts.errored, first.request_counts.succeeded) == (2, 8)
    assert (second.request_counts.expired, second.request_counts.succeeded) == (6, 4)
    kinds = {row.result.error.error.type for row in results(client, first) if row.result.type == "errored"}
    assert kinds == {"invalid_request_error", "api_error"}
    assert provider.billed == 12 * Decimal("0.000029")


def test_a_cancelled_batch_has_partial_results(provider: LoopbackProvider, client: anthropic.Anthropic) -> None:
    """And names those that were cancelled, unlike OpenAI's."""
    provider.next_batch(cancelled_after_share=0.25)
    batch = create(client, 8)
    client.messages.batches.retrieve(batch.id)
    assert client.messages.batches.cancel(batch.id).processing_status == "canceling"
    done = client.messages.batches.retrieve(batch.id)
    assert done.processing_status == "ended"
    assert (done.request_counts.canceled, done.request_counts.succeeded) == (6, 2)
    assert [row.result.type for row in results(client, done)].count("canceled") == 6
    with pytest.raises(anthropic.BadRequestError, match="cannot be canceled"):
        client.messages.batches.cancel(batch.id)


def test_a_wrong_parameter_fails_only_its_own_request(client: anthropic.Anthropic) -> None:
    """Parameters are looked at when their turn comes."""
    asked: list[Any] = [message("good"), message("bad", max_tokns=3), message("lost", max_tokens=None)]
    batch = ended(client, client.messages.batches.create(requests=asked))
    kinds = {row.custom_id: row.result.type for row in results(client, batch)}
    assert kinds == {"good": "succeeded", "bad": "errored", "lost": "errored"}


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        ([], "at least 1 item"),
        ([message("a"), message("a")], "duplicate custom_id 'a'"),
        ([message("a b")], "should match pattern"),
        ([message("x" * 65)], "should match pattern"),
        ([message("a", stream=True)], "streaming is not supported"),
        ([{"custom_id": "a", "params": {}}], "params: Field required"),
        ([message(f"r{index}") for index in range(4)], "at most 3 items"),
    ],
)
def test_a_batch_with_an_odd_request_is_refused_as_a_whole(requests: list[Any], words: str) -> None:
    """At once, unlike OpenAI's, and nothing is billed."""
    with (
        LoopbackProvider(batch_limits=BatchLimits(max_message_requests=3)) as provider,
        anthropic_client(provider) as client,
        pytest.raises(anthropic.BadRequestError, match=re.escape(words)),
    ):
        client.messages.batches.create(requests=requests)


def test_a_batch_that_is_too_large_is_refused() -> None:
    """Anthropic counts bytes as well."""
    with (
        LoopbackProvider(batch_limits=BatchLimits(max_message_bytes=100)) as provider,
        anthropic_client(provider) as client,
        pytest.raises(anthropic.RequestTooLargeError),
    ):
        create(client, 1)


def test_batches_are_listed_and_deleted(client: anthropic.Anthropic) -> None:
    """Newest first, page by page; only what has ended can go."""
    made = [create(client, 1) for _ in range(3)]
    assert [batch.id for batch in client.messages.batches.list(limit=2)] == [batch.id for batch in made[::-1]]
    with pytest.raises(anthropic.BadRequestError, match="cannot be deleted yet"):
        client.messages.batches.delete(made[0].id)
    client.messages.batches.delete(ended(client, made[0]).id)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(made[0].id)


def test_rate_limits_speak_anthropics_words(provider: LoopbackProvider, client: anthropic.Anthropic) -> None:
    """So that the real client knows them and honours `retry-after`."""
    provider.fault("POST /v1/messages/batches", status=429, retry_after_seconds=3)
    with pytest.raises(anthropic.RateLimitError, match="rate_limit_error") as refused:
        create(client, 1)
    assert refused.value.response.headers["retry-after"] == "3"
    assert provider.batches == []
