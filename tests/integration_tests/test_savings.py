"""The waterfall goes exactly from the baseline, computed by hand, to what the provider itself billed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache

from langchain_costguard import Cascade, TaskRouter, limit_output, track_costs
from langchain_costguard.compression import ContextCompressor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_costguard import CostCallbackHandler
    from langchain_costguard.cascade import Draft
    from langchain_costguard.testing import LoopbackProvider
    from langchain_costguard.testing.loopback.records import LoopbackRequest

LONG = "The library opens at nine in the morning and closes at six in the evening on working days. " * 120
"""About 2,000 tokens, so that the provider caches its beginning."""
PRICES = {"gpt-4o": ("2.50", "10.00", "1.25"), "gpt-4o-mini": ("0.15", "0.60", "0.075")}


def at_full_price(request: LoopbackRequest, model: str, *, cached: bool) -> Decimal:
    """The tokens of a request on a model, by a table of the test's own."""
    full, out, read = map(Decimal, PRICES[model])
    tokens = request.tokens
    from_cache = tokens.cached_tokens if cached else 0
    millionths = (tokens.input_tokens - from_cache) * full + from_cache * read + tokens.output_tokens * out
    return millionths / 1_000_000


def steps_of(costs: CostCallbackHandler) -> dict[str, Decimal | None]:
    """What each step saved."""
    return {step.technique: step.saved_cost for step in costs.report().savings().steps}


@pytest.fixture
def llm_cache() -> Iterator[None]:
    """LangChain's cache, for one test."""
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


def refuse(draft: Draft) -> bool:
    """Accept nothing."""
    del draft
    return False


def test_a_routed_call_is_compared_with_the_model_it_replaced(provider: LoopbackProvider) -> None:
    """gpt-4o-mini instead of gpt-4o: the difference of the two prices, and nothing else."""
    mini, full = provider.chat_model(model="gpt-4o-mini"), provider.chat_model(model="gpt-4o")
    router = TaskRouter({"simple_qa": mini, "code_generation": full})
    with track_costs() as costs:
        router.invoke("What is HTTP?", {"metadata": {"task": "simple_qa"}})
        router.invoke("Write a parser.", {"metadata": {"task": "code_generation"}})
    small, large = provider.requests
    waterfall = costs.report().savings()
    assert waterfall.billed_cost == provider.billed
    assert waterfall.baseline_cost == at_full_price(small, "gpt-4o", cached=True) + large.billed
    assert steps_of(costs) == {"routing": at_full_price(small, "gpt-4o", cached=True) - small.billed}


def test_an_escalated_answer_with_a_cached_prompt_has_one_baseline(provider: LoopbackProvider) -> None:
    """Both legs read the provider's cache; without techniques one call at the full price would have been made."""
    tiers: list[Any] = [provider.chat_model(model=name) for name in ("gpt-4o-mini", "gpt-4o")]
    cascade = Cascade(tiers, refuse)
    cascade.invoke(LONG)  # both models have seen the prompt
    begun = len(provider.requests)
    with track_costs() as costs:
        answer = cascade.invoke(LONG)
    draft, final = provider.requests[begun:]
    assert draft.tokens.cached_tokens > 1000
    assert final.tokens.cached_tokens > 1000
    waterfall = costs.report().savings()
    assert waterfall.billed_cost == draft.billed + final.billed
    assert waterfall.baseline_cost == at_full_price(final, "gpt-4o", cached=False)
    record = answer.response_metadata["cascade"]
    assert Decimal(record["baseline_usd"]) == at_full_price(final, "gpt-4o", cached=True)


def test_an_answer_from_the_cache_saves_what_it_would_have_cost(provider: LoopbackProvider, llm_cache: None) -> None:
    """The second of two same questions is free."""
    model = provider.chat_model(model="gpt-4o")
    with track_costs() as costs:
        model.invoke("What is HTTP?")
        model.invoke("What is HTTP?")
    (asked,) = provider.requests
    assert steps_of(costs) == {"exact_cache": asked.billed}
    assert costs.report().savings().baseline_cost == 2 * asked.billed


def test_left_out_tokens_and_cached_ones_are_two_steps(provider: LoopbackProvider) -> None:
    """A compressed context whose beginning the provider has seen: each token is saved once."""
    model = ContextCompressor(max_tokens=1500).before(provider.chat_model(model="gpt-4o"))
    with track_costs() as costs:
        model.invoke(LONG + "When does it open?")
        model.invoke(LONG + "When does it open?")
    lines = list(costs.entries())
    assert all(line.saved_input_tokens for line in lines)
    saved = sum(line.saved_input_tokens or 0 for line in lines)
    cached = sum(request.tokens.cached_tokens for request in provider.requests)
    steps = steps_of(costs)
    assert steps["compression"] == saved * Decimal("2.50") / 1_000_000
    assert steps.get("prompt_caching", Decimal(0)) == cached * Decimal("1.25") / 1_000_000
    assert costs.total_cost == provider.billed


def test_techniques_around_one_another_are_all_named(provider: LoopbackProvider) -> None:
    """A router of a cascade with a limit: the line says all three, and the limit's part is not known."""
    tiers: list[Any] = [provider.chat_model(model=name) for name in ("gpt-4o-mini", "gpt-4o")]
    router = TaskRouter({"simple_qa": limit_output(Cascade(tiers, lambda _: True), 50)}, baseline="gpt-4o")
    with track_costs() as costs:
        router.invoke("What is HTTP?", {"metadata": {"task": "simple_qa"}})
    (line,) = costs.entries()
    assert set(line.techniques) == {"cascade", "output_limit", "routing"}
    assert costs.total_cost == provider.billed
