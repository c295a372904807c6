"""Calls made outside LangChain: raw SDK calls, tools, training hours, embeddings, and the provider's own bill."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from langchain_costguard import (
    CostCallbackHandler,
    InMemoryStore,
    PriceBook,
    PriceFormatError,
    TokenUsage,
    gpu_hour,
    track_costs,
)
from langchain_costguard.callbacks import track_embeddings
from langchain_costguard.testing import LoopbackProvider, Reply, ScriptedChatModel

USAGE = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


# -- record ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "usage",
    [
        USAGE,
        {"prompt_tokens": 1000, "completion_tokens": 500},
        TokenUsage(1000, output_text=500),
        SimpleNamespace(usage={"prompt_tokens": 1000, "completion_tokens": 500}, model="gpt-4o"),
        SimpleNamespace(usage_metadata=USAGE),
    ],
    ids=["LangChain", "OpenAI", "TokenUsage", "SDK response", "message"],
)
def test_usage_of_any_shape_is_priced(usage: Any) -> None:
    """Whoever calls an SDK holds its own object, not ours."""
    entry = CostCallbackHandler().record(usage, model="gpt-4o", provider="openai")
    assert (entry.kind, entry.billed_cost, entry.usage.input_tokens) == ("manual", Decimal("0.0075"), 1000)


def test_a_real_sdk_response_is_read_with_its_model_and_tier() -> None:
    """`handler.record(response)` is all that a raw call should need."""
    import openai  # heavy

    with LoopbackProvider() as provider:
        client = openai.OpenAI(base_url=provider.base_url, api_key="loopback")
        response = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
        handler = CostCallbackHandler()
        entry = handler.record(response, provider="openai")
        client.close()
    assert entry.request_model.startswith("gpt-4o")
    assert handler.total_cost == provider.billed > 0


def test_the_required_example_ten_hours_and_a_thousand_calls_cost_eleven_dollars() -> None:
    """GPU hours x GPU price + calls x call price: 10 x $0.1 + 1000 x $0.01."""
    handler = CostCallbackHandler()
    entry = handler.record(gpu_hours=10, usd_per_gpu_hour="0.1", calls=1000, usd_per_call="0.01")
    assert entry.billed_cost == Decimal(11)
    assert entry.calls == 1000
    assert entry.busy_ns == 36_000_000_000_000


def test_hours_of_a_model_with_a_price_by_the_hour() -> None:
    """Training and batch inference on one's own machine are priced by the same override as its calls."""
    book = PriceBook({"our-model": gpu_hour("2.50", usd_per_call="0.001")})
    entry = CostCallbackHandler(prices=book).record(gpu_hours="0.5", calls=10, model="our-model")
    assert entry.billed_cost == Decimal("1.26")


def test_a_known_cost_is_booked_as_it_is() -> None:
    """A tool that bills by its own rules says what it cost."""
    entry = CostCallbackHandler().record(cost="0.004", kind="tool", tags=["search"], metadata={"user": "u1"})
    assert (entry.billed_cost, entry.kind, entry.tags, entry.user) == (Decimal("0.004"), "tool", ("search",), "u1")


def test_usage_of_an_unknown_model_is_kept_without_a_cost() -> None:
    """The same rule as for watched calls: unknown is not zero."""
    handler = CostCallbackHandler()
    entry = handler.record(USAGE, model="my-own-7b", provider="ollama")
    assert entry.billed_cost is None
    assert handler.unpriced_calls == 1
    assert "gpu_hour(" in entry.unpriced_reason


def test_a_batch_result_is_priced_at_the_batch_rate() -> None:
    """Half price is half price, also by hand."""
    entry = CostCallbackHandler().record(USAGE, model="gpt-4o", provider="openai", batch=True)
    assert entry.billed_cost == Decimal("0.00375")


def test_the_price_of_the_day_of_the_call_applies() -> None:
    """o3 cost five times as much before 2025-06-10."""
    usage = {"input_tokens": 1000, "output_tokens": 1000, "total_tokens": 2000}
    handler = CostCallbackHandler()
    old = handler.record(usage, model="o3", provider="openai", started_at=datetime(2025, 6, 1, tzinfo=UTC))
    new = handler.record(usage, model="o3", provider="openai", started_at=datetime(2025, 6, 11, tzinfo=UTC))
    assert (old.billed_cost, new.billed_cost) == (Decimal("0.05"), Decimal("0.01"))


def test_a_recorded_run_id_is_booked_once() -> None:
    """A retried import must not double the bill."""
    handler, run_id = CostCallbackHandler(), uuid4()
    for _ in range(3):
        handler.record(USAGE, model="gpt-4o", provider="openai", run_id=run_id)
    assert handler.total_cost == Decimal("0.0075")


def test_a_block_around_a_recorded_call_sees_it() -> None:
    """What is recorded by hand belongs to the same bill as what was watched."""
    handler = CostCallbackHandler()
    with track_costs() as costs:
        handler.record(USAGE, model="gpt-4o", provider="openai")
        costs.record(cost=1)
    assert costs.total_cost == Decimal("1.0075")
    assert handler.total_cost == Decimal("0.0075")


@pytest.mark.parametrize(
    ("facts", "error", "fix"),
    [
        ({}, ValueError, "give usage="),
        ({"usage": USAGE}, ValueError, "give model="),
        ({"usage": {}, "model": "m"}, ValueError, "input_tokens"),
        ({"usage": 17, "model": "m"}, TypeError, "usage_metadata"),
        ({"cost": "-1"}, PriceFormatError, "zero or more"),
        ({"cost": "NaN"}, PriceFormatError, "zero or more"),
        ({"cost": 10**9}, ValueError, "several"),
        ({"cost": 1, "tags": "checkout"}, ValueError, "list of texts"),
        ({"cost": 1, "tags": [1]}, ValueError, "list of texts"),
        ({"cost": 1, "metadata": "u1"}, ValueError, "mapping"),
        ({"cost": 1, "model": 5}, ValueError, "no name"),
        ({"cost": 1, "run_id": "abc"}, ValueError, "no UUID"),
        ({"cost": 1, "latency_seconds": float("nan")}, ValueError, "no duration"),
        ({"cost": 1, "latency_seconds": -5}, ValueError, "no duration"),
        ({"cost": 1, "started_at": "2026-01-01"}, ValueError, "no moment"),
        ({"gpu_hours": 10, "calls": 5, "usd_per_call": "0.01"}, ValueError, "usd_per_gpu_hour"),
        ({"gpu_hours": 10}, ValueError, "usd_per_gpu_hour"),
        ({"usage": USAGE, "model": "gpt-4o", "usd_per_call": "0.01"}, ValueError, "replace that price"),
        ({"usage": {**USAGE, "input_tokens": "abc"}, "model": "gpt-4o"}, ValueError, "not a number"),
        ({"usage": {**USAGE, "input_tokens": float("nan")}, "model": "gpt-4o"}, ValueError, "not a number"),
        ({"usage": {**USAGE, "input_tokens": -5}, "model": "gpt-4o"}, ValueError, "negative"),
        ({"usage": {**USAGE, "input_tokens": 500.5}, "model": "gpt-4o"}, ValueError, "whole number"),
        ({"cost": "$1"}, PriceFormatError, "without a currency sign"),
        ({"cost": 1, "calls": -1}, ValueError, "zero or more"),
        ({"cost": 1, "calls": 1.5}, ValueError, "whole number"),
        ({"gpu_hours": "ten", "usd_per_gpu_hour": 1}, PriceFormatError, "no number of hours"),
        ({"usd_per_gpu_hour": 1, "calls": 1}, ValueError, "give"),
        ({"cost": 1, "kind": "other"}, ValueError, "choose one of"),
        ({"cost": 1, "started_at": datetime(2026, 1, 1)}, ValueError, "time zone"),  # noqa: DTZ001 - the fault
    ],
)
def test_what_cannot_be_recorded_says_what_to_give(facts: dict[str, Any], error: type[Exception], fix: str) -> None:
    """Bad input gets an error that names the fix, and nothing is booked."""
    handler = CostCallbackHandler()
    with pytest.raises(error, match=fix):
        handler.record(**facts)
    assert handler.calls == 0


def test_a_cost_the_provider_reported_wins_in_a_recorded_call_too() -> None:
    """OpenRouter's own figure is the bill, whoever hands it in."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "cost": 0.123456789}
    entry = CostCallbackHandler().record(usage, model="openai/gpt-4o", provider="openrouter")
    assert (entry.billed_cost, entry.list_cost) == (Decimal("0.123456789"), Decimal("0.0075"))


def test_recorded_money_does_not_depend_on_the_callers_decimal_context() -> None:
    """A program that rounds its own decimals must not round ours."""
    handler = CostCallbackHandler()
    with localcontext() as context:
        context.prec = 5
        handler.record(cost="1234567.891")
        by_hours = handler.record(gpu_hours="1234.567891", usd_per_gpu_hour="1.2345678")
    assert handler.entries()[0].billed_cost == Decimal("1234567.891")
    assert by_hours.billed_cost == Decimal("1524.157765143")


def test_the_receipt_of_stated_prices_shows_their_factors() -> None:
    """Hours times their price plus calls times theirs."""
    handler = CostCallbackHandler()
    entry = handler.record(gpu_hours=10, usd_per_gpu_hour="0.1", calls=1000, usd_per_call="0.01")
    assert "10 GPU-hours x $0.1 + 1,000 calls x $0.01" in str(handler.explain(entry.run_id))


def test_the_receipt_shows_the_hours_exactly_as_they_were_given() -> None:
    """Hours that went through a float would be rounded to six digits."""
    handler = CostCallbackHandler()
    entry = handler.record(gpu_hours="1234.567891", usd_per_gpu_hour="0.1")
    assert "1234.567891 GPU-hours x $0.1" in str(handler.explain(entry.run_id))


def test_an_id_recorded_again_gives_the_line_that_stands() -> None:
    """The caller must not be told of money that was not booked."""
    handler, run_id = CostCallbackHandler(), uuid4()
    handler.record(cost=1, run_id=run_id)
    assert handler.record(cost=2, run_id=str(run_id)).billed_cost == Decimal(1)


# -- reconcile ---------------------------------------------------------------------------------------------------------


def test_reconciling_books_the_difference_to_the_providers_bill() -> None:
    """The invoice is the truth; the ledger says what it did not know."""
    handler = CostCallbackHandler()
    handler.record(cost="10", provider="openai", started_at=datetime(2026, 10, 5, tzinfo=UTC))
    handler.record(cost="99", provider="openai", started_at=NOVEMBER)
    entry = handler.reconcile(OCTOBER, NOVEMBER, "10.25", reason="invoice 2026-10", provider="openai")
    assert (entry.kind, entry.calls, entry.billed_cost) == ("adjustment", 0, Decimal("0.25"))
    assert entry.metadata["reason"] == "invoice 2026-10"
    assert OCTOBER <= entry.started_at_utc < NOVEMBER
    assert handler.total_cost == Decimal("109.25")


def test_a_smaller_bill_is_a_negative_adjustment() -> None:
    """Credits and rounding go the other way."""
    handler = CostCallbackHandler()
    handler.record(cost="10", started_at=OCTOBER)
    entry = handler.reconcile(OCTOBER, NOVEMBER, "9.50", reason="credit")
    assert entry.billed_cost == Decimal("-0.5")
    assert handler.total_cost == Decimal("9.5")


def test_reconciling_twice_books_nothing_more() -> None:
    """A nightly job may run again."""
    handler = CostCallbackHandler()
    handler.record(cost="10", started_at=OCTOBER)
    handler.reconcile(OCTOBER, NOVEMBER, "12", reason="invoice")
    assert handler.reconcile(OCTOBER, NOVEMBER, "12", reason="invoice") is None
    assert handler.total_cost == Decimal(12)


def test_half_a_pruned_day_cannot_be_reconciled() -> None:
    """A pruned day is one sum; its halves are not known, and guessing them would book a phantom difference."""
    handler = CostCallbackHandler(store=InMemoryStore())
    for hour in range(24):
        handler.record(cost=1, started_at=OCTOBER + timedelta(hours=hour))
    handler.store.prune(NOVEMBER)
    with pytest.raises(ValueError, match="whole days in UTC"):
        handler.reconcile(OCTOBER, OCTOBER + timedelta(hours=12), "12", reason="x")
    assert handler.reconcile(OCTOBER, OCTOBER + timedelta(days=1), "24", reason="x") is None


@pytest.mark.parametrize(
    ("period", "facts", "fix"),
    [
        ((NOVEMBER, OCTOBER), {}, "after its beginning"),
        ((OCTOBER, NOVEMBER), {"reason": " "}, "reason is empty"),
        ((OCTOBER, NOVEMBER), {"billed": "-3"}, "zero or more"),
        ((OCTOBER, NOVEMBER), {"billed": "0.0000000001"}, "round it"),
        ((OCTOBER, NOVEMBER), {"reason": None}, "reason is empty"),
        (("2026-10-01", NOVEMBER), {}, "no moment"),
        ((datetime(2026, 10, 1), NOVEMBER), {}, "time zone"),  # noqa: DTZ001 - the fault
    ],
)
def test_an_impossible_reconciliation_says_why(period: Any, facts: dict[str, Any], fix: str) -> None:
    """Nothing is booked by mistake."""
    handler = CostCallbackHandler()
    with pytest.raises(ValueError, match=fix):
        handler.reconcile(*period, **{"billed": "12", "reason": "invoice", **facts})
    assert handler.entries() == []


# -- explain -----------------------------------------------------------------------------------------------------------


def test_a_receipt_shows_every_bucket_times_its_rate() -> None:
    """A figure that cannot be recomputed by hand is not trusted."""
    handler = CostCallbackHandler()
    usage = {**USAGE, "input_token_details": {"cache_read": 400}}
    entry = handler.record(usage, model="gpt-4o", provider="openai")
    receipt = handler.explain(entry.run_id)
    assert [(line.bucket, line.quantity, line.amount) for line in receipt.lines] == [
        ("uncached_input", 600, Decimal("0.0015")),
        ("cache_read", 400, Decimal("0.0005")),
        ("output_text", 500, Decimal("0.005")),
    ]
    assert receipt.total == sum(line.amount for line in receipt.lines)
    assert "600 tokens x $2.5 per million" in str(receipt)
    assert "genai-prices" in str(receipt)
    assert "<table>" in receipt._repr_html_()
    assert receipt.to_dict()["total_usd"] == "0.007"


def test_the_receipt_of_hours_and_calls() -> None:
    """The same for a machine paid by the hour."""
    handler = CostCallbackHandler(prices={"ours": gpu_hour("0.10", usd_per_call="0.01")})
    entry = handler.record(gpu_hours=10, calls=1000, model="ours")
    assert [(line.unit, line.quantity, line.amount) for line in handler.explain(entry.run_id).lines] == [
        ("hour", 10, Decimal(1)),
        ("call", 1000, Decimal(10)),
    ]


def test_the_receipt_of_an_unpriced_call_says_why_and_what_to_do() -> None:
    """An unknown price is explained too."""
    handler = CostCallbackHandler()
    entry = handler.record(USAGE, model="my-own-7b", provider="ollama")
    text = str(handler.explain(str(entry.run_id)))
    assert "unknown" in text
    assert "free()" in text


def test_the_receipt_of_a_call_nobody_knows_is_an_error() -> None:
    """A mistyped id must not give an empty receipt."""
    for run_id in (uuid4(), "zzz"):
        with pytest.raises(LookupError, match="entries"):
            CostCallbackHandler().explain(run_id)


def test_a_receipt_whose_prices_have_changed_says_so() -> None:
    """A ledger outlives the price list that filled it."""
    from langchain_costguard.pricing import per_token
    from langchain_costguard.reports.receipt import Receipt

    entry = CostCallbackHandler(prices={"m": per_token("1", "2")}).record(USAGE, model="m")
    receipt = Receipt(entry, PriceBook({"m": per_token("10", "20")}))
    assert receipt.total == Decimal("0.002")
    assert any("reprice" in note for note in receipt.notes)


# -- embeddings --------------------------------------------------------------------------------------------------------


def test_embeddings_are_counted_as_the_provider_bills_them() -> None:
    """LangChain reports no embeddings: without a wrapper they are spend nobody sees."""
    with LoopbackProvider() as provider:
        embeddings = track_embeddings(provider.embeddings())
        with track_costs() as costs:
            embeddings.embed_documents(["one text", "and another one"])
            embeddings.embed_query("a question")
            asyncio.run(embeddings.aembed_query("another question"))
        assert len(provider.requests) == 3
    entries = costs.entries()
    assert [entry.kind for entry in entries] == ["embedding"] * 3
    assert all(entry.is_estimated and entry.request_model == "text-embedding-3-small" for entry in entries)
    assert costs.total_cost > 0
    assert costs.output_tokens == 0


def test_wrapped_embeddings_give_the_same_vectors_and_attributes() -> None:
    """A wrapper that changes anything but the bill cannot be added to a running system."""
    plain = DeterministicFakeEmbedding(size=8)
    wrapped = track_embeddings(plain)
    assert wrapped.embed_documents(["a", "b"]) == plain.embed_documents(["a", "b"])
    assert asyncio.run(wrapped.aembed_documents(["a"])) == plain.embed_documents(["a"])
    assert wrapped.size == 8


def test_embeddings_wrapped_twice_are_booked_once() -> None:
    """A notebook cell that wraps is run again."""
    handler = CostCallbackHandler()
    track_embeddings(track_embeddings(DeterministicFakeEmbedding(size=8), handler), handler).embed_query("q")
    assert handler.calls == 1
    with pytest.raises(TypeError, match="no embedding model"):
        track_embeddings("text-embedding-3-small")  # type: ignore[arg-type]  # wrong on purpose


def test_embeddings_that_fail_are_a_line_and_the_error_goes_on() -> None:
    """A failed call may have been billed."""

    class Failing(DeterministicFakeEmbedding):
        model: str = "text-embedding-3-small"

        def embed_query(self, text: str) -> list[float]:
            raise TimeoutError

    handler = CostCallbackHandler()
    with pytest.raises(TimeoutError):
        track_embeddings(Failing(size=8), handler).embed_query("q")
    (entry,) = handler.entries()
    assert (entry.status, entry.error) == ("error", "TimeoutError")


# -- switched off ------------------------------------------------------------------------------------------------------


def test_disabled_means_no_effect_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """`COSTGUARD_DISABLED=1` is how an operator takes us out of the picture without touching code."""
    monkeypatch.setenv("COSTGUARD_DISABLED", "1")
    database = tmp_path / "costs.db"
    handler = CostCallbackHandler(store=database)
    model = ScriptedChatModel(responses=Reply("x", usage=USAGE), model_name="gpt-4o", provider="openai")
    with track_costs() as costs:
        model.invoke("q", config={"callbacks": [handler]})
        track_embeddings(DeterministicFakeEmbedding(size=8), handler).embed_query("q")
    assert (handler.calls, costs.calls) == (0, 0)
    assert not database.exists()
