"""What two other packages decide on the questions of the replay; run where they are installed.

    python benchmarks/rivals.py    # an environment of their own
    benchmarks/.rivals/all/bin/python benchmarks/cascade_rivals.py [--quick] [--data FOLDER] [--json FILE]

cascadeflow: the score its LangChain wrapper gives to the draft, with and without logprobs, and its default threshold.
LiteLLM: the score and the tier of its complexity router with the default configuration, which reads the question only;
tiers above the lowest go to the full model. Both are called, not copied.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from cascade_data import multiple_choice_questions
from cascadeflow.integrations.langchain.utils import calculate_quality
from cascadeflow.integrations.langchain.wrapper import CascadeFlow
from harness import add_data, described, needs, parsed, write
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

if TYPE_CHECKING:
    from pathlib import Path

MINI = "gpt-4o-mini"


def drafts(folder: Path, task: str) -> list[tuple[str, float]]:
    """The mini model's answers and their mean logprobs."""
    path = folder / "zellinger" / f"{task}_qwen_oai_test.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return [(row["answer"], float(row["raw_logconf"])) for row in csv.DictReader(lines) if row["model"] == MINI]


def quality(answer: str, logprob: float | None) -> float:
    """The score cascadeflow gives to such a draft."""
    info = None if logprob is None else {"logprobs": {"content": [{"token": answer, "logprob": logprob}]}}
    generation = ChatGeneration(message=AIMessage(answer), generation_info=info)
    return round(calculate_quality(ChatResult(generations=[generation])), 4)


def complexity(questions: list[str]) -> tuple[list[float], list[str]]:
    """The score and the tier LiteLLM gives to each question."""
    router = ComplexityRouter(
        model_name="auto", litellm_router_instance=SimpleNamespace(model_list=[]), derive_savings_baseline=False
    )
    decided = [router.classify(question) for question in questions]
    return [round(score, 4) for _, score, _ in decided], [str(getattr(tier, "value", tier)) for tier, _, _ in decided]


def main() -> None:
    """Ask both about every question and write what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_data(parser)
    options = parsed(parser, "cascade_rivals", {})
    folder = options.data / "cascade"
    needs(folder)
    found: dict[str, Any] = {
        **described(options, "cascadeflow", "litellm", "langchain-core"),
        "cascadeflow_threshold": CascadeFlow.model_fields["quality_threshold"].default,
    }
    for task in ("mmlu", "medmcqa"):
        answers = drafts(folder, task)
        scores, tiers = complexity(multiple_choice_questions(folder, task))
        found[task] = {
            "cascadeflow_with_logprobs": [quality(answer, logprob) for answer, logprob in answers],
            "cascadeflow_text_only": [quality(answer, None) for answer, _ in answers],
            "litellm_score": scores,
            "litellm_is_above_lowest": [int(tier.upper() != "SIMPLE") for tier in tiers],
            "litellm_tiers": sorted(set(tiers)),
        }
    write(options.json, found, indent=None)


if __name__ == "__main__":
    main()
