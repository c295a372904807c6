"""What prompt caching is worth on the bill: planned, left alone, and as langchain-anthropic's middleware does it.

    python benchmarks/prompt_caching.py [--quick] [--conversations 1000] [--no-model | --only-model] [--json FILE]

A thousand conversations of each kind are sent to simulated providers with the caches' published rules and prices,
written down apart from the package's own. Requests are the bodies that the real ChatAnthropic and ChatOpenAI make, and
the middleware is the installed one, run on real ModelRequests. Then the real SmolLM2, served by llama.cpp, says how
many tokens it read from its cache, with the handbook first and with an id in front of it.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from harness import described, known, parsed, write
from langchain.agents.middleware.types import ModelRequest
from langchain_anthropic import ChatAnthropic
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.messages import SystemMessage
from langchain_openai import ChatOpenAI
from prompt_caching_llama import read_from_a_real_cache
from prompt_caching_provider import AnthropicCache, Bill, BreakpointCache, Prices, StepCache
from prompt_caching_workloads import ANSWER_TOKENS, WORKLOADS, Workload
from pydantic import SecretStr

from langchain_costguard import PriceBook
from langchain_costguard.callbacks.wrapping import inner_models
from langchain_costguard.prompt_caching import CachePlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.messages import BaseMessage

    from langchain_costguard.prompt_caching import Forecast

ON = datetime(2026, 11, 22, tzinfo=UTC)
KEY = SecretStr("none")
EXAMPLES = 6
BARS = {"static-first share read, at least": 0.99, "id in front, at most": 0.01}


def _rounded(forecast: Forecast | None) -> float | None:
    """The share a forecast expects to be saved, where it knows one."""
    return None if forecast is None or forecast.saved_share is None else round(forecast.saved_share, 4)


def usd(*rates: str) -> Prices:
    """Prices of a model."""
    return Prices(*map(Decimal, rates))


MODELS: dict[str, tuple[Prices, Callable[[], Any], Callable[[], Any]]] = {
    "claude-sonnet-5": (
        usd("2", "0.2", "2.5", "4", "10"),
        lambda: AnthropicCache(1024),
        lambda: ChatAnthropic(model_name="claude-sonnet-5", api_key=KEY),  # type: ignore[call-arg]
    ),
    "claude-haiku-4-5": (
        usd("1", "0.1", "1.25", "2", "5"),
        lambda: AnthropicCache(4096),
        lambda: ChatAnthropic(model_name="claude-haiku-4-5", api_key=KEY),  # type: ignore[call-arg]
    ),
    "gpt-4o": (
        usd("2.5", "1.25", "2.5", "2.5", "10"),
        StepCache,
        lambda: ChatOpenAI(model="gpt-4o", api_key=KEY),
    ),
    "gpt-5.6-sol": (
        usd("4", "0.4", "5", "5", "20"),
        BreakpointCache,
        lambda: ChatOpenAI(model="gpt-5.6-sol", api_key=KEY),
    ),
}

MEASURED = {
    "claude-sonnet-5": tuple(one.name for one in WORKLOADS),
    "claude-haiku-4-5": ("busy desk",),
    "gpt-4o": ("busy desk", "quiet desk", "clock in front", "a new document each"),
    "gpt-5.6-sol": ("busy desk", "clock in front", "one question each, far apart", "a new document each"),
}
"""Which traffic goes to which model."""


def left_alone(model: Any, workload: Workload) -> Iterator[tuple[float, dict[str, Any]]]:  # noqa: ANN401 - any client
    """Bodies as the client makes them."""
    for moment, messages in workload.requests():
        yield moment, model._get_request_payload(messages)  # noqa: SLF001 - the body, without sending it


def by_middleware(model: Any, workload: Workload) -> Iterator[tuple[float, dict[str, Any]]]:  # noqa: ANN401
    """Bodies as langchain-anthropic's middleware has them made, with its defaults."""
    middleware = AnthropicPromptCachingMiddleware()
    for moment, (system, *messages) in workload.requests():
        assert isinstance(system, SystemMessage)
        request = ModelRequest(model=model, messages=list[Any](messages), system_message=system, tools=[])
        bodies: list[dict[str, Any]] = []

        def send(asked: Any, bodies: list[dict[str, Any]] = bodies) -> Any:  # noqa: ANN401
            given = [asked.system_message, *asked.messages]
            bodies.append(asked.model._get_request_payload(given, **asked.model_settings))  # noqa: SLF001 - the same

        middleware.wrap_model_call(request, send)
        yield moment, bodies[0]


def planned(plan: CachePlan, model: Any, workload: Workload) -> Iterator[tuple[float, dict[str, Any]]]:  # noqa: ANN401
    """Bodies as the plan has them made; the clock stands where the plan's finding says."""
    wrapped = plan.apply(model)
    for moment, messages in workload.requests(at_the_end=True):
        call = wrapped.prepared(messages, None, {})
        client: Any
        client, settings = inner_models(model, call.settings)[0]
        yield moment, client._get_request_payload(call.given, **settings)  # noqa: SLF001 - the same


def plan_for(model: Any, workload: Workload) -> tuple[CachePlan, CachePlan]:  # noqa: ANN401
    """The plan from the first requests as they are sent, and from those with the findings mended."""
    sent = list(workload.requests())
    calls, seconds = len(sent), sent[-1][0]
    turns = calls / 1_000
    if workload.turns > 1 and workload.apart > timedelta(hours=1):  # conversations too far apart: plan for one of them
        calls, seconds = max(2, round(turns)), turns * workload.turn_gap.total_seconds()
    facts: dict[str, Any] = {
        "reuse": calls - 1,
        "within": timedelta(seconds=seconds),
        "turn_gap": workload.turn_gap if workload.turns > 1 else None,
        "output_tokens": ANSWER_TOKENS,
        "at": ON,
    }
    first, mended = (
        CachePlan.from_examples(model, examples(workload, at_the_end=moved), **facts) for moved in (False, True)
    )
    return first, mended


def examples(workload: Workload, *, at_the_end: bool) -> list[list[BaseMessage]]:
    """The first few requests; the last two of one conversation that grows, where there are any."""
    sent = [messages for _, messages in islice(workload.requests(at_the_end=at_the_end), 200)]
    grown = next((one for one in sent if len(one) > 2), None)
    return sent[:EXAMPLES] if grown is None else [*sent[:EXAMPLES], grown[:2], grown]


def bill(bodies: Iterator[tuple[float, dict[str, Any]]], cache: Any) -> Bill:  # noqa: ANN401 - any of the caches
    """What a provider bills for bodies."""
    total = Bill()
    for moment, body in bodies:
        cache.serve(body, moment, ANSWER_TOKENS, total)
    return total


def row(name: str, total: Bill, prices: Prices) -> dict[str, Any]:
    """A line of the table."""
    without, paid = total.usd_without_caching(prices), total.usd(prices)
    inputs = total.plain + total.read + total.write_5m + total.write_1h
    return {
        "by": name,
        "usd": str(paid),
        "usd_without_caching": str(without),
        "saved_of_bill": round(float(1 - paid / without), 4),
        "read_of_input": round(total.read / inputs, 4),
        "written_of_input": round((total.write_5m + total.write_1h) / inputs, 4),
    }


def measure(name: str, workload: Workload) -> dict[str, Any]:
    """One model and one kind of traffic."""
    prices, cache, make = MODELS[name]
    model = make()
    first, plan = plan_for(model, workload)
    if isinstance(model, ChatAnthropic):  # left alone it has nothing cached: the bill without caching
        rows = [row("langchain-anthropic's middleware", bill(by_middleware(model, workload), cache()), prices)]
    else:
        rows = [row("left alone", bill(left_alone(model, workload), cache()), prices)]
    rows.append(row("CachePlan", bill(planned(plan, model, workload), cache()), prices))
    print(f"{name}, {workload.name}: {[each['saved_of_bill'] for each in rows]}", flush=True)
    return {
        "model": name,
        "workload": workload.name,
        "worth_it": plan.worth_it,
        "reason": plan.reason,
        "lifetime": None if plan.lifetime is None else plan.lifetime.name,
        "expected": _rounded(plan.forecast),
        "findings": [f"{one.kind} at {one.where}, character {one.character}" for one in first.findings],
        "rows": rows,
    }


def claimed() -> list[dict[str, Any]]:
    """The discount on cached input, and what it is on a bill: 2,000 of 2,500 input tokens read, 300 written."""
    book, found = PriceBook(), []
    for name, provider in (("gpt-4o", "openai"), ("gpt-5", "openai"), ("claude-sonnet-5", "anthropic")):
        plain, read = (
            book.price(
                {"input_tokens": 2500, "output_tokens": 300, "input_token_details": {"cache_read": cached}},
                model=name,
                provider=provider,
                at=ON,
            )
            for cached in (0, 2000)
        )
        million = [
            book.price(
                {"input_tokens": 10**6, "output_tokens": 0, "input_token_details": {"cache_read": cached}},
                model=name,
                provider=provider,
                at=ON,
            )
            for cached in (0, 10**6)
        ]
        assert plain is not None
        assert read is not None
        costs = [one.total for one in million if one is not None]
        found.append(
            {
                "model": name,
                "discount_on_cached_input": round(float(1 - costs[1] / costs[0]), 4),
                "off_the_bill": round(float(1 - read.total / plain.total), 4),
            }
        )
    return found


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    print(f"{'model':<17} {'traffic':<29} {'by':<33} {'saved':>7} {'read':>6} {'written':>8}")
    for one in found["simulated"]:
        for each in one["rows"]:
            print(
                f"{one['model']:<17} {one['workload']:<29} {each['by']:<33} {each['saved_of_bill']:>7.1%} "
                f"{each['read_of_input']:>6.0%} {each['written_of_input']:>8.0%}"
            )
        print(f"{'':<17} plan: {one['worth_it']} {one['lifetime'] or ''}: {one['reason']}")
    print("\nThe claim and the bill: 2,000 of 2,500 input tokens read, 300 of output")
    for one in found["claimed"]:
        print(
            f"{one['model']:<17} {one['discount_on_cached_input']:.0%} off cached input, "
            f"{one['off_the_bill']:.0%} off the bill"
        )
    print("\nA real cache:", json.dumps(found["real"], indent=1))


def main() -> None:
    """Measure, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--conversations", type=int, default=1_000, help="of each kind")
    parser.add_argument("--no-model", action="store_true", help="leave the real model out")
    parser.add_argument("--only-model", action="store_true", help="ask the real model again, keep what was simulated")
    options = parsed(parser, "prompt_caching", {"conversations": 30, "no_model": True})
    began = time.perf_counter()
    if options.only_model:
        kept = {**known(options.json), "real": read_from_a_real_cache()}
        write(options.json, kept)
        show(kept)
        return
    workloads = [replace(one, conversations=options.conversations) for one in WORKLOADS]
    found: dict[str, Any] = {
        "about": f"{options.conversations:,} conversations each, simulated providers; real: SmolLM2 by llama.cpp",
        **described(options, "langchain", "langchain-anthropic", "langchain-openai", "genai-prices"),
        "prices": {name: {key: str(rate) for key, rate in asdict(MODELS[name][0]).items()} for name in MODELS},
        "simulated": [measure(name, one) for one in workloads for name in MODELS if one.name in MEASURED[name]],
        "claimed": claimed(),
        "bars": BARS,
        "real": "left out" if options.no_model else read_from_a_real_cache(),
    }
    found["seconds"] = round(time.perf_counter() - began)
    write(options.json, found)
    show(found)


if __name__ == "__main__":
    main()
