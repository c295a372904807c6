"""Nothing grows: not the hooks, not the open calls, not the memory of a handler that runs for ever."""

from __future__ import annotations

import gc
import os
import sys
from decimal import Decimal
from typing import Any

import pytest
from langchain_core.tracers import context as tracing

from langchain_costguard import CostCallbackHandler, install, track_costs, uninstall
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.testing import Reply, ScriptedChatModel

USAGE = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}


def test_a_thousand_blocks_leave_no_hook_behind() -> None:
    """`get_usage_metadata_callback` leaks one per use, which slows every later call of the process."""
    with track_costs():  # the first use registers both hooks
        pass
    before = len(tracing._configure_hooks)
    for _ in range(1000):
        with track_costs():
            pass
        uninstall(install(CostCallbackHandler()))
    assert len(tracing._configure_hooks) == before


LONG_RUNS = 1_000_000
SHORT_RUNS = 20_000


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_runs_fit_into_flat_memory_and_their_sum_is_exact() -> None:
    """A service keeps one handler for weeks; `LONG=1` makes it a million runs."""
    runs = LONG_RUNS if os.environ.get("LONG") else SHORT_RUNS
    handler = CostCallbackHandler(max_entries=500)
    model = ScriptedChatModel(responses=Reply("x", usage=USAGE), model_name="gpt-4o", provider="openai")
    config: Any = {"callbacks": [handler]}
    sizes = []
    for _ in range(4):
        for number in range(runs // 4):
            model.invoke(f"question {number}", config=config)
            model._calls.clear()
        gc.collect()
        sizes.append(sys.getallocatedblocks())
    assert handler.calls == runs
    assert handler.total_cost == runs * Decimal("0.0075")
    assert len(handler.entries()) == 500
    assert len(CALLS) == 0
    assert sizes[-1] - sizes[1] < 5_000  # by the second quarter all that is bounded is full


def test_forgotten_chain_runs_do_not_pile_up() -> None:
    """A chain whose end is never reported must not be remembered for ever."""
    from uuid import uuid4

    for _ in range(50_000):
        CALLS.enter_chain(uuid4(), None, "lost")
    assert len(CALLS._chains) <= 20_000
    CALLS._chains.clear()
