"""Models of one's own: `ChatOllama` and OpenAI-compatible servers, priced by busy GPU time or free."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_ollama import ChatOllama

from langchain_costguard import Budget, BudgetExceededError, PriceBook, free, gpu_hour, track_costs
from langchain_costguard.pricing import machine_cost
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import LoopbackProvider, ModelPrice
from tests.ollama_server import OllamaServer, serve_ollama

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.language_models import BaseChatModel

USD_PER_GPU_HOUR = "3.60"
SERVED = "qwen2.5:7b"


@pytest.fixture
def ollama() -> Iterator[OllamaServer]:
    """A server of Ollama's protocol."""
    with serve_ollama() as served:
        yield served


@pytest.fixture
def vllm() -> Iterator[LoopbackProvider]:
    """An OpenAI-compatible server, as vLLM and llama.cpp are."""
    with LoopbackProvider(reply="word " * 5, prices={SERVED: ModelPrice(0)}) as served:
        yield served


@pytest.fixture(params=["ollama", "openai-compatible"])
def model(request: pytest.FixtureRequest) -> BaseChatModel:
    """The same model behind either kind of server."""
    if request.param == "ollama":
        return ChatOllama(model=SERVED, base_url=request.getfixturevalue("ollama").base_url)
    served: LoopbackProvider = request.getfixturevalue("vllm")
    return served.chat_model(model=SERVED, stream_usage=True)


async def consume(stream: Any) -> None:
    """Read a stream to its end."""
    async for _ in stream:
        pass


WAYS: dict[str, Callable[[BaseChatModel], Any]] = {
    "invoke": lambda m: m.invoke("hello"),
    "ainvoke": lambda m: asyncio.run(m.ainvoke("hello")),
    "stream": lambda m: list(m.stream("hello")),
    "astream": lambda m: asyncio.run(consume(m.astream("hello"))),
    "batch": lambda m: m.batch(["one", "two", "three"]),
}
ways = pytest.mark.parametrize("way", WAYS)


@ways
def test_a_call_costs_its_busy_time(model: BaseChatModel, way: str) -> None:
    """The server bills nothing; what its machine costs is time."""
    prices = PriceBook({SERVED: gpu_hour(USD_PER_GPU_HOUR)})
    with track_costs(prices=prices) as costs:
        WAYS[way](model)
    lines = costs.entries()
    assert all(line.is_priced and not line.is_estimated for line in lines)
    busy_ns = sum(line.busy_ns or 0 for line in lines)
    assert busy_ns > 0
    assert costs.total_cost is not None
    expected = Decimal(busy_ns) * Decimal(USD_PER_GPU_HOUR) / Decimal(3_600_000_000_000)
    assert abs(costs.total_cost - expected) <= Decimal("1e-9") * len(lines)


@ways
def test_a_model_that_is_said_to_be_free_costs_nothing_and_is_priced(model: BaseChatModel, way: str) -> None:
    """Free is a price; unknown is none. Its tokens are still counted."""
    with track_costs(prices={SERVED: free()}) as costs:
        WAYS[way](model)
    assert costs.total_cost == Decimal(0)
    assert costs.unpriced_calls == 0
    assert all(line.usage is not None and line.usage.output_tokens > 0 for line in costs.entries())


def test_concurrent_calls_share_the_machine(ollama: OllamaServer) -> None:
    """Eight calls at once keep one machine busy once: not eight machine-hours for one."""
    ollama.latency_seconds = 0.3
    model = ChatOllama(model=SERVED, base_url=ollama.base_url)

    async def together() -> None:
        await asyncio.gather(*(model.ainvoke(str(number)) for number in range(8)))

    with track_costs(prices={SERVED: gpu_hour(USD_PER_GPU_HOUR)}) as costs:
        asyncio.run(together())
    lines = costs.entries()
    began = min(line.started_at_us for line in lines)
    ended = max(line.started_at_us + (line.latency_us or 0) for line in lines)
    shared = sum(line.busy_ns or 0 for line in lines)
    alone = sum((line.latency_us or 0) * 1000 for line in lines)
    assert shared <= (ended - began + 1000) * 1000
    assert shared < alone / 2
    bill = machine_cost(lines, usd_per_gpu_hour=USD_PER_GPU_HOUR, paid_hours=1)
    assert bill.calls == 8
    assert bill.busy_cost + bill.idle_cost == Decimal("3.60")


def test_without_a_price_a_local_call_is_unpriced_and_not_free(ollama: OllamaServer) -> None:
    """A machine that nobody priced is not free of charge."""
    with track_costs() as costs:
        ChatOllama(model="my-own-7b", base_url=ollama.base_url).invoke("hello")
    (line,) = costs.entries()
    assert (line.billed_cost, line.provider) == (None, "ollama")
    assert line.usage is not None
    assert (line.usage.input_tokens, line.usage.output_tokens) == (11, 30)


def test_a_pattern_prices_whatever_a_server_serves(ollama: OllamaServer) -> None:
    """One price for all models of Ollama."""
    with track_costs(prices={"ollama/*": free()}) as costs:
        ChatOllama(model="any:latest", base_url=ollama.base_url).invoke("hello")
    assert costs.total_cost == Decimal(0)


def test_a_stream_without_usage_is_counted_and_says_so(vllm: LoopbackProvider) -> None:
    """Behind a `base_url`, `ChatOpenAI` does not ask for usage; by busy time the price holds all the same."""
    model = vllm.chat_model(model=SERVED)
    with track_costs(prices={SERVED: gpu_hour(USD_PER_GPU_HOUR)}) as costs:
        list(model.stream("hello"))
    (line,) = costs.entries()
    assert line.is_estimated
    assert line.usage is not None
    assert line.usage.output_tokens > 0
    assert line.billed_cost is not None
    assert line.billed_cost > 0


def test_a_local_model_is_held_to_budgets_of_calls_and_tokens(ollama: OllamaServer) -> None:
    """Without a price per token, a limit in calls still bounds it."""
    model = ChatOllama(model=SERVED, base_url=ollama.base_url)
    budgets = [Budget(calls=1, per="day")]
    with track_costs(InMemoryStore(), {SERVED: free()}, budgets=budgets, on_alert=lambda _: None) as costs:
        model.invoke("hello")
        with pytest.raises(BudgetExceededError):
            model.invoke("hello")
    assert len(ollama.bodies) == costs.calls == 1
