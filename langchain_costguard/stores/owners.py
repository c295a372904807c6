"""Which process has a call open, and whether that process is certainly gone."""

from __future__ import annotations

import os
import platform
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_START_FIELD: Final = 19
"""Where a process's start stands among the fields of `/proc/<pid>/stat` that follow its name."""
_DEAD_STATES: Final = frozenset({"Z", "X"})


class Owner(NamedTuple):
    """A process, told apart from every other one that has or had its number."""

    host: str | None
    """The running system: boot and process-id namespace on Linux, the host's name elsewhere; `None` if not noted."""
    pid: int | None
    """The process's number on that system; `None` if not noted."""
    started: str | None
    """When it started, in the system's own count; `None` where the system does not tell."""


def this_process() -> Owner:
    """The process that is asking."""
    return _owner(os.getpid())


def is_gone(owner: Owner) -> bool | None:
    """Whether a process has ended.

    Returns:
        `True` and `False` are certain; `None` when it cannot be known from here: it ran on another system, or nothing
        was noted of it.
    """
    if owner.pid is None or owner.host != this_process().host or sys.platform == "win32":
        return None
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives and belongs to somebody else
    state, started = _read_stat(owner.pid)
    if state in _DEAD_STATES:
        return True
    if started is None or owner.started is None:
        return None
    return started != owner.started


@lru_cache(maxsize=1)
def _owner(pid: int) -> Owner:
    return Owner(_host(), pid, _read_stat(pid)[1])


def _host() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return platform.node()


def _read_stat(pid: int) -> tuple[str | None, str | None]:
    """The state and the start of a process, as Linux tells them."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None, None
    fields = text.rpartition(")")[2].split()
    return (fields[0], fields[_START_FIELD]) if len(fields) > _START_FIELD else (None, None)
