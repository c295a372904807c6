"""How far a semantic cache's hits can be trusted: traps served, repeats served, with the rules of other caches beside.

    python benchmarks/semantic_cache_trust.py [--quick] [--data FOLDER] [--pairs 6000] [--rivals PYTHON] [--json FILE]
        [--embedder minilm=minilm.npz --embedder bge-small=bge_folder --embedder wordllama=local]

An embedder is a folder with an ONNX encoder, `local` (the default), or a file of `numpy.savez` with `texts` and
`vectors`.
Thresholds are fitted on the fow-cache pairs whose id has an even SHA-256; every figure of fow-cache is of the others.
GPTCache, RedisVL and langchain-redis are their documented default rules on the same vectors, not the packages;
recalq-guard is the package itself, where the Python of `--rivals` has it; it knows nothing of our guards, so that
without it its row stays as it was. Rows of embedders that are not given stay as well; each row names the guards it was
measured with.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import random
import subprocess
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from harness import add_data, add_rivals, described, known, needs, parsed, without_rivals, write

from langchain_costguard.exceptions import InfeasibleTargetError
from langchain_costguard.semantic_cache.calibration import calibrate_scores
from langchain_costguard.semantic_cache.embedders import as_embedder
from langchain_costguard.semantic_cache.guards import Guards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

GUARDS = Guards.default()
LENIENT = Guards.lenient()
"""For open questions such as those of QQP, where other words are mostly the same question."""
RIVALS = {"GPTCache rule (cos 0.60)": 0.60, "langchain-redis rule (0.80)": 0.80, "RedisVL rule (0.90)": 0.90}
RECALQ = "recalq-guard (0.90)"
_ASK_RECALQ = """
import json, sys
from recalq_guard import is_safe_match
print(json.dumps([bool(is_safe_match(*pair)) for pair in json.load(sys.stdin)]))
"""
SPLITS = 200
MOST_TRAPS = 0.01
"""The share of even traps served that a threshold is fitted to: a fifth of what is accepted on the odd half."""


class Vectors:
    """Unit vectors of texts by one embedder."""

    def __init__(self, name: str, given: str) -> None:
        """Open a file of vectors, or load an embedder."""
        self.name = name
        self._known: dict[str, Any] = {}
        self._embedder = None if given.endswith(".npz") else as_embedder(given)
        if given.endswith(".npz"):
            kept = np.load(given, allow_pickle=True)
            self._known = dict(zip(kept["texts"], kept["vectors"], strict=True))

    def of(self, texts: Sequence[str]) -> NDArray[Any]:
        """The vectors of texts, as rows."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new and self._embedder is None:
            msg = f"{self.name}: the file lacks {len(new)} texts, such as {new[0]!r}"
            raise SystemExit(msg)
        if new and self._embedder is not None:
            self._known.update(zip(new, self._embedder.embed(new), strict=True))
        width = len(next(vector for vector in self._known.values() if vector is not None))
        return np.array([np.zeros(width) if self._known[text] is None else self._known[text] for text in texts])


def is_even(name: str) -> bool:
    """Whether an id belongs to the half that thresholds and guards were fitted on."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == 0


def share(flags: Iterable[bool]) -> float:
    """The share of true ones, in per cent."""
    listed = list(flags)
    return round(100 * float(sum(listed)) / max(len(listed), 1), 1)


def pair_scores(vectors: Vectors, rows: list[dict[str, Any]]) -> tuple[Any, Any, Any]:
    """Similarity, veto and label of the fow-cache pairs."""
    near = (vectors.of([row["a"] for row in rows]) * vectors.of([row["b"] for row in rows])).sum(axis=1)
    vetoed = np.array([bool(GUARDS.vetoes(row["a"], row["b"])) for row in rows])
    return near, vetoed, np.array([row["same_answer"] for row in rows])


def fitted_threshold(near: NDArray[Any], vetoed: NDArray[Any], same: NDArray[Any]) -> float:
    """The lowest of a grid of thresholds at which at most `MOST_TRAPS` of the traps are served."""
    grid = np.arange(0.60, 0.99, 0.01)
    wrong = [float(((near >= at) & ~vetoed)[~same].mean()) for at in grid]
    return round(float(next(at for at, rate in zip(grid, wrong, strict=True) if rate <= MOST_TRAPS)), 2)


def fow_pairs(vectors: Vectors, data: Path, rival: Callable[[str, str], bool] | None) -> tuple[float, dict[str, Any]]:
    """Served and wrong on the odd half, for us and for the rules of others."""
    rows = [json.loads(line) for line in (data / "fow_cache/pairs.jsonl").read_text().splitlines()]
    even = np.array([is_even(row["id"]) for row in rows])
    near, vetoed, same = pair_scores(vectors, rows)
    at = fitted_threshold(near[even], vetoed[even], same[even])
    results = {}

    def note(name: str, served: NDArray[Any]) -> None:
        odd = served[~even]
        results[name] = {"served": share(odd[same[~even]]), "wrong": share(odd[~same[~even]])}

    note(f"costguard (guards, {at:.2f})", (near >= at) & ~vetoed)
    lenient = np.array([bool(LENIENT.vetoes(row["a"], row["b"])) for row in rows])
    for threshold in (0.90, 0.95):
        note(f"lenient guards ({threshold:.2f})", (near >= threshold) & ~lenient)
    note(f"cosine alone ({at:.2f})", near >= at)
    for threshold in (0.78, 0.82, 0.90):
        note(f"costguard (guards, {threshold:.2f})", (near >= threshold) & ~vetoed)
    for name, threshold in RIVALS.items():
        note(name, near >= threshold)
    if rival is not None:
        safe = np.array([rival(row["b"], row["a"]) for row in rows])
        note(RECALQ, (near >= 0.90) & safe)
    return at, results


def conversations(vectors: Vectors, data: Path, at: float) -> dict[str, Any]:
    """Multi-turn traps: the last message alone against earlier turns that must be the same."""
    rows = [
        json.loads(line)
        for path in sorted((data / "fow_cache").glob("conv-*/*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    last = [(row["a"][-1]["content"], row["b"][-1]["content"]) for row in rows]
    near = (vectors.of([a for a, _ in last]) * vectors.of([b for _, b in last])).sum(axis=1)
    clear = np.array([not GUARDS.vetoes(a, b) for a, b in last])
    same_turns = np.array([row["a"][:-1] == row["b"][:-1] for row in rows])
    same = np.array([row["same_answer"] for row in rows])
    ours = (near >= at) & clear & same_turns
    return {
        "costguard": {"served": share(ours[same]), "wrong": share(ours[~same])},
        "last message, cosine 0.90": {"served": share((near >= 0.9)[same]), "wrong": share((near >= 0.9)[~same])},
    }


def nearest(stored: NDArray[Any], asked: NDArray[Any]) -> tuple[Any, Any]:
    """For each row of `asked` the nearest row of `stored`, and its similarity."""
    places, similarities = [], []
    for start in range(0, len(asked), 512):
        near = asked[start : start + 512] @ stored.T
        places.append(near.argmax(axis=1))
        similarities.append(near.max(axis=1))
    return np.concatenate(places), np.concatenate(similarities)


def stream(
    name: str, near: NDArray[Any], right: NDArray[Any], vetoed: NDArray[Any], answerable: int, at: float
) -> dict[str, Any]:
    """Hits and precision of a stream, and what we serve at the precision of each rule."""
    order = np.argsort(-near)
    ours_right = np.cumsum((right & ~vetoed)[order])
    ours_served = np.cumsum(~vetoed[order])

    def counted(served: NDArray[Any]) -> dict[str, float]:
        return {
            "hit": share(served),
            "precision": share(right[served]),
            "recall": round(100 * float((served & right).sum()) / max(answerable, 1), 1),
        }

    results: dict[str, Any] = {f"costguard ({at:.2f})": counted((near >= at) & ~vetoed)}
    for rule, threshold in RIVALS.items():
        found = counted(near >= threshold)
        precise = ours_right >= found["precision"] / 100 * np.maximum(ours_served, 1)
        reached = int(ours_right[precise].max(initial=0))
        found["ours_recall_at_its_precision"] = round(100 * reached / max(answerable, 1), 1)
        results[rule] = found
    results["what"] = name
    return results


def qqp(vectors: Vectors, data: Path, at: float, pairs: int) -> dict[str, Any]:
    """First questions stored, second ones asked; right is its own labelled duplicate."""
    with gzip.open(data / "gptcache_qqp/similiar_qqp_full.json.gz") as file:
        rows = random.Random(7).sample(json.load(file), 9000)[:pairs]  # noqa: S311 - a fixed sample
    stored, asked = [row["text_a"] for row in rows], [row["text_b"] for row in rows]
    place, near = nearest(vectors.of(stored), vectors.of(asked))
    label = np.array([bool(row["label"]) for row in rows])
    right = label & (place == np.arange(len(rows)))
    vetoed = np.array([bool(GUARDS.vetoes(stored[p], text)) for p, text in zip(place, asked, strict=True)])
    results = stream("QQP", near, right, vetoed, int(label.sum()), at)
    lenient = np.array([bool(LENIENT.vetoes(stored[p], text)) for p, text in zip(place, asked, strict=True)])
    results["lenient guards"] = stream("QQP, lenient guards", near, right, lenient, int(label.sum()), at)
    return results


def banking(vectors: Vectors, data: Path, at: float) -> dict[str, Any]:
    """Training questions stored, test questions asked; right is the same intent."""

    def rows(part: str) -> list[tuple[str, str]]:
        with (data / f"banking77/{part}.csv").open() as file:
            return [(row["text"], row["category"]) for row in csv.DictReader(file)]

    stored, asked = rows("train"), rows("test")
    place, near = nearest(vectors.of([t for t, _ in stored]), vectors.of([t for t, _ in asked]))
    right = np.array([stored[p][1] == intent for p, (_, intent) in zip(place, asked, strict=True)])
    vetoed = np.array([bool(GUARDS.vetoes(stored[p][0], t)) for p, (t, _) in zip(place, asked, strict=True)])
    return stream("Banking77", near, right, vetoed, len(asked), at)


def clinc(vectors: Vectors, data: Path, at: float) -> dict[str, Any]:
    """Half of the training questions stored; test questions asked, and questions out of scope."""
    with gzip.open(data / "clinc150/data_full.json.gz") as file:
        kept = json.load(file)
    stored, asked = kept["train"][::2], kept["test"]
    outside = [text for text, _ in kept["oos_test"]]
    table = vectors.of([text for text, _ in stored])
    place, near = nearest(table, vectors.of([text for text, _ in asked]))
    right = np.array([stored[p][1] == intent for p, (_, intent) in zip(place, asked, strict=True)])
    vetoed = np.array([bool(GUARDS.vetoes(stored[p][0], t)) for p, (t, _) in zip(place, asked, strict=True)])
    results = stream("CLINC150", near, right, vetoed, len(asked), at)
    place, near = nearest(table, vectors.of(outside))
    clear = np.array([not GUARDS.vetoes(stored[p][0], text) for p, text in zip(place, outside, strict=True)])
    results["out_of_scope_false_hits"] = {
        "costguard": share((near >= at) & clear),
        **{name: share(near >= threshold) for name, threshold in RIVALS.items()},
    }
    return results


def splits(vectors: Vectors, data: Path) -> dict[str, Any]:
    """How often `calibrate(max_false_hit=0.02, confidence=0.9)` keeps its promise on the half it has not seen."""
    rows = [json.loads(line) for line in (data / "fow_cache/pairs.jsonl").read_text().splitlines()]
    near, vetoed, same = pair_scores(vectors, rows)
    generator = np.random.default_rng(0)
    kept = infeasible = 0
    served = []
    for _ in range(SPLITS):
        order = generator.permutation(len(rows))
        seen, unseen = order[: len(rows) // 2], order[len(rows) // 2 :]
        try:
            report = calibrate_scores(near[seen], same[seen], vetoed[seen], max_false_hit=0.02, confidence=0.9)
        except InfeasibleTargetError:
            infeasible += 1
            continue
        hit = ((near >= report.threshold) & ~vetoed)[unseen]
        kept += int(hit[~same[unseen]].mean() <= 0.02)
        served.append(float(hit[same[unseen]].mean()))
    return {"splits": SPLITS, "kept": kept, "infeasible": infeasible, "served": round(100 * float(np.mean(served)), 1)}


def guard_times(data: Path) -> dict[str, float]:
    """Microseconds of CPU a pair, the stored text read before, the asked one not."""
    from langchain_costguard.semantic_cache.guards.reading import read

    rows = [json.loads(line) for line in (data / "fow_cache/pairs.jsonl").read_text().splitlines()]
    read.cache_clear()
    GUARDS.vetoes(rows[0]["a"], rows[0]["b"])
    times = []
    for row in rows:
        read(row["a"], "en")
        start = time.process_time()
        GUARDS.vetoes(row["a"], row["b"])
        times.append(1e6 * (time.process_time() - start))
    return {"p50_us": round(float(np.percentile(times, 50)), 1), "p95_us": round(float(np.percentile(times, 95)), 1)}


def show(title: str, results: dict[str, Any]) -> None:
    """Print one table."""
    print(f"  {title}")
    for name, figures in results.items():
        print(f"    {name:32} {figures}")


def by_recalq(python: str, data: Path) -> Callable[[str, str], bool] | None:
    """What recalq-guard says of every pair, asked in the Python that has it."""
    rows = [json.loads(line) for line in (data / "fow_cache/pairs.jsonl").read_text().splitlines()]
    pairs = [(row["b"], row["a"]) for row in rows]
    run = subprocess.run(  # noqa: S603 - a fixed program, and the Python its user names
        [python, "-c", _ASK_RECALQ], input=json.dumps(pairs), capture_output=True, text=True, check=False
    )
    if run.returncode:
        print(f"recalq-guard is left out: {run.stderr.strip().splitlines()[-1]}")
        return None
    said = dict(zip(pairs, json.loads(run.stdout.splitlines()[-1]), strict=True))
    return lambda asked, stored: said[asked, stored]


def main() -> None:
    """Run everything and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--embedder", action="append", metavar="NAME=WHERE")
    add_data(parser)
    add_rivals(parser)
    parser.add_argument("--pairs", type=int, default=6000, help="pairs of the QQP stream")
    options = parsed(parser, "semantic_cache_trust", {"pairs": 600})
    data = options.data / "semcache"
    needs(data)
    rival = None if options.rivals is None else by_recalq(options.rivals, data)
    if options.rivals is None:
        print(without_rivals())
    before = known(options.json).get("embedders", {})
    kept = described(options, "numpy", "wordllama") | {"guard_time": guard_times(data), "embedders": dict(before)}
    print("guard time", kept["guard_time"])
    for given in options.embedder or ["wordllama=local"]:
        name, _, where = given.partition("=")
        vectors = Vectors(name, where)
        at, pairs = fow_pairs(vectors, data, rival)
        if rival is None and RECALQ in before.get(name, {}).get("fow_pairs_odd", {}):
            pairs[RECALQ] = before[name]["fow_pairs_odd"][RECALQ]
        found: dict[str, Any] = {
            "threshold": at,
            "guards": list(GUARDS.all_names),
            "date": kept["date"],
            "fow_pairs_odd": pairs,
            "fow_conversations": conversations(vectors, data, at),
            "qqp": qqp(vectors, data, at, options.pairs),
            "banking77": banking(vectors, data, at),
            "clinc150": clinc(vectors, data, at),
            "calibrate_200_splits": splits(vectors, data),
        }
        kept["embedders"][name] = found
        print(f"\n{name}: threshold {at:.2f}, fitted on the even half")
        for title, results in list(found.items())[3:]:
            show(title, results)
    write(options.json, kept)


if __name__ == "__main__":
    main()
