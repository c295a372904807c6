"""A small model instead of a large one: alone, before it in a cascade, or beside it behind a router."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from cascade_data import CHARS_PER_TOKEN, DATE_PROMPT_TOKENS, Pair, dates, multiple_choice, two_agree
from cascade_data import _csv as csv_rows
from cascade_splits import by_threshold, outcome
from claims_data import (
    CASCADES,
    QUALITY,
    ROUTED,
    ROUTED_OUTPUT_TOKENS,
    ROUTER_SEEDS,
    SEED,
    SPLITS,
    STRONG_MODEL,
    WEAK_MODEL,
)
from claims_rows import Row, micro_usd, row
from routing import AIMED_PRICE, penalised
from routing_data import nine_models, two_models

from langchain_costguard.cascade import QualityTarget
from langchain_costguard.routing import ComplexityRouter, TaskClassifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

CLAIM = "small_model"
SHARE = "score, as a share of the large model's"
ALONE, CASCADE, ROUTER, TASKS = "small model alone", "cascade", "ComplexityRouter", "TaskRouter"


def measure(folder: Path) -> Iterator[Row]:
    """All lines of the claim."""
    made: dict[str, Callable[[], Pair]] = {
        "MMLU": lambda: _priced_choice(folder, "mmlu"),
        "MedMCQA": lambda: _priced_choice(folder, "medmcqa"),
        "GSM8K": lambda: _priced_agreement(folder),
        "DATE": lambda: _priced_dates(folder),
    }
    for name, (_, mini, full) in CASCADES.items():
        yield from cascaded(made[name](), name, f"{mini} -> {full}")
    for name, known in ROUTED.items():
        yield from routed(folder, name, known)
    yield by_task(folder)


def cascaded(pair: Pair, data: str, models: str) -> Iterator[Row]:
    """The small model alone (of DATE, the vote of its six samples), and a cascade calibrated on the other half."""
    yield row(
        CLAIM, ALONE, data, models, calls=len(pair), baseline=pair.full_cost.sum() / 1e6,
        billed=pair.mini_cost.sum() / 1e6, quality=pair.mini.sum() / pair.full.sum(), quality_is=SHARE,
    )  # fmt: skip
    chance, decide = np.random.default_rng(SEED), by_threshold(QualityTarget(QUALITY))
    found = []
    for _ in range(SPLITS):
        order = chance.permutation(len(pair))
        known, asked = pair.rows(order[: len(pair) // 2]), pair.rows(order[len(pair) // 2 :])
        found.append((outcome(data, CASCADE, asked, decide(known, asked)), asked.full_cost.sum() / 1e6))
    baseline = sum(cost for _, cost in found)
    yield row(
        CLAIM, CASCADE, data, models, calls=SPLITS * (len(pair) - len(pair) // 2), baseline=baseline,
        billed=sum((1 - one.cut) * cost for one, cost in found),
        quality=float(np.mean([one.quality for one, _ in found])), quality_is=SHARE, each=[one.cut for one, _ in found],
    )  # fmt: skip


def routed(folder: Path, data: str, known_rows: int) -> Iterator[Row]:
    """Mixtral and GPT-4, chosen by the words of the prompt before either is asked."""
    found = two_models(folder / "cascade", data.lower())
    lengths = np.array([len(question) / CHARS_PER_TOKEN for question in found.questions])
    written = ROUTED_OUTPUT_TOKENS[data]
    weak, strong = (_costs(*model, lengths, written) for model in (WEAK_MODEL, STRONG_MODEL))
    needs = (found.strong > found.weak).astype(int)
    names = "Mixtral 8x7B -> gpt-4-1106-preview"
    each, billed, baseline, right, best, calls = [], 0.0, 0.0, 0.0, 0.0, 0
    for seed in ROUTER_SEEDS:
        order = np.random.default_rng(seed).permutation(len(needs))
        known, asked = order[:known_rows], order[known_rows : 2 * known_rows]
        router = ComplexityRouter.fit(found.questions[known].tolist(), needs[known].tolist(), quality=QUALITY)
        assert router.choice is not None
        is_full = router.score(found.questions[asked].tolist()) >= router.choice.threshold
        cost = np.where(is_full, strong[asked], weak[asked])
        each.append(1 - float(cost.sum() / strong[asked].sum()))
        billed, baseline, calls = billed + cost.sum(), baseline + strong[asked].sum(), calls + len(asked)
        right += np.where(is_full, found.strong[asked], found.weak[asked]).sum()
        best += found.strong[asked].sum()
    yield row(
        CLAIM, ALONE, f"{data} (RouteLLM)", names, calls=len(needs), baseline=strong.sum() / 1e6,
        billed=weak.sum() / 1e6, quality=found.weak.sum() / found.strong.sum(), quality_is=SHARE,
    )  # fmt: skip
    yield row(
        CLAIM, ROUTER, f"{data} (RouteLLM)", names, calls=calls, baseline=baseline / 1e6, billed=billed / 1e6,
        quality=right / best, quality_is=SHARE, each=each,
    )  # fmt: skip


def by_task(folder: Path) -> Row:
    """LLMRouter's nine models by task, at the list prices that come with the data; each question has one length."""
    models, prices, train, test = nine_models(folder / "cascade")
    fresh = train.only(~np.isin(train.questions, test.questions))
    best = int(np.argmax(fresh.scores.mean(0)))
    table = penalised(fresh, prices, AIMED_PRICE * prices[best])
    classifier = TaskClassifier.fit(fresh.questions.tolist(), fresh.tasks.tolist())
    picked = np.array([table[one.task] for one in classifier.classify(test.questions.tolist())])
    scores = test.scores[np.arange(len(picked)), picked]
    drawn = np.random.default_rng(SEED).integers(0, len(picked), (1_000, len(picked)))
    return row(
        CLAIM, TASKS, "LLMRouter, 14 tasks", f"nine models instead of {models[best]}", calls=len(picked),
        baseline=prices[best] * len(picked) / 1e3, billed=prices[picked].sum() / 1e3,
        quality=scores.sum() / test.scores[:, best].sum(), quality_is=SHARE,
        each=(1 - prices[picked][drawn].mean(1) / prices[best]).tolist(),
    )  # fmt: skip


def _costs(model: str, provider: str, read: NDArray[Any], written: float) -> NDArray[Any]:
    return np.array([micro_usd(model, each, written, provider) for each in read])


def _priced_choice(folder: Path, task: str) -> Pair:
    """Recorded tokens at the day's prices."""
    pair = multiple_choice(folder / "cascade", task, "gpt-4o-mini", "gpt-4o")
    rows = list(csv_rows(folder / "cascade" / "zellinger" / f"{task}_qwen_oai_test.csv.gz"))

    def costs(model: str) -> NDArray[Any]:
        return np.array(
            [micro_usd(model, int(one["tok_in"]), int(one["tok_out"])) for one in rows if one["model"] == model]
        )

    return replace(pair, mini_cost=costs("gpt-4o-mini"), full_cost=costs("gpt-4o"))


@cache
def _per_token(model: str) -> tuple[float, float]:
    return micro_usd(model, 1, 0), micro_usd(model, 0, 1)


def _priced_agreement(folder: Path) -> Pair:
    """The data's loader has prices of its own; they must be the day's."""
    assert _per_token("gpt-4o-mini") == (0.15, 0.6)
    assert _per_token("gemini-1.5-flash") == (0.075, 0.3)
    assert _per_token("gpt-4o") == (2.5, 10.0)
    return two_agree(folder / "cascade", "gpt-4o-2024-05-13", by_length=True)


def _priced_dates(folder: Path) -> Pair:
    """The paper's prices taken out again, and the day's put in."""
    pair = dates(folder / "cascade", 6)
    mini_written = (pair.mini_cost - 2 * DATE_PROMPT_TOKENS * 1.5) / 2
    full_written = (pair.full_cost - DATE_PROMPT_TOKENS * 30) / 60
    mini, full = _per_token("gpt-3.5-turbo"), _per_token("gpt-4")
    return replace(
        pair,
        mini_cost=2 * DATE_PROMPT_TOKENS * mini[0] + mini_written * mini[1],
        full_cost=DATE_PROMPT_TOKENS * full[0] + full_written * full[1],
    )
