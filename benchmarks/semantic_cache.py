"""How long a lookup in the semantic cache takes, beside other caches: by words, by meaning, and storing.

    python benchmarks/semantic_cache.py [--quick] [--entries 10000 100000] [--rivals PYTHON] [--redis URL]
        [--embedder FOLDER] [--json FILE]

Embedding is not part of the times; with `--embedder` the embedders are timed by themselves. `--rivals` names the Python
of an environment with `mneme-cache`, `gptcache faiss-cpu` and, with the URL of a Redis that has the search module,
`redisvl`; GPTCache is asked up to 10,000 entries only, because it stores them slowly. Each system and size has a
process of its own, with one thread for arithmetic. A million entries are stored a thousand at a time.
`puts_per_processor_second` leaves out the time in which other programs had the processor, and a server's own.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import add_rivals, described, parsed, without_rivals, write

CONTENDERS = Path(__file__).with_name("semantic_cache_contenders.py")
EXACT_BAR_MS = 0.1
SEMANTIC_BARS_MS = {10_000: 0.4, 100_000: 4.0}
PUTS_BAR = 3000
GPTCACHE_UP_TO = 10_000
MILLION = 1_000_000


def run(python: str, system: str, entries: int, options: argparse.Namespace) -> dict[str, Any]:
    """Time one system in a process of its own; the figures, or what went wrong."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [python, str(CONTENDERS), system, str(entries), "--lookups", str(options.lookups)]
    if options.redis:
        command += ["--redis", options.redis]
    done = subprocess.run(  # noqa: S603 - the interpreters that the user names
        command, capture_output=True, text=True, env=os.environ | threads, check=False
    )
    if done.returncode:
        return {"entries": entries, "failed": done.stderr.strip().splitlines()[-1]}
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def systems(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Which Python times which system."""
    ours = [(sys.executable, "costguard"), (sys.executable, "costguard-memory")]
    if options.rivals is None:
        return ours
    rivals = ["mneme", "gptcache", *(["redisvl"] if options.redis else [])]
    return [*ours, *((options.rivals, name) for name in rivals)]


def show(system: str, figures: dict[str, Any]) -> None:
    """Print one row."""
    if "failed" in figures:
        print(f"{system:18} {figures['entries']:>9,}  {figures['failed']}")
        return
    exact = figures.get("exact_ms", {}).get("p50", float("nan"))
    print(
        f"{system:18} {figures['entries']:>9,}  exact {exact:8.4f} ms  near {figures['semantic_ms']['p50']:8.3f} ms "
        f"(p99 {figures['semantic_ms']['p99']:8.3f})  right {figures['right_share']:6.1%}  "
        f"{figures['puts_per_second']:>7,} puts/s  {figures['resident_mb'] + figures['server_mb']:8.1f} MB  "
        f"first {figures['first_lookup_ms']:8.1f} ms"
    )


def missed(figures: dict[str, Any]) -> list[str]:
    """The bars that our file store does not reach."""
    faults = []
    if figures["exact_ms"]["p50"] > EXACT_BAR_MS:
        faults.append(f"exact {figures['exact_ms']['p50']} ms > {EXACT_BAR_MS} ms at {figures['entries']:,}")
    bar = SEMANTIC_BARS_MS.get(figures["entries"])
    if bar is not None and figures["semantic_ms"]["p50"] > bar:
        faults.append(f"near {figures['semantic_ms']['p50']} ms > {bar} ms at {figures['entries']:,}")
    if figures["puts_per_second"] < PUTS_BAR:
        faults.append(f"{figures['puts_per_second']} puts/s < {PUTS_BAR} at {figures['entries']:,}")
    return faults


def embedder_times(spec: str) -> dict[str, Any]:
    """What one question and 64 questions take with an embedder."""
    from langchain_costguard.semantic_cache.embedders import as_embedder

    embedder = as_embedder(spec)
    questions = [f"When will order {number} be refunded, and to which card?" for number in range(64)]
    single = []
    for question in questions * 3:
        start = time.perf_counter()
        embedder.embed([question])
        single.append((time.perf_counter() - start) * 1000)
    start = time.perf_counter()
    embedder.embed(questions)
    batch = (time.perf_counter() - start) * 1000
    figures = {"one_ms": round(statistics.median(single), 3), "p99_ms": round(float(np.quantile(single, 0.99)), 3)}
    print(f"{embedder.name:40} one {figures['one_ms']} ms, 64 together {batch:.1f} ms")
    return {"name": embedder.name, **figures, "batch_64_ms": round(batch, 1)}


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--lookups", type=int, default=500)
    add_rivals(parser)
    parser.add_argument("--redis", metavar="URL", help="a Redis with the search module; it is emptied")
    parser.add_argument("--embedder", nargs="*", default=[], help="'local', or the folder of an ONNX encoder")
    options = parsed(parser, "semantic_cache", {"entries": [2_000], "lookups": 100, "embedder": ["local"]})
    if options.rivals is None:
        print(without_rivals())
    results: dict[str, Any] = described(options, "numpy", SQLite=sqlite3.sqlite_version)
    results |= {"bars_ms": {"exact": EXACT_BAR_MS, **SEMANTIC_BARS_MS}, "bar_puts_per_second": PUTS_BAR, "systems": {}}
    faults: list[str] = []
    for entries in options.entries:
        for python, system in systems(options):
            if (system == "gptcache" and entries > GPTCACHE_UP_TO) or (python != sys.executable and entries >= MILLION):
                continue
            figures = run(python, system, entries, options)
            show(system, figures)
            results["systems"].setdefault(system, []).append(figures)
            if system == "costguard":
                faults += ["costguard failed"] if "failed" in figures else missed(figures)
    results["embedders"] = [embedder_times(spec) for spec in options.embedder]
    results["missed"] = faults
    print("\n".join(f"missed: {fault}" for fault in faults) or "every bar is reached")
    write(options.json, results)


if __name__ == "__main__":
    main()
