"""What `run_many` adds to a call beside LangChain's own `batch` and `abatch`, and what it does after a crash.

    python benchmarks/batching.py [--quick] [--calls 10000] [--rounds 5] [--json FILE]

A chat model answers at once, so that what is left is LangChain, the pool and the pricing of each call. Rounds of all
contenders are interleaved and the order rotates, because a shared machine drifts; each figure is the median, over
rounds, of microseconds of the process's CPU per call, which on an idle machine is the time a caller waits. The bar is
1.5 times plain `abatch`, which prices nothing, at 64 calls side by side. `batch` and `abatch` inside `track_costs` do
price each call, and are shown to tell the pool from the pricing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import described, parsed, write
from overhead import InstantChatModel

from langchain_costguard import track_costs
from langchain_costguard.batching import arun_many, run_many, run_many_as_completed
from langchain_costguard.testing import LoopbackProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH = 64
BAR = 1.5
CRASH_ITEMS = 2000
CONFIG: Any = {"max_concurrency": WIDTH}


def contenders(model: Any, inputs: Sequence[str], folder: Path) -> dict[str, Callable[[], object]]:  # noqa: ANN401 - a chat model
    """What is run, by the name it has in the table."""

    async def tracked_abatch() -> object:
        with track_costs():
            return await model.abatch(inputs, CONFIG)

    def tracked_batch() -> object:
        with track_costs():
            return model.batch(inputs, CONFIG)

    def kept() -> object:
        file = folder / "done.jsonl"
        file.unlink(missing_ok=True)
        return run_many(model, inputs, WIDTH, file)

    return {
        "langchain abatch": lambda: asyncio.run(model.abatch(inputs, CONFIG)),
        "langchain abatch, tracked": lambda: asyncio.run(tracked_abatch()),
        "arun_many": lambda: asyncio.run(arun_many(model, inputs, WIDTH)),
        "langchain batch": lambda: model.batch(inputs, CONFIG),
        "langchain batch, tracked": tracked_batch,
        "run_many": lambda: run_many(model, inputs, WIDTH),
        "run_many with a checkpoint": kept,
    }


def timed(call: Callable[[], object], calls: int) -> tuple[float, float]:
    """Microseconds of CPU and of the clock per call, in this round."""
    gc.collect()
    began, cpu = time.perf_counter_ns(), time.process_time_ns()
    call()
    return (time.process_time_ns() - cpu) / calls / 1000, (time.perf_counter_ns() - began) / calls / 1000


def measure(calls: int, rounds: int) -> dict[str, dict[str, float]]:
    """The medians, by contender."""
    model, inputs = InstantChatModel(), [f"question {number}" for number in range(calls)]
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        called = contenders(model, inputs, Path(folder))
        for small in contenders(model, inputs[:200], Path(folder)).values():
            small()  # imports and caches
        for number in range(rounds):
            order = list(called)[number % len(called) :] + list(called)[: number % len(called)]
            for name in order:
                found.setdefault(name, []).append(timed(called[name], calls))
    return {
        name: {
            "cpu_us": round(statistics.median(cpu for cpu, _ in found[name]), 1),
            "wall_us": round(statistics.median(wall for _, wall in found[name]), 1),
        }
        for name in called
    }


def crash_and_resume() -> dict[str, int]:
    """A run that is left in its middle, and the one that goes on: by the provider's own count."""
    with tempfile.TemporaryDirectory() as folder, LoopbackProvider(keep_bodies=True) as provider:
        model, inputs = provider.chat_model(max_retries=0), [f"q{number}" for number in range(CRASH_ITEMS)]
        file = Path(folder) / "done.jsonl"
        child = os.fork()
        if not child:
            for ended, _ in enumerate(run_many_as_completed(model, inputs, WIDTH, file), start=1):
                if ended == CRASH_ITEMS // 2:
                    os.kill(os.getpid(), 9)
        os.waitpid(child, 0)
        first = len(provider.requests)
        results = run_many(model, inputs, WIDTH, file)
        asked = Counter(str((request.body or {}).get("messages")) for request in provider.requests)
        assert results.is_complete
        twice = sum(count - 1 for count in asked.values())
        assert twice <= WIDTH
        return {
            "items": CRASH_ITEMS,
            "requests_before": first,
            "kept_at_the_crash": results.restored,
            "requests_after": len(provider.requests) - first,
            "asked_twice_because_under_way": twice,
            "asked_twice_although_kept": len(provider.requests) - first - (CRASH_ITEMS - results.restored),
        }


def main() -> None:
    """Measure, print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parsed(parser, "batching", {"calls": 1_000, "rounds": 3})
    crash = crash_and_resume()
    table = measure(arguments.calls, arguments.rounds)
    plain = table["langchain abatch"]["cpu_us"]
    print(f"{arguments.calls:,} calls, {WIDTH} at a time: microseconds per call, median of {arguments.rounds} rounds\n")
    print(f"{'':30}{'CPU':>10}{'clock':>10}{'x abatch':>10}")
    for name, row in table.items():
        print(f"{name:30}{row['cpu_us']:10.0f}{row['wall_us']:10.0f}{row['cpu_us'] / plain:10.2f}")
    worst = max(table[name]["cpu_us"] for name in ("run_many", "arun_many")) / plain
    print(f"\nWorst of ours: {worst:.2f} x plain abatch; bar {BAR}: {'met' if worst <= BAR else 'missed'}")
    print("\nkill -9 in the middle, then the same call again:")
    for name, count in crash.items():
        print(f"  {name.replace('_', ' '):34}{count:8,}")
    document = {
        **described(arguments, "langchain-core"),
        "calls": arguments.calls,
        "side_by_side": WIDTH,
        "bar_times_abatch": BAR,
        "microseconds_per_call": table,
        "crash": crash,
    }
    write(arguments.json, document)


if __name__ == "__main__":
    main()
