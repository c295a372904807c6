"""Batch jobs of real chains on a provider with a Batch API: what comes back, what it cost, and what goes wrong."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler, track_costs
from langchain_costguard.batching import estimate_batch, open_batch, resume_batch, submit_batch
from langchain_costguard.batching.jobs.job_errors import (
    BatchInputError,
    BatchProviderError,
    BatchStateError,
    UnsupportedChainError,
)
from langchain_costguard.ledger import LedgerQuery
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import LoopbackProvider, ScriptedChatModel
from langchain_costguard.testing.loopback import BatchLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from langchain_core.runnables import Runnable

QUICK = {"first_pause_seconds": 0.01, "longest_pause_seconds": 0.01}
PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "About {text}")])
NOT_COMPARED = {"id", "response_metadata", "lc_run"}


class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return city


def question(body: Mapping[str, Any]) -> str:
    """What was asked, in whichever API."""
    last = (body.get("messages") or body.get("input"))[-1]["content"]
    return last if isinstance(last, str) else str(last[0]["text"])


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider whose answers say to what, and that remembers what it was asked."""
    with LoopbackProvider(reply=lambda body: f"re: {question(body)}", keep_bodies=True) as served:
        yield served


@pytest.fixture
def handler() -> CostCallbackHandler:
    """Where the costs are told."""
    return CostCallbackHandler(InMemoryStore())


@pytest.fixture
def submit(tmp_path: Path, handler: CostCallbackHandler) -> Callable[..., Any]:
    """Submits a job that is kept in a folder of its own and watched by the handler."""

    def now(chain: Runnable[Any, Any], inputs: Any, provider: str = "openai", **settings: Any) -> Any:
        given = {"store": tmp_path / "batches.db", "config": {"callbacks": [handler]}, **settings}
        return submit_batch(chain, inputs, provider=provider, **given)

    return now


def collected(job: Any) -> Any:
    """The results of a job, waited for."""
    job.wait(60, **QUICK)
    return job.collect(timeout_seconds=60)


def texts(number: int) -> list[dict[str, str]]:
    """So many inputs."""
    return [{"text": f"item {index}"} for index in range(number)]


def chain_of(provider: LoopbackProvider, kind: str = "openai", **settings: Any) -> Runnable[Any, Any]:
    """A prompt, a model and a parser."""
    return PROMPT | model_of(provider, kind, **settings) | StrOutputParser()


def model_of(provider: LoopbackProvider, kind: str, **settings: Any) -> Any:
    """A real client of the provider."""
    make = provider.chat_model if kind == "openai" else provider.anthropic_model
    return make(**{"max_tokens": 60, **settings})


def booked(handler: CostCallbackHandler) -> Decimal:
    """What the ledger says it cost."""
    handler.flush()
    return sum((entry.billed_cost or Decimal(0) for entry in handler.entries()), Decimal(0))


def plain(value: Any) -> Any:
    """An output without what no two calls have in common."""
    if not isinstance(value, BaseModel):
        return value
    return json.loads(re.sub(r"loopback-\d+", "loopback", json.dumps(value.model_dump(exclude=NOT_COMPARED))))


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_chain_gives_what_it_gives_now_at_half_the_price(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler, kind: str
) -> None:
    """The promise of the whole: same outputs, in order, and the ledger is the provider's bill."""
    chain = chain_of(provider, kind)
    now = [chain.invoke(one) for one in texts(10)]
    full = provider.billed
    results = collected(submit(chain, texts(10), kind))
    assert list(results) == now == [f"re: About item {index}" for index in range(10)]
    assert results.errors == {}
    assert provider.billed - full == full / 2 == results.cost
    assert booked(handler) == results.cost
    assert results.saved == full / 2
    assert len(list(handler.entries())) == 10
    assert all(entry.batch for entry in handler.entries())


VARIANTS = [
    "json_schema",
    "function_calling",
    "json_mode",
    "include_raw",
    "tools",
    "logprobs",
    "stop",
    "cut",
    "reasoning",
    "responses",
    "responses tools",
    "responses schema",
    "streaming",
    "parser",
    "anthropic tools",
    "anthropic function_calling",
    "anthropic json_schema",
    "anthropic message",
]


def variants(provider: LoopbackProvider) -> dict[str, tuple[str, Runnable[Any, Any]]]:
    """Chains in which something of the request, or of the answer, is easily lost."""
    openai, anthropic = model_of(provider, "openai"), model_of(provider, "anthropic")
    return {
        "json_schema": ("openai", PROMPT | openai.with_structured_output(City, method="json_schema")),
        "function_calling": ("openai", PROMPT | openai.with_structured_output(City, method="function_calling")),
        "json_mode": ("openai", PROMPT | openai.with_structured_output(City.model_json_schema(), method="json_schema")),
        "include_raw": ("openai", PROMPT | openai.with_structured_output(City, include_raw=True)),
        "tools": ("openai", PROMPT | openai.bind_tools([weather], tool_choice="weather")),
        "logprobs": ("openai", PROMPT | openai.bind(logprobs=True, top_logprobs=2, seed=7, temperature=0.3)),
        "stop": ("openai", PROMPT | openai.bind(stop=["item"])),
        "cut": ("openai", PROMPT | model_of(provider, "openai", max_tokens=2)),
        "reasoning": ("openai", PROMPT | model_of(provider, "openai", model="gpt-5", max_tokens=500)),
        "responses": ("openai", PROMPT | model_of(provider, "openai", use_responses_api=True)),
        "responses tools": (
            "openai",
            PROMPT | model_of(provider, "openai", use_responses_api=True).bind_tools([weather], tool_choice="weather"),
        ),
        "responses schema": (
            "openai",
            PROMPT | model_of(provider, "openai", use_responses_api=True).with_structured_output(City),
        ),
        "streaming": ("openai", PROMPT | model_of(provider, "openai", streaming=True) | StrOutputParser()),
        "parser": ("openai", PROMPT | openai.with_structured_output(City) | RunnableLambda(lambda city: city.name)),
        "anthropic tools": ("anthropic", PROMPT | anthropic.bind_tools([weather], tool_choice="weather")),
        "anthropic function_calling": ("anthropic", PROMPT | anthropic.with_structured_output(City)),
        "anthropic json_schema": (
            "anthropic",
            PROMPT | anthropic.with_structured_output(City, method="json_schema"),
        ),
        "anthropic message": ("anthropic", PROMPT | anthropic),
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_request_and_output_are_those_of_a_call(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler, name: str
) -> None:
    """Where the rival drops parameters, loses usage, or breaks on structured output."""
    made = variants(provider)
    assert list(made) == VARIANTS
    kind, chain = made[name]
    (now,) = chain.batch(texts(1))
    asked = provider.requests[-1]
    job = submit(chain, texts(1), kind)
    results = collected(job)
    assert results.errors == {}
    if isinstance(now, dict) and "raw" in now:
        assert plain(results[0]["raw"]) == plain(now["raw"])
        assert results[0]["parsed"] == now["parsed"]
    else:
        assert plain(results[0]) == plain(now)
        assert getattr(results[0], "usage_metadata", None) == getattr(now, "usage_metadata", None)
    (item,) = provider.batch_items
    assert item.path == asked.path
    assert item.body is not None
    assert asked.body is not None
    assert dict(item.body) == {
        key: value for key, value in asked.body.items() if key not in {"stream", "stream_options"}
    }
    assert booked(handler) == item.billed > 0


def test_log_probabilities_and_the_reason_an_answer_ended_are_kept(
    provider: LoopbackProvider, submit: Callable[..., Any]
) -> None:
    """Acceptance rules and truncation checks read them from the message."""
    chain = PROMPT | model_of(provider, "openai", max_tokens=3).bind(logprobs=True)
    (message,) = collected(submit(chain, texts(1)))
    assert len(message.response_metadata["logprobs"]["content"]) == 3
    assert message.response_metadata["finish_reason"] == "length"


def test_errors_in_the_middle_take_no_other_item_with_them(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler
) -> None:
    """Three files: one with failed items and a broken line, one that expires, one in order."""
    provider.next_batch(failed_share=0.06, failed_statuses=(400, 500, 503), malformed_lines=1)
    provider.next_batch(expires_after_share=0.4)
    results = collected(submit(chain_of(provider), texts(150), max_requests_per_file=50))
    causes = [error.cause for error in results.errors.values()]
    assert {cause: causes.count(cause) for cause in causes} == {"failed": 3, "malformed": 1, "expired": 30}
    assert {error.http_status for error in results.errors.values() if error.cause == "failed"} == {400, 500, 503}
    assert {error.code for error in results.errors.values() if error.cause == "expired"} == {"batch_expired"}
    for index, output in enumerate(results):
        assert output == (None if index in results.errors else f"re: About item {index}")
    unreadable = provider.billed - booked(handler)
    assert unreadable <= max(item.billed for item in provider.batch_items), "only the broken line is not booked"


def test_three_per_cent_of_failures_are_submitted_once_more_and_nothing_else_is(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler
) -> None:
    """What was answered is never paid again."""
    provider.next_batch(failed_share=0.03)
    job = submit(chain_of(provider), texts(100))
    assert len(collected(job).errors) == 3
    job.resubmit_failed()
    results = collected(job)
    assert list(results) == [f"re: About item {index}" for index in range(100)]
    assert results.errors == {}
    assert len(provider.batch_items) == 103
    assert sum(item.billed > 0 for item in provider.batch_items) == 100
    assert booked(handler) == provider.billed == results.cost


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_an_expired_and_a_cancelled_job_keep_what_was_paid(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler, kind: str
) -> None:
    """The rival throws partial results away."""
    provider.next_batch(expires_after_share=0.5)
    expired = collected(submit(chain_of(provider, kind), texts(10), kind, name="expired"))
    provider.next_batch(cancelled_after_share=0.5)
    job = submit(chain_of(provider, kind), texts(10), kind, name="cancelled")
    job.status()
    job.cancel()
    cancelled = collected(job)
    for results, cause in ((expired, {"expired"}), (cancelled, {"cancelled", "missing"})):
        assert len(results.errors) == 5
        assert {error.cause for error in results.errors.values()} <= cause
        assert [output for output in results if output] == [
            f"re: About item {index}" for index in range(10) if index not in results.errors
        ]
    assert booked(handler) == provider.billed > 0


def test_items_that_are_in_no_file_are_said_to_be_missing(
    provider: LoopbackProvider, submit: Callable[..., Any]
) -> None:
    """The provider's own counts say 5 completed."""
    provider.next_batch(missing_lines=2)
    results = collected(submit(chain_of(provider), texts(5)))
    assert [error.cause for error in results.errors.values()] == ["missing", "missing"]


@pytest.mark.parametrize(
    "fault",
    [
        {"arriving_share": 0.6},
        {"arriving_share": 0.6, "ends_cleanly": True},
        {"status": 429, "retry_after_seconds": 0},
        {"status": 500},
    ],
)
@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_download_that_fails_once_loses_nothing(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler, kind: str, fault: Any
) -> None:
    """Broken, silently short, or refused: it is fetched again, and nothing is booked twice."""
    provider.fault("GET /v1/files/*/content", **fault)
    provider.fault("GET /v1/messages/batches/*/results", **fault)
    job = submit(chain_of(provider, kind), texts(30), kind)
    job.wait(60, **QUICK)
    try:
        results = job.collect(timeout_seconds=60)
    except BatchProviderError:
        results = job.collect(timeout_seconds=60)
    if results.errors:
        job.resume()
        results = job.collect(timeout_seconds=60)
    assert results.errors == {}
    assert list(results) == [f"re: About item {index}" for index in range(30)]
    assert booked(handler) == provider.billed


@pytest.mark.parametrize("route", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/*"])
def test_rate_limits_are_waited_out(provider: LoopbackProvider, submit: Callable[..., Any], route: str) -> None:
    """On the way in and while polling."""
    provider.fault(route, status=429, retry_after_seconds=0, times=2)
    results = collected(submit(chain_of(provider), texts(3)))
    assert results.errors == {}
    assert len(provider.batches) == 1


@pytest.mark.parametrize(
    ("kind", "route"),
    [
        ("openai", "POST /v1/files"),
        ("openai", "POST /v1/batches"),
        ("anthropic", "POST /v1/messages/batches"),
    ],
)
def test_an_answer_that_is_lost_does_not_make_a_second_batch(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler, kind: str, route: str
) -> None:
    """The provider took it and the client never heard: asking again blindly would pay twice."""
    provider.fault(route, answer_lost=True)
    chain = chain_of(provider, kind)
    try:
        job = submit(chain, texts(4), kind, name="once")
    except BatchProviderError:
        job = submit(chain, texts(4), kind, name="once")
    results = collected(job)
    assert results.errors == {}
    assert len(provider.batches) == 1
    assert booked(handler) == provider.billed


def test_a_failed_validation_names_the_reason(provider: LoopbackProvider, submit: Callable[..., Any]) -> None:
    """openai-python raises nothing; the reason stands in the batch alone."""
    provider.next_batch(validation_error="billing_hard_limit_reached")
    job = submit(chain_of(provider), texts(2))
    job.wait(60, **QUICK)
    results = job.collect()
    assert {error.cause for error in results.errors.values()} == {"refused"}
    assert "billing_hard_limit_reached" in str(results.errors[0])
    assert provider.billed == 0


def test_the_enqueued_token_limit_is_waited_for(tmp_path: Path) -> None:
    """Two files do not fit at once; the second goes when the first has ended."""
    limits = BatchLimits(max_enqueued_tokens=120)
    with LoopbackProvider(reply=lambda body: f"re: {question(body)}", batch_limits=limits) as provider:
        job = submit_batch(
            chain_of(provider),
            texts(10),
            provider="openai",
            store=tmp_path / "batches.db",
            max_requests_per_file=5,
            max_enqueued_tokens=120,
        )
        results = collected(job)
        assert results.errors == {}
        assert {batch["status"] for batch in provider.batches} == {"completed"}


def test_two_thousand_requests_over_two_files(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler
) -> None:
    """All results in order, the exact cost, one line of the ledger each."""
    results = collected(submit(chain_of(provider), texts(2000), max_requests_per_file=1000))
    assert list(results) == [f"re: About item {index}" for index in range(2000)]
    assert [batch["request_counts"]["completed"] for batch in provider.batches] == [1000, 1000]
    assert len(provider.batch_items) == 2000
    assert booked(handler) == provider.billed == results.cost


def test_files_are_split_by_their_size_too(provider: LoopbackProvider, submit: Callable[..., Any]) -> None:
    """OpenAI takes 200 MB in a file."""
    results = collected(submit(chain_of(provider), texts(20), max_bytes_per_file=2000))
    sizes = [len(file.content) for file in provider.files if file.purpose == "batch"]
    assert len(sizes) > 1
    assert max(sizes) <= 2000
    assert results.errors == {}


def test_a_chain_with_two_models_runs_step_by_step(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler
) -> None:
    """The answers of the first are the inputs of the second, and both are billed at half."""
    second = ChatPromptTemplate.from_template("Translate: {text}") | model_of(provider, "openai") | StrOutputParser()
    chain = chain_of(provider) | RunnableLambda(lambda text: {"text": text}) | second
    assert chain.invoke(texts(1)[0]) == "re: Translate: re: About item 0"
    full = provider.billed
    results = collected(submit(chain, texts(3)))
    assert list(results) == [f"re: Translate: re: About item {index}" for index in range(3)]
    assert provider.billed - full == booked(handler)
    assert len(provider.batches) == 2


def test_another_process_finds_the_job_by_its_name(
    provider: LoopbackProvider, submit: Callable[..., Any], tmp_path: Path, handler: CostCallbackHandler
) -> None:
    """Submit tonight, collect tomorrow; collecting twice books once."""
    chain = chain_of(provider)
    submit(chain, texts(4), name="nightly")
    given: dict[str, Any] = {"store": tmp_path / "batches.db", "config": {"callbacks": [handler]}}
    found = open_batch("nightly", chain, **given)
    assert collected(found).errors == {}
    again = resume_batch("nightly", chain, **given).collect()
    assert list(again) == [f"re: About item {index}" for index in range(4)]
    assert len(list(handler.entries())) == 4
    assert booked(handler) == provider.billed


def test_a_budget_that_the_job_does_not_fit_refuses_it_before_anything_is_sent(
    provider: LoopbackProvider, submit: Callable[..., Any], tmp_path: Path
) -> None:
    """Not after 50,000 requests were uploaded."""
    handler = CostCallbackHandler(tmp_path / "costs.db", budgets=[Budget("0.0001")])
    with pytest.raises(BudgetExceededError):
        submit(chain_of(provider), texts(50), config={"callbacks": [handler]})
    assert provider.requests == ()
    (row,) = handler.budgets()
    assert (row.reserved, row.spent) == (Decimal(0), Decimal(0))


def test_a_budget_holds_the_whole_job_and_is_charged_what_it_cost(
    provider: LoopbackProvider, submit: Callable[..., Any], tmp_path: Path
) -> None:
    """Reserved before the upload, settled item by item."""
    handler = CostCallbackHandler(tmp_path / "costs.db", budgets=[Budget("1")])
    job = submit(chain_of(provider), texts(20), config={"callbacks": [handler]})
    (held,) = handler.budgets()
    assert held.reserved > 0
    collected(job)
    handler.flush()
    (row,) = handler.budgets()
    assert (row.spent, row.reserved, row.overrun) == (provider.billed, Decimal(0), Decimal(0))


def test_the_saving_stands_in_the_report(provider: LoopbackProvider, tmp_path: Path) -> None:
    """Against the synchronous price of the same tokens, in the waterfall, under `batch`."""
    with track_costs(store=InMemoryStore()) as costs:
        job = submit_batch(chain_of(provider), texts(5), provider="openai", store=tmp_path / "batches.db")
        results = collected(job)
    assert costs.total_cost == provider.billed == results.cost
    entries = list(costs.entries())
    assert {entry.techniques for entry in entries} == {("batch",)}
    saved = sum(entry.savings.batch for entry in entries if entry.savings is not None)
    assert Decimal(saved).scaleb(-9) == provider.billed
    assert "batch" in str(costs.report()).lower()


def test_the_estimate_holds(provider: LoopbackProvider, submit: Callable[..., Any]) -> None:
    """What is asked before sending: the bill lies in the range, and the batch is half of the other."""
    chain = chain_of(provider)
    estimate = estimate_batch(chain, texts(20), provider="openai")
    assert provider.requests == ()
    assert (estimate.requests, estimate.files, estimate.models) == (20, 1, ("gpt-4o-mini",))
    assert estimate.high is not None
    assert estimate.synchronous_high == 2 * estimate.high
    collected(submit(chain, texts(20)))
    assert 0 < provider.billed <= estimate.high


def test_the_job_runs_from_an_event_loop_too(provider: LoopbackProvider, tmp_path: Path) -> None:
    """A notebook or a service has one running."""
    import asyncio

    async def night() -> list[Any]:
        chain = chain_of(provider)
        job = await asyncio.to_thread(submit_batch, chain, texts(3), provider="openai", store=tmp_path / "batches.db")
        await job.await_(60, **QUICK)
        return list(await job.acollect(timeout_seconds=60))

    assert asyncio.run(night()) == [f"re: About item {index}" for index in range(3)]


def test_bad_inputs_are_refused_before_anything_is_sent(provider: LoopbackProvider, submit: Callable[..., Any]) -> None:
    """Nothing, a missing variable, a thing no message can hold: with the position, and what it was."""
    bad: list[tuple[Any, list[Any], str]] = [
        (chain_of(provider), [], "no inputs"),
        (chain_of(provider), [{"text": "a"}, {"other": "b"}], "text"),
        (model_of(provider, "openai"), ["a", object()], "object"),
    ]
    for chain, inputs, words in bad:
        with pytest.raises(BatchInputError, match=words) as refused:
            submit(chain, inputs)
        assert refused.value.index == (1 if inputs else None)
    assert provider.requests == ()


def test_chains_that_cannot_be_batched_are_refused_before_anything_is_sent(
    provider: LoopbackProvider, submit: Callable[..., Any], tmp_path: Path
) -> None:
    """No model, a model without a Batch API, a branch: the error says what would do."""
    unsupported: list[tuple[Any, str]] = [
        (PROMPT | StrOutputParser(), "openai"),
        (PROMPT | ScriptedChatModel(responses=["a"]), "openai"),
        (PROMPT | {"a": model_of(provider, "openai"), "b": model_of(provider, "openai")}, "openai"),
    ]
    for chain, kind in unsupported:
        with pytest.raises(UnsupportedChainError):
            submit(chain, texts(2), kind)
    with pytest.raises(UnsupportedChainError, match="provider="):
        submit_batch(chain_of(provider), texts(2), store=tmp_path / "other.db")
    assert provider.requests == ()


def test_a_parser_that_fails_loses_only_its_own_item(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler
) -> None:
    """The answer was paid and is booked; the rest of the chain failed here."""
    provider.next_batch(answer=None)
    chain = PROMPT | model_of(provider, "openai") | RunnableLambda(_second_fails)
    results = collected(submit(chain, texts(3)))
    assert [error.cause for error in results.errors.values()] == ["local"]
    assert list(results)[::2] == ["re: About item 0", "re: About item 2"]
    assert booked(handler) == provider.billed


def test_json_output_is_parsed_here(provider: LoopbackProvider, submit: Callable[..., Any]) -> None:
    """Parsers see the provider's text as they would see it now."""
    from langchain_costguard.testing import Behaviour

    provider.next_batch(answer=lambda _, body: Behaviour(text=json.dumps({"asked": question(body)})))
    chain = PROMPT | model_of(provider, "openai") | JsonOutputParser()
    assert list(collected(submit(chain, texts(2)))) == [{"asked": f"About item {index}"} for index in range(2)]


def _second_fails(message: Any) -> str:
    if message.text.endswith("item 1"):
        msg = "not this one"
        raise ValueError(msg)
    return str(message.text)


def test_the_ledger_of_a_file_says_the_same(
    provider: LoopbackProvider, submit: Callable[..., Any], tmp_path: Path
) -> None:
    """What the command line and the reports read tomorrow."""
    handler = CostCallbackHandler(tmp_path / "costs.db")
    collected(submit(chain_of(provider), texts(6), config={"callbacks": [handler], "tags": ["night"]}))
    handler.flush()
    from langchain_costguard.stores import open_store

    with open_store(tmp_path / "costs.db") as store:
        lines = list(store.entries(LedgerQuery()))
    assert sum((line.billed_cost or Decimal(0) for line in lines), Decimal(0)) == provider.billed
    assert {"night" in line.tags for line in lines} == {True}


def test_three_threads_that_submit_one_job_make_one(
    provider: LoopbackProvider, submit: Callable[..., Any], handler: CostCallbackHandler
) -> None:
    """A scheduler that fires twice, or a cell run in two notebooks, pays once."""
    chain = chain_of(provider)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: collected(submit(chain, texts(30), name="once")), range(3)))
    assert [list(results) for results in found] == [[f"re: About item {index}" for index in range(30)]] * 3
    assert len(provider.batches) == 1
    assert booked(handler) == provider.billed


def test_a_file_of_jobs_that_cannot_be_read_is_said_so_before_anything_is_sent(
    provider: LoopbackProvider, submit: Callable[..., Any], tmp_path: Path
) -> None:
    """A disk that was full, or another program's file."""
    (tmp_path / "batches.db").write_bytes(b"this is no file of jobs" * 100)
    with pytest.raises(BatchStateError, match=re.escape("batches.db")):
        submit(chain_of(provider), texts(2))
    assert provider.requests == ()
