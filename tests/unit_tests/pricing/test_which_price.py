"""Which price a question meets: under every spelling of a model, by every policy, and what an error points at."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from langchain_costguard import PriceBook, TokenUsage
from langchain_costguard.exceptions import CostGuardWarning, PriceFormatError, UnknownPriceError
from langchain_costguard.pricing import gpu_hour, per_call, per_token
from langchain_costguard.pricing.amounts import nano_usd
from langchain_costguard.pricing.quotes import price_from

MILLION = TokenUsage(uncached_input=10**6)


def paid(book: PriceBook, model: str, provider: str | None = None) -> Decimal | None:
    """What a million tokens of input cost."""
    cost = book.price(MILLION, model=model, provider=provider)
    return None if cost is None else cost.total


@pytest.mark.parametrize(
    ("key", "model", "provider"),
    [
        ("ollama/llama3:8b", "llama3:8b", "ollama"),
        ("llama3:8b", " Llama3:8B ", "ollama"),
        ("our team/our model", "Our Model", "our team"),
        ("our model", "Our Model", None),
        ("openai/gpt-4o", "gpt-4o", "openai"),
        ("gpt-4o", "openai/gpt-4o", None),
        ("gpt-*", "gpt-4o", "openai"),
    ],
)
def test_a_users_own_price_is_found_under_every_spelling_of_the_model(
    key: str, model: str, provider: str | None
) -> None:
    """A price that is set and not met is worse than none: the list's is charged in silence."""
    assert paid(PriceBook({key: per_token("0.77")}), model, provider) == Decimal("0.77")


def test_an_override_of_another_provider_is_not_met() -> None:
    """The same model has another price elsewhere."""
    assert paid(PriceBook({"azure/gpt-4o": per_token("0.77")}), "gpt-4o", "openai") == Decimal("2.5")


def test_why_there_is_no_price_is_asked_of_the_fallback_too() -> None:
    """A deployment's name says nothing; the model that was asked for has a price."""
    book = PriceBook()
    assert book.why_unpriced("our-deployment", "azure", fallback_model="gpt-4o", usage=MILLION) == ""
    assert "our-deployment" in book.why_unpriced("our-deployment", "azure")


def test_an_unknown_model_is_bounded_by_the_dearest_of_its_own_provider() -> None:
    """The dearest of all providers would refuse calls for nothing."""
    book = PriceBook(unknown="upper_bound")
    with pytest.warns(CostGuardWarning, match="upper bound"):
        own = book.price(MILLION, model="deepseek-99", provider="deepseek")
    assert own is not None
    assert own == book.catalog.dearest("deepseek").cost(MILLION)
    assert own != book.catalog.dearest(None).cost(MILLION)


def test_a_model_of_ones_own_has_no_upper_bound_in_anybodys_list() -> None:
    """What a machine costs stands in no list."""
    book = PriceBook({"own": gpu_hour(36)}, unknown="upper_bound")
    assert book.price(MILLION, model="own") is None
    assert book.price(MILLION, model="llama3", provider="ollama") is None


def test_the_policy_to_raise_says_which_model_and_which_provider() -> None:
    """Whoever catches it mends the price of that model."""
    with pytest.raises(UnknownPriceError) as caught:
        PriceBook(unknown="raise").price(MILLION, model="gpt-4oo", provider="openai")
    assert (caught.value.model, caught.value.provider) == ("gpt-4oo", "openai")
    assert "gpt-4o" in caught.value.suggestions


def test_unknown_models_are_free_where_the_user_says_so() -> None:
    """A test that uses no real provider wants figures, not gaps."""
    cost = PriceBook(unknown="free").price(MILLION, model="nobody/knows-it", calls=3)
    assert cost is not None
    assert cost.total == Decimal(0)


def test_an_error_points_at_the_place_of_what_is_wrong() -> None:
    """A file of prices has hundreds of lines."""
    with pytest.raises(PriceFormatError) as caught:
        price_from({"input_usd_per_mtok": -1}, path="prices['mine']")
    assert caught.value.path == "prices['mine']"
    with pytest.raises(PriceFormatError) as caught:
        PriceBook(unknown="guess")  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.path == "unknown"
    with pytest.raises(PriceFormatError) as caught:
        nano_usd("0.0000000001", "fee")
    assert caught.value.path == "fee"


def test_an_amount_is_settled_exactly_whatever_the_callers_decimal_context() -> None:
    """A notebook that sets six digits for its own figures must not round a bill."""
    with localcontext(prec=6):
        assert nano_usd("123456789.123456789", "fee") == 123_456_789_123_456_789


def test_a_discount_is_taken_off_the_list_and_never_off_a_users_own_price() -> None:
    """What the user states is what is paid."""
    book = PriceBook({"mine": per_token(1), "flat": per_call("0.01")}, discount={"openai": "0.25"})
    assert paid(book, "gpt-4o", "openai") == Decimal("1.875")
    assert (paid(book, "mine"), paid(book, "flat")) == (Decimal(1), Decimal("0.01"))
    assert paid(book, "claude-3-haiku-20240307", "anthropic") == Decimal("0.25")
    cost = book.price(MILLION, model="gpt-4o", provider="openai")
    assert cost is not None
    assert cost.list_total == Decimal("2.5")
    assert cost.source is not None
    assert cost.source.model == "gpt-4o"
