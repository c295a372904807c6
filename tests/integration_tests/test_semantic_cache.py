"""The semantic cache with real clients, agents, and handlers that wait for a server."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langgraph.checkpoint.memory import InMemorySaver

from langchain_costguard import Budget, CostCallbackHandler, SemanticCache, cached, track_costs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard.testing import LoopbackProvider

RESET = "How do I reset my password?"
SAME = "How can I reset my password?"


@pytest.fixture
def cache() -> Iterator[SemanticCache]:
    """LangChain's global cache, with the local embedder."""
    made = SemanticCache("local", "memory", tenant="user")
    set_llm_cache(made)
    yield made
    set_llm_cache(None)


def run(user: str = "alice", **more: Any) -> Any:
    """The config of a run that says whose it is."""
    return {"metadata": {"user": user}, **more}


@pytest.mark.parametrize("is_async", [False, True])
def test_a_real_client_is_asked_once_for_one_meaning(
    provider: LoopbackProvider, cache: SemanticCache, *, is_async: bool
) -> None:
    """The bill is the ledger, and the hits cost nothing."""
    model = provider.chat_model(model="gpt-4o")
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief. {rule}"), ("human", "{question}")])
    chain = prompt | model | StrOutputParser()
    asked = [{"rule": "No lists.", "question": question} for question in (RESET, SAME, RESET)]

    with track_costs() as costs:
        if is_async:
            said = [asyncio.run(chain.ainvoke(each, run())) for each in asked]
        else:
            said = [chain.invoke(each, run()) for each in asked]

    assert len(set(said)) == 1
    assert len(provider.requests) == 1
    assert [entry.status for entry in costs.entries()] == ["ok", "cached", "cached"]
    assert costs.total_cost == provider.billed
    assert cache.stats().avoided_cost == 2 * (costs.total_cost or Decimal(0))


def test_models_tenants_and_tools_of_a_real_client_are_kept_apart(
    provider: LoopbackProvider, cache: SemanticCache
) -> None:
    """Each way of asking is paid once, and no way is paid for another."""

    def weather(city: str) -> str:
        """The weather of a city."""
        return city

    ways = [
        (provider.chat_model(model=name, temperature=temperature), user, tools)
        for name in ("gpt-4o", "gpt-4o-mini")
        for temperature in (0, 0.5)
        for user in ("alice", "bob")
        for tools in ([], [weather])
    ]
    for _ in range(2):
        for model, user, tools in ways:
            (model.bind_tools(tools) if tools else model).invoke(RESET, run(user))

    assert len(provider.requests) == len(ways) == 16
    assert cache.stats().exact == 16


def test_a_changed_model_is_another_model(provider: LoopbackProvider, cache: SemanticCache) -> None:
    """LangChain keeps the key of a copied model: the answers of the old one would be served for ever."""
    model = provider.chat_model(model="gpt-4o")
    model.invoke(RESET, run())
    model.model_copy(update={"model_name": "gpt-4o-mini"}).invoke(RESET, run())

    assert [call.model for call in provider.requests] == ["gpt-4o", "gpt-4o-mini"]


@pytest.mark.required
def test_a_handler_whose_budget_is_on_a_server_hides_no_identity(
    provider: LoopbackProvider, cache: SemanticCache, postgresql_url: str
) -> None:
    """It runs on another thread, where nothing it notes reaches the lookup."""
    handler = CostCallbackHandler(store=postgresql_url, budgets=[Budget(5, per="day")])
    one, other = provider.chat_model(model="gpt-4o"), provider.chat_model(model="gpt-4o-mini")

    async def ask() -> None:
        for user in ("alice", "bob"):
            for model in (one, other, one, other):
                await model.ainvoke(RESET, run(user, callbacks=[handler]))

    asyncio.run(ask())

    assert len(provider.requests) == 4
    assert cache.stats().exact == 4
    assert handler.total_cost == provider.billed


def test_an_agents_conversation_keeps_every_answer(provider: LoopbackProvider, cache: SemanticCache) -> None:
    """With LangChain's own caches a hit takes the place of the earlier answer, and the turn ends without one."""
    agent = create_agent(provider.chat_model(model="gpt-4o"), tools=[], checkpointer=InMemorySaver())
    lengths = []
    for thread in ("one", "other"):
        for turn in (RESET, "Thank you"):
            config = run(configurable={"thread_id": thread})
            state = agent.invoke({"messages": [HumanMessage(turn)]}, config)
        lengths.append([message.type for message in state["messages"]])

    assert lengths == [["human", "ai", "human", "ai"]] * 2
    assert len(provider.requests) == 2


def test_a_real_clients_stream_is_replayed(provider: LoopbackProvider) -> None:
    """Usage comes once, and the same answer."""
    model = cached(provider.chat_model(model="gpt-4o", stream_usage=True), SemanticCache("local", "memory"))
    with track_costs() as costs:
        first, second = (reduce(add, model.stream(RESET)) for _ in range(2))

    assert first.content == second.content
    assert {**first.usage_metadata, "total_cost": 0} == second.usage_metadata
    assert len(provider.requests) == 1
    assert costs.total_cost == provider.billed
    assert [entry.status for entry in costs.entries()] == ["ok", "cached"]
