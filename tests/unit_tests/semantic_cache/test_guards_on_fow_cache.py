"""The gate: on public traps that the guards were not written against, wrong answers stay rare and repeats are served.

The pairs are an excerpt of fow-cache (CC BY 4.0, see `tests/data/fow_cache/ATTRIBUTION.md`).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from langchain_costguard.semantic_cache.calibration import calibrate
from langchain_costguard.semantic_cache.guards import Guards
from langchain_costguard.semantic_cache.matching import decide

EXCERPT = Path(__file__).parents[2] / "data" / "fow_cache" / "pairs_excerpt.jsonl"
THRESHOLD = 0.78


def _served(guards: Guards, *, same: bool) -> float:
    rows = [json.loads(line) for line in EXCERPT.read_text(encoding="utf-8").splitlines()]
    of_kind = [row for row in rows if row["same_answer"] is same]
    hits = [decide(row["minilm"], row["a"], row["b"], THRESHOLD, guards).hit for row in of_kind]
    return sum(hits) / len(hits)


def test_few_traps_are_served() -> None:
    """Cosine alone serves every second trap here."""
    assert _served(Guards.none(), same=False) > 0.4
    assert _served(Guards.default(), same=False) <= 0.03


def test_repeats_are_served() -> None:
    """A guard that refuses everything would pass the test above."""
    assert _served(Guards.default(), same=True) >= 0.44


def test_a_calibration_keeps_its_promise_on_pairs_it_has_not_seen() -> None:
    """Twenty random halves: at least eighteen keep 6 % at a confidence of 90 %."""
    rows = [json.loads(line) for line in EXCERPT.read_text(encoding="utf-8").splitlines()]
    similarity = {(row["a"], row["b"]): row["minilm"] for row in rows}
    kept = 0
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(rows))
        seen, unseen = ([rows[place] for place in half] for half in (order[:110], order[110:]))
        report = calibrate(
            [(row["a"], row["b"], row["same_answer"]) for row in seen],
            max_false_hit=0.06,
            similarity=lambda stored, asked: similarity[stored, asked],
        )
        traps = [row for row in unseen if not row["same_answer"]]
        hits = [decide(row["minilm"], row["a"], row["b"], report.threshold, Guards.default()).hit for row in traps]
        kept += sum(hits) <= 0.06 * len(traps)
        assert report.hit_rate > 0.3
    assert kept >= 18
