"""Whether routing before the call pays: six named tasks, nine models, two models, and the time a decision takes.

    python benchmarks/routing.py [--quick] [--data FOLDER] [--rivals PYTHON] [--json FILE]

(a) The six named tasks and an unknown one, and the model each reaches.
(b) LLMRouter's questions: 14 tasks, nine models, 500 held out. A classifier of tasks is fitted to the training rows and
each task gets a model by its mean score there less a price penalty: the smallest with which the training rows, each
task weighing the same, cost half of the best single model. The bar: better than that model at 55 % of its price.
(c) RouteLLM's MMLU and GSM8K: five folds (`KFold`, shuffled, seed 0; for GSM8K, which is small, the mean of seeds 0, 1
and 2), fitted to the other four. APGR is the share of the gap between Mixtral and GPT-4 that is closed, averaged over
all shares of calls to GPT-4. The bars are .668 and .582. The features were chosen on a random half of the rows (seed
0), by five folds inside it, among words, signs, characters, form and their sums; nothing was chosen on the other half,
but the folds here are of all rows. `--rivals` names a Python with litellm and cascadeflow.
(d) The time of a decision, in ms of a caller's time, for prompts of 50 to 100,000 characters. The bar is 2.5 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import add_data, add_rivals, described, needs, parsed, without_rivals, write
from routing_data import Scored, nine_models, two_models
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.neighbors import NearestNeighbors

from langchain_costguard.routing import ComplexityRouter, TaskClassifier, TaskRouter
from langchain_costguard.testing import ScriptedChatModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SEEDS = {"mmlu": (0,), "gsm8k": (0, 1, 2)}
FOLDS = 5
APGR_BARS = {"mmlu": 0.668, "gsm8k": 0.582}
MOST_PRICE, AIMED_PRICE = 0.55, 0.5
DECISION_MS = 2.5
NAMED = {
    "simple_qa": "gpt-4o-mini",
    "classification": "gpt-4o-mini",
    "summarization": "gpt-4o-mini",
    "code_generation": "gpt-4o",
    "creative_writing": "gpt-4o",
    "complex_reasoning": "o1-mini",
}
RESAMPLES = 2_000


def named_tasks() -> dict[str, str]:
    """The model each task reaches, an unknown one included."""
    models = {name: ScriptedChatModel(model=name) for name in {*NAMED.values()}}
    router = TaskRouter({task: models[name] for task, name in NAMED.items()}, default=models["gpt-4o-mini"])
    found = {}
    for task in (*NAMED, "poetry"):
        before = {name: len(model.calls) for name, model in models.items()}
        router.invoke({"task_type": task, "query": "What is it?"})
        found[task] = next(name for name, model in models.items() if len(model.calls) > before[name])
    return found


def table_of(train: Scored, prices: NDArray[Any], penalty: float) -> dict[str, int]:
    """For each task, the model with the best mean score less the penalty on its price."""
    tasks = np.unique(train.tasks)
    return {task: int(np.argmax(train.scores[train.tasks == task].mean(0) - penalty * prices)) for task in tasks}


def penalised(train: Scored, prices: NDArray[Any], most: float) -> dict[str, int]:
    """The table of the smallest penalty with which the mean price over tasks is at most `most`."""
    for penalty in np.arange(0, 2, 0.005):
        table = table_of(train, prices, penalty)
        if np.mean([prices[model] for model in table.values()]) <= most:
            return table
    return table


def choices(train: Scored, test: Scored, prices: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The model each contender picks for each test question."""
    best = int(np.argmax(train.scores.mean(0)))
    plain, cheap = table_of(train, prices, 0.0), penalised(train, prices, AIMED_PRICE * prices[best])
    classifier = TaskClassifier.fit(train.questions.tolist(), train.tasks.tolist())
    found = np.array([one.task for one in classifier.classify(test.questions.tolist())], dtype=object)
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, max_features=50_000)
    learned, asked = vectors.fit_transform(train.questions), vectors.transform(test.questions)
    near = NearestNeighbors(n_neighbors=20, metric="cosine").fit(learned).kneighbors(asked, return_distance=False)
    return {
        "best single model": np.full(len(test.tasks), best),
        "TaskRouter, tasks found": np.array([cheap[task] for task in found]),
        "TaskRouter, tasks named": np.array([cheap[task] for task in test.tasks]),
        "TaskRouter, found, no penalty": np.array([plain[task] for task in found]),
        "task known, no penalty": np.array([plain[task] for task in test.tasks]),
        "kNN-20 on TF-IDF": train.scores[near].mean(1).argmax(1),
        "ridge on TF-IDF": Ridge(alpha=1.0).fit(learned, train.scores).predict(asked).argmax(1),
        "oracle": test.scores.argmax(1),
    }


def nine(folder: Path) -> dict[str, Any]:
    """The score and price of each contender, with duplicates of test questions in the training rows and without."""
    _, prices, train, test = nine_models(folder)
    duplicates = np.isin(train.questions, test.questions)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(test.tasks), (RESAMPLES, len(test.tasks)))
    made: dict[str, Any] = {"duplicates": int(np.isin(test.questions, train.questions).sum())}
    for name, known in {"as published": train, "without duplicates": train.only(~duplicates)}.items():
        picked = choices(known, test, prices)
        scores = {who: test.scores[np.arange(len(pick)), pick] for who, pick in picked.items()}
        single = scores["best single model"]
        price = prices[picked["best single model"]].mean()
        made[name] = {
            who: {
                "score": round(float(score.mean()), 4),
                "price": round(float(prices[picked[who]].mean() / price), 4),
                "gain_95": np.percentile((score - single)[rows].mean(1), [2.5, 97.5]).round(4).tolist(),
            }
            for who, score in scores.items()
        }
    return made


def cross_fitted(questions: NDArray[Any], needs_full: NDArray[Any], seed: int) -> NDArray[Any]:
    """Each question's score by a router that was not fitted to it."""
    scores = np.zeros(len(questions))
    for known, held in KFold(FOLDS, shuffle=True, random_state=seed).split(questions):
        router = ComplexityRouter.fit(questions[known].tolist(), needs_full[known].tolist(), threshold=0.5)
        scores[held] = router.score(questions[held].tolist())
    return scores


def rivals(python: str | None, questions: list[str]) -> dict[str, Any]:
    """What other packages make of the questions; empty where they are not there."""
    if python is None:
        return {}
    script = Path(__file__).with_name("routing_rivals.py")
    run = subprocess.run(  # noqa: S603 - the Python its user names
        [python, script], input=json.dumps(questions), capture_output=True, text=True, check=False
    )
    if run.returncode:
        print(f"rivals skipped: {run.stderr.strip().splitlines()[-1]}")
        return {}
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def two(folder: Path, sets: list[str], python: str | None) -> dict[str, Any]:
    """The APGR of each contender on both sets."""
    made: dict[str, Any] = {}
    for name in sets:
        data = two_models(folder, name)
        gap, wrong = (data.strong > data.weak).astype(int), (data.weak < 1).astype(int)
        ours = [data.apgr(cross_fitted(data.questions, gap, seed)) for seed in SEEDS[name]]
        by_wrong = [data.apgr(cross_fitted(data.questions, wrong, seed)) for seed in SEEDS[name][:1]]
        others = rivals(python, data.questions.tolist())
        versions = others.pop("versions", {})
        random = np.mean([data.apgr(np.random.default_rng(seed).random(len(gap))) for seed in range(20)])
        made[name] = {
            "rows": len(gap),
            "apgr": {
                "ComplexityRouter, label: GPT-4 alone is right": float(np.mean(ours)),
                "ComplexityRouter, label: Mixtral is wrong": float(np.mean(by_wrong)),
                **{who: data.apgr(np.array(scores)) for who, scores in others.items()},
                "length": data.apgr(np.array([len(question) for question in data.questions])),
                "random": float(random),
            },
            "by_seed": ours,
            "bar": APGR_BARS[name],
            "rivals": versions,
        }
    return made


def timed(decide: Callable[[Any], Any], prompt: str, calls: int) -> tuple[float, float]:
    """The median and the 95th percentile of a decision's time, in ms."""
    took = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        decide(prompt)
        took.append((time.perf_counter_ns() - began) / 1e6)
    return statistics.median(took), float(np.percentile(took, 95))


def decisions(folder: Path, calls: int) -> dict[str, dict[str, tuple[float, float]]]:
    """The time of decisions, by router and length of the prompt."""
    mini, full = ScriptedChatModel(model="gpt-4o-mini"), ScriptedChatModel(model="gpt-4o")
    data = two_models(folder, "gsm8k")
    gap = (data.strong > data.weak).astype(int).tolist()
    fitted = ComplexityRouter.fit(data.questions.tolist(), gap, local=mini, cloud=full, share=0.3)
    _, _, train, _ = nine_models(folder)
    train = train.only(np.random.default_rng(0).permutation(len(train.tasks))[:1_000])
    classifier = TaskClassifier.fit(train.questions.tolist(), train.tasks.tolist())
    by_task = TaskRouter(dict.fromkeys(classifier.tasks, mini), default=full, classifier=classifier)
    text = " ".join(data.questions[:600])
    contenders: dict[str, Callable[[str], Any]] = {
        "ComplexityRouter, fitted": fitted.decide,
        "ComplexityRouter, cold start": ComplexityRouter(mini, full).decide,
        "TaskRouter, tasks found": by_task.decide,
        "TaskRouter, tasks named": lambda prompt: by_task.decide({"task": "gsm8k", "query": prompt}),
    }
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name, decide in contenders.items():
        decide("Warm.")
        found[name] = {f"{length:,}": timed(decide, text[:length], calls) for length in (50, 2_000, 100_000)}
    return found


def show(document: dict[str, Any]) -> None:
    """Print the tables."""
    reached = document["tasks"]
    print("(a) Required tasks:", ", ".join(f"{task} -> {model}" for task, model in reached.items()))
    for split in ("as published", "without duplicates"):
        print(
            f"\n(b) LLMRouter, 500 questions, {split} ({document['nine']['duplicates']} of them are in training rows)"
        )
        print(f"{'':34}{'score':>8}{'price':>8}   gain over the best single model, 95 %")
        for who, row in document["nine"][split].items():
            low, high = row["gain_95"]
            print(f"{who:34}{row['score']:8.3f}{row['price']:8.1%}   {low:+.3f} to {high:+.3f}")
    print("\n(c) RouteLLM, APGR" + "".join(f"{name:>12}" for name in document["two"]))
    for who in next(iter(document["two"].values()))["apgr"]:
        print(f"{who:46}" + "".join(f"{part['apgr'][who]:10.3f}" for part in document["two"].values()))
    print(f"{'bar':46}" + "".join(f"{part['bar']:10.3f}" for part in document["two"].values()))
    print("\n(d) ms of a decision, median and 95th percentile, by characters of the prompt")
    for who, row in document["decisions"].items():
        print(f"{who:34}" + "".join(f"{length:>10}: {mid:.2f} {high:.2f}" for length, (mid, high) in row.items()))


def verdicts(document: dict[str, Any]) -> dict[str, bool]:
    """Which bars are met."""
    rows = document["nine"]["as published"]
    ours, single = rows["TaskRouter, tasks found"], rows["best single model"]
    expected = {**NAMED, "poetry": "gpt-4o-mini"}
    medians = [mid for row in document["decisions"].values() for mid, _ in row.values()]
    return {
        "the six named tasks reach their models": document["tasks"] == expected,
        "better than the best single model at 55 % of its price": ours["score"] > single["score"]
        and ours["price"] <= MOST_PRICE,
        **{
            f"APGR {name} >= {part['bar']}": max(list(part["apgr"].values())[:1]) >= part["bar"]
            for name, part in document["two"].items()
        },
        f"a decision takes at most {DECISION_MS} ms": max(medians) <= DECISION_MS,
    }


def main() -> None:
    """Measure, print the tables, and write them down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_data(parser)
    add_rivals(parser)
    parser.add_argument("--timed", type=int, default=300, help="decisions that are timed")
    parser.add_argument("--sets", nargs="+", choices=APGR_BARS, default=list(APGR_BARS), help="of RouteLLM")
    options = parsed(parser, "routing", {"timed": 30, "sets": ["gsm8k"]})
    folder = options.data / "cascade"
    needs(folder)
    if options.rivals is None:
        print(without_rivals())
    document: dict[str, Any] = {
        **described(options, "langchain-core", "scikit-learn"),
        "tasks": named_tasks(),
        "nine": nine(folder),
        "two": two(folder, options.sets, options.rivals),
        "decisions": decisions(folder, options.timed),
    }
    document["verdicts"] = verdicts(document)
    show(document)
    print()
    for bar, is_met in document["verdicts"].items():
        print(f"{'met   ' if is_met else 'MISSED'} {bar}")
    write(options.json, document)


if __name__ == "__main__":
    main()
