"""How mutants are tried: collected once, then each in a forked process of its own with the tests that reach it.

A pytest plugin. It is told in `MUTATION_PLAN` (a JSON file) which mutants to try, and appends what became of them to
the plan's `results`. Processes are forked from one that has only collected, so that no mutant meets what another test
has cached.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import resource
import signal
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

KILLED: Final = "killed"
SURVIVED: Final = "survived"
TIMED_OUT: Final = "timeout"
NO_TESTS: Final = "no tests"

_FAILED: Final = 1
_MEMORY_BYTES: Final = 6 << 30
_CPU_SECONDS: Final = 10
"""CPU time a mutant has beyond four times what its tests took without it."""
_WALL_FACTOR: Final = 12
"""So much longer than its CPU time a mutant may take: it may wait, and the machine may be busy."""
_POLL_SECONDS: Final = 0.005


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Try the mutants of the plan instead of running the tests once."""
    plan = json.loads(Path(os.environ["MUTATION_PLAN"]).read_text())
    items = {item.nodeid: item for item in session.items}
    _warm_up(session, plan["warm"])
    reached = _reached(items, Path(plan["reached"]), plan["workers"])
    tasks = _tasks(plan["mutants"], reached, plan["seconds"])
    with Path(plan["results"]).open("a") as results:

        def note(name: str, status: str) -> None:
            results.write(json.dumps({"mutant": name, "key": plan["mutants"][name], "status": status}) + "\n")
            results.flush()

        for name in plan["mutants"]:
            if name not in tasks:
                note(name, NO_TESTS)
        _fork_each(
            ((name, _trial(name, [items[test] for test in tests]), cpu) for name, (tests, cpu) in tasks.items()),
            plan["workers"],
            note,
        )
    return True


def _warm_up(session: pytest.Session, modules: Iterable[str]) -> None:
    """Import what every mutant needs and set up the fixtures of the session, by one test that caches nothing."""
    for module in modules:
        importlib.import_module(module)
    runtestprotocol(session.items[0], log=False, nextitem=session.items[-1])
    gc.collect()
    gc.freeze()


def _reached(items: dict[str, Any], kept: Path, workers: int) -> dict[str, dict[str, float]]:
    """For each function the tests that reach it, with their seconds; tests that were asked before are not run again."""
    known: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else {}
    folder = kept.with_suffix(".parts")
    folder.mkdir(exist_ok=True)
    new = [test for test, item in items.items() if known.get(test, {}).get("of") != _digest(item.path)]
    failed: list[str] = []
    _fork_each(
        ((test, _look(items[test], folder / f"{number}.json"), 60.0) for number, test in enumerate(new)),
        workers,
        lambda test, status: None if status == SURVIVED else failed.append(test),
    )
    for part in folder.iterdir():
        known |= json.loads(part.read_text())
        part.unlink()
    kept.write_text(json.dumps(known))
    if failed:
        pytest.exit(f"these fail without any mutant: {failed}", returncode=2)
    by_function: dict[str, dict[str, float]] = {}
    for test in items:
        for function in known[test]["functions"]:
            by_function.setdefault(function, {})[test] = known[test]["seconds"]
    return by_function


def _look(item: pytest.Item, part: Path) -> Callable[[], bool]:
    def run() -> bool:
        set_mutant_under_test("stats")
        begun = time.process_time()
        passed = _passes([item])
        seconds = time.process_time() - begun
        seen = {"functions": sorted(state()._stats), "seconds": seconds, "of": _digest(item.path)}
        part.write_text(json.dumps({item.nodeid: seen}))
        return passed

    return run


@lru_cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tasks(
    mutants: Iterable[str], reached: dict[str, dict[str, float]], seconds: float
) -> dict[str, tuple[list[str], float]]:
    """For each mutant its tests, the fastest first and no more than fit into `seconds`, and its CPU seconds."""
    tasks: dict[str, tuple[list[str], float]] = {}
    for name in mutants:
        tests = reached.get(name.rpartition("__mutmut_")[0])
        if not tests:
            continue
        chosen: list[str] = []
        spent = 0.0
        for test in sorted(tests, key=tests.__getitem__):
            if chosen and spent + tests[test] > seconds:
                break
            chosen.append(test)
            spent += tests[test]
        tasks[name] = (chosen, 4 * spent + _CPU_SECONDS)
    return tasks


def _trial(name: str, items: Sequence[pytest.Item]) -> Callable[[], bool]:
    def run() -> bool:
        set_mutant_under_test(name)
        return _passes(items)

    return run


def _passes(items: Sequence[pytest.Item]) -> bool:
    """Whether all tests pass; the first that does not is the last to be run."""
    items[0].session._setupstate.teardown_exact(items[0])
    for item, following in zip(items, [*items[1:], None], strict=True):
        if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following or item)):
            return False
    return True


def _fork_each(
    tasks: Iterable[tuple[str, Callable[[], bool], float]], workers: int, note: Callable[[str, str], None]
) -> None:
    """Run each task in a process of its own, so many at a time; one that ends by a signal has run out of time."""
    running: dict[int, tuple[str, float]] = {}
    waiting: Iterator[tuple[str, Callable[[], bool], float]] = iter(tasks)
    task = next(waiting, None)
    while running or task is not None:
        if task is not None and len(running) < workers:
            name, run, cpu = task
            running[_fork(run, cpu)] = name, time.monotonic() + cpu * _WALL_FACTOR
            task = next(waiting, None)
            continue
        for pid, (name, deadline) in list(running.items()):
            ended, raw = os.waitpid(pid, os.WNOHANG)
            if ended:
                del running[pid]
                code = os.waitstatus_to_exitcode(raw)
                note(name, SURVIVED if code == 0 else KILLED if code == _FAILED else TIMED_OUT)
            elif time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)  # waiting for any of several processes, each with a deadline of its own


def _fork(run: Callable[[], bool], cpu_seconds: float) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = _FAILED
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds) + 1, int(cpu_seconds) + 2))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        code = 0 if run() else _FAILED
    finally:
        os._exit(code)
