"""What it takes to price a call: ours beside genai-prices and LangChain's community handler, in one run.

    python benchmarks/pricing.py [--quick] [--usages 10000] [--rounds 7] [--json FILE]

Every contender prices the same distinct `usage_metadata` mappings; nothing remembers a result. Rounds are interleaved,
because a shared machine drifts; a figure is the median over rounds of CPU time per calculation, the loop included.
genai-prices is asked for a tenth of the usages, as it needs about a hundred times as long. The answers are compared
before anything is timed.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import time
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import genai_prices
from harness import described, parsed, write

from langchain_costguard import PriceBook, TokenUsage
from langchain_costguard.usage import clean_counts

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

BAR_US = 2.0
MODELS = (("gpt-4o", "openai", "flat"), ("gemini-2.5-pro", "google", "long-context steps"))


class Contender(NamedTuple):
    """Something that prices a `usage_metadata`."""

    name: str
    price: Callable[[dict[str, Any]], object]
    share: int
    """It prices every so-many-th usage."""


def usages(count: int, *, detailed: bool) -> list[dict[str, Any]]:
    """Distinct usages as LangChain reports them: the totals, or the totals with cache and reasoning details."""
    rng = random.Random(0)  # noqa: S311 - the load of a benchmark
    made = []
    for _ in range(count):
        read, plain, text, thought = (rng.randint(1, 20_000) for _ in range(4))
        usage: dict[str, Any] = {"input_tokens": plain, "output_tokens": text, "total_tokens": plain + text}
        if detailed:
            usage["input_tokens"] += read
            usage["output_tokens"] += thought
            usage["total_tokens"] += read + thought
            usage["input_token_details"] = {"cache_read": read}
            usage["output_token_details"] = {"reasoning": thought}
        made.append(usage)
    return made


def contenders(model: str, provider: str) -> list[Contender]:
    """Ours, its two inner steps, and whoever else is installed."""
    book = PriceBook()
    card = book.resolve(model, provider)
    assert card is not None
    tokens = TokenUsage(uncached_input=1000, cache_read=1000, output_text=500).counts

    def ours(usage: dict[str, Any]) -> object:
        return book.price(usage, model=model, provider=provider)

    def genai(usage: dict[str, Any]) -> Decimal:
        read = usage.get("input_token_details", {}).get("cache_read", 0)
        counted = genai_prices.Usage(
            input_tokens=usage["input_tokens"], cache_read_tokens=read, output_tokens=usage["output_tokens"]
        )
        return genai_prices.calc_price(counted, model, provider_id=provider).total_price

    found = [
        Contender("langchain-costguard", ours, 1),
        Contender("  of it: reading the usage", clean_counts, 1),
        Contender("  of it: the rate card", lambda _: card.charge(tokens, 1, None), 1),
        Contender("genai-prices", genai, 10),
    ]
    community = community_price(model)
    return [*found, Contender("langchain-community", community, 1)] if community else found


def community_price(model: str) -> Callable[[dict[str, Any]], object] | None:
    """The arithmetic of OpenAICallbackHandler, where it is installed and knows the model; it ignores most tiers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from langchain_community.callbacks.openai_info import TokenType, get_openai_token_cost_for_model
        except ImportError:
            return None
    prompt, cached, completion = TokenType.PROMPT, TokenType.PROMPT_CACHED, TokenType.COMPLETION

    def price(usage: dict[str, Any]) -> float:
        read = usage.get("input_token_details", {}).get("cache_read", 0)
        cost = get_openai_token_cost_for_model(model, usage["input_tokens"] - read, token_type=prompt)
        cost += get_openai_token_cost_for_model(model, read, token_type=cached)
        return float(cost + get_openai_token_cost_for_model(model, usage["output_tokens"], token_type=completion))

    try:
        price({"input_tokens": 1, "output_tokens": 1})
    except ValueError:
        return None
    return price


def check(found: list[Contender], sample: list[dict[str, Any]]) -> None:
    """Our answers are those of genai-prices, exactly."""
    ours, theirs = found[0], next(contender for contender in found if contender.name == "genai-prices")
    for usage in sample:
        cost: Any = ours.price(usage)
        assert cost.total == theirs.price(usage), usage


def measure(found: list[Contender], load: list[dict[str, Any]], rounds: int) -> dict[str, float]:
    """Microseconds of CPU per calculation: the median over interleaved rounds."""
    seen: dict[str, list[float]] = {contender.name: [] for contender in found}
    for number in range(rounds + 1):
        for contender in found:
            part = load[:: contender.share]
            price = contender.price
            gc.collect()
            start = time.process_time()
            for usage in part:
                price(usage)
            elapsed = time.process_time() - start
            if number:  # the first round warms up
                seen[contender.name].append(elapsed / len(part) * 1e6)
    return {name: round(statistics.median(figures), 3) for name, figures in seen.items()}


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--usages", type=int, default=10_000, help="distinct usages per round")
    parser.add_argument("--rounds", type=int, default=7, help="rounds, after one to warm up")
    options = parsed(parser, "pricing", {"usages": 2_000, "rounds": 3})
    figures: dict[str, dict[str, float]] = {}
    for model, provider, kind in MODELS:
        for detailed in (False, True):
            load = usages(options.usages, detailed=detailed)
            found = contenders(model, provider)
            check(found, load[:200])
            name = f"{model} ({kind}), {'totals, cache and reasoning' if detailed else 'totals only'}"
            figures[name] = measure(found, load, options.rounds)
    head = described(options, "genai-prices", "langchain-core", "langchain-community")
    for name, row in figures.items():
        print(f"\n{name}: microseconds of CPU per calculation, {options.usages} distinct usages")
        for contender, micros in row.items():
            times = "" if contender.startswith(" ") else f"{micros / row['langchain-costguard']:8.1f} x"
            print(f"  {contender:<32}{micros:10.2f} {times}")
    worst = max(row["langchain-costguard"] for row in figures.values())
    print(f"\nbar: {BAR_US} us; worst of ours: {worst} us: {'met' if worst <= BAR_US else 'missed'}")
    write(options.json, {**head, "bar_us": BAR_US, "usages": options.usages, "us_per_calculation": figures})


if __name__ == "__main__":
    main()
