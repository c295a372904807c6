"""What a process holds when nothing is under way, and the rule by which that is flat."""

from __future__ import annotations

import gc
import os
import threading
import tracemalloc
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from langchain_costguard.callbacks.calls import CALLS

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIB = 1024 * 1024
RSS_SHARE = 0.05
RSS_SLACK_MIB = 8.0
OBJECTS_SHARE = 0.005
TRACED_SLACK_MIB = 1.0
_POOL_GROWTH = 4


class Measure(NamedTuple):
    """One moment at which no call is under way."""

    calls: int
    """How many calls were made until then."""
    rss_mib: float
    """The memory of the process."""
    objects: int
    """How many objects the garbage collector knows, after it has run."""
    traced_mib: float
    """Memory that lines of this package hold, by `tracemalloc`; 0 where it does not run."""
    threads: int
    files: int
    """Open file descriptors: files, sockets, pipes."""
    connections: int
    """Connections the servers see."""
    open_calls: int
    """Calls the process believes to be under way."""

    def __str__(self) -> str:
        """One line of a table."""
        return (
            f"{self.calls:>8} calls {self.rss_mib:8.1f} MiB {self.objects:>8} objects {self.traced_mib:6.2f} MiB ours "
            f"{self.threads:>3} threads {self.files:>3} files {self.connections:>2} connections "
            f"{self.open_calls} open"
        )


def measure(calls: int, connections: int) -> Measure:
    """Measure now."""
    for _ in range(3):  # what one round frees may hold more
        gc.collect()
    return Measure(
        calls=calls,
        rss_mib=int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB,
        objects=len(gc.get_objects()),
        traced_mib=_traced_mib(),
        threads=threading.active_count(),
        files=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names alone
        connections=connections,
        open_calls=len(CALLS),
    )


def faults_of(measures: Sequence[Measure]) -> list[str]:
    """What is not flat; the first quarter of the measures is the time of warming up.

    The rule: from the second quarter to the last, by their medians, the process's memory grows by at most 5 % and
    8 MiB, its objects by at most 0.5 % and one for each hundred calls, the memory of this package's lines by at most
    1 MiB; threads, files and connections at the end are at most four more than ever in the second quarter (a pool has
    as many as were ever needed at once); no call is ever believed to be open.
    """
    quarter = max(1, len(measures) // 4)
    early, late = measures[quarter : 2 * quarter], measures[-quarter:]
    calls = late[-1].calls - early[0].calls

    def grown(field: str) -> tuple[float, float]:
        return median(getattr(one, field) for one in early), median(getattr(one, field) for one in late)

    faults = []
    for field, share, slack in (
        ("rss_mib", RSS_SHARE, RSS_SLACK_MIB),
        ("objects", OBJECTS_SHARE, calls / 100),
        ("traced_mib", 0.0, TRACED_SLACK_MIB),
    ):
        before, after = grown(field)
        if after > before * (1 + share) + slack:
            faults.append(f"{field} grew from {before:.1f} to {after:.1f} in {calls} calls")
    for field in ("threads", "files", "connections"):
        most = max(getattr(one, field) for one in early) + _POOL_GROWTH
        if getattr(measures[-1], field) > most:
            faults.append(f"{getattr(measures[-1], field)} {field} are left, where there were at most {most}")
    if any(one.open_calls for one in measures):
        faults.append("calls are believed to be open that have ended")
    return faults


def _traced_mib() -> float:
    if not tracemalloc.is_tracing():
        return 0.0
    ours = tracemalloc.Filter(inclusive=True, filename_pattern="*langchain_costguard*")
    statistics = tracemalloc.take_snapshot().filter_traces([ours]).statistics("filename")
    return sum(one.size for one in statistics) / _MIB
