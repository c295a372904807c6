"""The price list: dates, tiers, regions, additions, files, and what it does not know."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from genai_prices import data_snapshot

from langchain_costguard.exceptions import PriceFormatError
from langchain_costguard.pricing import Catalog, PriceBook
from langchain_costguard.pricing.catalog import STANDARD, Context
from langchain_costguard.pricing.genai import Unlisted
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.pricing import RateCard

MILLION = 1_000_000
INPUT = TokenUsage(uncached_input=MILLION)
OUTPUT = TokenUsage(output_text=MILLION)


def moment(day: str) -> float:
    """A day as seconds since 1970."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def card(model: str, provider: str | None = None, context: Context = STANDARD, at: str = "2026-11-21") -> RateCard:
    """The card of a model that has one."""
    found = Catalog.bundled().card(model, provider, context, at=moment(at))
    assert not isinstance(found, Unlisted), found.reason
    return found


def refusal(model: str, provider: str | None = None, context: Context = STANDARD, at: str = "2026-11-21") -> str:
    """Why a model has no card."""
    found = Catalog.bundled().card(model, provider, context, at=moment(at))
    assert isinstance(found, Unlisted)
    return found.reason


def dollars(found: RateCard, usage: TokenUsage) -> Decimal:
    """What the card charges."""
    cost = found.cost(usage)
    assert cost is not None
    return cost.total


@pytest.mark.parametrize(
    ("model", "input_usd", "output_usd"),
    [
        ("gpt-4o", "2.50", "10.00"),
        ("gpt-4o-mini", "0.15", "0.60"),
        ("claude-3-5-sonnet-20241022", "3.00", "15.00"),
        ("claude-3-5-haiku-20241022", "0.80", "4.00"),
        ("gemini-1.5-pro", "1.25", "5.00"),
        ("gemini-1.5-flash", "0.075", "0.30"),
    ],
)
def test_the_six_list_prices_of_2025_hold_in_2025(model: str, input_usd: str, output_usd: str) -> None:
    """They are the prices the requirements name; retired models keep theirs, so that old lines can be re-priced."""
    found = card(model, at="2025-03-01")
    assert dollars(found, TokenUsage(uncached_input=100_000)) == Decimal(input_usd) / 10
    assert dollars(found, OUTPUT) == Decimal(output_usd)


@pytest.mark.parametrize(
    ("day", "input_usd", "output_usd"),
    [("2025-06-01", "10", "40"), ("2025-06-09", "10", "40"), ("2025-06-10", "2", "8"), ("2026-11-21", "2", "8")],
)
def test_a_price_cut_counts_from_its_day(day: str, input_usd: str, output_usd: str) -> None:
    """o3 became 80 % cheaper on 2025-06-10; a call of the day before was not."""
    found = card("o3", at=day)
    assert (dollars(found, INPUT), dollars(found, OUTPUT)) == (Decimal(input_usd), Decimal(output_usd))


def test_a_card_says_from_when_until_when_it_holds() -> None:
    """The book keeps cards; without these it would keep yesterday's price."""
    before, after = card("o3", at="2025-06-01"), card("o3", at="2025-06-10")
    assert before.valid_until == after.valid_from == moment("2025-06-10")
    assert after.source.effective_from == "2025-06-10"


def test_off_peak_hours_have_their_own_price() -> None:
    """DeepSeek doubles its price at peak hours of the day, UTC."""
    peak = Catalog.bundled().card("deepseek-v4-flash", "deepseek", at=moment("2026-11-20") + 2 * 3600)
    off_peak = Catalog.bundled().card("deepseek-v4-flash", "deepseek", at=moment("2026-11-20") + 5 * 3600)
    assert not isinstance(peak, Unlisted)
    assert not isinstance(off_peak, Unlisted)
    assert (dollars(peak, INPUT), dollars(off_peak, INPUT)) == (Decimal("0.3"), Decimal("0.15"))
    assert peak.valid_until == moment("2026-11-20") + 4 * 3600
    assert off_peak.valid_until == moment("2026-11-20") + 6 * 3600


@pytest.mark.parametrize(
    ("context", "output_usd"),
    [
        (Context(), "10"),
        (Context("default"), "10"),
        (Context("standard"), "10"),
        (Context("auto"), "10"),
        (Context("flex"), "5"),
        (Context("priority"), "20"),
        (Context("fast"), "20"),
        (Context(batch=True), "5"),
        (Context("batch"), "5"),
        (Context("default", batch=True), "5"),
    ],
)
def test_a_tier_has_its_own_price(context: Context, output_usd: str) -> None:
    """Flex is half, priority is double; the standard price for either is the rivals' +136 % and -41 %."""
    assert dollars(card("gpt-5", "openai", context), OUTPUT) == Decimal(output_usd)


def test_the_tier_is_named_in_the_provenance() -> None:
    """A line must say why it was half price."""
    assert card("gpt-5", "openai", Context("flex")).source.context == "flex"
    assert card("gpt-5", "openai", Context(batch=True)).source.effective_from == "2026-10-14"


@pytest.mark.parametrize(
    ("model", "provider", "context"),
    [
        ("gpt-4o", "openai", Context("flex")),
        ("gpt-5", "openai", Context("scale")),
        ("gpt-5", "openai", Context("flexx")),
        ("gpt-5", "openai", Context("flex", batch=True)),
        ("gpt-5", "azure", Context("priority")),
        ("gpt-4o", "azure_openai", Context(batch=True)),
        ("claude-sonnet-4-5", "anthropic", Context("priority")),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", Context("flex")),
        ("llama-3.3-70b-versatile", "groq", Context("performance")),
        ("ft:gpt-4.1-mini-2025-04-14:acme::x", "openai", Context(batch=True)),
    ],
)
def test_a_tier_without_a_known_price_does_not_pretend(model: str, provider: str, context: Context) -> None:
    """genai-prices answers all of these with the standard price, without a word."""
    assert "give an override" in refusal(model, provider, context)


def test_a_tier_known_to_cost_the_same_is_priced() -> None:
    """Groq says in its documentation that flex costs what on-demand costs."""
    assert dollars(card("llama-3.3-70b-versatile", "groq", Context("flex")), INPUT) == Decimal("0.59")
    assert dollars(card("llama-3.3-70b-versatile", "groq", Context("on_demand")), INPUT) == Decimal("0.59")


def test_anthropics_fast_mode_is_a_tier_of_its_own() -> None:
    """Fast Opus costs several times the standard price."""
    assert dollars(card("claude-opus-5", "anthropic", Context("fast")), INPUT) > dollars(
        card("claude-opus-5", "anthropic"), INPUT
    )


def test_a_tier_before_its_first_known_day_says_since_when_it_is_known() -> None:
    """genai-prices knows tiers from 2026-10-12 on and answers earlier days with the standard price."""
    assert "known only from 2026-10-12 on" in refusal("gpt-5", "openai", Context("flex"), at="2026-10-11")


def test_a_model_without_a_price_is_not_free() -> None:
    """Copilot's models and moderation stand in the list without any price; zero would say free."""
    assert "no token price" in refusal("gpt-4o", "github-copilot")
    assert "no token price" in refusal("whisper-1", "openai")


def test_a_free_model_of_openrouter_is_free_even_if_the_list_does_not_have_it_yet() -> None:
    """There `:free` at the end of a name is the price."""
    assert dollars(card("deepseek/deepseek-r1:free", "openrouter"), INPUT) == Decimal(0)
    assert dollars(card("brand-new/model:free", "openrouter"), INPUT) == Decimal(0)
    assert "no price list" in refusal("brand-new/model:free", "together")


@pytest.mark.parametrize(
    ("model", "provider"),
    [("mistral-large-latest", "mistralai"), ("deepseek-chat", "deepseek"), ("deepseek-reasoner", "deepseek")],
)
def test_a_moving_alias_without_a_date_is_unknown(model: str, provider: str) -> None:
    """The list's price is that of a model the name meant two years ago."""
    assert "moves from model to model" in refusal(model, provider)


def test_a_moving_alias_with_dated_prices_is_priced_by_date() -> None:
    """Where the list follows the alias, so do we."""
    assert dollars(card("mistral-small-latest", "mistral", at="2026-11-21"), INPUT) == Decimal("0.15")
    assert "moves from" in refusal("mistral-small-latest", "mistral", at="2026-01-01")


def test_audio_has_its_own_rate_where_the_list_forgot_it() -> None:
    """Billed as text, audio would be 94 % too cheap."""
    audio = card("gpt-4o-audio-preview", "openai")
    assert dollars(audio, TokenUsage(audio_input=MILLION)) == Decimal(40)
    assert dollars(audio, TokenUsage(audio_output=MILLION)) == Decimal(80)
    assert audio.source.context == "costguard rates"
    first = card("gpt-4o-audio-preview-2024-10-01", "openai")
    assert dollars(first, TokenUsage(audio_output=MILLION)) == Decimal(200)


def test_a_rate_of_the_list_wins_over_our_addition(tmp_path: Path) -> None:
    """Once upstream has the rate, ours must not shadow it."""
    name = "gpt-4o-audio-preview"
    prices = {"input_mtok": 2.5, "output_mtok": 10, "input_audio_mtok": 33}
    model = {"id": name, "match": {"equals": name}, "prices": prices}
    upstream = {"id": "openai", "name": "OpenAI", "api_pattern": "https://api", "models": [model]}
    found = Catalog.from_file(written(tmp_path, [upstream])).card(name, "openai", at=moment("2026-11-21"))
    assert not isinstance(found, Unlisted)
    assert dollars(found, TokenUsage(audio_input=MILLION)) == Decimal(33)
    assert dollars(found, TokenUsage(audio_output=MILLION)) == Decimal(80)


@pytest.mark.parametrize(
    ("model", "provider", "region", "input_usd"),
    [
        ("claude-opus-4-6", "anthropic", "us", "5.5"),
        ("claude-opus-4-6", "anthropic", "US", "5.5"),
        ("claude-opus-4-6", "anthropic", "global", "5"),
        ("claude-opus-4-6", "anthropic", None, "5"),
        ("claude-opus-4-5", "anthropic", "us", "5"),
        ("claude-opus-5", "anthropic", "us", "5.5"),
        ("claude-haiku-4-5-20251001", "anthropic", "us", "1"),
        ("gpt-5.4-mini", "openai", "eu", "0.825"),
        ("gpt-4o", "openai", "eu", "2.5"),
        ("claude-opus-4-5@20251101", "google_vertexai", "us-east5", "5.5"),
        ("gemini-2.5-flash", "google_vertexai", "us-east5", "0.3"),
    ],
)
def test_data_residency_costs_its_uplift(model: str, provider: str, region: str | None, input_usd: str) -> None:
    """Ten per cent that no other library charges, and only for the models the providers name."""
    cost = PriceBook().price(
        INPUT if "gpt" not in model else TokenUsage(uncached_input=100_000),
        model=model,
        provider=provider,
        region=region,
    )
    assert cost is not None
    assert cost.total == (Decimal(input_usd) if "gpt" not in model else Decimal(input_usd) / 10)


def test_bedrock_profiles_of_a_region_cost_more_than_the_global_one() -> None:
    """The list knows Bedrock's ten per cent; the profile's name must reach it."""
    regional = card("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon_bedrock")
    world = card("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon_bedrock")
    assert (dollars(regional, OUTPUT), dollars(world, OUTPUT)) == (Decimal("16.5"), Decimal(15))


def test_unknown_names_do_not_fill_the_memory() -> None:
    """A gateway that sees user-supplied model names must not grow with them."""
    bundled = Catalog.bundled()
    catalog = Catalog(bundled.providers[-2:], source="t", version="1", dated=bundled.dated)
    for number in range(100_000):
        assert isinstance(catalog.card(f"nobody-{number}", "zai"), Unlisted)
    assert catalog._find.cache_info().currsize <= 4096
    assert catalog._cards.cache_info().currsize <= 4096


def test_the_process_wide_snapshot_of_genai_prices_is_not_touched() -> None:
    """Logfire and pydantic-ai use it in the same process."""
    before = data_snapshot._custom_snapshot
    Catalog.bundled().card("gpt-4o")
    assert data_snapshot._custom_snapshot is before


def test_the_list_says_how_old_it_is() -> None:
    """Reports warn when prices are older than 60 days."""
    catalog = Catalog.bundled()
    assert catalog.age_days(date(2026, 12, 1)) == (date(2026, 12, 1) - catalog.dated).days
    assert date(2026, 10, 1) < catalog.dated <= datetime.now(UTC).date()
    assert catalog.age_days() >= 0
    assert catalog.version


def test_every_addition_says_where_it_is_from_and_when_it_was_seen() -> None:
    """A price without a source cannot be checked again."""
    overlay = json.loads(files("langchain_costguard.pricing").joinpath("overlay.json").read_text(encoding="utf-8"))
    for kind in ("models", "rates", "uplifts", "tiers", "moving"):
        for entry in overlay[kind]:
            assert entry["source"].startswith("https://")
            assert date.fromisoformat(entry["checked"]) <= date.fromisoformat(overlay["dated"])
            if kind in {"rates", "uplifts"}:
                date.fromisoformat(entry["from"])
            for price in entry.get("prices", ()):
                date.fromisoformat(price["from"])


GENAI_LIST = [
    {
        "id": "acme",
        "name": "Acme",
        "api_pattern": r"https://api\.acme\.test",
        "models": [
            {
                "id": "acme-1",
                "match": {"starts_with": "acme-1"},
                "prices": [
                    {"prices": {"input_mtok": 1, "output_mtok": 2}},
                    {
                        "constraint": {"start_date": "2026-11-01"},
                        "prices": {
                            "input_mtok": {"base": 3, "tiers": [{"start": 200000, "price": 6}]},
                            "output_mtok": 4,
                        },
                    },
                ],
            }
        ],
    }
]
OWN_LIST: dict[str, Any] = {
    "schema": "costguard-prices/1",
    "name": "acme-contract",
    "dated": "2026-11-20",
    "models": [
        {
            "provider": "openai",
            "id": "gpt-4o",
            "match": ["gpt-4o", "gpt-4o-2*"],
            "prices": [
                {"from": "2026-01-01", "usd_per_mtok": {"input": "2", "output": {"base": "7", "above": [[1000, "9"]]}}},
                {"from": "2026-01-01", "batch": True, "usd_per_mtok": {"input": "1", "output": "4"}},
                {"from": "2026-06-01", "usd_per_mtok": {"input": "1.5", "output": "6"}, "usd_per_call": "0.001"},
            ],
            "source": "contract",
            "checked": "2026-11-20",
        }
    ],
}


def written(tmp_path: Path, content: object) -> Path:
    """A price list on disk."""
    path = tmp_path / "prices.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_a_newer_list_of_genai_prices_is_loaded_from_a_file(tmp_path: Path) -> None:
    """Prices change between our releases; their published file must do without one. Guards their private parser."""
    catalog = Catalog.from_file(written(tmp_path, GENAI_LIST))
    old = catalog.card("acme-1-large", "acme", at=moment("2026-10-31"))
    new = catalog.card("acme-1-large", "acme", at=moment("2026-11-02"))
    assert not isinstance(old, Unlisted)
    assert not isinstance(new, Unlisted)
    assert (dollars(old, OUTPUT), dollars(new, INPUT)) == (Decimal(2), Decimal(6))
    assert catalog.dated == date(2026, 11, 1)
    assert Catalog.from_file(written(tmp_path, GENAI_LIST), dated=date(2026, 11, 15)).dated == date(2026, 11, 15)


def test_a_list_in_our_own_schema_wins_over_the_bundled_one(tmp_path: Path) -> None:
    """A negotiated price list with dates, tiers and batch prices, without code."""
    catalog = Catalog.from_file(written(tmp_path, OWN_LIST))
    spring = catalog.card("gpt-4o-2024-11-20", "openai", at=moment("2026-03-01"))
    batch = catalog.card("gpt-4o", "openai", Context(batch=True), at=moment("2026-03-01"))
    autumn = catalog.card("gpt-4o", None, at=moment("2026-09-01"))
    other = catalog.card("gpt-4o-mini", "openai", at=moment("2026-09-01"))
    assert not isinstance(spring, Unlisted)
    assert not isinstance(batch, Unlisted)
    assert not isinstance(autumn, Unlisted)
    assert not isinstance(other, Unlisted)
    assert dollars(spring, TokenUsage(uncached_input=1001, output_text=1000)) == Decimal("0.011002")
    assert dollars(batch, OUTPUT) == Decimal(4)
    assert dollars(autumn, OUTPUT) == Decimal("6.001")
    assert dollars(other, OUTPUT) == Decimal("0.6")
    assert autumn.source.source == "acme-contract"
    assert autumn.valid_from == moment("2026-06-01")
    assert isinstance(catalog.card("gpt-4o", "openai", Context("flex")), Unlisted)
    assert isinstance(catalog.card("gpt-4o", "openai", at=moment("2025-12-31")), Unlisted)


def test_a_list_in_our_own_schema_may_name_a_provider_of_your_own(tmp_path: Path) -> None:
    """A company's gateway has prices that no public list has."""
    entry = {**OWN_LIST["models"][0], "provider": "acme-gateway", "id": "acme-chat", "match": ["acme-*"]}
    catalog = Catalog.from_file(written(tmp_path, {**OWN_LIST, "models": [entry]}))
    for provider in ("acme-gateway", None):
        found = catalog.card("ACME-7b", provider, at=moment("2026-09-01"))
        assert not isinstance(found, Unlisted)
        assert found.source[2:4] == ("acme-gateway", "acme-chat")
    assert isinstance(catalog.card("other", "acme-gateway"), Unlisted)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("{not json", "is not JSON"),
        ("", "is not JSON"),
        ("[]", "holds no price list"),
        ("3", "holds no price list"),
        ({"gpt-4o": {"input_cost_per_token": 2.5e-06}}, "this release reads 'costguard-prices/1'"),
        ({"schema": "costguard-prices/2"}, "this release reads 'costguard-prices/1'"),
        ([{"id": "acme"}], "not a price list that the installed genai-prices understands"),
        ({**OWN_LIST, "dated": "yesterday"}, "YYYY-MM-DD"),
        ({**OWN_LIST, "models": {}}, "must be a list"),
        ({**OWN_LIST, "models": [{**OWN_LIST["models"][0], "source": ""}]}, "source missing"),
        (
            {**OWN_LIST, "models": [{**OWN_LIST["models"][0], "prices": [{"usd_per_mtok": {"input_per_1k": 1}}]}]},
            "US dollars per million tokens",
        ),
        (
            {**OWN_LIST, "models": [{**OWN_LIST["models"][0], "prices": [{"usd_per_mtok": {"input": "-1"}}]}]},
            r"models\[0\]\.prices\[0\]\.usd_per_mtok\.input: '-1' is no price",
        ),
    ],
)
def test_a_file_that_is_no_price_list_is_refused_with_what_is(tmp_path: Path, content: object, hint: str) -> None:
    """A corrupt or foreign file must never price calls by accident."""
    with pytest.raises(PriceFormatError, match=hint):
        Catalog.from_file(written(tmp_path, content))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(PriceFormatError, match=r"missing\.json cannot be read"):
        Catalog.from_file(tmp_path / "missing.json")
