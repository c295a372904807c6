"""Counters of runs end with their runs, also with those that a budget refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from langchain_core.runnables import RunnableLambda

from langchain_costguard import Budget, BudgetExceededError, track_costs
from langchain_costguard.callbacks.runs import RUNS_TO_READ
from langchain_costguard.guard.guard import run_counters
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from langchain_costguard.stores.memory import InMemoryStore


@pytest.mark.parametrize("in_a_chain", [False, True])
def test_runs_that_were_refused_leave_no_counters_behind(*, in_a_chain: bool) -> None:
    """A server that refuses for a night must not keep a counter for each refusal."""
    model = ScriptedChatModel(responses=["never said"], model_name="gpt-4o-mini")
    asked = RunnableLambda(model.invoke) if in_a_chain else model
    kept = cast("InMemoryStore", run_counters())._counters._counters
    before = len(kept)  # those of runs of this process that were not refused
    with track_costs(budgets=[Budget(tokens=1, per="run")]):
        for _ in range(3 * RUNS_TO_READ):
            with pytest.raises(BudgetExceededError):
                asked.invoke("a question of more than one token")
    assert len(kept) <= before + 2 * RUNS_TO_READ
