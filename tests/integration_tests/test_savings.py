"""The waterfall goes exactly from the baseline, computed by hand, to what the provider itself billed."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache

from langchain_costguard import (
    Cascade,
    CostReport,
    TaskRouter,
    limit_output,
    open_store,
    submit_batch,
    track_costs,
)
from langchain_costguard.compression import ContextCompressor
from tests.integration_tests.everything import PRICES, price

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from langchain_core.runnables import Runnable

    from langchain_costguard import CostCallbackHandler
    from langchain_costguard.cascade import Draft
    from langchain_costguard.testing import LoopbackProvider
    from langchain_costguard.testing.loopback.records import LoopbackRequest

LONG = "The library opens at nine in the morning and closes at six in the evening on working days. " * 120
"""About 2,000 tokens, so that the provider caches its beginning."""


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
    assert waterfall.baseline_cost == price(small, "gpt-4o", cached=True) + large.billed
    assert steps_of(costs) == {"routing": price(small, "gpt-4o", cached=True) - small.billed}


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
    assert waterfall.baseline_cost == price(final, "gpt-4o", cached=False)
    record = answer.response_metadata["cascade"]
    assert Decimal(record["baseline_usd"]) == price(final, "gpt-4o", cached=True)


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


RUNS = 400
BATCHED = 1_000


class Mixed:
    """Runs of every technique, each with what it would have cost without any, by the test's own table."""

    def __init__(self, provider: LoopbackProvider, folder: Path) -> None:
        self.provider = provider
        self.folder = folder
        self.baseline = Decimal(0)
        self.asked = 0
        mini, full = (provider.chat_model(model=name, stream_usage=True) for name in ("gpt-4o-mini", "gpt-4o"))
        self.mini, self.full = mini, full
        self.router = TaskRouter({"simple_qa": mini, "code_generation": full})
        self.accepting = Cascade([mini, full], lambda _: True)
        self.refusing = Cascade([mini, full], refuse)
        self.limited = limit_output(mini, 50)
        self.kinds: list[Callable[[Random], None]] = [
            self.plain, self.routed, self.accepted, self.escalated, self.cached, self.shortened, self.bounded
        ]  # fmt: skip

    def prompt(self, draw: Random) -> str:
        """A question of its own, in a third of the cases behind a beginning that the provider caches."""
        self.asked += 1
        return (LONG if draw.random() < 1 / 3 else "") + f"What is {self.asked} plus {draw.randrange(100)}?"

    def ask(self, model: Runnable[Any, Any], given: Any, draw: Random) -> list[LoopbackRequest]:
        """One run, streamed or not; the requests it made."""
        begun = len(self.provider.requests)
        config: Any = {"metadata": {"task": "simple_qa"}}
        if draw.random() < 1 / 3:
            list(model.stream(given, config))
        else:
            model.invoke(given, config)
        return list(self.provider.requests[begun:])

    def plain(self, draw: Random) -> None:
        """No technique but what the provider caches."""
        (asked,) = self.ask(self.full, self.prompt(draw), draw)
        self.baseline += price(asked, "gpt-4o", cached=False)

    def routed(self, draw: Random) -> None:
        """The small model by the router."""
        (asked,) = self.ask(self.router, self.prompt(draw), draw)
        self._instead_of_full(asked)

    def accepted(self, draw: Random) -> None:
        """The small model's draft."""
        (asked,) = self.ask(self.accepting, self.prompt(draw), draw)
        self._instead_of_full(asked)

    def escalated(self, draw: Random) -> None:
        """The large model after a rejected draft: one call would have been enough."""
        _, final = self.ask(self.refusing, self.prompt(draw), draw)
        self.baseline += price(final, "gpt-4o", cached=False)

    def cached(self, draw: Random) -> None:
        """The same question twice; LangChain's cache has the second answer."""
        question = self.prompt(draw).removeprefix(LONG)
        set_llm_cache(InMemoryCache())
        begun = len(self.provider.requests)
        self.full.invoke(question)
        self.full.invoke(question)
        set_llm_cache(None)
        (asked,) = self.provider.requests[begun:]
        self.baseline += 2 * asked.billed

    def shortened(self, draw: Random) -> None:
        """A context cut to what its question needs."""
        pages = " ".join(f"Room {room} holds {room * 3} books." for room in range(60))
        with track_costs() as alone:
            (asked,) = self.ask(
                ContextCompressor(max_tokens=200).before(self.full),
                f"{pages} {self.prompt(draw).removeprefix(LONG)}",
                draw,
            )
        (line,) = alone.entries()
        assert line.saved_input_tokens, "nothing was left out"
        left_out = line.saved_input_tokens * Decimal(PRICES["gpt-4o"][0]) / 1_000_000
        self.baseline += price(asked, "gpt-4o", cached=False) + left_out

    def bounded(self, draw: Random) -> None:
        """A limit, of which nobody knows what it saved."""
        (asked,) = self.ask(self.limited, self.prompt(draw), draw)
        self.baseline += price(asked, "gpt-4o-mini", cached=False)

    def overnight(self, runs: int) -> None:
        """So many more in one batch, at half the price."""
        before = self.provider.billed
        job = submit_batch(
            self.mini, [f"What is {run} minus 1?" for run in range(runs)], store=self.folder / "b.db", provider="openai"
        )
        job.wait(first_pause_seconds=0.01, progress=False)
        assert not job.collect().errors
        self.baseline += 2 * (self.provider.billed - before)

    def _instead_of_full(self, asked: LoopbackRequest) -> None:
        from_cache = price(asked, "gpt-4o-mini", cached=False) - price(asked, "gpt-4o-mini", cached=True)
        self.baseline += price(asked, "gpt-4o", cached=True) + from_cache


def test_mixed_runs_and_a_batch_go_exactly_from_the_baseline_to_the_bill(
    provider: LoopbackProvider, tmp_path: Path
) -> None:
    """One technique in each run, at random, streamed and not, and a batch: to the last digit, by two tables.

    All but batches at once, in each of five thousand runs, stand in `test_everything.py`.
    """
    mixed, draw = Mixed(provider, tmp_path), Random(20261122)
    with track_costs(tmp_path / "costs.db") as costs:
        for _ in range(RUNS):
            draw.choice(mixed.kinds)(draw)
        mixed.overnight(BATCHED)
        report = costs.report()
    waterfall = report.savings()
    assert report.total_cost == waterfall.billed_cost == provider.billed
    assert waterfall.baseline_cost == mixed.baseline
    assert waterfall.unpriced_calls == 0
    assert {step.technique for step in waterfall.steps} == {
        "routing", "cascade", "exact_cache", "compression", "prompt_caching", "output_limit", "batch"
    }  # fmt: skip
    on_disk = CostReport(open_store(tmp_path / "costs.db"))
    assert on_disk.total == report.total
    assert on_disk.savings().to_dict() == waterfall.to_dict()
