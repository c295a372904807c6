"""The price book: overrides, discounts, policies, names of request and answer, and every shape of usage."""

from __future__ import annotations

import threading
import warnings
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from langchain_costguard.exceptions import PriceFormatError, UnknownPriceError, UnpricedUsageWarning
from langchain_costguard.pricing import PriceBook, free, gpu_hour, per_call, per_token
from langchain_costguard.usage import TokenUsage

USAGE = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
TOKENS = TokenUsage(uncached_input=1000, output_text=500)
LIST_PRICE = Decimal("0.0075")
HOUR_NS = 3600 * 10**9


def total(book: PriceBook, usage: object = USAGE, **call: object) -> Decimal | None:
    """What the book charges, as a decimal."""
    cost = book.price(usage, **{"model": "gpt-4o", "provider": "openai", **call})
    return None if cost is None else cost.total


@pytest.mark.parametrize(
    "usage",
    [
        USAGE,
        TOKENS,
        {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
        {
            "input_tokens": 1000,
            "output_tokens": 500,
            "total_tokens": 1500,
            "input_tokens_details": {"cached_tokens": 0},
        },
        {"input_tokens": 1000, "output_tokens": 500},
        {"inputTokens": 1000, "outputTokens": 500, "totalTokens": 1500},
        {"prompt_token_count": 1000, "candidates_token_count": 500, "total_token_count": 1500},
        {"prompt_eval_count": 1000, "eval_count": 500},
    ],
)
def test_every_shape_of_usage_costs_the_same(usage: object) -> None:
    """Callers hold LangChain's mapping, a provider's own or ours; the tokens are the same tokens."""
    assert total(PriceBook(), usage) == LIST_PRICE


def test_anthropics_own_usage_counts_its_cache_beside_the_input() -> None:
    """Read as LangChain's, 8,000 cached tokens would be lost."""
    raw = {
        "input_tokens": 1000,
        "output_tokens": 500,
        "cache_read_input_tokens": 8000,
        "cache_creation_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1000},
    }
    assert total(PriceBook(), raw, model="claude-sonnet-4-5-20250929", provider="anthropic") == Decimal("0.0189")


def test_the_responses_api_reports_its_cache_inside_the_input() -> None:
    """The same key names as Anthropic's, the opposite meaning."""
    raw = {
        "input_tokens": 2000,
        "output_tokens": 300,
        "total_tokens": 2300,
        "input_tokens_details": {"cached_tokens": 1024},
    }
    assert total(PriceBook(), raw) == Decimal("0.00672")


def test_a_tier_in_the_keys_of_usage_is_priced_as_that_tier() -> None:
    """LangChain renames the details under flex; read literally they are $0 (Langfuse) or full price."""
    flex = {
        "input_tokens": 2000,
        "output_tokens": 500,
        "total_tokens": 2500,
        "input_token_details": {"flex_cache_read": 1024, "flex": 976},
        "output_token_details": {"flex_reasoning": 0, "flex": 500},
    }
    assert total(PriceBook(), flex, model="gpt-5") == Decimal("0.003174")
    priority = {
        "input_tokens": 2000,
        "output_tokens": 500,
        "total_tokens": 2500,
        "input_token_details": {"priority_cache_read": 1024, "priority": 976},
        "output_token_details": {"priority_reasoning": 0, "priority": 500},
    }
    assert total(PriceBook(), priority, model="gpt-5") == Decimal("0.012696")


def test_no_usage_at_all_has_no_cost() -> None:
    """A cached generation without counts, or nothing: unknown, not zero."""
    assert total(PriceBook(), None) is None
    assert total(PriceBook(), {"total_cost": 0}) is None
    assert "no usage is known" in PriceBook().why_unpriced("gpt-4o", "openai")


def test_dirty_usage_is_priced_as_well_as_it_can_be() -> None:
    """genai-prices raises on these; a lost call is worse than a flagged one."""
    too_much_cache = {**USAGE, "input_token_details": {"cache_read": 5000}}
    assert total(PriceBook(), too_much_cache) == Decimal("0.01375")
    negative = {"input_tokens": -5, "output_tokens": 500, "total_tokens": 495}
    assert total(PriceBook(), negative) == Decimal("0.005")


def test_a_call_of_another_day_has_the_price_of_that_day() -> None:
    """Old lines are re-priced with what was true then, in any order."""
    book = PriceBook()
    june = [datetime(2025, 6, day, tzinfo=UTC) for day in (9, 10, 1, 11, 9)]
    assert [total(book, TokenUsage(output_text=1000), model="o3", at=day) for day in june] == [
        Decimal("0.04"),
        Decimal("0.008"),
        Decimal("0.04"),
        Decimal("0.008"),
        Decimal("0.04"),
    ]
    assert total(book, TokenUsage(output_text=1000), model="o3", at=june[0].timestamp()) == Decimal("0.04")


def test_a_moment_without_a_time_zone_is_refused() -> None:
    """Midnight is not the same moment everywhere, and prices change at midnight UTC."""
    with pytest.raises(ValueError, match="no time zone"):
        PriceBook().price(USAGE, model="o3", at=datetime(2025, 6, 10))  # noqa: DTZ001 - that is the point


def test_every_cost_says_which_list_priced_it() -> None:
    """Provenance on every line: list, version, provider, model."""
    cost = PriceBook().price(USAGE, model="azure/gpt-4o")
    assert cost is not None
    assert cost.source is not None
    assert cost.source[:4] == ("genai-prices", PriceBook().version, "azure", "gpt-4o")


class TestNamesOfRequestAndAnswer:
    """Which of two names prices the call."""

    def test_the_answering_model_is_asked_first(self) -> None:
        """An alias may have moved since; the answer names the snapshot."""
        assert total(PriceBook(), model="gpt-4o-2024-05-13", fallback_model="gpt-4o") == Decimal("0.0125")

    def test_the_requested_model_helps_where_the_answer_is_not_known(self) -> None:
        """Gateways answer with names of their own."""
        assert total(PriceBook(), model="gw-internal-17", fallback_model="gpt-4o") == LIST_PRICE
        assert total(PriceBook(), model="", fallback_model="gpt-4o") == LIST_PRICE

    def test_a_deployment_name_is_resolved_through_the_answer(self) -> None:
        """Azure users name deployments as they like."""
        assert total(PriceBook(), model="gpt-4o-2024-11-20", fallback_model="my-dep", provider="azure") == LIST_PRICE

    def test_a_generic_answer_of_azure_gives_way_to_the_exact_request(self) -> None:
        """Azure answers `gpt-4` for gpt-4-turbo: three times the price (langchain#14912)."""
        book = PriceBook()
        assert total(book, model="gpt-4", fallback_model="gpt-4-turbo", provider="azure_openai") == Decimal("0.025")
        assert total(book, model="gpt-4", fallback_model="gpt-4-team", provider="azure_openai") == Decimal("0.06")
        assert total(book, model="gpt-4", fallback_model="gpt-4-turbo", provider="openai") == Decimal("0.06")


class TestOverrides:
    """The user's own prices."""

    def test_a_model_name_overrides_the_list(self) -> None:
        """With the provider, without it, in any of its forms."""
        book = PriceBook({"gpt-4o": per_token(1, 2)})
        assert total(book) == Decimal("0.002")
        assert total(book, model="openai/gpt-4o") == Decimal("0.002")
        assert total(book, model="azure/GPT-4o", provider=None) == Decimal("0.002")
        assert total(book, model="gpt-4o-mini") == Decimal("0.00045")

    def test_a_provider_narrows_an_override(self) -> None:
        """The same model costs differently on Azure."""
        book = PriceBook({"azure/gpt-4o": per_token(1, 2), "gpt-4o": per_token(3, 4)})
        assert total(book, provider="azure_openai") == Decimal("0.002")
        assert total(book) == Decimal("0.005")

    def test_an_exact_name_wins_over_a_pattern_and_patterns_go_in_order(self) -> None:
        """Otherwise the outcome would hang on spelling."""
        book = PriceBook({"gpt-*": per_token(9, 9), "gpt-4o*": per_token(5, 5), "gpt-4o": per_token(1, 1)})
        assert total(book, TokenUsage(uncached_input=1000)) == Decimal("0.001")
        assert total(book, TokenUsage(uncached_input=1000), model="gpt-4o-mini") == Decimal("0.009")

    def test_a_pattern_prices_everything_you_serve_yourself(self) -> None:
        """Ollama has no list price; the user's decision is one line."""
        book = PriceBook({"ollama/*": free()})
        cost = book.price(USAGE, model="llama3.1:8b", provider="ollama")
        assert cost is not None
        assert cost.total == Decimal(0)
        assert cost.source is not None
        assert (cost.source.source, cost.source.context) == ("override", "free")

    def test_an_override_matches_the_name_that_was_asked_for(self) -> None:
        """A deployment may be all the user knows."""
        book = PriceBook({"my-dep": per_token(1, 2)})
        assert total(book, model="gpt-4o-2024-11-20", fallback_model="my-dep", provider="azure") == Decimal("0.002")

    def test_a_machine_is_charged_by_its_busy_time(self) -> None:
        """GPU-hours times price plus calls times price."""
        book = PriceBook({"vllm/*": gpu_hour(2, usd_per_call="0.01")})
        call = {"model": "qwen", "provider": "vllm"}
        assert total(book, USAGE, **call, busy_ns=HOUR_NS // 2, calls=3) == Decimal("1.03")
        assert total(book, None, **call, busy_ns=HOUR_NS) == Decimal("2.01")

    def test_a_machine_without_a_measured_time_says_so(self) -> None:
        """The price is known, the use is not."""
        book = PriceBook({"qwen": gpu_hour(2)})
        assert total(book, model="qwen", provider="vllm") is None
        assert "give busy_ns" in book.why_unpriced("qwen", "vllm", usage=USAGE)

    def test_a_price_per_call_needs_no_usage(self) -> None:
        """The provider's bill does not depend on it."""
        assert total(PriceBook({"gpt-4o": per_call("0.02")}), None, calls=2) == Decimal("0.04")

    def test_a_mapping_is_an_override_too(self) -> None:
        """It may come from a file."""
        book = PriceBook({"m": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}})
        assert total(book, model="m", provider=None) == Decimal("0.002")

    @pytest.mark.parametrize("wrong", [{"input": 2.5}, 2.5, {"input_usd_per_mtok": 2.5e-06}, {"output_per_1k": 1}])
    def test_an_override_in_the_wrong_unit_is_refused_when_the_book_is_made(self, wrong: object) -> None:
        """Not at the first call, and never by pricing a million times too low."""
        with pytest.raises(PriceFormatError, match=r"overrides\['m'\]"):
            PriceBook({"m": wrong})


class TestDiscounts:
    """What the user gets off the list price."""

    def test_a_discount_keeps_the_list_price_beside_it(self) -> None:
        """Savings by contract and savings by technique are told apart later."""
        cost = PriceBook(discount="0.15").price(USAGE, model="gpt-4o")
        assert cost is not None
        assert (cost.total, cost.list_total) == (Decimal("0.006375"), LIST_PRICE)

    def test_a_discount_may_differ_by_provider(self) -> None:
        """Contracts are signed with one provider at a time."""
        book = PriceBook(discount={"azure_openai": "0.5"})
        assert total(book, provider="azure") == Decimal("0.00375")
        assert total(book) == LIST_PRICE

    def test_a_discount_is_rounded_half_to_even_to_the_pico_dollar(self) -> None:
        """One token of gpt-4o-mini at a third off."""
        cost = PriceBook(discount="0.333333333").price(TokenUsage(uncached_input=1), model="gpt-4o-mini")
        assert cost is not None
        assert cost.pico_usd == 100_000

    def test_overrides_are_not_discounted(self) -> None:
        """They are what is paid."""
        assert total(PriceBook({"gpt-4o": per_token(1, 2)}, discount="0.5")) == Decimal("0.002")

    @pytest.mark.parametrize("wrong", [1, "1.5", -0.1, "x", {"openai": 15}])
    def test_a_discount_that_is_no_share_is_refused(self, wrong: object) -> None:
        """15 for 15 % would make calls negative."""
        with pytest.raises(PriceFormatError, match="discount"):
            PriceBook(discount=wrong)


class TestUnknownModels:
    """The four policies."""

    def test_recording_gives_no_cost_and_a_reason(self) -> None:
        """Tracking must not break the chain, and must not invent a zero."""
        book = PriceBook()
        assert total(book, model="gpt-9-ultra") is None
        assert "no price list has the model 'gpt-9-ultra' of openai" in book.why_unpriced("gpt-9-ultra", "openai")
        assert book.resolve("gpt-9-ultra", "openai") is None

    def test_the_reason_names_models_that_were_meant(self) -> None:
        """Most unknown models are typing errors."""
        assert "gpt-4o-mini" in PriceBook().why_unpriced("gpt-4o-minni", "openai")
        assert PriceBook().suggestions("gpt-4o-minni", "openai")[0] == "gpt-4o-mini"

    def test_the_reason_for_a_local_model_names_both_remedies(self) -> None:
        """It costs machine time or nothing; the user decides which."""
        reason = PriceBook().why_unpriced("llama3.1:8b", "ollama")
        assert "gpu_hour(usd)" in reason
        assert "free()" in reason

    def test_there_is_no_reason_for_a_priced_call(self) -> None:
        """An empty answer, so that it can be asked of every line."""
        assert PriceBook().why_unpriced("gpt-4o", "openai", usage=USAGE) == ""

    def test_the_reason_names_what_the_price_does_not_cover(self) -> None:
        """An embedding model that produced output."""
        reason = PriceBook().why_unpriced("text-embedding-3-small", "openai", usage=USAGE)
        assert "says nothing about output_text" in reason
        assert total(PriceBook(), model="text-embedding-3-small") is None

    def test_raising_names_the_model_and_its_neighbours(self) -> None:
        """A test suite wants to fail on an unpriced model."""
        with pytest.raises(UnknownPriceError, match="gpt-4o-minni") as caught:
            PriceBook(unknown="raise").price(USAGE, model="gpt-4o-minni", provider="openai")
        assert (caught.value.model, caught.value.provider) == ("gpt-4o-minni", "openai")
        assert caught.value.suggestions[0] == "gpt-4o-mini"

    def test_an_upper_bound_is_the_dearest_of_the_provider_with_a_warning(self) -> None:
        """For budgets that would rather stop early; the line says that it is a bound."""
        book = PriceBook(unknown="upper_bound")
        with pytest.warns(UnpricedUsageWarning, match="upper bound"):
            cost = book.price(USAGE, model="gpt-9-ultra", provider="openai")
        dearest = book.price(USAGE, model="o1-pro", provider="openai")
        assert cost is not None
        assert dearest is not None
        assert cost.pico_usd >= dearest.pico_usd
        assert cost.source is not None
        assert cost.source.context == "upper bound"

    def test_an_upper_bound_is_kept_and_logged_where_warnings_are_errors(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """`python -W error` must not take away the price that a budget holds against."""
        book = PriceBook(unknown="upper_bound")
        with pytest.warns(UnpricedUsageWarning):
            warned = book.price(USAGE, model="gpt-9-ultra", provider="openai")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert book.price(USAGE, model="gpt-9-ultra", provider="openai") == warned is not None
        assert "priced at an upper bound: no price list has the model 'gpt-9-ultra'" in caplog.text

    def test_an_upper_bound_of_a_local_model_is_not_invented(self) -> None:
        """No cloud price bounds what a machine costs."""
        assert total(PriceBook(unknown="upper_bound"), model="llama3.1:8b", provider="ollama") is None

    def test_free_is_a_decision_of_the_user(self) -> None:
        """It is said in the provenance."""
        cost = PriceBook(unknown="free").price(USAGE, model="gpt-9-ultra", provider="openai")
        assert cost is not None
        assert cost.total == Decimal(0)
        assert cost.source is not None
        assert cost.source.context == "free"

    def test_another_policy_is_refused(self) -> None:
        """A typing error must not become a policy."""
        with pytest.raises(PriceFormatError, match="'upper_bound'"):
            PriceBook(unknown="zero")  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-oss-20b",
        "gpt-oss-20b",
        "openai:gpt-oss-120b",
        "mistralai/Mistral-Small-24B-Instruct-2501",
        "cohere/command-r",
        "minimax/MiniMax-M2",
        "anthropic/claude-sonnet-4-5",
        "anthropic:claude-sonnet-4-5",
        "openrouter/openai/gpt-4o",
        "azure/gpt-4o",
        "/models/mistral-7b.gguf",
    ],
)
class TestOpenAIsClientBeforeAnotherServer:
    """`ChatOpenAI(base_url="http://localhost:8000/v1")` says that its provider is OpenAI."""

    def test_a_model_openai_does_not_sell_gets_no_cloud_price(self, model: str) -> None:
        """A machine of one's own does not cost what a cloud asks for the same weights."""
        book = PriceBook()
        assert book.price(USAGE, model=model, provider="openai") is None
        assert book.resolve(model, "openai") is None
        assert book.catalog.find(model, "openai") is None

    def test_the_reason_names_what_gives_it_a_price(self, model: str) -> None:
        """And no similar names, of models that were not called."""
        reason = PriceBook().why_unpriced(model, "openai")
        assert f"{model} was called with OpenAI's client, but OpenAI does not sell it" in reason
        assert all(word in reason for word in ("gpu_hour(usd)", "free()", "provider="))
        assert "similar names" not in reason

    def test_an_override_still_prices_it(self, model: str) -> None:
        """What the user says is not in doubt."""
        assert total(PriceBook({model: per_token("1", "2")}), model=model, provider="openai") == Decimal("0.002")


def test_an_override_by_the_bare_name_prices_another_vendors_model_too() -> None:
    """As it did before OpenAI's client was doubted."""
    book = PriceBook({"command-r": per_token("1", "2")})
    assert total(book, model="cohere/command-r", provider="openai") == Decimal("0.002")


@pytest.mark.parametrize("model", ["gpt-4o-mini", "openai/gpt-4o-mini", "openai:gpt-4o-mini", "models/gpt-4o-mini"])
def test_what_openai_sells_keeps_its_price_under_any_of_its_names(model: str) -> None:
    """Gateways put the vendor before the name."""
    assert total(PriceBook(), model=model, provider="openai") == Decimal("0.00045")


def test_a_model_named_with_the_provider_that_bills_it_has_its_price() -> None:
    """What the reason advises has to work."""
    assert total(PriceBook(), model="openai/gpt-oss-20b", provider="groq") is not None
    assert total(PriceBook(), model="cohere/command-r", provider="cohere") == Decimal("0.00045")


def test_unknown_names_leave_the_memory_flat() -> None:
    """genai-prices remembers each of them for ever."""
    book = PriceBook({"never-*": free()})
    for number in range(5_000):
        book.price(USAGE, model=f"nobody-{number}", provider="zai")
    assert book._question.cache_info().currsize <= 4096


def test_a_call_that_names_no_model_is_unknown() -> None:
    """Some integrations report none; the request may still name it."""
    assert total(PriceBook(), model="") is None
    assert "does not name its model" in PriceBook().why_unpriced("")
    assert total(PriceBook(), model=None, fallback_model="gpt-4o") == LIST_PRICE


def test_a_book_knows_whether_busy_time_must_be_measured() -> None:
    """Metering every call for nothing would cost time."""
    assert PriceBook({"vllm/*": gpu_hour(1)}).has_hourly_prices
    assert not PriceBook({"vllm/*": free()}).has_hourly_prices


def test_threads_get_the_same_prices() -> None:
    """One book serves a process; days and models change under its feet."""
    book = PriceBook()
    days = (datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC))
    wrong: list[Decimal | None] = []

    def price_many() -> None:
        for number in range(300):
            cost = total(book, TokenUsage(output_text=1000), model="o3", at=days[number % 2])
            if cost != (Decimal("0.008") if number % 2 else Decimal("0.04")):
                wrong.append(cost)

    threads = [threading.Thread(target=price_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_making_a_book_does_not_load_the_price_list() -> None:
    """It costs 0.2 s; a process that never prices should not pay it."""
    assert PriceBook()._catalog is None
