"""Everything on at once, on one chain: the ledger, the waterfall and the budget equal the provider's bill."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler

from langchain_costguard import Budget, CostCallbackHandler, CostReport, SemanticCache, open_store
from langchain_costguard.stores import InMemoryStore
from tests.integration_tests.everything import WAYS, Asked, Expected, Provider, compressed, router

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from langchain_core.runnables import Runnable

PROVIDER = Provider
RUNS = 5_000
THREADS = 4
TENANTS = ("ann", "bob", "cleo")
TASKS = ("lookup", "lookup", "chat", "code")
KINDS = ("easy", "easy", "easy", "hard", "hard", "broken")
REPEATS = 19


def questions(draw: Random, many: int) -> list[Asked]:
    """So many questions of three tenants; most were asked before, by the same tenant or another, or are just now."""
    known: dict[str, tuple[str, bool]] = {}
    asked: list[Asked] = []
    for number in range(many):
        if number % (REPEATS + 1) and known:
            text = draw.choice(list(known)[-60:])
        else:
            task = draw.choice(TASKS)
            text = f"What is {draw.choice(KINDS) if task == 'lookup' else 'easy'} about room {number} in {task}?"
            known[text] = (task, draw.random() < 1 / 4)
        task, has_context = known[text]
        asked.append(Asked(text, draw.choice(TENANTS), task, has_context))
    return asked


def ask(chain: Runnable[Any, Any], way: str, batch: Sequence[Asked], config: dict[str, Any]) -> list[str]:
    """Ask some questions in one of three ways, one after the other or all at once; the answers as texts."""
    given, configs = [one.given for one in batch], [{**one.config, **config} for one in batch]
    if way == "batch":
        return [answer.text for answer in chain.batch(given, configs)]
    if way == "stream":
        return ["".join(piece.text for piece in chain.stream(*one)) for one in zip(given, configs, strict=True)]
    return [chain.invoke(*one).text for one in zip(given, configs, strict=True)]


async def aask(chain: Runnable[Any, Any], way: str, batch: Sequence[Asked], config: dict[str, Any]) -> list[str]:
    """The same on an event loop, all at once."""
    given, configs = [one.given for one in batch], [{**one.config, **config} for one in batch]
    if way == "abatch":
        return [answer.text for answer in await chain.abatch(given, configs)]

    async def astreamed(one: Any, its: Any) -> str:
        return "".join([piece.text async for piece in chain.astream(one, its)])

    if way == "astream":
        return await asyncio.gather(*map(astreamed, given, configs))
    return [answer.text for answer in await asyncio.gather(*map(chain.ainvoke, given, configs))]


def ask_all(chain: Runnable[Any, Any], asked: Sequence[Asked], config: dict[str, Any]) -> list[tuple[Asked, str]]:
    """Ask in all six ways, on threads and on event loops, mixed; each question with its answer."""
    parts = [asked[at : at + 8] for at in range(0, len(asked), 8)]

    def one(numbered: tuple[int, Sequence[Asked]]) -> list[tuple[Asked, str]]:
        number, part = numbered
        way = WAYS[number % len(WAYS)]
        answers = asyncio.run(aask(chain, way, part, config)) if way.startswith("a") else ask(chain, way, part, config)
        return list(zip(part, answers, strict=True))

    with ThreadPoolExecutor(THREADS) as pool:
        return [pair for pairs in pool.map(one, enumerate(parts)) for pair in pairs]


def tenants_of_answers(pairs: Sequence[tuple[Asked, str]]) -> dict[str, set[str]]:
    """Who was given each of the provider's answers, which are all different."""
    found: dict[str, set[str]] = defaultdict(set)
    for one, answer in pairs:
        found[answer].add(one.tenant)
    return found


@pytest.mark.timeout(600)
def test_five_thousand_runs_of_everything_at_once_are_exact(provider: Provider, tmp_path: Path) -> None:
    """Every technique but batches in every run, six ways, threads and tasks: nothing is counted or saved twice."""
    cache = SemanticCache(store="memory", embedder=False, tenant="user")
    chain = compressed(router(provider, cache))
    asked = questions(Random(20261122), RUNS)
    costs = CostCallbackHandler(tmp_path / "costs.db", budgets=[Budget(100, per="day", name="all")])
    other, usage = CostCallbackHandler(InMemoryStore()), UsageMetadataCallbackHandler()
    pairs = ask_all(chain, asked, {"callbacks": [costs, other, usage]})
    lines = costs.entries()
    paid = [line for line in lines if line.status != "cached"]

    assert costs.total_cost == other.total_cost == provider.billed
    assert len(paid) == len(provider.requests)
    assert Counter(line.request_model for line in paid) == Counter(request.model for request in provider.requests)
    (standing,) = costs.budgets()
    assert (standing.spent, standing.reserved) == (provider.billed, 0)

    report = costs.report()
    waterfall = report.savings()
    steps = {step.technique: step.saved_cost for step in waterfall.steps if step.saved_cost is not None}
    baseline, expected = Expected(provider, pairs).steps()
    assert set(steps) == {"routing", "cascade", "exact_cache", "compression", "prompt_caching"}
    assert {step.technique for step in waterfall.steps} - set(steps) == {"output_limit"}  # of which nobody knows
    assert steps == {name: saved for name, saved in expected.items() if saved}
    assert waterfall.baseline_cost == baseline
    assert baseline - sum(steps.values()) == waterfall.billed_cost == provider.billed
    assert waterfall.unpriced_calls == 0

    on_disk = CostReport(open_store(tmp_path / "costs.db"))
    assert on_disk.total == report.total
    assert on_disk.savings().to_dict() == waterfall.to_dict()

    billed_tokens = sum(request.tokens.total_tokens for request in provider.requests)
    served = sum(line.usage.total_tokens for line in lines if line.status == "cached" and line.usage is not None)
    assert sum(one["total_tokens"] for one in usage.usage_metadata.values()) == billed_tokens + served
    assert other.input_tokens + other.output_tokens == costs.input_tokens + costs.output_tokens == billed_tokens

    assert all(len(tenants) == 1 for tenants in tenants_of_answers(pairs).values())
    assert not [answer for _, answer in pairs if "UNCERTAIN" in answer]
    assert Decimal(0) < provider.billed < baseline
