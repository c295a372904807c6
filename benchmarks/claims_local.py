"""A model on a rented machine instead of an API's: recorded answers of both, and the machine's hours, idle ones too."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from cascade_data import _csv as csv_rows
from claims_data import (
    CHARS_PER_TOKEN,
    GPU_HOUR_USD,
    INPUT_TOKENS_PER_SECOND,
    LOADS,
    LOCAL,
    LOCAL_BASELINES,
    OUTPUT_TOKENS_PER_SECOND,
)
from claims_rows import Row, micro_usd, row

from langchain_costguard.pricing import break_even, machine_cost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARE = "score, as a share of the API model's"
FREE = "free by its user's word"
RECORDED = {"gpt-4o": "gpt-4o-2024-05-13", "gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
"""The names in zeroeval."""
TASKS = {"GSM8K": "gsm", "MATH level 5": "math-l5"}
DAY_HOURS = 24


class Answers(NamedTuple):
    """What a model did on a data set: its score, and its mean tokens a question."""

    score: float
    read: float
    written: float


def measure(folder: Path) -> Iterator[Row]:
    """Each data set and API model, at each load; how many calls a day that is follows from the load."""
    for name, (source, local) in LOCAL.items():
        own = recorded(folder / "cascade", source, name, local)
        seconds = own.read / INPUT_TOKENS_PER_SECOND + own.written / OUTPUT_TOKENS_PER_SECOND
        capacity = int(3600 / seconds)
        for api in LOCAL_BASELINES:
            asked = recorded(folder / "cascade", source, name, api)
            price = Decimal(f"{micro_usd(api, asked.read, asked.written):.9f}") / 1_000_000
            pays = break_even(GPU_HOUR_USD, api_usd_per_call=price, capacity_per_hour=capacity)
            quality, models = own.score / asked.score, "Llama 3.1 8B"
            yield row(
                "local_model", f"instead of {api}, {FREE}", name, models,
                calls=capacity * DAY_HOURS, baseline=price * capacity * DAY_HOURS,
                billed=Decimal(0), quality=quality, quality_is=SHARE,
            )  # fmt: skip
            for load in LOADS:
                calls = int(capacity * DAY_HOURS * load)
                day = machine_cost(
                    usd_per_gpu_hour=GPU_HOUR_USD, paid_hours=DAY_HOURS, busy_hours=f"{DAY_HOURS * load:.4f}",
                    call_count=calls,
                )  # fmt: skip
                yield row(
                    "local_model", f"instead of {api}, ${GPU_HOUR_USD} an hour, {load:.0%} busy", name,
                    f"{models}; pays from {float(pays.utilisation or 0):.1%} busy", calls=calls,
                    baseline=price * calls, billed=day.total_cost, quality=quality, quality_is=SHARE,
                )  # fmt: skip


def recorded(folder: Path, source: str, data: str, model: str) -> Answers:
    """A model's answers; zeroeval has the lengths of texts, zellinger the tokens."""
    if source == "zellinger":
        task, chain = data.lower(), "llama" if model.startswith("llama") else "qwen_oai"
        rows = csv_rows(folder / source / f"{task}_{chain}_test.csv.gz")
        found = [(one["correct"], one["tok_in"], one["tok_out"]) for one in rows if one["model"] == model]
        return Answers(*np.array(found, dtype=float).mean(axis=0))
    task, name = TASKS[data], RECORDED.get(model, model)
    lengths = {
        one["id"]: one["prompt_chars"] for one in csv_rows(folder / source / "questions.csv.gz") if one["task"] == task
    }
    rows = csv_rows(folder / source / "zeroeval_compact.csv.gz")
    found = [
        (one["correct"], lengths[one["id"]], one["out_chars"])
        for one in rows
        if one["task"] == task and one["model"] == name
    ]
    score, read, written = np.array(found, dtype=float).mean(axis=0)
    return Answers(score, read / CHARS_PER_TOKEN, written / CHARS_PER_TOKEN)
