"""Microseconds that a budget takes: in each store alone, and in a guarded model call."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from uuid import uuid4

from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import HumanMessage
from overhead import Idle, InstantChatModel, timed
from store import lines

from langchain_costguard import Budget, CostCallbackHandler
from langchain_costguard.budgets.claims import Charge, Reservation, Settlement
from langchain_costguard.stores.base import LedgerStore
from langchain_costguard.stores.budget_base import JointStore
from langchain_costguard.stores.headroom import HeadroomStore
from langchain_costguard.stores.memory import InMemoryStore
from langchain_costguard.testing.claims import make_claim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from langchain_core.callbacks import BaseCallbackHandler

    from langchain_costguard.budgets.claims import Claim
    from langchain_costguard.ledger import LedgerEntry
    from langchain_costguard.stores.budget_base import BudgetStore

CALLS: Final = 200
SAMPLE: Final = make_claim(210_000, limit=10**12, alerts_ppm=(500_000, 800_000, 1_000_000))
"""What a call asks of a budget of $1,000 that tells three thresholds."""
PROMPTS: Final = {"short prompt": "What does a budget cost?", "prompt of 20 kB": "What does a budget cost? " * 820}


class Call(NamedTuple):
    """What a call writes, made before the clock runs."""

    reservation: Reservation
    settlement: Settlement
    opening: LedgerEntry
    line: LedgerEntry


class Keeper:
    """Reserves, settles and writes lines, in one step where the store can do both."""

    def __init__(self, store: BudgetStore) -> None:
        """Where the store keeps no ledger, lines are kept in memory."""
        self.store = store
        self.joint = store if isinstance(store, JointStore) else None
        self.ledger: LedgerStore = store if isinstance(store, LedgerStore) else InMemoryStore(10**9)

    def call(self, claim: Claim, line: LedgerEntry) -> Call:
        """A new call like a sample."""
        reservation = Reservation(uuid4().hex, (claim,))
        settlement = Settlement(reservation.id, (Charge(claim, 200_000),))
        ended = replace(line, run_id=uuid4())
        return Call(reservation, settlement, replace(ended, status="open"), ended)

    def book(self, call: Call) -> None:
        """Reserve and settle."""
        assert self.store.reserve(call.reservation).is_admitted
        assert self.store.settle(call.settlement).is_applied

    def keep(self, call: Call) -> None:
        """Reserve, settle and write the line."""
        assert self.store.reserve(call.reservation).is_admitted
        if self.joint is not None:
            assert self.joint.append_settled(call.line, call.settlement).is_applied
            return
        assert self.ledger.append(call.line)
        assert self.store.settle(call.settlement).is_applied

    def keep_opened(self, call: Call) -> None:
        """The same, with the note that the call has begun."""
        if self.joint is None:
            self.ledger.open_call(call.opening)
            self.keep(call)
            return
        assert self.joint.reserve_opening(call.reservation, call.opening).is_admitted
        assert self.joint.append_settled(call.line, call.settlement).is_applied


STEPS: Final[dict[str, Callable[[Keeper, Call], None]]] = {
    "reserve + settle": Keeper.book,
    "reserve + settle + line": Keeper.keep,
    "with the opening note": Keeper.keep_opened,
}


def alone(stores: dict[str, BudgetStore], folder: Path, count: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Microseconds per call, one thread; rounds are interleaved because a shared machine drifts.

    Args:
        stores: the stores by name.
        folder: where raw SQLite keeps its file.
        count: calls per round; ten times as many where most calls stay in memory.
        rounds: how many, after one to warm up.

    Returns:
        Store -> step -> median, slowest hundredth, and mean (the median over rounds of a round's mean).
    """
    keepers = {name: Keeper(store) for name, store in stores.items()}
    singles: dict[tuple[str, str], list[float]] = {}
    means: dict[tuple[str, str], list[float]] = {}
    ((_, line),) = lines(1)
    with RawSQLite(folder) as raw:
        for number in range(rounds + 1):
            for name, keeper in keepers.items():
                in_memory = not keeper.store.is_durable or isinstance(keeper.store, HeadroomStore)
                for step, work in STEPS.items():
                    calls = [keeper.call(SAMPLE, line) for _ in range(count * 10 if in_memory else count)]
                    taken = _each(lambda call, work=work, keeper=keeper: work(keeper, call), calls)
                    _note(number, (name, step), taken, singles, means)
            taken = _each(raw.pair, range(number * count, (number + 1) * count))
            _note(number, ("raw sqlite3, two bare transactions", "reserve + settle"), taken, singles, means)
    found: dict[str, dict[str, Any]] = {}
    for (name, step), taken in singles.items():
        cuts = statistics.quantiles(taken, n=100)
        mean = statistics.median(means[name, step])
        found.setdefault(name, {})[step] = {"p50": _r(cuts[49]), "p99": _r(cuts[98]), "mean": _r(mean)}
    return found


class RawSQLite:
    """The least that SQLite can do for a reservation and its end: what the machine allows at all."""

    def __init__(self, folder: Path) -> None:
        """A counter and a table of reservations."""
        self._connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
        for sql in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=NORMAL",
            "CREATE TABLE counter (id INTEGER PRIMARY KEY, spent INTEGER, reserved INTEGER)",
            "CREATE TABLE reservation (id INTEGER PRIMARY KEY, amount INTEGER)",
            "INSERT INTO counter VALUES (1, 0, 0)",
        ):
            self._connection.execute(sql)

    def pair(self, number: int) -> None:
        """Reserve conditionally, and settle."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        run("UPDATE counter SET reserved = reserved + 2 WHERE id = 1 AND spent + reserved + 2 <= ?", (10**17,))
        run("INSERT INTO reservation VALUES (?, 2)", (number,))
        run("COMMIT")
        run("BEGIN IMMEDIATE")
        run("DELETE FROM reservation WHERE id = ?", (number,))
        run("UPDATE counter SET reserved = reserved - 2, spent = spent + 1 WHERE id = 1")
        run("COMMIT")

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._connection.close()


def guarded(rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """What budgets in memory add to a model that answers at once: case -> handler -> microseconds per call."""
    handlers: dict[str, BaseCallbackHandler | None] = {
        "no callback": None,
        "does nothing, inline": Idle(),
        "langchain-core UsageMetadataCallbackHandler": UsageMetadataCallbackHandler(),
        "tracking, no budget": CostCallbackHandler(store="memory"),
        "one budget": CostCallbackHandler(store="memory", budgets=Budget(10**6, per="day")),
        "three budgets": CostCallbackHandler(
            store="memory",
            budgets=[Budget(10**6, per="day"), Budget(10**6, per="month"), Budget(10**5, per="hour")],
        ),
    }
    loop = asyncio.new_event_loop()
    results: dict[str, dict[str, dict[str, float]]] = {}
    for case, run in cases(loop).items():
        samples: dict[str, list[tuple[float, float]]] = {name: [] for name in handlers}
        for number in range(rounds + 1):
            for name in rotated(list(handlers), number):
                config = {"callbacks": [handlers[name]]} if handlers[name] else {}
                taken = timed(lambda run=run, config=config: run(config), CALLS)
                if number:  # the first round warms up
                    samples[name].append(taken)
        results[case] = added(samples)
    loop.close()
    for handler in handlers.values():
        if isinstance(handler, CostCallbackHandler) and handler.guard is not None:
            assert all(status.reserved == 0 and status.spent > 0 for status in handler.budgets())
    return results


def cases(loop: asyncio.AbstractEventLoop) -> dict[str, Callable[[Any], None]]:
    """The ways of calling: each takes a config and repeats itself."""
    model = InstantChatModel()
    found: dict[str, Callable[[Any], None]] = {}
    for name, text in PROMPTS.items():
        messages = [HumanMessage(text)]

        def invoke(config: Any, messages: list[HumanMessage] = messages) -> None:  # noqa: ANN401 - LangChain's
            for _ in range(CALLS):
                model.invoke(messages, config)

        found[f"invoke, {name}"] = invoke

    async def ainvoke(config: Any) -> None:  # noqa: ANN401 - as above
        for _ in range(CALLS):
            await model.ainvoke(messages, config)

    def stream(config: Any) -> None:  # noqa: ANN401 - as above
        for _ in range(CALLS):
            for _ in model.stream(messages, config):
                pass

    messages = [HumanMessage(PROMPTS["short prompt"])]
    found["ainvoke, short prompt"] = lambda config: loop.run_until_complete(ainvoke(config))
    found["stream of 51 chunks, short prompt"] = stream
    return found


def added(samples: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, float]]:
    """The medians, over rounds, of the difference to the round without a callback, whose own time comes first."""
    base = samples["no callback"]
    return {
        name: {
            kind: _r(
                statistics.median(
                    sample[index] - (0 if taken is base else other[index])
                    for sample, other in zip(taken, base, strict=True)
                )
            )
            for index, kind in enumerate(("wall_us", "cpu_us"))
        }
        for name, taken in samples.items()
    }


def rotated(names: list[str], by: int) -> list[str]:
    """The same names, another one first."""
    shift = by % len(names)
    return names[shift:] + names[:shift]


def _each(work: Callable[[Any], None], items: Sequence[Any]) -> list[float]:
    gc.collect()
    taken = []
    for item in items:
        start = time.perf_counter_ns()
        work(item)
        taken.append((time.perf_counter_ns() - start) / 1000)
    return taken


def _note(
    number: int,
    place: tuple[str, str],
    taken: list[float],
    singles: dict[tuple[str, str], list[float]],
    means: dict[tuple[str, str], list[float]],
) -> None:
    if number:  # the first round warms up
        singles.setdefault(place, []).extend(taken)
        means.setdefault(place, []).append(statistics.fmean(taken))


def _r(figure: float) -> float:
    return round(figure, 2)
