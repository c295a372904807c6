"""The labelled questions on which cascades are replayed, read from the data folder into arrays of one shape."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

CHARS_PER_TOKEN = 4
DATE_PROMPT_TOKENS = 1000
"""The worked examples of the DATE prompts, as the anchors assume them."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A mini and a full model on the same questions; costs are in one unit per pair."""

    name: str
    confidence: NDArray[Any]
    mini: NDArray[Any]
    full: NDArray[Any]
    mini_cost: NDArray[Any]
    full_cost: NDArray[Any]
    signal_cost: NDArray[Any]

    def __len__(self) -> int:
        """The number of questions."""
        return len(self.confidence)

    def rows(self, at: NDArray[Any]) -> Pair:
        """Some of the questions."""
        columns = ("confidence", "mini", "full", "mini_cost", "full_cost", "signal_cost")
        return replace(self, **{name: getattr(self, name)[at] for name in columns})

    def cost(self, escalated: NDArray[Any]) -> float:
        """What it costs to escalate these, as a share of always asking the full model."""
        spent = self.mini_cost.sum() + self.signal_cost.sum() + self.full_cost[escalated].sum()
        return float(spent / self.full_cost.sum())

    def score(self, escalated: NDArray[Any]) -> NDArray[Any]:
        """How right each answer is when these are escalated."""
        return np.where(escalated, self.full, self.mini)


def multiple_choice(folder: Path, task: str, mini: str, full: str) -> Pair:
    """Zellinger and Thomson's MMLU or MedMCQA: the mean logprob of the answer's tokens, and what each call cost."""
    rows = list(_csv(folder / "zellinger" / f"{task}_qwen_oai_test.csv.gz"))

    def column(model: str, name: str) -> NDArray[Any]:
        return np.array([float(row[name]) for row in rows if row["model"] == model])

    confidence = column(mini, "raw_logconf")
    return Pair(
        name=f"{task} {mini} -> {full}",
        confidence=confidence,
        mini=column(mini, "correct"),
        full=column(full, "correct"),
        mini_cost=column(mini, "cost_usd"),
        full_cost=column(full, "cost_usd"),
        signal_cost=np.zeros(len(confidence)),
    )


def multiple_choice_questions(folder: Path, task: str) -> list[str]:
    """The prompts of `multiple_choice`, in its order."""
    with gzip.open(folder / "zellinger" / f"{task}_test_prompts.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["prompt"] for line in lines]


def dates(folder: Path, samples: int) -> Pair:
    """DATE, GPT-3.5 sampled half as chain of thought, half as program, against GPT-4: the share of the winning vote."""
    with gzip.open(folder / "mot_cascade" / "date_gpt35_gpt4.jsonl.gz", "rt", encoding="utf-8") as lines:
        questions = [json.loads(line) for line in lines]
    made: dict[str, list[float]] = {"confidence": [], "mini": [], "full": [], "mini_cost": [], "full_cost": []}
    for question in questions:
        halves = [question["weak"][prompt] for prompt in ("cot1", "pot2")]
        answers = [answer for half in halves for answer in half["answers"][: samples // 2]]
        written = sum(sum(half["out_chars"][: samples // 2]) for half in halves) / CHARS_PER_TOKEN
        answer, votes = Counter(answers).most_common(1)[0]
        strong = question["strong"]["greedy_cot1"]
        made["confidence"].append(votes / samples)
        made["mini"].append(answer == question["gold"])
        made["full"].append(strong["correct"])
        made["mini_cost"].append(2 * DATE_PROMPT_TOKENS * 1.5 + written * 2)
        made["full_cost"].append(DATE_PROMPT_TOKENS * 30 + strong["out_chars"][0] / CHARS_PER_TOKEN * 60)
    columns = {name: np.array(values, dtype=float) for name, values in made.items()}
    return Pair(name=f"DATE gpt-3.5 x{samples} -> gpt-4", signal_cost=np.zeros(len(questions)), **columns)


def two_agree(folder: Path, full: str, *, by_length: bool, asks_third: bool = False) -> Pair:
    """GSM8K by gpt-4o-mini, sure where gemini-1.5-flash gives the same number.

    Args:
        folder: where the data is.
        full: the full model.
        by_length: whether answers that agree alike are ranked, those short for their question first.
        asks_third: whether claude-3-haiku is asked where the two do not agree, and its agreement counts half.
    """
    lengths = {
        row["id"]: int(row["prompt_chars"])
        for row in _csv(folder / "zeroeval" / "questions.csv.gz")
        if row["task"] == "gsm"
    }
    asked = {
        "gpt-4o-mini-2024-07-18": (0.15, 0.6),
        "gemini-1.5-flash": (0.075, 0.3),
        "claude-3-haiku-20240307": (0.25, 1.25),
        full: (2.5, 10.0),
    }
    rows = [
        row
        for row in _csv(folder / "zeroeval" / "zeroeval_compact.csv.gz")
        if row["task"] == "gsm" and row["model"] in asked
    ]
    found = {model: {row["id"]: row for row in rows if row["model"] == model} for model in asked}
    mini, other, third, strong = found.values()

    def cost(model: str) -> NDArray[Any]:
        read, written = asked[model]
        prices = [lengths[at] * read + int(found[model][at]["out_chars"]) * written for at in mini]
        return np.array(prices) / CHARS_PER_TOKEN

    def agreement(with_: dict[str, dict[str, str]]) -> NDArray[Any]:
        return np.array([float(mini[at]["answer_key"] == with_[at]["answer_key"]) for at in mini])

    agree, signal_cost = agreement(other), cost("gemini-1.5-flash")
    if asks_third:
        signal_cost = signal_cost + (1 - agree) * cost("claude-3-haiku-20240307")
        agree = np.maximum(agree, agreement(third) / 2)
    relative_length = np.array([int(mini[at]["out_chars"]) / lengths[at] for at in mini])
    return Pair(
        name="GSM8K gpt-4o-mini + flash"
        + (" + haiku" if asks_third else "")
        + (", then length" if by_length else "")
        + f" -> {full}",
        confidence=agree - relative_length / 1000 if by_length else agree,
        mini=np.array([float(mini[at]["correct"]) for at in mini]),
        full=np.array([float(strong[at]["correct"]) for at in mini]),
        mini_cost=cost("gpt-4o-mini-2024-07-18"),
        full_cost=cost(full),
        signal_cost=signal_cost,
    )


def open_models(folder: Path, mini_share: float) -> Iterator[Pair]:
    """The tasks of unc_bench, small open models against large ones of their kind.

    They have no gold labels: an answer is right where it is the large model's.

    Yields:
        Pairs whose mini costs `mini_share` of its full model.
    """
    pairs = (
        ("Qwen-1_8B", "Qwen-72B"),
        ("Qwen-7B", "Qwen-72B"),
        ("Qwen-14B", "Qwen-72B"),
        ("Yi-6B", "Yi-34B"),
        ("Llama-2-7b-hf", "Llama-2-70b-hf"),
        ("Mistral-7B-v0.1", "Llama-2-70b-hf"),
    )
    with np.load(folder / "unc_bench" / "logits_base_prompt.npz") as logits:
        for task in sorted({name.split("|")[0] for name in logits.files}):
            for mini, full in pairs:
                small = logits[f"{task}|{mini}"].astype(float)
                large = logits[f"{task}|{full}"].astype(float)
                likely = np.exp(small - small.max(axis=1, keepdims=True))
                questions = len(small)
                yield Pair(
                    name=f"{task} {mini} -> {full}",
                    confidence=1 / likely.sum(axis=1),
                    mini=(small.argmax(axis=1) == large.argmax(axis=1)).astype(float),
                    full=np.ones(questions),
                    mini_cost=np.full(questions, mini_share),
                    full_cost=np.ones(questions),
                    signal_cost=np.zeros(questions),
                )


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)
