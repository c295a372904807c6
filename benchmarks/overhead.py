"""What a callback adds to a model call: ours beside LangChain's own handlers, in one run.

    python benchmarks/overhead.py [--quick] [--rounds 40] [--json FILE]

A fake chat model answers at once, so that what is left is LangChain itself and the handler. Rounds of all contenders
are interleaved and the order rotates, because a shared machine drifts; each figure is the median, over rounds, of the
difference to the round without a callback. Compare the rows, not the absolute times.
"""

# ruff: noqa: ANN401, ARG002 - the signatures are LangChain's

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from typing import TYPE_CHECKING, Any

from harness import described, parsed, write
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tracers import context as tracing

from langchain_costguard import CostCallbackHandler, track_costs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

CHUNKS = 51
CALLS = 300
STREAMS = 60
USAGE = {"input_tokens": 1200, "output_tokens": 50, "total_tokens": 1250, "input_token_details": {"cache_read": 1024}}
METADATA = {"model_name": "gpt-4o-2024-08-06", "finish_reason": "stop"}
PROMPT = [HumanMessage("What does a callback cost?")]


class InstantChatModel(BaseChatModel):
    """Answers at once, with usage, sync and async without a thread."""

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "openai", "ls_model_name": "gpt-4o", "ls_model_type": "chat"}

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        message = AIMessage("Little.", usage_metadata=dict(USAGE), response_metadata=dict(METADATA))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self._generate(messages)

    def _chunks(self) -> Iterator[ChatGenerationChunk]:
        for _ in range(CHUNKS - 1):
            yield ChatGenerationChunk(message=AIMessageChunk("x "))
        last = AIMessageChunk("", usage_metadata=dict(USAGE), response_metadata=dict(METADATA), chunk_position="last")
        yield ChatGenerationChunk(message=last)

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._chunks():
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks():
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


class Idle(BaseCallbackHandler):
    """Does nothing, inline: the least a handler can cost."""

    run_inline = True

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""


def contenders(folder: str) -> dict[str, BaseCallbackHandler | None]:
    """The handlers, by the name they have in the table; `None` is no callback at all."""
    found: dict[str, BaseCallbackHandler | None] = {
        "no callback": None,
        "does nothing, inline": Idle(),
        "langchain-core UsageMetadataCallbackHandler": UsageMetadataCallbackHandler(),
        "langchain-costguard, memory": CostCallbackHandler(),
        "langchain-costguard, SQLite": CostCallbackHandler(store=f"sqlite:///{folder}/bench.db"),
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from langchain_community.callbacks.openai_info import OpenAICallbackHandler
    except ImportError:
        print("langchain-community is not installed: its OpenAICallbackHandler is left out")
    else:
        found["langchain-community OpenAICallbackHandler"] = OpenAICallbackHandler()
    return found


def timed(work: Callable[[], Any], repeat: int) -> tuple[float, float]:
    """Wall and CPU microseconds of one repetition."""
    gc.collect()
    gc.disable()
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    work()
    cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    gc.enable()
    return wall / repeat / 1000, cpu / repeat / 1000


def cases(model: InstantChatModel, loop: asyncio.AbstractEventLoop) -> dict[str, tuple[Any, int]]:
    """The ways of calling: each takes a config and repeats itself."""

    def invoke(config: Any) -> None:
        for _ in range(CALLS):
            model.invoke(PROMPT, config)

    def stream(config: Any) -> None:
        for _ in range(STREAMS):
            for _ in model.stream(PROMPT, config):
                pass

    async def ainvoke(config: Any) -> None:
        for _ in range(CALLS):
            await model.ainvoke(PROMPT, config)

    async def astream(config: Any) -> None:
        for _ in range(STREAMS):
            async for _ in model.astream(PROMPT, config):
                pass

    return {
        "invoke": (invoke, CALLS),
        "stream, 51 chunks": (stream, STREAMS),
        "ainvoke": (lambda config: loop.run_until_complete(ainvoke(config)), CALLS),
        "astream, 51 chunks": (lambda config: loop.run_until_complete(astream(config)), STREAMS),
    }


def measure(rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Added microseconds per call: case -> contender -> wall and CPU."""
    loop = asyncio.new_event_loop()
    results: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        handlers = contenders(folder)
        names = list(handlers)
        for case, (run, repeat) in cases(InstantChatModel(), loop).items():
            samples: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
            for round_number in range(rounds + 1):
                shift = round_number % len(names)
                for name in names[shift:] + names[:shift]:
                    handler = handlers[name]
                    config = {"callbacks": [handler]} if handler else {}
                    sample = timed(lambda run=run, config=config: run(config), repeat)
                    if round_number:  # the first round warms up
                        samples[name].append(sample)
            results[case] = {
                name: {
                    kind: statistics.median(
                        sample[index] - base[index]
                        for sample, base in zip(samples[name], samples["no callback"], strict=True)
                    )
                    if handlers[name]
                    else statistics.median(sample[index] for sample in samples[name])
                    for index, kind in enumerate(("wall_us", "cpu_us"))
                }
                for name in names
            }
            print(f"measured {case}", file=sys.stderr)
    loop.close()
    return results


def import_time() -> dict[str, float]:
    """Milliseconds that importing our main names adds to an interpreter that has LangChain (median of 9)."""
    base = "from langchain_core import callbacks, messages, outputs; callbacks.BaseCallbackHandler; messages.AIMessage"
    names = "CostCallbackHandler, CostReport, PriceBook, track_costs"
    script = (
        f"import time\n{base}\nt=time.perf_counter()\nfrom langchain_costguard import {names}\n"
        "print((time.perf_counter()-t)*1000)"
    )
    taken = [float(subprocess.check_output([sys.executable, "-c", script], text=True)) for _ in range(9)]  # noqa: S603
    return {"added_ms": statistics.median(taken)}


def hook_growth(uses: int) -> dict[str, int]:
    """Configure hooks before and after many uses of `track_costs`: each left behind would slow every later call."""
    with track_costs():  # the first use registers both hooks
        pass
    before = len(tracing._configure_hooks)  # noqa: SLF001 - the leak to look for is in this very list
    for _ in range(uses):
        with track_costs():
            pass
    return {"uses": uses, "hooks_before": before, "hooks_after": len(tracing._configure_hooks)}  # noqa: SLF001


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--hook-uses", type=int, default=100_000)
    options = parsed(parser, "overhead", {"rounds": 3, "hook_uses": 2_000})
    result: dict[str, Any] = {
        **described(options, "langchain-core", "langchain-community", "SQLAlchemy"),
        "rounds": options.rounds,
        "added_microseconds_per_call": measure(options.rounds),
        "import": import_time(),
        "configure_hooks": hook_growth(options.hook_uses),
    }
    print(f"\n{result['machine']}\n{result['versions']}\nadded per call over no callback, microseconds, wall / CPU:\n")
    for case, rows in result["added_microseconds_per_call"].items():
        print(case)
        for name, row in rows.items():
            print(f"    {name:<46} {row['wall_us']:>9.1f} / {row['cpu_us']:.1f}")
    print(f"\nimport langchain_costguard: +{result['import']['added_ms']:.0f} ms over langchain_core")
    print(f"configure hooks: {result['configure_hooks']}")
    write(options.json, result)


if __name__ == "__main__":
    main()
