"""Output limits on recorded lengths of answers, and what a real model did with them before."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cascade_data import DATE_PROMPT_TOKENS
from cascade_data import _csv as csv_rows
from claims_data import CHARS_PER_TOKEN, LIMIT_PERCENTILE, LIMITED, SEED, SPLITS
from claims_local import RECORDED, TASKS
from claims_rows import Row, micro_usd, row

from langchain_costguard.output_limits.limits import RETRY_GROWTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

CLAIM = "output_limit"
WHOLE = "answers that are not cut off"
CUT, RETRIED, CONCISE = "limit", "limit and a retry", "asked to be concise"
MEASURED = Path(__file__).parent / "results" / "output_limits.json"
ARMS = {"limit": CUT, "limit + retry": RETRIED, "concise": CONCISE}


def measure(folder: Path) -> Iterator[Row]:
    """A limit fixed on one half of the answers and put to the other; then the run with a real model."""
    for name, model in LIMITED.items():
        read, written = lengths(folder / "cascade", name)
        yield from limited(read, written, name, model)
    yield from measured_before()


def limited(read: NDArray[Any], written: NDArray[Any], data: str, model: str) -> Iterator[Row]:
    """The bill with a limit, and with one more try for what it cut off; longer answers end at the limit."""
    chance = np.random.default_rng(SEED)
    bills: dict[str, list[float]] = {CUT: [], RETRIED: []}
    whole: dict[str, list[float]] = {CUT: [], RETRIED: []}
    free = []
    per_input, per_output = micro_usd(model, 1, 0), micro_usd(model, 0, 1)
    for _ in range(SPLITS):
        order = chance.permutation(len(read))
        known, asked = order[: len(read) // 2], order[len(read) // 2 :]
        cap = int(np.percentile(written[known], LIMIT_PERCENTILE))
        sent, full = read[asked], written[asked]
        is_cut, is_cut_again = full > cap, full > RETRY_GROWTH * cap
        free.append((sent * per_input + full * per_output).sum())
        first = sent * per_input + np.minimum(full, cap) * per_output
        again = is_cut * (sent * per_input + np.minimum(full, RETRY_GROWTH * cap) * per_output)
        bills[CUT].append(first.sum())
        bills[RETRIED].append((first + again).sum())
        whole[CUT].append(1 - is_cut.mean())
        whole[RETRIED].append(1 - is_cut_again.mean())
    for way, billed in bills.items():
        yield row(
            CLAIM, way, data, f"{model}, recorded lengths", calls=SPLITS * len(asked), baseline=sum(free) / 1e6,
            billed=sum(billed) / 1e6, quality=float(np.mean(whole[way])), quality_is=WHOLE,
            each=[1 - paid / base for paid, base in zip(billed, free, strict=True)],
        )  # fmt: skip


def lengths(folder: Path, data: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The tokens of each prompt and of each answer."""
    if data == "DATE":
        with gzip.open(folder / "mot_cascade" / "date_gpt35_gpt4.jsonl.gz", "rt", encoding="utf-8") as lines:
            written = [json.loads(line)["strong"]["greedy_cot1"]["out_chars"][0] / CHARS_PER_TOKEN for line in lines]
        return np.full(len(written), float(DATE_PROMPT_TOKENS)), np.array(written)
    task, name = TASKS[data], RECORDED[LIMITED[data]]
    read = {
        one["id"]: int(one["prompt_chars"])
        for one in csv_rows(folder / "zeroeval" / "questions.csv.gz")
        if one["task"] == task
    }
    found = [
        (read[one["id"]], int(one["out_chars"]))
        for one in csv_rows(folder / "zeroeval" / "zeroeval_compact.csv.gz")
        if one["task"] == task and one["model"] == name
    ]
    columns = np.array(found, dtype=float) / CHARS_PER_TOKEN
    return columns[:, 0], columns[:, 1]


def measured_before() -> Iterator[Row]:
    """Natural Questions, asked of a real model by `benchmarks/output_limits.py`; not run again here."""
    if not MEASURED.exists():
        print(f"{MEASURED.name} is absent: run benchmarks/output_limits.py --part answers")
        return
    arms = json.loads(MEASURED.read_text(encoding="utf-8"))["answers"]["arms"]
    for name, way in ARMS.items():
        arm = arms[name]
        low, high = arm["cut_95"]
        yield Row(
            claim=CLAIM, way=way, data="Natural Questions", model="SmolLM2-135M at the prices of gpt-4o-mini",
            calls=arm["questions"], baseline_usd=f"{arms['free']['usd']:.8f}", billed_usd=f"{arm['usd']:.8f}",
            saved=arm["cut"], saved_95=(low, high), quality=round(1 - arm["truncated"], 4), quality_is=WHOLE,
        )  # fmt: skip
