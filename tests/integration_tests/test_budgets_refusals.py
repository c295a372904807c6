"""A refused call, by every door of LangChain: no request reaches the provider, and nothing is owed or reserved."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool

from langchain_costguard import Budget, BudgetExceededError, CostCallbackHandler, track_costs, track_embeddings
from langchain_costguard.budgets import Scope
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_costguard.testing import LoopbackProvider

PLACES = ["memory", "sqlite"]
EVERYWHERE = [
    *PLACES,
    pytest.param("postgresql", marks=pytest.mark.required),
    pytest.param("valkey", marks=pytest.mark.required),
]


async def consume(stream: Any) -> None:
    """Read a stream to its end."""
    async for _ in stream:
        pass


def chat(provider: LoopbackProvider, **settings: Any) -> Any:
    """A chat model whose calls are bounded by a short answer."""
    return provider.chat_model(**{"max_tokens": 50, **settings})


def asked(text: str) -> list[HumanMessage]:
    """A conversation of one question."""
    return [HumanMessage(text)]


@tool
def lookup(word: str) -> str:
    """Look a word up."""
    return word


def agent(provider: LoopbackProvider, middleware: list[Any]) -> Any:
    """An agent of LangChain's with a tool."""
    from langchain.agents import create_agent

    return create_agent(chat(provider), [lookup], middleware=middleware)


def ask_agent(provider: LoopbackProvider, *middleware: Any) -> Any:
    """Ask an agent once."""
    return agent(provider, list(middleware)).invoke({"messages": [("user", "hello")]})


def ask_agent_with_retries(provider: LoopbackProvider) -> Any:
    """Ask an agent whose middleware repeats calls that fail, and answers with the failure in the end."""
    from langchain.agents.middleware import ModelRetryMiddleware

    return ask_agent(provider, ModelRetryMiddleware(max_retries=3, initial_delay=0, jitter=False))


def ask_agent_with_fallbacks(provider: LoopbackProvider) -> Any:
    """Ask an agent whose middleware asks other models when one fails."""
    from langchain.agents.middleware import ModelFallbackMiddleware

    return ask_agent(provider, ModelFallbackMiddleware(chat(provider, model="gpt-4o"), chat(provider, model="gpt-4.1")))


def ask_agent_with_both(provider: LoopbackProvider) -> Any:
    """Both middlewares together."""
    from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware

    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False)
    return ask_agent(provider, retry, ModelFallbackMiddleware(chat(provider, model="gpt-4o")))


def ask_sub_agent(provider: LoopbackProvider) -> Any:
    """A tool that asks another agent."""

    @tool
    def expert(question: str) -> Any:
        """Ask the expert."""
        return ask_agent(provider)["messages"][-1].content

    return expert.invoke({"question": "hello"})


DOORS: dict[str, Callable[[LoopbackProvider], Any]] = {
    "invoke": lambda p: chat(p).invoke("hello"),
    "ainvoke": lambda p: asyncio.run(chat(p).ainvoke("hello")),
    "stream": lambda p: list(chat(p, stream_usage=True).stream("hello")),
    "astream": lambda p: asyncio.run(consume(chat(p).astream("hello"))),
    "batch": lambda p: chat(p).batch(["one", "two", "three"]),
    "abatch": lambda p: asyncio.run(chat(p).abatch(["one", "two", "three"])),
    "generate": lambda p: chat(p).generate([asked("one"), asked("two")]),
    "agenerate": lambda p: asyncio.run(chat(p).agenerate([asked("one"), asked("two")])),
    "text model": lambda p: p.text_model().invoke("hello"),
    "text model, async": lambda p: asyncio.run(p.text_model().ainvoke("hello")),
    "text model, stream": lambda p: list(p.text_model().stream("hello")),
    "text model, batch": lambda p: p.text_model().batch(["one", "two"]),
    "text model, abatch": lambda p: asyncio.run(p.text_model().abatch(["one", "two"])),
    "text model, generate": lambda p: p.text_model().generate(["one", "two"]),
    "embeddings": lambda p: track_embeddings(p.embeddings()).embed_query("hello"),
    "embeddings, documents": lambda p: track_embeddings(p.embeddings()).embed_documents(["one", "two"]),
    "embeddings, async": lambda p: asyncio.run(track_embeddings(p.embeddings()).aembed_query("hello")),
    "with_retry": lambda p: chat(p).with_retry(stop_after_attempt=3, wait_exponential_jitter=False).invoke("hello"),
    "with_fallbacks": lambda p: chat(p).with_fallbacks([chat(p, model="gpt-4o")]).invoke("hello"),
    "with_fallbacks, async": lambda p: asyncio.run(chat(p).with_fallbacks([chat(p, model="gpt-4o")]).ainvoke("hello")),
    "chain": lambda p: (ChatPromptTemplate.from_template("{q}") | chat(p)).invoke({"q": "hello"}),
    "chain, async stream": lambda p: asyncio.run(
        consume((ChatPromptTemplate.from_template("{q}") | chat(p)).astream({"q": "hello"}))
    ),
    "parallel": lambda p: RunnableParallel(a=chat(p), b=chat(p)).invoke("hello"),
    "parallel, async": lambda p: asyncio.run(RunnableParallel(a=chat(p), b=chat(p)).ainvoke("hello")),
    "lambda": lambda p: RunnableLambda(lambda text: chat(p).invoke(text)).invoke("hello"),
    "agent": ask_agent,
    "agent with retries": ask_agent_with_retries,
    "agent with fallbacks": ask_agent_with_fallbacks,
    "agent with both": ask_agent_with_both,
    "sub-agent in a tool": ask_sub_agent,
    "Responses API": lambda p: chat(p, use_responses_api=True, model="gpt-4o").invoke("hello"),
    "structured output": lambda p: (
        chat(p, model="gpt-4o")
        .with_structured_output({"title": "City", "type": "object", "properties": {}})
        .invoke("x")
    ),
}


def standing(costs: CostCallbackHandler) -> tuple[Any, Any]:
    """What the budgets hold in all: spent and reserved."""
    costs.flush()
    rows = costs.budgets()
    return sum((row.spent for row in rows), Decimal(0)), sum((row.reserved for row in rows), Decimal(0))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("stores", PLACES, indirect=True)
def test_a_refused_call_sends_nothing_and_owes_nothing(
    provider: LoopbackProvider, stores: dict[str, Any], door: str
) -> None:
    """The user gets the refusal itself, however deep the call was made, and whoever repeats or replaces it."""
    with track_costs(budgets=[Budget("0.0000001")], **stores) as costs:
        with pytest.raises(BudgetExceededError) as caught:
            DOORS[door](provider)
        assert caught.value.reason == "limit"
        assert standing(costs) == (Decimal(0), Decimal(0))
        assert costs.budgets()[0].refused >= 1
    assert provider.requests == ()
    assert costs.total_cost in (None, Decimal(0))


@pytest.mark.parametrize("door", ["invoke", "ainvoke", "astream", "abatch", "agenerate", "embeddings, async"])
@pytest.mark.parametrize("stores", EVERYWHERE[2:], indirect=True)
def test_a_refusal_by_a_store_across_a_network_sends_nothing_either(
    provider: LoopbackProvider, stores: dict[str, Any], door: str
) -> None:
    """There the hooks leave the event loop, and the refusal has to find its way back."""
    with track_costs(budgets=[Budget("0.0000001")], **stores) as costs:
        assert costs.run_inline is False
        with pytest.raises(BudgetExceededError):
            DOORS[door](provider)
        assert standing(costs) == (Decimal(0), Decimal(0))
    assert provider.requests == ()


@pytest.mark.parametrize("stores", EVERYWHERE, indirect=True)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_prompt_refused_among_others_releases_them_all(
    provider: LoopbackProvider, stores: dict[str, Any], is_async: bool
) -> None:
    """`generate([[a], [b], [c]])` refused at b sends none of them: what a had reserved must come back."""
    model, prompts = chat(provider), [asked("a"), asked("b"), asked("c")]
    with track_costs(budgets=[Budget(calls=1)], **stores) as costs:
        with pytest.raises(BudgetExceededError):
            asyncio.run(model.agenerate(prompts)) if is_async else model.generate(prompts)
        assert standing(costs) == (0, 0)
        assert provider.requests == ()
        model.invoke("alone it fits")
        assert standing(costs) == (1, 0)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("stores", EVERYWHERE, indirect=True)
def test_what_fits_runs_and_the_next_call_is_refused(provider: LoopbackProvider, stores: dict[str, Any]) -> None:
    """Refusing everything would be no budget."""
    model = chat(provider)
    with track_costs(budgets=[Budget("0.001"), Budget(calls=3)], **stores) as costs:
        answers = [model.invoke("hello") for _ in range(3)]
        with pytest.raises(BudgetExceededError) as caught:
            model.invoke("hello")
        assert (caught.value.unit, caught.value.limit, caught.value.spent) == ("calls", 3, 3)
        costs.flush()
        money = next(row for row in costs.budgets() if row.unit == "usd")
        assert (money.spent, money.reserved) == (provider.billed, Decimal(0))
        assert costs.total_cost == provider.billed
    assert len(answers) == len(provider.requests) == 3


def test_a_fallback_runs_if_every_budget_admits_it(provider: LoopbackProvider) -> None:
    """A budget for one model leaves the others alone."""
    model = chat(provider).with_fallbacks([chat(provider, model="gpt-4o")])
    budgets = [Budget("0.0000001", scope=Scope.model("gpt-4o-mini")), Budget("1.00")]
    with track_costs(InMemoryStore(), budgets=budgets) as costs:
        model.invoke("hello")
        assert [request.model for request in provider.requests] == ["gpt-4o"]
        assert costs.total_cost == provider.billed
        assert {row.spent for row in costs.budgets()} == {Decimal(0), provider.billed}


def test_an_agents_fallback_runs_if_every_budget_admits_it(provider: LoopbackProvider) -> None:
    """The same through middleware."""
    budgets = [Budget("0.0000001", scope=Scope.model("gpt-4o-mini")), Budget("1.00")]
    with track_costs(InMemoryStore(), budgets=budgets) as costs:
        ask_agent_with_fallbacks(provider)
        assert [request.model for request in provider.requests] == ["gpt-4o"]
        assert costs.total_cost == provider.billed


def test_an_agent_stops_in_the_middle(provider: LoopbackProvider) -> None:
    """A loop of tool calls is what runs away; the answers so far are paid, the next one is not asked for."""
    provider.script(*[Behaviour(tool_calls=[("lookup", {"word": "x"})])] * 10)
    with track_costs(InMemoryStore(), budgets=[Budget(calls=4, per="run")]) as costs:
        with pytest.raises(BudgetExceededError):
            ask_agent_with_retries(provider)
        assert costs.total_cost == provider.billed
    assert len(provider.requests) == 4
