"""A shorter context for an agent's model, and marks for its provider's cache, beside LangChain's own middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware, SummarizationMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool

from langchain_costguard import Budget, track_costs
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.middleware import BudgetMiddleware, ContextMiddleware
from tests.integration_tests.middleware_agents import WAYS, agent, ask, calls, is_valid

if TYPE_CHECKING:
    from langchain_costguard.testing import LoopbackProvider

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
