"""The promise of a hard budget: whatever a provider can bill for a call is within the bound of that call.

The short form looks at each model of the price list a few times; `LONG=1` at all of them many times.
"""

from __future__ import annotations

import os
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from langchain_costguard.cost import NANO_PER_USD, to_usd
from langchain_costguard.guard.bound import CallBound, CallRequest, bound_call
from langchain_costguard.pricing.book import PriceBook
from langchain_costguard.pricing.rates import RateCard
from langchain_costguard.testing import LoopbackProvider
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = bool(os.environ.get("LONG"))
BOOK = PriceBook()
TIERS = (None, "default", "auto", "flex", "priority")
SERVED: dict[str | None, tuple[str | None, ...]] = {
    None: (None, "default"),
    "default": (None, "default"),
    "auto": (None, "default", "priority"),
    "flex": (None, "default", "flex"),
    "priority": (None, "default", "priority"),
}
"""The tiers a response may name, by the one that was asked for."""
CACHING: tuple[dict[str, Any], ...] = ({}, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"})


def split(dice: random.Random, total: int, parts: int) -> list[int]:
    """A total in so many parts, many of them zero."""
    cuts = sorted(dice.choice((0, total, dice.randint(0, total))) for _ in range(parts - 1))
    return [after - before for before, after in zip([0, *cuts], [*cuts, total], strict=True)]


def usages(
    dice: random.Random, bounded: CallBound, caching: dict[str, Any], *, is_anthropic: bool
) -> Iterator[TokenUsage]:
    """Usages within a bound, its very edge among them."""
    assert bounded.input_tokens is not None
    assert bounded.output_tokens is not None
    writes = bool(caching) or not is_anthropic
    for _ in range(8 if LONG else 2):
        most_in = dice.choice((bounded.input_tokens, dice.randint(0, bounded.input_tokens)))
        most_out = dice.choice((bounded.output_tokens, dice.randint(0, bounded.output_tokens)))
        uncached, read, short, long = split(dice, most_in, 4)
        text, reasoning = split(dice, most_out, 2)
        if not writes:
            uncached, short = uncached + short, 0
        if "ttl" not in caching:
            uncached, long = uncached + long, 0
        yield TokenUsage(uncached, read, short, long, 0, text, reasoning, 0)


def models() -> Iterator[tuple[str, str]]:
    """Every model of the price list with a price per token."""
    for entry in BOOK.catalog.entries():
        if isinstance(BOOK.resolve(entry.name, entry.provider), RateCard):
            yield entry.name, entry.provider


@pytest.mark.long
def test_no_usage_within_the_bound_costs_more_than_the_bound() -> None:
    """Every model of the price list, every tier, cache and length, priced as the ledger prices it."""
    dice = random.Random(20261121)
    checked = 0
    for model, provider in models():
        for tier in TIERS if LONG else dice.sample(TIERS, 2):
            control = dice.choice(CACHING)
            prompt = [HumanMessage("x" * dice.choice((1, 1_000, 210_000, 300_000)))]
            params = {"max_tokens": dice.choice((1, 5_000, 128_000)), "n": dice.choice((1, 2))}
            if tier:
                params["service_tier"] = tier
            if control:
                params["cache_control"] = control
            bounded = bound_call(CallRequest("chat", prompt, params, None, model, provider), BOOK)
            if bounded.nano_usd is None:
                assert bounded.problem
                continue
            for usage in usages(dice, bounded, control, is_anthropic=provider == "anthropic"):
                for served in SERVED[tier]:
                    cost = BOOK.price(usage, model=model, provider=provider, service_tier=served)
                    if cost is not None:
                        assert cost.nano_usd <= bounded.nano_usd, (model, provider, tier, served, control, usage)
                        checked += 1
    assert checked > 3_000


@pytest.mark.long
def test_audio_within_the_bound_costs_no_more_than_the_bound() -> None:
    """Audio in what the request names, and in answers that were asked for as audio."""
    dice = random.Random(7)
    checked = 0
    heard = [HumanMessage([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}])]
    for model, provider in models():
        params = {"max_tokens": 1_000, "modalities": ["text", "audio"]}
        bounded = bound_call(CallRequest("chat", heard, params, None, model, provider), BOOK)
        if bounded.nano_usd is None or bounded.input_tokens is None or bounded.output_tokens is None:
            continue
        uncached, audio = split(dice, bounded.input_tokens, 2)
        text, spoken = split(dice, bounded.output_tokens, 2)
        cost = BOOK.price(TokenUsage(uncached, 0, 0, 0, audio, text, 0, spoken), model=model, provider=provider)
        if cost is not None:
            assert cost.nano_usd <= bounded.nano_usd, (model, provider)
            checked += 1
    assert checked > 50


class Bounding(BaseCallbackHandler):
    """Bounds every chat call from what its start hook is given."""

    raise_error = True
    run_inline = True

    def __init__(self) -> None:
        self.bounds: list[CallBound] = []

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, invocation_params: Any = None, **_: Any
    ) -> None:
        request = CallRequest("chat", messages[0], invocation_params, serialized, "gpt-4o-mini", "openai")
        self.bounds += [bound_call(request, BOOK), bound_call(request, BOOK, tight=True)]


TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=200),
    st.text(st.characters(min_codepoint=0x1F300, max_codepoint=0x1FAFF), max_size=40),
    st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=100),
)
MESSAGES = st.lists(
    st.one_of(st.builds(SystemMessage, TEXTS), st.builds(HumanMessage, TEXTS), st.builds(AIMessage, TEXTS)),
    min_size=1,
    max_size=4,
)
TOOLS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.from_regex(r"[a-z]{1,12}", fullmatch=True),
            "description": TEXTS,
            "parameters": st.fixed_dictionaries(
                {
                    "type": st.just("object"),
                    "properties": st.dictionaries(TEXTS, st.just({"type": "string"}), max_size=3),
                }
            ),
        }
    ),
    max_size=3,
    unique_by=lambda tool: tool["name"],
)


@pytest.mark.long
@settings(max_examples=300 if LONG else 25, deadline=None)
@given(messages=MESSAGES, tools=TOOLS, answer=TEXTS, most=st.integers(1, 60), n=st.integers(1, 2))
def test_what_a_provider_bills_is_within_the_bound(
    messages: list[BaseMessage], tools: list[dict[str, Any]], answer: str, most: int, n: int
) -> None:
    """A real ChatOpenAI, any prompt, and the provider's own bill as the judge; both bounds hold."""
    handler = Bounding()
    with LoopbackProvider(reply=answer or "yes") as provider:
        model = provider.chat_model(max_tokens=most, n=n, max_retries=0)
        bound_model = model.bind_tools(tools) if tools else model
        bound_model.invoke(messages, config={"callbacks": [handler]})
        for bounded in handler.bounds:
            assert bounded.nano_usd is not None
            assert provider.billed <= to_usd(bounded.nano_usd, NANO_PER_USD)
    assert provider.billed > Decimal(0)


def test_three_requests_of_one_run_are_within_its_bound() -> None:
    """The client retries twice without telling anybody, and the provider bills each time."""
    handler = Bounding()
    with LoopbackProvider() as provider:
        provider.script(500, 500)
        provider.chat_model(max_tokens=20).invoke("hello", config={"callbacks": [handler]})
        assert len(provider.requests) == handler.bounds[0].attempts == 3
        assert handler.bounds[0].nano_usd is not None
        assert provider.billed <= to_usd(handler.bounds[0].nano_usd, NANO_PER_USD)
