"""Everything at once for a long time: eight threads and an event loop full of tasks, and whether anything is left over.

    python -m tests.soak.soak --minutes 60
    python -m tests.soak.soak --minutes 60 --stores servers     # PostgreSQL for the ledger, Valkey for the budgets

In rounds: the load runs, stops, and what the process still holds is measured. It fails if memory, objects, threads,
files or connections grow (see `measures.faults_of`), if a budget is ever above its limit, if a reservation is left
open, or if ledger and budgets say anything else than the provider's bill.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_costguard import Budget, CostCallbackHandler, LedgerQuery, install, uninstall
from tests.servers import new_database, postgresql_server, valkey_server
from tests.soak.measures import Measure, faults_of, measure
from tests.soak.moves import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SAMPLE_SECONDS = 0.25
_NANO = 10**9
_TOLD = ("told", "unsure")


@dataclass(slots=True)
class Verdict:
    """What a soak has found."""

    measures: list[Measure] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    samples: int = 0
    """How often the budgets were looked at while calls were under way."""
    alerts: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    billed: Decimal = Decimal(0)
    """What the provider billed, in US dollars."""
    compared: int = 0
    """How many sums of the ledger were compared with the provider's bill, each of the calls under one mark."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where lines and counters are kept, and how many connections the servers see."""

    stores: dict[str, Any]
    connections: Callable[[], int]


def soak(
    folder: Path,
    *,
    places: Places,
    rounds: int,
    round_seconds: float,
    threads: int = 8,
    tasks: int = 32,
    say: Callable[[str], object] = print,
) -> Verdict:
    """Run the load in rounds, measuring after each.

    Args:
        folder: where files go.
        places: where lines and counters are kept.
        rounds: how many; a quarter of them warms up.
        round_seconds: how long each is.
        threads: threads that make calls.
        tasks: tasks that make calls, on one event loop.
        say: is told of each measure.
    """
    verdict = Verdict()
    began = datetime.now(UTC) - timedelta(seconds=1)
    alerts: list[str] = []
    with provider_process() as ask:
        load = Load(ask.url, folder / "cache.db")
        handler = CostCallbackHandler(
            budgets=_budgets(), max_entries=200, on_alert=lambda alert: alerts.append(alert.kind), **places.stores
        )
        install(handler)
        try:
            for number in range(rounds):
                _one_round(load, handler, verdict, (number, round_seconds, threads, tasks))
                verdict.measures.append(measure(load.outcomes.total(), places.connections()))
                say(str(verdict.measures[-1]))
        finally:
            uninstall(handler)
        bill = ask()
        verdict.alerts, verdict.outcomes = len(alerts), dict(sorted(load.outcomes.items()))
        verdict.billed = Decimal(bill["total_nano"]) / _NANO
        verdict.faults += [*load.surprises, *faults_of(verdict.measures)]
        told = {mark: nano for mark, nano in bill["by_mark"].items() if mark.split(":")[0] in _TOLD}
        verdict.compared = len(told)
        verdict.faults += _money_faults(handler, told, verdict.billed, began)
        load.cache.store.close()
    return verdict


def _budgets() -> list[Budget]:
    """Hard ones, of every kind: all must hold at every moment."""
    return [
        Budget(1000, name="everything"),
        Budget("0.08", per="minute", name="a minute"),
        Budget("0.06", per=timedelta(seconds=60), name="any minute"),
        Budget("0.012", per="minute", each="user", name="a user"),
        Budget(calls=3000, per="minute", name="calls"),
        Budget(tokens=2000, per="run", name="a run"),
    ]


def _one_round(load: Load, handler: CostCallbackHandler, verdict: Verdict, size: tuple[int, float, int, int]) -> None:
    """Let the load run, looking at the budgets all the while; end with nothing under way."""
    number, seconds, threads, tasks = size
    load.is_over = False
    seeds = range(number * 1000, number * 1000 + threads + tasks)
    workers = [threading.Thread(target=load.work, args=(seed,)) for seed in seeds[:threads]]
    workers.append(threading.Thread(target=lambda: asyncio.run(_tasks(load, seeds[threads:]))))
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _sample(handler, verdict)
        time.sleep(_SAMPLE_SECONDS)  # between two looks
    load.is_over = True
    for worker in workers:
        worker.join()
    if not handler.flush():
        verdict.faults.append(f"round {number}: something waits although nothing is under way")
    _sample(handler, verdict)
    if any(status.reserved for status in _guard(handler).status()):
        verdict.faults.append(f"round {number}: a reservation is open although no call is")


async def _tasks(load: Load, seeds: range) -> None:
    await asyncio.gather(*(load.work_async(seed) for seed in seeds))
    left = len(asyncio.all_tasks()) - 1
    if left:
        await asyncio.sleep(0.2)  # what a cancelled task has left may take a moment to end
        left = len(asyncio.all_tasks()) - 1
    if left:
        load.surprises.append(f"{left} tasks are left on the event loop")


def _sample(handler: CostCallbackHandler, verdict: Verdict) -> None:
    """Look at every counter: spent and reserved are at most the limit."""
    verdict.samples += 1
    for status in _guard(handler).status():
        if status.spent + status.reserved > status.limit:
            verdict.faults.append(f"{status.counter}: {status.spent} + {status.reserved} > {status.limit}")


def _money_faults(handler: CostCallbackHandler, told: dict[str, int], billed: Decimal, began: datetime) -> list[str]:
    """Where ledger and budgets say anything else than the provider: by mark in nano-dollars, and in all."""
    faults = []
    booked: Counter[str] = Counter()
    for entry in handler.store.entries(LedgerQuery()):
        booked[str(entry.metadata.get("mark"))] += entry.billed_nano or 0
        if entry.status == "open":
            faults.append(f"the line {entry.run_id} is open")
    for mark, nano in told.items():
        if booked[mark] != nano:
            faults.append(f"{mark}: the ledger says {booked[mark]}, the provider billed {nano} nano-dollars")
    guard = _guard(handler)
    spent = next(status.spent for status in guard.status() if status.name == "everything")
    if spent < billed:
        faults.append(f"the budget has {spent} spent, the provider billed {billed}")
    if guard.unchecked:
        faults.append(f"{guard.unchecked} calls were not checked")
    handler.reconcile(began, datetime.now(UTC) + timedelta(seconds=1), billed, reason="the soak's bill")
    total = sum((entry.billed_cost or 0 for entry in handler.store.entries()), Decimal(0))
    if total != billed:
        faults.append(f"reconciled, the ledger says {total}, the provider billed {billed}")
    return faults


def _guard(handler: CostCallbackHandler) -> Any:
    assert handler.guard is not None, "it was made with budgets"
    return handler.guard


@dataclass(frozen=True, slots=True)
class Provider:
    """The provider's process."""

    url: str
    process: subprocess.Popen[str]

    def __call__(self) -> dict[str, Any]:
        """What it has billed: `total_nano`, and `by_mark` in nano-dollars."""
        assert self.process.stdin is not None, "it was started with a pipe"
        assert self.process.stdout is not None, "it was started with a pipe"
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told


@contextmanager
def provider_process() -> Iterator[Provider]:
    """A provider in a process of its own, so that what it remembers is not measured."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.soak.provider_process"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None, "it was started with a pipe"
        yield Provider(process.stdout.readline().strip(), process)
    finally:
        process.communicate(timeout=30)


@contextmanager
def places_for(kind: str, folder: Path) -> Iterator[Places]:
    """Where lines and counters are kept: `"sqlite"`, or `"servers"` for PostgreSQL and Valkey."""
    with ExitStack() as stack:
        if kind == "sqlite":
            yield Places({"store": folder / "costs.db"}, lambda: 0)
            return
        url = new_database(stack.enter_context(postgresql_server()))
        valkey = stack.enter_context(valkey_server())
        yield Places({"store": url, "budget_store": valkey}, lambda: _connections(url, valkey))


def _connections(postgresql: str, valkey: str) -> int:
    """How many connections of this package the servers see."""
    import psycopg
    import redis

    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'langchain-costguard'"
    with psycopg.connect(postgresql) as connection, redis.Redis.from_url(valkey) as client:
        (row,) = connection.execute(asked).fetchall()
        return int(row[0]) + len(client.client_list()) - 1


def main() -> int:
    """Run a soak and say what it found; the exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=32)
    parser.add_argument("--stores", choices=("sqlite", "servers"), default="sqlite")
    parser.add_argument("--trace", action="store_true", help="trace allocations too: half as fast")
    asked = parser.parse_args()
    logging.disable(logging.ERROR)  # every refusal is logged by LangChain: a file of them would be all there is to read
    if asked.trace:
        tracemalloc.start()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="costguard-soak-") as name, places_for(asked.stores, Path(name)) as places:
        verdict = soak(
            Path(name),
            places=places,
            rounds=asked.rounds,
            round_seconds=asked.minutes * 60 / asked.rounds,
            threads=asked.threads,
            tasks=asked.tasks,
            say=lambda line: print(line, flush=True),  # noqa: T201 - the table of the run
        )
    told = [f"{count:>8} {what}" for what, count in verdict.outcomes.items()]
    told.append(f"{verdict.billed} USD billed, {verdict.alerts} alerts, {verdict.samples} looks at the budgets")
    told.append(f"{verdict.compared} sums compared with the bill")
    told.append(f"{(time.monotonic() - began) / 60:.1f} minutes on {asked.stores}")
    told += [f"FAULT {fault}" for fault in verdict.faults[:50]] or ["flat, and every cent accounted for"]
    print("\n".join(told))  # noqa: T201 - the report of the run
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
