"""The questions routers are measured on, read from the data folder: LLMRouter's nine models, RouteLLM's two."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WEAK = "mistralai/Mixtral-8x7B-Instruct-v0.1"
STRONG = "gpt-4-1106-preview"


@dataclass(frozen=True, eq=False)
class Scored:
    """Questions of 14 tasks and how well each model answers them; shapes `(questions,)` and `(questions, models)`."""

    questions: NDArray[Any]
    tasks: NDArray[Any]
    scores: NDArray[Any]

    def only(self, at: NDArray[Any]) -> Self:
        """Some of the questions."""
        return replace(self, questions=self.questions[at], tasks=self.tasks[at], scores=self.scores[at])


@dataclass(frozen=True, eq=False)
class TwoModels:
    """Questions, and whether the weak and the strong model answer them rightly."""

    questions: NDArray[Any]
    weak: NDArray[Any]
    strong: NDArray[Any]

    def apgr(self, score: NDArray[Any]) -> float:
        """The average share of the gap that is closed when the highest scores go to the strong model first."""
        by_score = np.argsort(-score, kind="stable")
        gained = np.concatenate([[0.0], np.cumsum((self.strong - self.weak)[by_score])])
        return float(gained.mean() / (self.strong - self.weak).sum())


def nine_models(folder: Path) -> tuple[list[str], NDArray[Any], Scored, Scored]:
    """LLMRouter's models, their list prices (the mean of input and output, dollars per million), train and test."""
    source = folder / "llmrouter"
    listed = json.loads((source / "default_llm.json").read_text("utf-8"))
    with gzip.open(source / "dcrouter_train.json.gz", "rt", encoding="utf-8") as lines:
        train = json.load(lines)
    test = json.loads((source / "dcrouter_test.json").read_text("utf-8"))
    with gzip.open(source / "default_query_train.jsonl.gz", "rt", encoding="utf-8") as lines:
        queries = [json.loads(line) for line in lines]
    queries += map(json.loads, (source / "default_query_test.jsonl").read_text("utf-8").splitlines())
    task_of = {query["query"]: query["task_name"] for query in queries}
    models = list(_scores(train[0]))
    prices = np.array([(listed[model]["input_price"] + listed[model]["output_price"]) / 2 for model in models])
    return models, prices, _scored(train, models, task_of), _scored(test, models, task_of)


def two_models(folder: Path, name: str) -> TwoModels:
    """RouteLLM's answers of Mixtral and GPT-4 to `"mmlu"` or `"gsm8k"`."""
    path = folder / "routellm" / f"{name}_responses.csv"
    text = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes())
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8"), newline="")))

    def right(model: str) -> NDArray[Any]:
        return np.array([float(row[model] in {"True", "1", "1.0"}) for row in rows])

    return TwoModels(np.array([row["prompt"] for row in rows], dtype=object), right(WEAK), right(STRONG))


def _scores(row: dict[str, Any]) -> dict[str, float]:
    found = row["scores"]
    read: dict[str, float] = ast.literal_eval(found) if isinstance(found, str) else found
    return read


def _scored(rows: list[dict[str, Any]], models: list[str], task_of: dict[str, str]) -> Scored:
    questions = [row["question"] for row in rows]
    return Scored(
        np.array(questions, dtype=object),
        np.array([task_of[question] for question in questions], dtype=object),
        np.array([[_scores(row)[model] for model in models] for row in rows]),
    )
