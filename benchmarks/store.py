"""What it takes to keep a line: microseconds for its opening note and its end, in each store.

    python benchmarks/store.py [--quick] [--lines 2000] [--rounds 7] [--postgresql URL] [--json FILE]

A line has everything a line of a real call has: tags, metadata, usage, price, digests. Run ids are made as LangChain
makes them. Rounds are interleaved, because a shared machine drifts, and each writes into the ledger the round before
left. `mean` is the median over rounds of a round's wall time per line, `cpu` the same of processor time, `line` the
median of all single lines, `p99` the slowest hundredth of them (there the log is flushed to the disk). Each ledger is
asked for its sums afterwards and must give them exactly.
`--postgresql` names an empty database to be written, too.
"""

from __future__ import annotations

import argparse
import gc
import os
import sqlite3
import statistics
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from harness import described, parsed
from harness import write as write_figures
from langchain_core.utils.uuid import uuid7

from langchain_costguard.cost import PriceSource
from langchain_costguard.ledger import LedgerEntry
from langchain_costguard.stores import InMemoryStore, SQLStore
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from langchain_costguard.stores import LedgerStore

BAR_US = 250.0
PRICE = PriceSource("genai-prices", "2026-11-01", "openai", "gpt-4o-mini", "", "2024-07-18")
BILLED_NANO = 210_000


class Contender(NamedTuple):
    """A store and what is written into it."""

    name: str
    store: LedgerStore
    is_barred: bool = False
    """Whether the bar is meant for it."""


def lines(count: int) -> list[tuple[LedgerEntry, LedgerEntry]]:
    """So many calls, each as it begins and as it ends."""
    made = []
    for number in range(count):
        opened = LedgerEntry(
            run_id=uuid7(),
            started_at_us=time.time_ns() // 1000,
            status="open",
            parent_run_id=uuid7(),
            root_run_id=uuid7(),
            chain="RunnableSequence > ChatOpenAI",
            provider="openai",
            request_model="gpt-4o-mini",
            tags=("checkout", "production"),
            metadata={"customer": "acme", "attempt": number},
            user="u1",
            input_bytes=4000,
        )
        ended = replace(
            opened,
            status="ok",
            response_model="gpt-4o-mini-2024-07-18",
            usage=TokenUsage(uncached_input=1000, output_text=100),
            billed_nano=BILLED_NANO,
            list_nano=BILLED_NANO,
            price=PRICE,
            latency_us=750_000,
            prompt_digest=os.urandom(16),
        )
        made.append((opened, ended))
    return made


def measure(found: list[Contender], count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds per line and store."""
    means: dict[str, list[float]] = {contender.name: [] for contender in found}
    cpu: dict[str, list[float]] = {contender.name: [] for contender in found}
    singles: dict[str, list[float]] = {contender.name: [] for contender in found}
    for number in range(rounds + 1):
        for contender in found:
            load = lines(count)
            gc.collect()
            start = time.process_time()
            spent = write(contender.store, load)
            if number:  # the first round warms up
                cpu[contender.name].append((time.process_time() - start) / count * 1e6)
                means[contender.name].append(statistics.fmean(spent))
                singles[contender.name].extend(spent)
    return {
        name: {
            "mean": round(statistics.median(means[name]), 2),
            "cpu": round(statistics.median(cpu[name]), 2),
            "line": round(statistics.median(singles[name]), 2),
            "p99": round(statistics.quantiles(singles[name], n=100)[-1], 2),
        }
        for name in means
    }


def write(store: LedgerStore, calls: list[tuple[LedgerEntry, LedgerEntry]]) -> list[float]:
    """Write calls, and say how many microseconds each took."""
    spent = []
    for opened, ended in calls:
        start = time.perf_counter_ns()
        store.open_call(opened)
        store.append(ended)
        spent.append((time.perf_counter_ns() - start) / 1000)
    return spent


def check(found: list[Contender], calls: int) -> dict[str, float]:
    """Each ledger has every line and the exact sum; milliseconds its sums by day and model took."""
    asked = {}
    for contender in found:
        start = time.perf_counter()
        rows = contender.store.totals(by=["day", "model"], tz="Europe/Zurich")
        asked[contender.name] = round((time.perf_counter() - start) * 1000, 1)
        assert sum(row.calls for row in rows) == calls, contender.name
        assert sum(row.billed_nano for row in rows) == calls * BILLED_NANO, contender.name
    return asked


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=2000, help="lines per round and store")
    parser.add_argument("--rounds", type=int, default=7, help="rounds, after one to warm up")
    parser.add_argument("--postgresql", metavar="URL", help="an empty PostgreSQL database")
    options = parsed(parser, "store", {"lines": 300, "rounds": 3})
    with TemporaryDirectory() as folder:
        found = [
            Contender("memory", InMemoryStore(max_entries=10**9)),
            Contender("memory, folding", InMemoryStore(max_entries=1000)),
            Contender("SQLite", SQLStore(Path(folder) / "costs.db"), is_barred=True),
        ]
        if options.postgresql:
            found.append(Contender("PostgreSQL", SQLStore(options.postgresql)))
        figures = measure(found, options.lines, options.rounds)
        asked = check(found, options.lines * (options.rounds + 1))
        for contender in found:
            contender.store.close()
    print(f"microseconds a line, opening note included, {options.lines} lines x {options.rounds} rounds\n")
    print(f"  {'store':<18}" + "".join(f"{name:>10}" for name in (*figures["memory"], "sums, ms")))
    for name, row in figures.items():
        print(f"  {name:<18}" + "".join(f"{figure:>10.1f}" for figure in (*row.values(), asked[name])))
    worst = max(figures[contender.name]["mean"] for contender in found if contender.is_barred)
    print(f"\nbar for SQLite: {BAR_US} us; measured: {worst} us: {'met' if worst <= BAR_US else 'missed'}")
    head = described(options, "SQLAlchemy", SQLite=sqlite3.sqlite_version)
    write_figures(options.json, {**head, "bar_us": BAR_US, "us_per_line": figures, "totals_ms": asked})


if __name__ == "__main__":
    main()
