"""The bill of the loopback provider: exact, by its own prices, and independent of ours."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from langchain_costguard.testing import LoopbackProvider, ModelPrice, loopback

PROMPT_OF_2000 = "word " * 1994
"""With six tokens of overhead, 2,000 input tokens."""


@pytest.mark.parametrize(
    ("model", "tier", "cached", "reasoning", "answer_tokens", "usd"),
    [
        ("gpt-4o", None, 0, 0, 300, "0.008"),
        ("gpt-4o", None, 1024, 0, 300, "0.00672"),
        ("gpt-4o-2024-08-06", None, 1024, 0, 300, "0.00672"),
        ("gpt-4o-mini", None, 1024, 0, 300, "0.0004032"),
        ("gpt-4o-2024-05-13", None, 0, 0, 300, "0.0145"),
        ("gpt-4.1", None, 1024, 0, 500, "0.006464"),
        ("gpt-5", None, 1024, 0, 500, "0.006348"),
        ("gpt-5", "flex", 1024, 0, 500, "0.003174"),
        ("gpt-5", "priority", 1024, 0, 500, "0.012696"),
        ("o3", None, 0, 800, 200, "0.012"),
        ("o3", "flex", 0, 800, 200, "0.006"),
    ],
)
def test_the_bill_is_exact(
    provider: LoopbackProvider, model: str, tier: str | None, cached: int, reasoning: int, answer_tokens: int, usd: str
) -> None:
    """These are the list prices, worked out by hand: the judge of every other figure of the package."""
    provider.next(text="word " * (answer_tokens - 1) + "word", cached_tokens=cached, reasoning_tokens=reasoning)
    provider.chat_model(model=model, service_tier=tier).invoke(PROMPT_OF_2000.strip())
    assert provider.billed == Decimal(usd)
    assert provider.requests[0].tokens == (2000, cached, answer_tokens + reasoning, reasoning)


def test_a_repeated_prefix_is_read_from_the_cache_in_steps_of_128(provider: LoopbackProvider) -> None:
    """OpenAI caches by itself, from 1,024 tokens: what is billed depends on what was asked before."""
    model = provider.chat_model()
    for question in ("first", "second"):
        model.invoke([("system", "word " * 1400), ("human", question)])
    model.invoke("short")
    assert [request.tokens.cached_tokens for request in provider.requests] == [0, 1280, 0]


def test_the_cache_is_per_model(provider: LoopbackProvider) -> None:
    """A cascade that asks a second model pays its prefix again."""
    for model in ("gpt-4o-mini", "gpt-4o"):
        provider.chat_model(model=model).invoke("word " * 1400)
    assert [request.tokens.cached_tokens for request in provider.requests] == [0, 0]


def test_hidden_retries_are_billed_and_not_reported(provider: LoopbackProvider) -> None:
    """A gateway's retries are on the invoice and in nobody's usage: only a reconciliation finds them."""
    provider.next(text="Paris.", hidden_retries=2)
    usage = provider.chat_model(model="gpt-4o").invoke("Which city?").usage_metadata
    assert usage is not None
    once = 10 * Decimal("2.50e-6") + 3 * Decimal("10e-6")
    assert (usage["input_tokens"], usage["output_tokens"]) == (10, 3)
    assert provider.billed == 3 * once


def test_the_cost_can_be_reported_as_openrouter_does() -> None:
    """A provider's own figure wins over ours, so tests need one."""
    with LoopbackProvider(report_cost=True) as provider:
        provider.next(text="Paris.")
        answer = provider.chat_model(model="gpt-4o").invoke("Which city?")
        assert answer.response_metadata["token_usage"]["cost"] == pytest.approx(5.5e-5)


def test_a_model_of_ones_own_has_the_price_it_was_given() -> None:
    """Local models and deployments have names no table knows."""
    price = ModelPrice(Decimal(1), Decimal(2))
    with LoopbackProvider(prices={"house-model": price}) as provider:
        provider.next(text="Paris.")
        provider.chat_model(model="house-model").invoke("Which city?")
        assert provider.billed == Decimal("0.000016")


def test_each_request_is_remembered_without_its_content(provider: LoopbackProvider) -> None:
    """A test's log must not become a store of prompts."""
    provider.chat_model().invoke("CANARY")
    (request,) = provider.requests
    assert (request.path, request.model, request.status, request.stream) == (
        "/v1/chat/completions",
        "gpt-4o-mini",
        200,
        False,
    )
    assert request.body_keys == ("messages", "model", "stream")
    assert request.body is None
    assert "CANARY" not in repr(request)


def test_the_content_is_kept_when_a_test_asks_for_it() -> None:
    """Tests of prompts must be able to see what was sent."""
    with LoopbackProvider(keep_bodies=True) as provider:
        provider.chat_model().invoke("hello")
        (request,) = provider.requests
        assert request.body is not None
        assert request.body["messages"] == [{"content": "hello", "role": "user"}]


def test_the_provider_knows_nothing_of_our_prices() -> None:
    """It is the witness against our pricing: it must not be able to agree by construction."""
    for file in Path(loopback.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in names if name.startswith("langchain_costguard")]
            assert all(name.startswith("langchain_costguard.testing.") for name in ours), file.name
            assert "genai_prices" not in names


def test_a_price_in_text_is_read_as_its_decimal() -> None:
    """Whoever writes a price by hand writes it in quotes."""
    assert ModelPrice("7", 8, "0.35") == ModelPrice(Decimal(7), Decimal(8), Decimal("0.35"))
    assert ModelPrice("7", "7").bill(1_000_000, 500_000, 1_000_000) == Decimal(14)


@pytest.mark.parametrize("wrong", ["cheap", "-1", "NaN", 0.15, None])
def test_a_price_that_is_none_is_refused_when_it_is_made(wrong: Any) -> None:
    """Not at the first request, where it would be an error 500 of the server."""
    with pytest.raises(ValueError, match=r"input_usd_per_mtok=.*is no price: give US dollars"):
        ModelPrice(wrong)
