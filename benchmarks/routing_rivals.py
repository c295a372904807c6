"""What two other packages make of prompts before anything is asked; run where they are installed.

    python benchmarks/rivals.py    # an environment of their own
    python benchmarks/routing.py   # runs this file in it, prompts on its input

Reads a JSON list of prompts and writes each one's score by LiteLLM's complexity router (default configuration) and the
level found by cascadeflow's complexity detector, ties broken by its confidence. Both are called, not copied.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from types import SimpleNamespace

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

LEVELS = ("trivial", "simple", "moderate", "hard", "expert")


def litellm_scores(prompts: list[str]) -> list[float]:
    """The scores of LiteLLM's complexity router."""
    from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

    router = ComplexityRouter(
        model_name="auto", litellm_router_instance=SimpleNamespace(model_list=[]), derive_savings_baseline=False
    )
    return [float(router.classify(prompt)[1]) for prompt in prompts]


def cascadeflow_scores(prompts: list[str]) -> list[float]:
    """The levels of cascadeflow's detector as numbers; within a level of the harder half the surer is the harder."""
    from cascadeflow.quality.complexity import ComplexityDetector

    detector = ComplexityDetector()
    found = [detector.detect(prompt) for prompt in prompts]
    middle = LEVELS.index("moderate")
    scores = []
    for level, confidence, *_ in found:
        rank = LEVELS.index(str(getattr(level, "value", level)))
        scores.append(rank + (0.5 if rank >= middle else -0.5) * float(confidence))
    return scores


def main() -> None:
    """Score the prompts on the standard input."""
    prompts = json.load(sys.stdin)
    found = {
        "versions": {name: metadata.version(name) for name in ("litellm", "cascadeflow")},
        "LiteLLM complexity router": litellm_scores(prompts),
        "cascadeflow detector": cascadeflow_scores(prompts),
    }
    sys.stdout.write("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
