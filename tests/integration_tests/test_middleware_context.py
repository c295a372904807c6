"""A shorter context for an agent's model, and marks for its provider's cache, beside LangChain's own middleware."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware, SummarizationMiddleware
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool

from langchain_costguard import Budget, track_costs
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.middleware import BudgetMiddleware, ContextMiddleware
from langchain_costguard.prompt_caching import CachePlan
from langchain_costguard.testing import LoopbackProvider
from langchain_costguard.testing.loopback import ModelPrice
from tests.integration_tests.middleware_agents import WAYS, agent, ask, calls, is_valid

PAGE = " ".join(f"The city number {number} has {number * 7} bridges over its river." for number in range(200))


@tool
def read(query: str) -> str:
    """Read a page."""
    return f"{PAGE} The weather in {query} is sunny."


@pytest.mark.required
@pytest.mark.parametrize("way", WAYS)
def test_long_texts_are_sent_shorter_and_kept_whole(provider: LoopbackProvider, way: str) -> None:
    """A page that a tool read is paid again in every turn that follows."""
    context = ContextMiddleware(ContextCompressor(max_tokens=200))
    provider.script(calls("read"), calls("read"))
    with track_costs() as costs:
        state = ask(agent(provider.chat_model(), [read], middleware=[context]), way)
    said = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert [message.text for message in said] == [read.func("Paris")] * 2  # type: ignore[misc] # a tool of a function
    assert is_valid(state["messages"])
    assert max(request.tokens.input_tokens for request in provider.requests) < 1200
    assert costs.total_cost == provider.billed
    techniques = [line.techniques for line in costs.entries()]
    assert techniques == [(), ("compression",), ("compression",)]


@pytest.mark.parametrize("way", WAYS)
def test_it_goes_together_with_langchains_own(provider: LoopbackProvider, way: str) -> None:
    """Summaries and cleared tool results come first; what is left is shortened; every call is booked once."""
    model = provider.chat_model()
    allowance = BudgetMiddleware(Budget(1, per="run"))
    middleware = [
        allowance,
        SummarizationMiddleware(model, trigger=("messages", 6), keep=("messages", 3)),
        ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=1, keep=1)]),
        ContextMiddleware(ContextCompressor(max_tokens=200)),
    ]
    provider.script(calls("read"), calls("read"), calls("read"))
    state = ask(agent(model, [read], middleware=middleware), way)
    assert is_valid(state["messages"])
    assert allowance.costs.total_cost == provider.billed
    steps = [line.metadata["step"] for line in allowance.costs.entries()]
    assert "SummarizationMiddleware.before_model" in steps
    assert ("compression",) in [line.techniques for line in allowance.costs.entries()]


def test_short_conversations_stay_as_they_are(provider: LoopbackProvider) -> None:
    """What saves nothing is not claimed to."""
    context = ContextMiddleware(ContextCompressor(max_tokens=200))
    with track_costs() as costs:
        ask(agent(provider.chat_model(), [read], middleware=[context], system_prompt="Be brief."), "invoke")
    assert [line.techniques for line in costs.entries()] == [()]


HANDBOOK = "\n".join(f"Rule {number}: refunds of kind {number * 7} take {number % 9} days." for number in range(400))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("with_theirs", [True, False])
def test_the_stable_beginning_is_marked_once_for_the_providers_cache(way: str, *, with_theirs: bool) -> None:
    """Marks beyond four are refused, and each is paid as a write."""
    prices = {"claude-sonnet-5": ModelPrice(2, 10)}
    with LoopbackProvider(keep_bodies=True, prices=prices) as provider:
        claude = provider.anthropic_model(model="claude-sonnet-5", max_tokens=64)
        examples = [[("system", HANDBOOK), ("human", f"Order {number}?")] for number in range(2)]
        plan = CachePlan.from_examples(claude, examples, tools=[read], reuse=100, within=timedelta(hours=1))
        theirs: list[Any] = [AnthropicPromptCachingMiddleware()] if with_theirs else []
        allowance = BudgetMiddleware(Budget(1, per="run"))
        provider.script(calls("read"))
        graph = agent(
            claude, [read], middleware=[allowance, *theirs, ContextMiddleware(plan=plan)], system_prompt=HANDBOOK
        )
        ask(graph, way)
        bodies = [request.body for request in provider.requests]
        assert len(bodies) == 2
        assert [str(body).count("cache_control") for body in bodies] == ([3, 3] if with_theirs else [1, 1])
        assert allowance.costs.total_cost == provider.billed
        assert [line.techniques for line in allowance.costs.entries()] == [("prompt_caching",)] * 2


def test_a_model_of_another_provider_is_asked_as_it_is(provider: LoopbackProvider) -> None:
    """A fallback to another provider must not fail for the sake of a cache it does not have."""
    examples = [[("system", HANDBOOK), ("human", f"Order {number}?")] for number in range(2)]
    plan = CachePlan.from_examples("anthropic:claude-sonnet-5", examples, reuse=100, within=timedelta(hours=1))
    graph = agent(provider.chat_model(), (), middleware=[ContextMiddleware(plan=plan)], system_prompt=HANDBOOK)
    assert ask(graph, "invoke")["messages"][-1].text == "An answer from the loopback provider."


def test_a_context_without_anything_to_do_is_refused() -> None:
    """A middleware that does nothing would be taken for one that does."""
    with pytest.raises(ValueError, match=r"give compressor=ContextCompressor\(\.\.\.\)"):
        ContextMiddleware()
    with pytest.raises(TypeError, match="give a ContextCompressor"):
        ContextMiddleware(3)  # type: ignore[arg-type] # that is what is tested
    with pytest.raises(TypeError, match="give a CachePlan"):
        ContextMiddleware(plan=3)  # type: ignore[arg-type] # the same
    with pytest.raises(ValueError, match="for_model="):
        ContextMiddleware(ContextCompressor(), cached_prefix_tokens=100)
