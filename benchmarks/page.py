"""Makes one page of all results: what each benchmark measures, its rivals side by side, and which bars were met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import page_answers
import page_money
import page_time
from harness import known

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from page_parts import Bar, Section, Table

SECTIONS: Final[dict[str, tuple[str, Callable[[dict[str, Any]], Section]]]] = {
    "claims": ("The savings that are claimed", page_money.claims),
    "overhead": ("What tracking adds to a call", page_time.overhead),
    "pricing": ("Pricing a call", page_time.pricing),
    "tokens": ("Counting tokens before the call", page_time.tokens),
    "store": ("Keeping a line", page_time.store),
    "report": ("Reports over large ledgers", page_time.report),
    "budgets": ("Budgets that are raced for", page_money.budgets),
    "cascade_replay": ("Cascades, replayed", page_answers.cascade_replay),
    "cascade_end_to_end": ("A cascade of two real models", page_answers.cascade_end_to_end),
    "cascade_overhead": ("What a cascade adds to a call", page_time.cascade_overhead),
    "routing": ("Routing before the call", page_answers.routing),
    "compression": ("Compression", page_answers.compression),
    "compression_end_to_end": ("Compression, with a real model", page_answers.compression_end_to_end),
    "output_limits": ("Limits on answers, and shorter prompts", page_answers.output_limits),
    "prompt_caching": ("Prompt caching", page_money.prompt_caching),
    "semantic_cache": ("The semantic cache: time", page_time.semantic_cache),
    "semantic_cache_trust": ("The semantic cache: trust", page_answers.semantic_cache_trust),
    "semantic_cache_wrong": ("The semantic cache: wrong answers", page_answers.semantic_cache_wrong),
    "batching": ("Many calls side by side", page_time.batching),
    "batch_jobs": ("Batch jobs", page_money.batch_jobs),
    "middleware": ("What middleware adds to an agent's step", page_time.middleware),
    "advisor": ("Whether advice holds", page_money.advisor),
}
"""By the name of the benchmark, in the order in which they run and stand on the page."""
TITLES: Final = {name: title for name, (title, _) in SECTIONS.items()}
_HEAD: Final = """# Benchmarks

```bash
make bench                              # all of them, in hours; writes this page
make bench ARGS=--quick                 # less of each, in minutes; leaves this page alone
python benchmarks/run.py --only store   # one
python benchmarks/rivals.py             # the environment of the other packages
```

Rivals run beside this package, in the same run, unless a section says that a figure is quoted or that a rule was run in
a package's stead; one that is not in a table was not run. All figures are from files in `benchmarks/results`; a test
holds the page against them. [Where the data comes from](benchmark-data.md) stands on a page of its own: without it most
benchmarks say that nothing was measured.

The machines are shared and small: compare the rows of a table with each other, and treat absolute times as an order of
magnitude. The load beside a machine is that of one, five and fifteen minutes when the figures were written.
"""


def page(results: Path) -> str:
    """The page as Markdown, from a folder of results."""
    documents = {name: known(results / f"{name}.json") for name in SECTIONS}
    parts = {name: make(documents[name]) for name, (_, make) in SECTIONS.items() if documents[name]}
    bars = [(name, bar) for name, part in parts.items() for bar in part.bars]
    met = sum(bar.is_met for _, bar in bars)
    lines = [_HEAD]
    if bars:
        lines += [f"**Bars: {met} of {len(bars)} met.** Missed ones, in full:\n", missed(bars)]
    for name, title in TITLES.items():
        lines.append(f"## {title}\n")
        lines.append(shown(name, parts[name], documents[name]) if name in parts else absent(name))
    return "\n".join(lines).rstrip("\n") + "\n"


def missed(bars: list[tuple[str, Bar]]) -> str:
    """The bars that were not met, and by how much."""
    rows = [
        f"- {TITLES[name]}: {bar.name}, bar {bar.bar}, measured {bar.measured}" for name, bar in bars if not bar.is_met
    ]
    return "\n".join(rows or ["- none"]) + "\n"


def absent(name: str) -> str:
    """What stands for a benchmark that has no results."""
    return f"Not measured yet: `python benchmarks/{name}.py` does it.\n"


def shown(name: str, part: Section, document: dict[str, Any]) -> str:
    """One benchmark's part of the page."""
    blocks = [part.what, *(table(one) for one in part.tables)]
    if part.bars:
        rows = [
            f"| {bar.name} | {bar.bar} | {bar.measured} | {'met' if bar.is_met else '**missed**'} |"
            for bar in part.bars
        ]
        blocks.append("\n".join(["| bar | set | measured | |", "|---|---:|---:|---|", *rows]))
    machine, versions = document["machine"], document["versions"] | (document.get("rivals") or {})
    load = f", load {' '.join(map(str, machine['load']))}" if machine.get("load") else ""
    where = f"{machine['processors']} processors, {machine['system']} {machine['architecture']}{load}"
    said = ", ".join(f"{package} {version}" for package, version in versions.items())
    blocks.append(
        f"`{document['command']}` ({document['run']}, {document['date'][:10]}; Python {document['python']}, {where}; "
        f"{said}). All figures: `benchmarks/results/{name}.json`."
    )
    return "\n\n".join(block.rstrip("\n") for block in blocks) + "\n"


def table(one: Table) -> str:
    """A table, its title in front."""
    head = f"| {' | '.join(one.head)} |"
    under = "|---|" + "---:|" * (len(one.head) - 1)
    rows = [f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in one.rows]
    return "\n".join([f"{one.title}:\n" if one.title else "", head, under, *rows]).lstrip("\n")
