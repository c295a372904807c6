"""What each technique saved is priced step by step, and the steps add up to what the call would have cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import CostCallbackHandler, PriceBook, TokenUsage, per_token
from langchain_costguard.cost import PriceSource
from langchain_costguard.recorder.repricing import reprice
from langchain_costguard.recorder.savings import savings_of
from langchain_costguard.savings import Savings
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing.lines import make_entry

if TYPE_CHECKING:
    from langchain_costguard.ledger import LedgerEntry

PRICES = PriceBook()
NOW_US = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1_000_000)


def line(**fields: Any) -> LedgerEntry:
    """A call of gpt-4o: $2.50 and $10.00 a million tokens, cached input $1.25, half of all in a batch."""
    usual = {
        "started_at_us": NOW_US,
        "provider": "openai",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o",
        "usage": TokenUsage(uncached_input=1000, output_text=100),
        "billed_nano": 3_500_000,
    }
    return replace(make_entry(), **{**usual, **fields})


def test_a_call_without_a_technique_saves_nothing_and_claims_nothing() -> None:
    """Most calls; their lines stay as short as they were."""
    assert savings_of(line(), PRICES) is None


def test_a_batch_saves_half() -> None:
    """1,000 tokens in and 100 out at once are $0.0035."""
    booked = line(batch=True, billed_nano=1_750_000)
    assert savings_of(booked, PRICES) == Savings(batch=1_750_000)


def test_a_provider_that_calls_the_batch_a_tier_is_compared_with_its_usual_tier() -> None:
    """Anthropic answers with `service_tier: batch`; comparing that tier with itself would save nothing."""
    booked = line(batch=True, service_tier="batch", billed_nano=1_750_000)
    assert savings_of(booked, PRICES) == Savings(batch=1_750_000)


def test_cached_input_is_compared_with_the_full_price() -> None:
    """1,024 tokens at $1.25 instead of $2.50 a million."""
    booked = line(usage=TokenUsage(uncached_input=476, cache_read=1024, output_text=100), billed_nano=3_470_000)
    assert savings_of(booked, PRICES) == Savings(prompt_caching=1_280_000)


def test_a_written_cache_that_is_never_read_costs() -> None:
    """Anthropic takes a quarter more for what it writes; a report without negatives is an advertisement."""
    usage = TokenUsage(uncached_input=0, cache_write_5m=2000, output_text=0)
    booked = line(
        provider="anthropic", request_model="claude-sonnet-4-5", response_model="claude-sonnet-4-5", usage=usage
    )
    assert savings_of(booked, PRICES) == Savings(prompt_caching=-1_500_000)


def test_a_small_model_is_compared_with_the_same_tokens_on_the_baseline() -> None:
    """The choice has the name of what made it; without a name it is the user's own."""
    chosen = line(request_model="gpt-4o-mini", response_model="gpt-4o-mini", billed_nano=210_000)
    chosen = replace(chosen, baseline_model="gpt-4o", baseline_nano=3_500_000)
    assert savings_of(chosen, PRICES) == Savings(model_choice=3_290_000)
    for technique in ("routing", "cascade", "local_model"):
        assert savings_of(replace(chosen, techniques=(technique,)), PRICES) == Savings(**{technique: 3_290_000})


def test_left_out_tokens_are_priced_on_the_model_that_answered() -> None:
    """4,000 tokens at $2.50 a million; edits without loss have a step of their own."""
    booked = line(techniques=("compression",), saved_input_tokens=4000)
    assert savings_of(booked, PRICES) == Savings(compression=10_000_000)
    slimmed = line(techniques=("prompt_slimming",), saved_input_tokens=4000)
    assert savings_of(slimmed, PRICES) == Savings(prompt_slimming=10_000_000)


def test_steps_add_up_to_one_bill() -> None:
    """A small model, in a batch, with a cached prefix and a compressed context: nothing is claimed twice."""
    usage = TokenUsage(uncached_input=1000, cache_read=1024, output_text=100)
    # gpt-4o-mini: $0.15 in, $0.075 cached, $0.60 out; on gpt-4o the same tokens are $0.00478
    booked = line(
        request_model="gpt-4o-mini",
        response_model="gpt-4o-mini",
        usage=usage,
        batch=True,
        billed_nano=181_800,
        techniques=("routing", "compression"),
        saved_input_tokens=2000,
        baseline_model="gpt-4o",
        baseline_nano=4_780_000,
    )
    savings = savings_of(booked, PRICES)
    assert savings is not None
    assert savings.routing == 4_780_000 - 286_800
    assert savings.prompt_caching == 76_800
    assert savings.compression == 300_000
    batched = PRICES.price(usage, model="gpt-4o-mini", batch=True, at=NOW_US / 1_000_000)
    assert batched is not None
    assert savings.batch == 286_800 - batched.nano_usd
    assert batched.nano_usd + savings.total == 4_780_000 + 76_800 + 300_000


def test_the_own_calls_of_a_technique_are_subtracted() -> None:
    """A judge, a classifier, a compressing model: without the technique nobody would have paid them."""
    judge = line(techniques=("cascade",), baseline_model="", baseline_nano=0, billed_nano=3_500_000)
    assert savings_of(judge, PRICES) == Savings(cascade=-3_500_000)


def test_a_cached_answer_saves_what_it_would_have_cost() -> None:
    """The very same prompt and a question of the same meaning are two steps; without a price it is not known."""
    hit = line(status="cached", billed_nano=0, avoided_nano=3_500_000)
    assert savings_of(hit, PRICES) == Savings(exact_cache=3_500_000)
    assert savings_of(replace(hit, techniques=("semantic_cache",)), PRICES) == Savings(semantic_cache=3_500_000)
    assert savings_of(replace(hit, avoided_nano=None), PRICES) is None


def test_a_call_of_a_technique_around_others_is_its_own_cost() -> None:
    """A classifier that is a cascade, a second try of a limit around one: the outermost has asked for it."""
    own = line(baseline_model="", baseline_nano=0, billed_nano=3_500_000)
    asked = replace(own, techniques=("routing", "cascade"))
    assert savings_of(asked, PRICES) == Savings(routing=-3_500_000)
    again = replace(own, techniques=("output_limit", "routing", "cascade"))
    assert savings_of(again, PRICES) == Savings(output_limit=-3_500_000)


def test_a_cached_call_of_a_technique_saves_nothing() -> None:
    """Nobody would have asked for a judge's verdict without the cascade, so that its cache hit is no saving."""
    hit = line(status="cached", billed_nano=0, avoided_nano=3_500_000, techniques=("cascade",))
    assert savings_of(replace(hit, baseline_model="", baseline_nano=0), PRICES) == Savings()


def test_an_own_call_without_tokens_costs_its_technique_what_is_owed() -> None:
    """`record(cost=...)` of a judge or a GPU may know no tokens; the money was paid all the same."""
    judge = line(techniques=("cascade",), baseline_model="", baseline_nano=0, billed_nano=20_000_000)
    assert savings_of(replace(judge, usage=None), PRICES) == Savings(cascade=-20_000_000)
    assert savings_of(replace(judge, usage=TokenUsage()), PRICES) == Savings(cascade=-20_000_000)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "a-model-of-no-list"])
def test_a_cost_the_provider_reported_is_what_the_baseline_is_compared_with(model: str) -> None:
    """OpenRouter's own figure is billed: a saving against our price would name a baseline that nobody computed."""
    routed = line(
        request_model=model,
        response_model=model,
        techniques=("routing",),
        billed_nano=1_000_000,
        reported_nano=1_000_000,
        baseline_model="gpt-4o",
        baseline_nano=3_500_000,
    )
    assert savings_of(routed, PRICES) == Savings(routing=2_500_000)


def test_an_embedding_is_not_compared_with_the_chat_model_of_a_handler() -> None:
    """gpt-4o embeds nothing; `baseline_model="gpt-4o"` would claim 99 % of each embedding."""
    small = "text-embedding-3-small"
    embedded = line(
        kind="embedding",
        request_model=small,
        response_model=small,
        usage=TokenUsage(uncached_input=1000),
        billed_nano=20_000,
        baseline_model="gpt-4o",
        baseline_nano=2_500_000,
    )
    assert savings_of(embedded, PRICES) is None
    routed = replace(embedded, techniques=("routing",), baseline_model="text-embedding-3-large", baseline_nano=130_000)
    assert savings_of(routed, PRICES) == Savings(routing=110_000)


def test_a_routed_call_without_a_known_baseline_is_not_known_even_if_its_prompt_was_cached() -> None:
    """A waterfall that shows the cache's step alone would hide that the router's is missing."""
    usage = TokenUsage(uncached_input=476, cache_read=1024, output_text=100)
    routed = line(usage=usage, billed_nano=3_470_000, techniques=("routing",), baseline_model="nobody-knows")
    assert savings_of(routed, PRICES) is None
    assert savings_of(replace(routed, techniques=()), PRICES) == Savings(prompt_caching=1_280_000)


def test_a_call_that_was_never_sent_saves_nothing() -> None:
    """A refused call has no tokens; the tokens a compressor left out of it were not paid by anybody either."""
    refused = line(status="error", usage=TokenUsage(), billed_nano=0, saved_input_tokens=4000)
    assert savings_of(refused, PRICES) == Savings()


@pytest.mark.parametrize("missing", ["usage", "billed_nano"])
def test_what_is_not_known_is_not_claimed(missing: str) -> None:
    """Neither zero nor a guess."""
    assert savings_of(line(batch=True, **{missing: None}), PRICES) is None


def test_a_model_without_a_price_claims_nothing() -> None:
    """What the provider reported may be known all the same."""
    unknown = line(request_model="no-such-model", response_model=None, batch=True)
    assert savings_of(unknown, PRICES) is None
    assert savings_of(unknown, PriceBook(unknown="raise")) is None


def test_sums_of_savings_are_kept_by_group_and_say_what_is_missing() -> None:
    """A waterfall is a sum; a technique that cannot say what it saved is counted, not passed over."""
    with InMemoryStore() as store:
        store.append(line(batch=True, savings=Savings(batch=5)))
        store.append(replace(line(techniques=("output_limit",)), run_id=make_entry().run_id))
        (total,) = store.totals()
    assert (total.savings, total.unmeasured_calls) == (Savings(batch=5), 1)


def test_repricing_computes_savings_anew() -> None:
    """A price that is mended mends what was saved against it."""
    with InMemoryStore() as store:
        listed = PriceSource("genai-prices", "2026-10-01", "openai", "gpt-4o", "batch", "2026-10-14")
        store.append(line(batch=True, billed_nano=1, list_nano=1, price=listed, savings=Savings(batch=1)))
        reprice(store, PRICES)
        (mended,) = store.entries()
    assert (mended.billed_nano, mended.savings) == (1_750_000, Savings(batch=1_750_000))


def test_a_discount_of_ones_own_is_in_every_step() -> None:
    """Savings against list prices that nobody pays would be too large."""
    halved = PriceBook(overrides={"gpt-4o": per_token("1.25", "5", cache_read_usd_per_mtok="0.625")})
    booked = line(usage=TokenUsage(uncached_input=476, cache_read=1024, output_text=100), billed_nano=1_735_000)
    assert savings_of(booked, halved) == Savings(prompt_caching=640_000)


def test_a_call_booked_with_its_own_cost_is_compared_with_its_baseline_too() -> None:
    """A router's local model, told by hand: what it cost is given, what it replaced is known."""
    handler = CostCallbackHandler(baseline_model="gpt-4o")
    told = handler.record(model="house-model", usage={"input_tokens": 1000, "output_tokens": 100}, cost="0.0001")
    assert told.savings == Savings(model_choice=3_400_000)
