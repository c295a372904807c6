"""The compiled price list against its origin: the same money for every model, and never a silent zero."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import TYPE_CHECKING

import pytest
from genai_prices import Usage

from langchain_costguard.pricing.catalog import Catalog
from langchain_costguard.pricing.catalog import Context as PriceContext
from langchain_costguard.pricing.genai import Unlisted
from langchain_costguard.pricing.rates import BUCKETS
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_prices.types import ModelInfo, Provider

    from langchain_costguard.pricing.catalog import Entry

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAYS = (NOW, datetime(2025, 6, 1, 3, tzinfo=UTC), datetime(2026, 10, 20, 2, 30, tzinfo=UTC))
PICO = Decimal("1e-12")


@pytest.fixture(scope="module")
def bare() -> Catalog:
    """The list alone, without our additions: what genai-prices itself says."""
    bundled = Catalog.bundled()
    return Catalog(bundled.providers, source="genai-prices", version="test", dated=bundled.dated)


def random_usage(rng: random.Random) -> TokenUsage:
    """Usage with every bucket in play, and now and then a long context."""
    size = rng.choice((100, 10_000, 400_000))
    return TokenUsage(*(rng.choice((0, rng.randint(1, size))) for _ in range(8)))


def as_genai(usage: TokenUsage) -> Usage:
    """The same usage in the words of genai-prices; its totals contain the rest."""
    return Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_creation,
        cache_write_5m_tokens=usage.cache_write_5m,
        cache_write_1h_tokens=usage.cache_write_1h,
        input_audio_tokens=usage.audio_input,
        cache_audio_read_tokens=0,
        cache_audio_write_tokens=0,
        cache_audio_write_1h_tokens=0,
        cache_audio_write_5m_tokens=0,
        cache_image_read_tokens=0,
        output_tokens=usage.output_tokens,
        output_reasoning_tokens=usage.reasoning,
        output_audio_tokens=usage.audio_output,
        output_audio_reasoning_tokens=0,
    )


def contexts_of(info: ModelInfo) -> Iterator[tuple[PriceContext, dict[str, str] | None]]:
    """The standard price and each variant that a call can ask for, in our words and in theirs."""
    yield PriceContext(), None
    for variant in info.price_variants or ():
        if "processing" in variant.when and len(variant.when) == 1:
            yield PriceContext(batch=True), variant.when
        elif variant.when.get("service_tier", "default") != "default" and len(variant.when) == 1:
            yield PriceContext(tier=variant.when["service_tier"]), variant.when
        elif "speed" in variant.when and len(variant.when) == 1:
            yield PriceContext(tier=variant.when["speed"]), variant.when


def expected(
    info: ModelInfo, provider: Provider, usage: TokenUsage, at: datetime, context: dict[str, str] | None
) -> Decimal:
    """What genai-prices itself calculates, rounded once to the pico-dollar."""
    with localcontext(Context(prec=60)):
        price = info.calc_price(as_genai(usage), provider, genai_request_timestamp=at, price_context=context)
        return price.total_price.quantize(PICO, ROUND_HALF_EVEN)


def test_every_model_costs_exactly_what_genai_prices_calculates(bare: Catalog) -> None:
    """The list is compiled for speed; a single wrong rate among 2,300 models would be nobody's finding but ours."""
    rng = random.Random(20261121)
    providers = {provider.id: provider for provider in bare.providers}
    compared = unpriced = 0
    for entry in bare.entries():
        assert entry.info is not None
        for context, theirs in contexts_of(entry.info):
            for at in DAYS:
                card = bare._compile(entry, context, at.timestamp())
                if isinstance(card, Unlisted):
                    unpriced += 1
                    continue
                for _ in range(2):
                    usage = random_usage(rng)
                    cost = card.cost(usage)
                    if cost is None:
                        assert any(usage[position] for position in card.unpriced)
                        continue
                    assert cost.total == expected(entry.info, providers[entry.provider], usage, at, theirs), (
                        entry[:2],
                        usage,
                    )
                    compared += 1
    assert compared > 8_000
    assert unpriced < 1_500


def test_nothing_in_the_list_costs_a_silent_zero(bare: Catalog) -> None:
    """A zero may only be printed where the list itself says zero, or the model's name says free."""
    usage = TokenUsage(uncached_input=1000, output_text=1000)
    for entry in bare.entries():
        card = bare._compile(entry, PriceContext(), NOW.timestamp())
        cost = None if isinstance(card, Unlisted) else card.cost(usage)
        if cost is not None and cost.pico_usd == 0:
            assert says_zero(entry), entry[:2]


def says_zero(entry: Entry) -> bool:
    """Whether the list states zero prices for the model, or its name ends in `:free`."""
    assert entry.info is not None
    prices = entry.info.get_prices(NOW)
    return entry.name.endswith(":free") or (prices.input_mtok == 0 and not prices.output_mtok)


def test_a_card_holds_until_the_list_changes_its_mind(bare: Catalog) -> None:
    """Cards are kept; a price change at midnight or at an off-peak hour must not be missed."""
    for entry in bare.entries():
        assert entry.info is not None
        for context, _ in contexts_of(entry.info):
            card = bare._compile(entry, context, NOW.timestamp())
            since, until = card.span if isinstance(card, Unlisted) else (card.valid_from, card.valid_until)
            assert since <= NOW.timestamp() < until
            for edge in (since, until - 1):
                if abs(edge) == float("inf"):
                    continue
                again = bare._compile(entry, context, edge)
                assert type(again) is type(card)
                if not isinstance(again, Unlisted):
                    assert (again.rates, again.steps) == (card.rates, card.steps), (entry[:2], edge)


def test_the_upper_bound_of_a_provider_exceeds_each_of_its_models() -> None:
    """The policy 'upper_bound' promises to err upwards only."""
    catalog = Catalog.bundled()
    for provider in ("openai", "anthropic", "google"):
        bound = catalog.dearest(provider)
        assert bound is not None
        for entry in catalog.entries(provider):
            assert entry.info is not None
            for context, _ in contexts_of(entry.info):
                card = catalog.card(entry.model, provider, context)
                if isinstance(card, Unlisted):
                    continue
                for bucket, (ours, theirs) in zip(BUCKETS, zip(bound.rates, card.dearest(), strict=True), strict=True):
                    assert ours * 10**card.scale >= theirs * 10**bound.scale, (entry[:2], bucket)
