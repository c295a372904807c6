"""All middleware in one agent, in the order of the guide: each does its part, and each call is booked once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
)

from langchain_costguard import Budget, SemanticCache, track_costs
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.middleware import (
    BudgetMiddleware,
    CascadeMiddleware,
    ContextMiddleware,
    RoutingMiddleware,
    SemanticCacheMiddleware,
)
from langchain_costguard.routing import TaskRouter
from tests.integration_tests.middleware_agents import WAYS, agent, always, ask, calls, is_valid

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.testing import LoopbackProvider


@pytest.mark.required
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limit", ["1", "0.0015"])
def test_all_of_them_go_together(provider: LoopbackProvider, tmp_path: Path, way: str, limit: str) -> None:
    """Who combines techniques must not pay twice, book twice, or lose the limit on the way."""
    mini = provider.chat_model(model="gpt-4o-mini", max_tokens=100, max_retries=0)
    full = provider.chat_model(model="gpt-4o", max_tokens=100, max_retries=0)
    allowance = BudgetMiddleware(Budget(limit, per="run"), tool_prices={"search": "0.0001"})
    middleware: list[Any] = [
        allowance,
        TodoListMiddleware(),
        SummarizationMiddleware(mini, trigger=("messages", 12), keep=("messages", 4)),
        SemanticCacheMiddleware(SemanticCache(embedder=False, store=tmp_path / "answers.db")),
        ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False),
        ModelFallbackMiddleware(mini),
        RoutingMiddleware(TaskRouter({"read": mini, "plan": full}, default="plan")),
        CascadeMiddleware(mini),
        ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=1, keep=1)]),
        ContextMiddleware(ContextCompressor(max_tokens=200)),
    ]
    always(provider, calls("search"), times=5)
    provider.script("UNCERTAIN", "It is sunny.")
    with track_costs() as costs:
        state = ask(agent(full, middleware=middleware), way)
    searches = sum(line.kind == "tool" for line in allowance.costs.entries())
    assert searches > 0
    assert allowance.costs.total_cost == provider.billed + Decimal("0.0001") * searches
    assert costs.total_cost == allowance.costs.total_cost
    assert is_valid(state["messages"])
    (standing,) = allowance.costs.budgets()
    assert (standing.spent, standing.reserved) == (allowance.costs.total_cost, 0)
    assert standing.spent <= Decimal(limit)
    last = state["messages"][-1].text
    assert ("I stopped here" in last) == (limit != "1")
