"""The savings that are claimed of each technique, measured on the bill: median, worst and quality over data sets.

    python benchmarks/claims.py [--quick] [--data FOLDER] [--part NAME ...] [--json FILE]

What is measured on was fixed before (`claims_data.py`). Saved is one less what is billed with the technique, its own
costs included, over what the same questions cost without it; prices are the package's, of one day. The median is over
the data sets and models a claim is about, the worst over all, those included that it leaves out. Nothing here asks a
model: answers, tokens and lengths are those that the data sets record, prompt caches are simulated by their published
rules, and the batch jobs go to a loopback provider. One row, Natural Questions under the output limit, is taken from an
earlier run with a real model. `--part` measures one claim again and keeps the others' figures.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from claims_data import CLAIMS, ON, SEED
from claims_rows import BOOK, Row, summary
from harness import add_data, described, known, needs, parsed, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS = {
    "small_model": (("claims_small", "measure"),),
    "prompt_caching": (("claims_caching", "measure"),),
    "batch": (("claims_jobs", "measure"), ("claims_caching", "measure_batch")),
    "semantic_cache": (("claims_semantic", "measure"),),
    "local_model": (("claims_local", "measure"),),
    "compression": (("claims_compression", "measure"),),
    "output_limit": (("claims_limits", "measure"),),
}
PACKAGES = (
    "langchain-costguard",
    "langchain-core",
    "langchain-openai",
    "langchain-anthropic",
    "genai-prices",
    "numpy",
    "scikit-learn",
    "tiktoken",
    "wordllama",
)


def measure(part: str, folder: Path) -> Iterator[Row]:
    """One claim's lines."""
    for module, name in PARTS[part]:
        yield from getattr(import_module(module), name)(folder)


def claimed(part: str) -> str:
    """What was claimed, in words."""
    claim = CLAIMS[part]
    if claim.low is None or claim.high is None:
        return "varies"
    return f"{claim.low:.0%}" if claim.low == claim.high else f"{claim.low:.0%} to {claim.high:.0%}"


def show_part(part: str, rows: list[Row]) -> None:
    """The lines of one claim, and their summary."""
    print(f"\n{CLAIMS[part].name}, claimed {claimed(part)} ({CLAIMS[part].condition})")
    print(f"{'way':<58}{'data':<22}{'saved':>9}{'95 %':>20}{'quality':>9}  model, calls")
    for one in rows:
        low_high = "" if one.saved_95 is None else f"{one.saved_95[0]:.1%} to {one.saved_95[1]:.1%}"
        quality = "-" if one.quality is None else f"{one.quality:.3f}"
        mark = "" if one.is_claimed else " (not claimed for)"
        print(
            f"{one.way:<58}{one.data:<22}{one.saved:>9.1%}{low_high:>20}{quality:>9}  {one.model}, {one.calls:,}{mark}"
        )
    print(f"quality: {rows[0].quality_is}", flush=True)


def show(table: list[dict[str, Any]]) -> None:
    """The table of all claims."""
    print(
        f"\n{'claim':<21}{'claimed':<14}{'way':<58}{'sets':>5}{'median':>9}{'of all':>9}{'worst':>9}{'best':>8}"
        f"{'worst quality':>15}"
    )
    for one in table:
        quality = "-" if one["worst_quality"] is None else f"{one['worst_quality']:.3f}"
        print(
            f"{CLAIMS[one['claim']].name:<21}{claimed(one['claim']):<14}{one['way']:<58}{one['data_sets']:>5}"
            f"{one['median']:>9.1%}{one['median_of_all']:>9.1%}{one['worst']:>9.1%}{one['best']:>8.1%}{quality:>15}"
        )


def document(head: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """What is known of the machine, and the lines of earlier parts."""
    return {
        **head,
        "prices": {"on": ON.date().isoformat(), "list": BOOK.version, "list_dated": BOOK.dated.isoformat()},
        "seed": SEED,
        "seconds": before.get("seconds", {}),
        "summary": [],
        "rows": before.get("rows", {}),
    }


def keep(path: Path, found: dict[str, Any]) -> None:
    """Write what is measured so far, in the order of the claims."""
    found["rows"] = {part: found["rows"][part] for part in PARTS if part in found["rows"]}
    found["summary"] = summary(Row(**one) for rows in found["rows"].values() for one in rows)
    write(path, found)


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_data(parser)
    parser.add_argument("--part", nargs="+", choices=PARTS, help="these claims alone")
    options = parsed(parser, "claims", {"part": ["batch", "local_model", "output_limit"]})
    needs(options.data)
    found = document(described(options, *PACKAGES), known(options.json))
    for part in options.part or PARTS:
        began = time.perf_counter()
        rows = list(measure(part, options.data))
        found["rows"][part] = [asdict(one) for one in rows]
        found["seconds"][part] = round(time.perf_counter() - began, 1)
        keep(options.json, found)
        show_part(part, rows)
    show(found["summary"])


if __name__ == "__main__":
    main()
