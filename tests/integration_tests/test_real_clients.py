"""Real LangChain clients against a provider that bills by a table of its own: the ledger equals its bill.

The provider knows nothing of our prices and can contradict them. Where LangChain's own counters go wrong, the test
shows both.
"""

from __future__ import annotations

import asyncio
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel

from langchain_costguard import track_costs
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG = "A paragraph about the billing of tokens, repeated until a provider would cache it. " * 120


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    """A provider that answers and bills."""
    with LoopbackProvider() as served:
        yield served


class City(BaseModel):
    """A city."""

    name: str


async def consume(stream: Any) -> None:
    """Read a stream to its end."""
    async for _ in stream:
        pass


CALLS: dict[str, Callable[[LoopbackProvider], Any]] = {
    "invoke": lambda p: p.chat_model().invoke("hello"),
    "ainvoke": lambda p: asyncio.run(p.chat_model().ainvoke("hello")),
    "stream": lambda p: list(p.chat_model(stream_usage=True).stream("hello")),
    "astream": lambda p: asyncio.run(consume(p.chat_model(stream_usage=True).astream("hello"))),
    "batch": lambda p: p.chat_model().batch([f"hello {n}" for n in range(8)]),
    "n=3": lambda p: p.chat_model(n=3, model="gpt-4o").invoke("hello"),
    "text model": lambda p: p.text_model().invoke("hello"),
    "text model, three prompts": lambda p: p.text_model().generate(["one", "two", "three"]),
    "Responses API": lambda p: p.chat_model(use_responses_api=True, model="gpt-4o").invoke("hello"),
    "Responses API, stream": lambda p: list(p.chat_model(use_responses_api=True, model="gpt-4o").stream("hello")),
    "flex": lambda p: p.chat_model(model="o3", service_tier="flex").invoke("think"),
    "priority": lambda p: p.chat_model(model="gpt-5", service_tier="priority").invoke("think"),
    "reasoning": lambda p: p.chat_model(model="o3").invoke("think"),
    "cached prompt": lambda p: [p.chat_model(model="gpt-4o").invoke(LONG) for _ in range(3)],
    "structured output": lambda p: p.chat_model(model="gpt-4o").with_structured_output(City).invoke("a city"),
    "function calling": lambda p: (
        p.chat_model(model="gpt-4o").with_structured_output(City, method="function_calling").invoke("a city")
    ),
    "LCEL chain": lambda p: (ChatPromptTemplate.from_template("{q}") | p.chat_model() | StrOutputParser()).invoke("hi"),
    "logprobs": lambda p: p.chat_model(logprobs=True, top_logprobs=2).invoke("hello"),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_ledger_equals_the_providers_bill(provider: LoopbackProvider, call: str) -> None:
    """To the last digit, by every door of LangChain."""
    with track_costs() as costs:
        CALLS[call](provider)
    assert provider.billed > 0
    assert costs.total_cost == provider.billed
    assert costs.unpriced_calls == 0
    assert not any(entry.is_estimated for entry in costs.entries())


def test_a_stream_without_usage_is_estimated_and_says_so(provider: LoopbackProvider) -> None:
    """`ChatOpenAI(base_url=...)` asks for no stream usage: LangChain's own handlers then see nothing at all."""
    theirs = UsageMetadataCallbackHandler()
    with track_costs() as costs:
        list(provider.chat_model(model="gpt-4o").stream("How much does this cost?", config={"callbacks": [theirs]}))
    (entry,) = costs.entries()
    assert theirs.usage_metadata == {}
    assert entry.is_estimated
    assert entry.estimate_method == "tiktoken:o200k_base"
    assert provider.billed / 2 < costs.total_cost < provider.billed * 2


def test_hits_of_langchains_cache_are_free(provider: LoopbackProvider) -> None:
    """Both upstream counters bill a hit; the provider did not."""
    theirs = UsageMetadataCallbackHandler()
    model = provider.chat_model(model="gpt-4o", cache=InMemoryCache())
    with track_costs() as costs:
        for _ in range(5):
            model.invoke("the same question", config={"callbacks": [theirs]})
    assert len(provider.requests) == 1
    assert costs.total_cost == provider.billed
    assert [entry.status for entry in costs.entries()] == ["ok"] + ["cached"] * 4
    assert sum(entry.avoided_cost or 0 for entry in costs.entries()) == 4 * provider.billed
    counted = sum(usage["input_tokens"] for usage in theirs.usage_metadata.values())
    assert counted == 5 * costs.input_tokens


def test_several_answers_of_one_request_are_billed_once(provider: LoopbackProvider) -> None:
    """Every one of n generations repeats the whole usage, and the model's name stands beside them."""
    theirs = UsageMetadataCallbackHandler()
    with track_costs() as costs:
        provider.chat_model(n=4, model="gpt-4o").invoke("hello", config={"callbacks": [theirs]})
    assert theirs.usage_metadata == {}
    assert costs.total_cost == provider.billed


@pytest.mark.parametrize("model", ["o3", "gpt-5"])
def test_models_the_community_handler_misprices(provider: LoopbackProvider, model: str) -> None:
    """Its table prices o3's output as input, and knows no tiers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.callbacks.openai_info import OpenAICallbackHandler

    theirs = OpenAICallbackHandler()
    with track_costs() as costs:
        tier = {"service_tier": "flex"}
        provider.chat_model(model=model, **tier).invoke("think hard", config={"callbacks": [theirs]})
    assert costs.total_cost == provider.billed
    assert Decimal(str(theirs.total_cost)) != provider.billed


def test_a_refused_request_costs_nothing(provider: LoopbackProvider) -> None:
    """The provider did not bill the 429 either."""
    provider.script(429)
    with track_costs() as costs, pytest.raises(openai.RateLimitError):
        provider.chat_model(max_retries=0).invoke("hello")
    assert costs.total_cost == provider.billed == Decimal(0)


def test_a_server_that_is_not_there_costs_nothing() -> None:
    """Nothing was sent, nothing is owed."""
    with LoopbackProvider() as gone:
        model = gone.chat_model(max_retries=0)
    with track_costs() as costs, pytest.raises(openai.APIConnectionError):
        model.invoke("hello")
    assert costs.total_cost == Decimal(0)


def test_a_stream_the_provider_drops_is_an_estimated_line(provider: LoopbackProvider) -> None:
    """What had been generated was billed."""
    provider.next(text="one two three four five six seven eight", drop_after_chunks=3)
    with track_costs() as costs, pytest.raises(Exception):  # noqa: B017, PT011 - the client's own, and it varies
        list(provider.chat_model(max_retries=0, stream_usage=True).stream("count"))
    (entry,) = costs.entries()
    assert (entry.status, entry.is_estimated) == ("error", True)
    assert entry.billed_cost > 0


def test_a_request_that_timed_out_is_estimated_because_it_was_billed(provider: LoopbackProvider) -> None:
    """The provider finishes, and bills, what the client no longer waits for."""
    provider.next(latency_seconds=0.6)
    with track_costs() as costs, pytest.raises(openai.APITimeoutError):
        provider.chat_model(timeout=0.2, max_retries=0).invoke("hello")
    (entry,) = costs.entries()
    assert (entry.status, entry.is_estimated) == ("error", True)
    assert entry.billed_cost > 0


def test_a_cost_the_provider_reports_is_booked() -> None:
    """OpenRouter's `usage.cost` is the bill itself."""
    with LoopbackProvider(report_cost=True) as provider:
        with track_costs() as costs:
            provider.chat_model(model="gpt-4o").invoke("hello")
        (entry,) = costs.entries()
        assert entry.reported_nano is not None
        assert costs.total_cost == provider.billed


def test_an_endpoint_of_another_company_is_not_priced_as_openai() -> None:
    """`ChatOpenAI(base_url="https://api.groq.com/openai/v1")` says it is OpenAI's; the address knows better."""
    from langchain_openai import ChatOpenAI

    from langchain_costguard.callbacks.calls import CALLS as OPEN

    seen: list[str | None] = []

    class Peek(UsageMetadataCallbackHandler):
        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            seen.extend(call.endpoint_provider for call in OPEN._open.values())

        raise_error = True
        run_inline = True

    model = ChatOpenAI(
        model="llama-3.3-70b-versatile", base_url="https://api.groq.com/openai/v1", api_key="k", max_retries=0
    )
    with track_costs() as costs, pytest.raises(Exception):  # noqa: B017, PT011 - no network here
        model.invoke("q", config={"callbacks": [Peek()]})
    assert [entry.provider for entry in costs.entries()] == ["groq"]
