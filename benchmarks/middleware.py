"""What middleware adds to a step of an agent, in time and in calls, beside LangChain's own call limit.

    python benchmarks/middleware.py [--quick] [--rounds 12] [--json FILE]

An agent of `create_agent` calls a tool twice and answers: three model calls, five steps of its graph. Its model is
scripted and answers at once, so that what is left is LangChain, LangGraph and the middleware. Rounds of all contenders
are interleaved and their order rotates; each figure is a median over rounds, less that of an agent without middleware
in a process that has none of ours yet, divided by its three model calls. What is measured is the CPU time of the
process. Calls are counted on the models themselves, in one run each.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import described, parsed, write
from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware, SummarizationMiddleware
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from langchain_costguard import Budget, SemanticCache
from langchain_costguard.compression import ContextCompressor
from langchain_costguard.middleware import (
    BudgetMiddleware,
    CascadeMiddleware,
    ContextMiddleware,
    RoutingMiddleware,
    SemanticCacheMiddleware,
)
from langchain_costguard.routing import TaskRouter
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages import BaseMessage

RUNS = 20
TURNS = 3
USAGE = {"input_tokens": 1200, "output_tokens": 50, "total_tokens": 1250}
QUESTION = {"messages": [("user", "What is the weather in Paris?")]}
BARE = "no middleware"
COUNTED: list[str] = []


class InstantChatModel(ScriptedChatModel):
    """Calls a tool twice and answers, at once; `says` replaces its answer."""

    says: str = "It is sunny."

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:  # noqa: ANN401
        del args
        COUNTED.append(self.model_name)
        said = sum(isinstance(message, ToolMessage) for message in messages)
        calls = [{"name": "search", "args": {"query": "Paris"}, "id": f"call_{said}"}]
        is_done = said >= TURNS - 1 or not kwargs.get("tools")
        message = AIMessage(
            self.says if is_done else "", tool_calls=[] if is_done else calls, usage_metadata=dict(USAGE)
        )
        return ChatResult(generations=[ChatGeneration(message=message)], llm_output={"model_name": self.model_name})


@tool
def search(query: str) -> str:
    """Search the web."""
    return f"Sunny, said of {query}."


def contenders(folder: Path) -> dict[str, Any]:
    """Agents by the name they have in the table."""
    mini = InstantChatModel(model="gpt-4o-mini", provider="openai")
    unsure = InstantChatModel(model="gpt-4o-mini", provider="openai", says="UNCERTAIN")
    full = InstantChatModel(model="gpt-4o", provider="openai")
    router = TaskRouter({"read": mini, "plan": full}, default="plan")
    allowance = {"tool_prices": {"search": "0.001"}}

    def agent(*middleware: Any, tools: Any = (search,)) -> Any:  # noqa: ANN401
        return create_agent(full, list(tools), middleware=list(middleware))

    return {
        "no middleware, where others have an allowance": agent(),
        "LangChain's ModelCallLimitMiddleware": agent(ModelCallLimitMiddleware(run_limit=100)),
        "LangChain's SummarizationMiddleware, idle": agent(SummarizationMiddleware(mini, trigger=("messages", 500))),
        "BudgetMiddleware, per run": agent(BudgetMiddleware(Budget(10, per="run"))),
        "BudgetMiddleware, per run, tools priced": agent(BudgetMiddleware(Budget(10, per="run"), **allowance)),
        "BudgetMiddleware, per day, in memory": agent(
            BudgetMiddleware(Budget(10_000, per="day"), store=InMemoryStore())
        ),
        "BudgetMiddleware, per day, SQLite": agent(
            BudgetMiddleware(Budget(10_000, per="day"), store=folder / "costs.db")
        ),
        "CascadeMiddleware, all accepted": agent(CascadeMiddleware(mini)),
        "CascadeMiddleware, last turn rejected": agent(CascadeMiddleware(unsure)),
        "RoutingMiddleware, by step": agent(RoutingMiddleware(router, steps={"tool_results": "read"})),
        "ContextMiddleware, nothing to shorten": agent(ContextMiddleware(ContextCompressor(max_tokens=2000))),
        "SemanticCacheMiddleware, turns with tools": agent(
            SemanticCacheMiddleware(SemanticCache(embedder=False, store=folder / "answers.db"))
        ),
        "all of them": agent(
            BudgetMiddleware(Budget(10, per="run"), **allowance),
            SemanticCacheMiddleware(SemanticCache(embedder=False, store=folder / "more.db")),
            RoutingMiddleware(router),
            CascadeMiddleware(mini),
            ContextMiddleware(ContextCompressor(max_tokens=2000)),
        ),
    }


def timed(agent: Any) -> float:  # noqa: ANN401 - a compiled graph
    """Microseconds of CPU per model call of the agent, in this round."""
    gc.collect()
    gc.disable()
    began = time.process_time_ns()
    for _ in range(RUNS):
        agent.invoke(QUESTION)
    took = time.process_time_ns() - began
    gc.enable()
    return took / RUNS / TURNS / 1000


def measure(agents: Mapping[str, Any], rounds: int) -> dict[str, float]:
    """Microseconds per model call, by contender."""
    found: dict[str, list[float]] = {name: [] for name in agents}
    for number in range(rounds):
        order = list(agents)[number % len(agents) :] + list(agents)[: number % len(agents)]
        for name in order:
            found[name].append(timed(agents[name]))
    return {name: statistics.median(values) for name, values in found.items()}


def calls(agent: Any) -> str:  # noqa: ANN401 - a compiled graph
    """Which models one run asks, as `mini + full`."""
    COUNTED.clear()
    state = agent.invoke(QUESTION)
    assert state["messages"][-1].text == "It is sunny."
    return f"{COUNTED.count('gpt-4o-mini')} + {COUNTED.count('gpt-4o')}"


def main() -> None:
    """Measure, print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    arguments = parsed(parser, "middleware", {"rounds": 2})
    with tempfile.TemporaryDirectory() as folder:
        full = InstantChatModel(model="gpt-4o", provider="openai")
        alone = {BARE: create_agent(full, [search])}
        asked = {BARE: calls(alone[BARE])}
        bare = measure(alone, 2 * arguments.rounds)[BARE]
        agents = contenders(Path(folder))
        asked |= {name: calls(agent) for name, agent in agents.items()}
        added = {BARE: bare} | {name: took - bare for name, took in measure(agents, arguments.rounds).items()}
    print(f"{'agent with':<45} {'us per model call':>18} {'calls, mini + full':>20}")
    for name, microseconds in added.items():
        shown = format(microseconds, ",.0f" if name == BARE else "+,.0f")
        print(f"{name:<45} {shown:>18} {asked[name]:>20}")
    found = {
        **described(arguments, "langchain", "langchain-core", "langgraph"),
        "rounds": arguments.rounds,
        "clock": "CPU time of the process",
        "added_us_per_model_call": added,
        "calls_mini_and_full": asked,
    }
    write(arguments.json, found)


if __name__ == "__main__":
    main()
