"""What a cascade adds to a model call whose answer it accepts, beside LangChain's own fallbacks.

    python benchmarks/cascade_overhead.py [--quick] [--rounds 30] [--json FILE]

A scripted model answers at once, so that what is left is LangChain and the cascade. Rounds of all contenders are
interleaved and the order rotates, because a shared machine drifts; each figure is the median, over rounds, of the
difference to the bare model's round. What is measured is the CPU time of the process, which on an idle machine is the
time a caller waits, and on a busy one leaves out the work of others, though not what they do to its caches. The bar is
0.25 ms on an accepted answer, whatever the length of the prompt.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from typing import TYPE_CHECKING, Any

from harness import described, parsed, write
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_costguard import Cascade, CascadeChatModel, track_costs
from langchain_costguard.cascade import NotUncertain, TokenConfidence
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.messages import BaseMessage

CALLS = 150
PROMPTS = {"20 characters": 20, "2,000 characters": 2_000, "100,000 characters": 100_000}
BAR_US = 250
USAGE = {"input_tokens": 1200, "output_tokens": 50, "total_tokens": 1250}
LOGPROBS = {"content": [{"token": "x", "bytes": [120], "logprob": -0.01, "top_logprobs": []}] * 50}
QUOTED = {
    "cascadeflow 1.2.0, accepted": {"without pre-router": 110, "with": 300, "1,900-character prompt": 15_300},
}
"""Measured once on a machine of the same kind, over a bare model of 90 us; not run here."""


class InstantChatModel(ScriptedChatModel):
    """Answers at once, and counts nothing."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:  # noqa: ANN401
        del messages, args, kwargs
        message = AIMessage("Little.", usage_metadata=dict(USAGE), response_metadata={"logprobs": LOGPROBS})
        return ChatResult(generations=[ChatGeneration(message=message)], llm_output={"model_name": "gpt-4o-mini"})


def contenders() -> dict[str, Any]:
    """What is called, by the name it has in the table."""
    mini = InstantChatModel(model="gpt-4o-mini", provider="openai")
    full = InstantChatModel(model="gpt-4o", provider="openai")
    return {
        "bare model": mini,
        "with_fallbacks": mini.with_fallbacks([full]),
        "Cascade, any callable": Cascade([mini, full], lambda _: True),
        "Cascade, NotUncertain": Cascade([mini, full], NotUncertain()),
        "Cascade, TokenConfidence": Cascade([mini, full], TokenConfidence(0.5)),
        "CascadeChatModel, NotUncertain": CascadeChatModel(tiers=[mini, full], accept=NotUncertain()),
    }


def timed(call: Callable[[Any], Any], prompt: list[HumanMessage]) -> float:
    """Microseconds of CPU per call, in this round."""
    gc.collect()
    gc.disable()
    began = time.process_time_ns()
    for _ in range(CALLS):
        call(prompt)
    took = time.process_time_ns() - began
    gc.enable()
    return took / CALLS / 1000


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Added microseconds per call, by prompt and contender; for the bare model its own time."""
    table: dict[str, dict[str, float]] = {}
    for name, length in PROMPTS.items():
        prompt = [HumanMessage("x" * length)]
        called = contenders()
        found: dict[str, list[float]] = {each: [] for each in called}
        for number in range(rounds):
            order = list(called)[number % len(called) :] + list(called)[: number % len(called)]
            times = {each: timed(called[each].invoke, prompt) for each in order}
            for each, took in times.items():
                found[each].append(took if each == "bare model" else took - times["bare model"])
        table[name] = {each: statistics.median(values) for each, values in found.items()}
    return table


def main() -> None:
    """Measure, print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parsed(parser, "cascade_overhead", {"rounds": 4})
    for each in contenders().values():
        timed(each.invoke, [HumanMessage("warm")])
    alone = measure(arguments.rounds)
    with track_costs():
        tracked = measure(max(3, arguments.rounds // 3))
    for title, table in {"nobody tracks": alone, "inside track_costs()": tracked}.items():
        print(f"\nAdded microseconds per accepted answer, {title}")
        print(f"{'':34}" + "".join(f"{name:>20}" for name in table))
        for each in contenders():
            print(f"{each:34}" + "".join(f"{row[each]:20.1f}" for row in table.values()))
    worst = max(value for row in alone.values() for name, value in row.items() if name.startswith("Cascade"))
    print(f"\nWorst cascade: {worst:.0f} us; bar {BAR_US} us: {'met' if worst <= BAR_US else 'missed'}")
    document = {
        **described(arguments, "langchain-core"),
        "rounds": arguments.rounds,
        "clock": "CPU time of the process",
        "added_us_per_accepted_answer": {"untracked": alone, "track_costs": tracked},
        "bar_us": BAR_US,
        "quoted_not_run_here_us": QUOTED,
    }
    write(arguments.json, document)


if __name__ == "__main__":
    main()
