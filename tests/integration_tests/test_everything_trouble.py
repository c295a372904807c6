"""Everything on at once, and something goes wrong in the middle: refusals, errors, closed streams, cancelled tasks."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from langchain_core.globals import set_llm_cache
from openai import BadRequestError

from langchain_costguard import Budget, BudgetExceededError, Cascade, CostCallbackHandler, SemanticCache
from langchain_costguard.budgets import Scope
from langchain_costguard.callbacks.calls import CALLS
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import Behaviour
from tests.integration_tests.everything import (
    PROMPT,
    WAYS,
    Asked,
    Provider,
    compressed,
    is_sure,
    pieces_of,
    router,
    tiers,
)

PROVIDER = Provider
HARD = Asked("What is hard about room 41?", "ann", "lookup", has_context=True)


@pytest.fixture
def cache() -> SemanticCache:
    """A cache that keeps tenants apart."""
    return SemanticCache(store="memory", embedder=False, tenant="user")


def watched(*budgets: Budget) -> CostCallbackHandler:
    """A handler with hard budgets."""
    return CostCallbackHandler(InMemoryStore(), budgets=budgets or [Budget(5, per="total")], on_alert=lambda _: None)


def answered(chain: Any, way: str, costs: CostCallbackHandler, one: Asked = HARD) -> str:
    """The answer to one question, in one of six ways."""
    return "".join(piece.text for piece in pieces_of(way, chain, one.given, {**one.config, "callbacks": [costs]}))


def settled(costs: CostCallbackHandler, lines: int) -> None:
    """Wait until a call that goes on in a thread has ended, and see that nothing of it is left reserved.

    A call that was given up may be billed in full: a hard budget is charged what it had reserved.
    """
    deadline = time.monotonic() + 10
    while (len(costs.entries()) < lines or len(CALLS)) and time.monotonic() < deadline:
        time.sleep(0.01)  # its thread notices a closed stream with the next piece
    assert len(costs.entries()) == lines
    assert len(CALLS) == 0, "a call goes on"
    for standing in costs.budgets():
        if standing.limit is not None and standing.name != "full":
            is_whole = all(line.status != "cancelled" for line in costs.entries())
            assert standing.reserved == 0
            assert standing.spent == costs.total_cost if is_whole else standing.spent > (costs.total_cost or 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_in_the_middle_of_a_cascade_gives_the_draft(
    provider: Provider, cache: SemanticCache, way: str
) -> None:
    """The draft is paid; the escalation is refused before anything is sent, and nothing of it stays reserved."""
    full = Budget(tokens=1, per="total", scope=Scope.model("gpt-4o"), name="full")
    costs = watched(Budget(5, per="total"), full)
    assert answered(compressed(router(provider, cache)), way, costs) == "UNCERTAIN draft 1"
    assert [request.model for request in provider.requests] == ["gpt-4o-mini"]
    assert costs.total_cost == provider.billed
    assert [standing.reserved for standing in costs.budgets()] == [0] * len(costs.budgets())
    settled(costs, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_that_is_raised_leaves_the_paid_draft_booked(
    provider: Provider, cache: SemanticCache, way: str
) -> None:
    """Who does not want the draft gets the refusal, and has still paid for the draft, once."""
    chain = compressed(router(provider, cache, lambda models, accept: Cascade(models, accept, on_refused="raise")))
    costs = watched(Budget(calls=1, per="total"))
    with pytest.raises(BudgetExceededError):
        answered(chain, way, costs)
    assert len(provider.requests) == len(costs.entries()) == 1
    assert costs.total_cost == provider.billed
    (standing,) = costs.budgets()
    assert (standing.spent, standing.reserved) == (1, 0)


@pytest.mark.parametrize("way", WAYS)
def test_an_error_of_the_last_model_is_raised_and_the_draft_stays_booked(
    provider: Provider, cache: SemanticCache, way: str
) -> None:
    """One line for each request, the failed one free, and the next try is served what there is of it."""
    provider.script("UNCERTAIN draft", 400)
    costs, chain = watched(), compressed(router(provider, cache))
    with pytest.raises(BadRequestError):
        answered(chain, way, costs)
    assert [line.status for line in costs.entries()] == ["ok", "error"]
    assert answered(chain, way, costs).endswith("of gpt-4o.")
    assert [line.status for line in costs.entries()] == ["ok", "error", "cached", "ok"]
    assert costs.total_cost == provider.billed
    settled(costs, 4)


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_that_is_closed_early_has_shown_no_draft_and_leaves_nothing_reserved(
    provider: Provider, cache: SemanticCache, way: str
) -> None:
    """What had arrived is on a line of its own, and the next question is answered as any other."""
    provider.script("UNCERTAIN draft", "word " * 40)
    costs, chain = watched(), compressed(router(provider, cache))
    config: Any = {**HARD.config, "callbacks": [costs]}

    async def first() -> str:
        pieces: Any = chain.astream(HARD.given, config)
        shown = str((await anext(pieces)).text)
        await pieces.aclose()
        return shown

    if way == "stream":
        pieces: Any = chain.stream(HARD.given, config)
        shown = next(pieces).text
        pieces.close()
    else:
        shown = asyncio.run(first())
    assert "UNCERTAIN" not in shown
    settled(costs, 2)
    assert len(costs.entries()) == len(provider.requests) == 2
    assert costs.entries()[0].status == "ok"
    assert "UNCERTAIN" not in answered(chain, way, costs)  # the same answer, where all of it had arrived by then
    settled(costs, 4)


def test_a_cancelled_question_leaves_nothing_reserved(provider: Provider, cache: SemanticCache) -> None:
    """Cancelled in the middle of the escalation: the draft is paid, the answer may be, and the rest goes on."""
    provider.script("UNCERTAIN draft", Behaviour(text="late", latency_seconds=1))
    costs, chain = watched(), compressed(router(provider, cache))

    async def cancelled() -> None:
        task = asyncio.ensure_future(chain.ainvoke(HARD.given, {**HARD.config, "callbacks": [costs]}))
        while len(provider.requests) < 2:  # noqa: ASYNC110 - the provider serves on threads of its own
            await asyncio.sleep(0.01)  # until the escalation has reached the provider
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert [line.status for line in costs.entries()] == ["ok", "cancelled"]
    settled(costs, 2)
    assert answered(chain, "invoke", costs).endswith("of gpt-4o.")
    assert len(costs.entries()) == 4


def test_a_paraphrase_is_served_to_its_tenant_alone_whatever_stands_around_the_cache(provider: Provider) -> None:
    """The tenant is the metadata's, through router, cascade, limit and plan, and a near hit is its own step."""
    cache = SemanticCache(embedder="wordllama", store="memory", tenant="user")
    costs, chain = watched(), PROMPT | router(provider, cache)
    one, other = (f"How {word} I reset my password?" for word in ("do", "can"))
    for text, tenant in [(one, "ann"), (other, "bob"), (other, "ann"), (one, "bob")]:
        answered(chain, "stream", costs, Asked(text, tenant, "chat"))
    first, second = provider.requests
    hits = [line for line in costs.entries() if line.status == "cached"]
    assert [line.user for line in hits] == ["ann", "bob"]
    steps = {step.technique: step.saved_cost for step in costs.report().savings().steps}
    assert steps["semantic_cache"] == first.billed + second.billed
    assert costs.total_cost == provider.billed


def test_langchains_global_cache_serves_each_leg_of_everything(provider: Provider) -> None:
    """`set_llm_cache` reaches the models below router, cascade, limit and plan as a cache of their own does."""
    set_llm_cache(SemanticCache(store="memory", embedder=False, tenant="user"))
    try:
        small, full = tiers(provider, None)
        costs, chain = watched(), PROMPT | Cascade([small, full], is_sure)
        for tenant in ("ann", "bob", "ann", "bob"):
            answered(chain, "invoke", costs, Asked(HARD.text, tenant, "lookup"))
    finally:
        set_llm_cache(None)
    assert [request.model for request in provider.requests] == ["gpt-4o-mini", "gpt-4o"] * 2
    assert sum(line.status == "cached" for line in costs.entries()) == 4
    assert costs.total_cost == provider.billed
