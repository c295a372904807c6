"""The loopback provider's Batch API, driven by the real `openai` client: states, files, prices and refusals."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest

from langchain_costguard.testing import LoopbackProvider
from langchain_costguard.testing.loopback import BatchLimits
from tests.unit_tests.testing.batch_clients import CHAT, create, line, lines, openai_client, polled, read, upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai.types import Batch


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that serves."""
    with LoopbackProvider() as provider:
        yield provider


@pytest.fixture
def client(provider: LoopbackProvider) -> Iterator[openai.OpenAI]:
    """The real client."""
    with openai_client(provider) as client:
        yield client


def test_a_batch_goes_through_its_states_one_poll_at_a_time(client: openai.OpenAI) -> None:
    """What waits for a batch must see every state that the real one can be in."""
    batch = create(client, lines(3), metadata={"job": "nightly"})
    assert (batch.status, batch.output_file_id, batch.metadata) == ("validating", None, {"job": "nightly"})
    states = [client.batches.retrieve(batch.id).status for _ in range(4)]
    assert states == ["in_progress", "finalizing", "completed", "completed"]
    done = client.batches.retrieve(batch.id)
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (3, 3, 0)
    assert done.error_file_id is None
    assert done.completed_at is not None


def test_a_batch_has_every_field_of_the_official_description(client: openai.OpenAI) -> None:
    """The example answer of OpenAI's own description of the API, name by name."""
    told = create(client, lines(1)).model_dump()
    example = (
        "id object endpoint errors input_file_id completion_window status output_file_id error_file_id created_at "
        "in_progress_at expires_at finalizing_at completed_at failed_at expired_at cancelling_at cancelled_at "
        "request_counts metadata"
    )
    assert set(example.split()) <= set(told)


def test_a_batch_costs_half_and_each_item_is_billed_once(provider: LoopbackProvider, client: openai.OpenAI) -> None:
    """8 tokens in at 0.075 and 10 out at 0.30 dollars per million, five times, however often it is read."""
    batch = polled(client, create(client, lines(5)), times=6)
    assert [read(client, batch.output_file_id) for _ in range(2)]
    assert provider.billed == 5 * Decimal("0.0000036")
    assert len(provider.batch_items) == 5
    provider.chat_model().invoke("hello")
    assert provider.requests[-1].billed == Decimal("0.0000072")


def test_lines_come_in_another_order_and_hold_whole_answers(client: openai.OpenAI) -> None:
    """Who matches by position instead of by custom id must fail here."""
    batch = polled(client, create(client, lines(20)))
    rows = read(client, batch.output_file_id)
    ids = [row["custom_id"] for row in rows]
    assert sorted(ids) == sorted(f"r{index}" for index in range(20))
    assert ids != [f"r{index}" for index in range(20)]
    assert {row["error"] for row in rows} == {None}
    (body,) = {row["custom_id"]: row["response"]["body"] for row in rows if row["custom_id"] == "r7"}.values()
    assert body["choices"][0]["message"]["content"] == "An answer from the loopback provider."
    assert body["usage"]["prompt_tokens"] == 8


def test_failed_items_go_into_the_error_file_and_cost_nothing(
    provider: LoopbackProvider, client: openai.OpenAI
) -> None:
    """With their HTTP status and the error that a single call would have had."""
    provider.next_batch(failed_share=0.4, failed_statuses=(400, 500))
    batch = polled(client, create(client, lines(5)))
    failed = read(client, batch.error_file_id)
    assert sorted(row["response"]["status_code"] for row in failed) == [400, 500]
    assert all(row["response"]["body"]["error"]["message"] for row in failed)
    assert len(read(client, batch.output_file_id)) == 3
    assert provider.billed == 3 * Decimal("0.0000036")


def test_an_expired_batch_keeps_what_was_answered(provider: LoopbackProvider, client: openai.OpenAI) -> None:
    """The rest has the documented line without a response, on which a rival crashes."""
    provider.next_batch(expires_after_share=0.4)
    batch = polled(client, create(client, lines(5)))
    assert batch.status == "expired"
    assert len(read(client, batch.output_file_id)) == 2
    left = read(client, batch.error_file_id)
    assert [(row["response"], row["error"]["code"]) for row in left] == [(None, "batch_expired")] * 3
    assert provider.billed == 2 * Decimal("0.0000036")


def test_a_cancelled_batch_keeps_what_was_answered_and_says_nothing_of_the_rest(
    provider: LoopbackProvider, client: openai.OpenAI
) -> None:
    """Cancelling takes a while, and what was done till then is paid."""
    provider.next_batch(cancelled_after_share=0.25)
    batch = polled(client, create(client, lines(8)), times=1)
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch = polled(client, batch, times=1)
    assert (batch.status, batch.error_file_id) == ("cancelled", None)
    assert len(read(client, batch.output_file_id)) == len(provider.batch_items) == 2


def test_cancelled_before_it_ran_it_costs_nothing_and_ended_it_cannot_be_cancelled(
    provider: LoopbackProvider, client: openai.OpenAI
) -> None:
    """The two ends of cancelling."""
    batch = create(client, lines(2))
    client.batches.cancel(batch.id)
    assert polled(client, batch, times=1).status == "cancelled"
    assert provider.billed == 0
    done = polled(client, create(client, lines(2)))
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'completed'"):
        client.batches.cancel(done.id)


def test_damaged_and_missing_lines(provider: LoopbackProvider, client: openai.OpenAI) -> None:
    """They are billed all the same."""
    provider.next_batch(malformed_lines=1, missing_lines=1)
    batch = polled(client, create(client, lines(5)))
    assert batch.output_file_id is not None
    rows = client.files.content(batch.output_file_id).text.splitlines()
    assert len(rows) == 4
    assert [row.endswith("}") for row in rows].count(False) == 1
    assert len(provider.batch_items) == 5


_FAULTY: list[tuple[list[Any], str, int | None]] = [
    (["{not json", line("a")], "invalid_json_line", 1),
    ([line("a"), line("a")], "duplicate_custom_id", 2),
    ([{**line("a"), "url": "/v1/responses"}], "mismatched_url", 1),
    ([{**line("a"), "method": "GET"}], "invalid_method", 1),
    ([line("a", stream=True)], "invalid_request", 1),
    ([{**line("a"), "body": {}}], "missing_required_parameter", 1),
    ([{**line("a"), "custom_id": ""}], "missing_required_parameter", 1),
    ([line("a"), line("b", model="gpt-4o")], "mismatched_model", 2),
    ([line("a", model="gpt-0")], "model_not_found", 1),
    (["", ""], "empty_file", None),
    ([line("a"), line("b"), line("c"), line("d")], "too_many_tasks", None),
    ([line("a", user="x" * 3000)], "file_too_large", None),
]


@pytest.mark.parametrize(("rows", "code", "number"), _FAULTY, ids=[code for _, code, _ in _FAULTY])
def test_a_faulty_file_fails_the_whole_batch_at_validation(rows: list[Any], code: str, number: int | None) -> None:
    """No exception: the batch fails later, with the line and the reason, and nothing is billed."""
    with LoopbackProvider(batch_limits=BatchLimits(max_requests=3, max_bytes=2000)) as provider:
        with openai_client(provider) as client:
            batch = polled(client, create(client, rows), times=1)
        assert (batch.status, batch.output_file_id) == ("failed", None)
        assert batch.errors is not None
        assert batch.errors.data is not None
        assert (batch.errors.data[0].code, batch.errors.data[0].line) == (code, number)
        assert provider.billed == 0


def test_the_enqueued_tokens_of_a_model_are_limited_until_its_batches_end() -> None:
    """Whoever splits a job over files must wait, and may then go on."""
    with (
        LoopbackProvider(batch_limits=BatchLimits(max_enqueued_tokens=40)) as provider,
        openai_client(provider) as client,
    ):
        first = polled(client, create(client, lines(4)), times=1)
        second = polled(client, create(client, lines(4)), times=1)
        assert (first.status, second.status) == ("in_progress", "failed")
        assert second.errors is not None
        assert second.errors.data is not None
        assert second.errors.data[0].code == "token_limit_exceeded"
        polled(client, first)
        assert polled(client, create(client, lines(4)), times=1).status == "in_progress"


def test_a_failed_validation_can_be_scripted(provider: LoopbackProvider, client: openai.OpenAI) -> None:
    """For the codes that nobody has seen yet."""
    provider.next_batch(validation_error="billing_hard_limit_reached")
    batch = polled(client, create(client, lines(1)), times=1)
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert (batch.status, batch.errors.data[0].code) == ("failed", "billing_hard_limit_reached")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"completion_window": "1h"}, "Supported values are: '24h'"),
        ({"endpoint": "/v1/audio/speech"}, "Supported values are: /v1/responses"),
        ({"metadata": {f"k{index}": "v" for index in range(17)}}, "too many properties"),
        ({"metadata": {"k" * 65: "v"}}, "64 characters"),
        ({"metadata": {"k": "v" * 513}}, "512 characters"),
        ({"metadata": {"k": 1}}, "expected a map of strings"),
        ({"extra_body": {"colour": "red"}}, "Unknown parameter: 'colour'"),
    ],
)
def test_a_batch_that_is_asked_for_wrongly_is_refused_at_once(
    client: openai.OpenAI, changed: dict[str, Any], words: str
) -> None:
    """As the real one does: these are no faults of a file."""
    with pytest.raises(openai.BadRequestError, match=re.escape(words)):
        create(client, lines(1), **changed)


def test_only_a_file_for_batches_makes_a_batch(client: openai.OpenAI) -> None:
    """A file of another purpose, or none, is refused."""
    other = client.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")
    asked: dict[str, Any] = {"endpoint": CHAT, "completion_window": "24h"}
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.batches.create(input_file_id=other.id, **asked)
    with pytest.raises(openai.NotFoundError, match="No such File"):
        client.batches.create(input_file_id="file-0", **asked)
    with pytest.raises(openai.BadRequestError, match=re.escape("Must be .jsonl")):
        upload(client, lines(1), "requests.txt")
    with pytest.raises(openai.BadRequestError, match="empty"):
        client.files.create(file=("a.jsonl", b""), purpose="batch")


def test_a_misspelt_parameter_fails_only_its_own_item(provider: LoopbackProvider, client: openai.OpenAI) -> None:
    """A body is looked at when its turn comes, and a wrong one is a line of the error file."""
    batch = polled(client, create(client, [line("good"), line("bad", max_tokns=5), line("odd", messages="hello")]))
    failed = {row["custom_id"]: row["response"] for row in read(client, batch.error_file_id)}
    assert {name: row["status_code"] for name, row in failed.items()} == {"bad": 400, "odd": 400}
    assert failed["bad"]["body"]["error"]["message"] == "Unknown parameter: 'max_tokns'."
    assert len(provider.batch_items) == 3


def test_files_are_listed_read_and_deleted(client: openai.OpenAI) -> None:
    """The whole of `/v1/files`."""
    ids = [upload(client, lines(1)) for _ in range(3)]
    page = client.files.list(limit=2, purpose="batch")
    assert [file.id for file in page.data] == ids[:0:-1]
    assert page.has_more
    assert [file.id for file in client.files.list(limit=1)] == ids[::-1]
    kept = client.files.retrieve(ids[0])
    assert (kept.purpose, kept.bytes) == ("batch", len(client.files.content(ids[0]).content))
    assert client.files.delete(ids[0]).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(ids[0])


def test_batches_are_listed_newest_first_page_by_page(client: openai.OpenAI) -> None:
    """By the list, a process that died between create and its answer finds its batch again; a list is no poll."""
    made = [create(client, lines(1), metadata={"part": str(index)}) for index in range(5)]
    listed: list[Batch] = list(client.batches.list(limit=2))
    assert [batch.id for batch in listed] == [batch.id for batch in made[::-1]]
    assert next(batch.metadata for batch in listed) == {"part": "4"}
    assert {batch.status for batch in listed} == {"validating"}
    with pytest.raises(openai.BadRequestError, match="between 1 and 100"):
        client.batches.list(limit=101)


def test_a_batch_can_take_seconds_instead_of_polls() -> None:
    """The clock of a notebook: time passes without anybody asking."""
    with LoopbackProvider(batch_seconds=0.001) as provider, openai_client(provider) as client:
        assert polled(client, create(client, lines(1)), times=2).status == "completed"
    with LoopbackProvider(batch_seconds=3600) as provider, openai_client(provider) as client:
        assert polled(client, create(client, lines(1)), times=5).status == "validating"


def test_each_route_can_be_refused_lost_or_cut_short(provider: LoopbackProvider, client: openai.OpenAI) -> None:
    """Rate limits, an answer that never arrives though all was done, a download that breaks or silently ends."""
    provider.fault("POST /v1/files", status=429, retry_after_seconds=7)
    with pytest.raises(openai.RateLimitError) as refused:
        upload(client, lines(1))
    assert refused.value.response.headers["retry-after"] == "7"
    assert provider.files == ()
    provider.fault("POST /v1/batches", answer_lost=True)
    with pytest.raises(openai.APIConnectionError):
        create(client, lines(3))
    (batch,) = client.batches.list().data
    done = polled(client, batch)
    assert done.output_file_id is not None
    whole = client.files.content(done.output_file_id).content
    provider.fault("GET /v1/files/*/content", arriving_share=0.5)
    with pytest.raises(Exception, match=r"(?i)incomplete|connection|closed"):
        client.files.content(done.output_file_id).read()
    provider.fault("GET /v1/files/*/content", arriving_share=0.5, ends_cleanly=True)
    assert client.files.content(done.output_file_id).content == whole[: len(whole) // 2]
    assert client.files.content(done.output_file_id).content == whole


def test_a_watcher_sees_every_request_before_and_after_it_is_served(
    provider: LoopbackProvider, client: openai.OpenAI
) -> None:
    """With it a test kills a client between what the provider did and what the client heard of it."""
    seen: list[tuple[str, str, str, int]] = []
    provider.on_request(lambda moment, method, path: seen.append((moment, method, path, len(provider.batches))))
    create(client, lines(1))
    assert seen == [
        ("received", "POST", "/v1/files", 0),
        ("served", "POST", "/v1/files", 0),
        ("received", "POST", "/v1/batches", 0),
        ("served", "POST", "/v1/batches", 1),
    ]


def test_responses_and_embeddings_come_in_batches_too(provider: LoopbackProvider, client: openai.OpenAI) -> None:
    """Each in the format of its own endpoint."""
    body = {"model": "gpt-5", "input": "hello"}
    row = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}
    batch = polled(client, create(client, [row], endpoint="/v1/responses"))
    (answer,) = read(client, batch.output_file_id)
    assert answer["response"]["body"]["object"] == "response"
    assert batch.usage is not None
    assert batch.usage.output_tokens == answer["response"]["body"]["usage"]["output_tokens"]
    tokens = provider.batch_items[0].tokens
    assert provider.billed == (tokens.input_tokens * Decimal("0.625") + tokens.output_tokens * 5) / 1_000_000


def test_how_an_item_is_answered_can_be_scripted_by_its_id(provider: LoopbackProvider, client: openai.OpenAI) -> None:
    """So that a test knows which answer belongs to which input."""
    from langchain_costguard.testing import Behaviour

    provider.next_batch(answer=lambda custom_id, _: Behaviour(text=f"for {custom_id}"))
    batch = polled(client, create(client, lines(4)))
    for row in read(client, batch.output_file_id):
        assert row["response"]["body"]["choices"][0]["message"]["content"] == f"for {row['custom_id']}"


def test_the_prices_of_batches_are_half_of_the_others() -> None:
    """Written down by hand, so a slip of the pen is possible; they are not computed from each other."""
    from langchain_costguard.testing.loopback.prices import BATCH_PRICES, PRICES

    for model, price in BATCH_PRICES.items():
        standard = PRICES[model]["default"]
        assert price.input_usd_per_mtok * 2 == standard.input_usd_per_mtok, model
        assert price.output_usd_per_mtok * 2 == standard.output_usd_per_mtok, model


def test_every_endpoint_served_in_batches_is_one_of_openais() -> None:
    """Held against the official description, where it is at hand."""
    from typing import get_args, get_type_hints

    from openai.types.batch_create_params import BatchCreateParams

    from langchain_costguard.testing.loopback.batch_rules import ENDPOINTS

    official = get_args(get_args(get_type_hints(BatchCreateParams, include_extras=True)["endpoint"])[0])
    assert set(ENDPOINTS) <= set(official)
