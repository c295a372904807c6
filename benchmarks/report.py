"""What a report over a large ledger takes: seconds, memory and questions to the store, by how many lines there are.

    python benchmarks/report.py [--quick] [--lines 1000000] [--rounds 3] [--json FILE]

The ledger is a SQLite file of 90 days, written by `SQLStore` for the first 1,000 lines; the others are copies of those
at other moments and with ids of their own, in the order of time. Each question is asked in a process of its own, so
that its memory is its own; `seconds` is the median over rounds, `cpu` the processor time of that process. The rival in
the same run is what people do without this package: pandas over the same columns, read by `read_sql`.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.harness import described, parsed, write
from langchain_costguard import CostReport, LedgerQuery
from langchain_costguard.cost import PriceSource
from langchain_costguard.stores import SQLStore
from langchain_costguard.testing.lines import make_entry

if TYPE_CHECKING:
    from collections.abc import Callable

BAR_SECONDS = 2.0
BAR_MB = 500
TEMPLATES = 1000
DAYS = 90
BEGINS = datetime(2026, 8, 1, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=DAYS)
MODELS = (
    ("openai", "gpt-4o", 2_500_000),
    ("openai", "gpt-4o-mini", 210_000),
    ("anthropic", "claude-sonnet-4-5", 4_500_000),
    ("google", "gemini-2.5-flash", 550_000),
    ("openai", "o3", 2_800_000),
)
NAMES = ("by day and model", "by user", "forecast", "compare months", "savings", "latency", "whole page", "top runs")
RIVAL = "pandas, by day and model"


class Measured(NamedTuple):
    """What one question took."""

    seconds: float
    cpu: float
    mb: float
    calls: int
    nano: int


def write_ledger(path: Path, lines: int) -> int:
    """Write a ledger, and say what it cost in nano-USD."""
    templates = min(lines, TEMPLATES)
    copies = -(-lines // templates)
    step = DAYS * 86_400_000_000 // lines
    with SQLStore(path) as store:
        for number in range(templates):
            provider, model, nano = MODELS[number % len(MODELS)]
            entry = make_entry(
                at=BEGINS + timedelta(microseconds=number * step * copies),
                run_id=UUID(int=(number + 1) << 64),
                root_run_id=UUID(int=(number // 4 + 1) << 64),
                provider=provider,
                request_model=model,
                response_model=model,
                billed_nano=nano,
                list_nano=nano,
                price=PriceSource("genai-prices", "2026-11-01", provider, model),
                chain="RunnableSequence > ChatOpenAI",
                tags=("checkout", "production"),
                metadata={"customer": "acme", "attempt": number},
                user=f"u{number % 50}",
                latency_us=500_000 + number * 1000,
            )
            store.append(entry)
    with closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(ledger)")]
        changed = {
            "run_id": "substr(run_id, 1, 24) || printf('%012x', n)",
            "root_run_id": "substr(root_run_id, 1, 24) || printf('%012x', n)",
            "started_at_us": f"started_at_us + n * {step}",
        }
        columns = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(changed.get(name, f'"{name}"') for name in names)
        connection.execute(
            f"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {copies - 1}) "  # noqa: S608 - our own names
            f"INSERT INTO ledger ({columns}) SELECT {values} FROM ledger CROSS JOIN k WHERE {copies} > 1 "
            f"ORDER BY started_at_us + n * {step} LIMIT {lines - templates}"
        )
        connection.commit()
        count, nano = connection.execute("SELECT count(*), sum(billed_nano_usd) FROM ledger").fetchone()
    assert count == lines, count
    return int(nano)


def questions(path: Path) -> dict[str, Callable[[], CostReport]]:
    """What is asked, each with the report that answered it."""

    def asked(question: Callable[[CostReport], Any]) -> CostReport:
        with SQLStore(path) as store:
            report = CostReport(store, query=LedgerQuery(until=ENDS), tz="Europe/Berlin")
            question(report)
            return report

    def months(report: CostReport) -> object:
        with SQLStore(path) as store:
            august = LedgerQuery(until=BEGINS + timedelta(days=31))
            return report.compare(CostReport(store, query=august, tz="Europe/Berlin"), "user")

    asks: tuple[Callable[[CostReport], Any], ...] = (
        lambda report: report.by("day", "model"),
        lambda report: report.by("user"),
        lambda report: report.forecast(),
        months,
        lambda report: report.savings(),
        lambda report: report.latency(),
        lambda report: report.to_html(),
        lambda report: report.top("run"),
    )
    return {name: lambda ask=ask: asked(ask) for name, ask in zip(NAMES, asks, strict=True)}  # type: ignore[misc] # mypy does not infer a default


def ask_pandas(path: Path) -> tuple[int, int]:
    """The rival: calls and nano-USD by day and model."""
    import pandas as pd

    with closing(sqlite3.connect(path)) as connection:
        frame = pd.read_sql(
            "SELECT started_at_us, request_model, uncached_input_tokens, output_text_tokens, billed_nano_usd, "
            "list_nano_usd, latency_us FROM ledger",
            connection,
        )
    days = pd.to_datetime(frame["started_at_us"], unit="us", utc=True).dt.tz_convert("Europe/Berlin").dt.date
    sums = frame.groupby([days, "request_model"]).sum(numeric_only=True)
    return len(frame), int(sums["billed_nano_usd"].sum())


def ask_here(path: Path, name: str) -> Measured:
    """Ask one question in this process."""
    start, cpu = time.perf_counter(), time.process_time()
    if name == RIVAL:
        calls, nano = ask_pandas(path)
    else:
        report = questions(path)[name]()
        calls, nano = report.calls, int((report.total_cost or 0) * 10**9)
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return Measured(seconds, used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, calls, nano)


def ask(path: Path, name: str, rounds: int) -> Measured:
    """Ask one question in processes of their own; the medians."""
    found = []
    for _ in range(rounds):
        ended = subprocess.run(  # noqa: S603 - this file
            [sys.executable, __file__, "--ask", name, "--ledger", str(path)], check=True, capture_output=True, text=True
        )
        found.append(Measured(*json.loads(ended.stdout)))
    seconds, cpu, mb = (
        round(statistics.median(getattr(each, field) for each in found), 3) for field in ("seconds", "cpu", "mb")
    )
    return Measured(seconds, cpu, mb, found[0].calls, found[0].nano)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the ledger")
    parser.add_argument("--rounds", type=int, default=3, help="processes per question")
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    parser.add_argument("--ledger", type=Path, help=argparse.SUPPRESS)
    options = parsed(parser, "report", {"lines": 40_000, "rounds": 1})
    if options.ask:
        print(json.dumps(ask_here(options.ledger, options.ask)))
        return
    table: dict[str, dict[str, dict[str, float]]] = {}
    for lines in sorted({max(options.lines // 4, 1), options.lines}):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "costs.db"
            nano = write_ledger(path, lines)
            table[str(lines)] = {}
            print(f"\n{lines:,} lines, {path.stat().st_size / 1e6:,.0f} MB on disk\n")
            print(f"  {'question':<26}{'seconds':>10}{'cpu':>10}{'MB':>8}")
            for name in (*NAMES, RIVAL):
                found = ask(path, name, options.rounds)
                assert (found.calls, found.nano) == (lines, nano), name
                table[str(lines)][name] = {"seconds": found.seconds, "cpu": found.cpu, "mb": found.mb}
                print(f"  {name:<26}{found.seconds:>10.2f}{found.cpu:>10.2f}{found.mb:>8.0f}", flush=True)
    largest = table[str(options.lines)]
    took, most = largest[NAMES[0]]["seconds"], max(largest[name]["mb"] for name in NAMES)
    print(f"\nbar: {BAR_SECONDS} s; measured: {took} s: {'met' if took <= BAR_SECONDS else 'missed'}")
    print(f"bar: {BAR_MB} MB; measured: {most:.0f} MB: {'met' if most <= BAR_MB else 'missed'}")
    result: dict[str, object] = {
        **described(options, "SQLAlchemy", "pandas", SQLite=sqlite3.sqlite_version),
        "bar_seconds": BAR_SECONDS,
        "bar_mb": BAR_MB,
        "rounds": options.rounds,
    }
    result["by_lines"] = table
    write(options.json, result)


if __name__ == "__main__":
    main()
