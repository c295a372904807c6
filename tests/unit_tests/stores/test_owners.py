"""A process is told apart from every other one that has or had its number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from langchain_costguard.stores.owners import is_gone, this_process

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process started")


@needs_proc
def test_this_process_lives() -> None:
    """Its open calls are not lost."""
    assert is_gone(this_process()) is False


@needs_proc
def test_a_process_with_the_same_number_but_another_start_is_another_one() -> None:
    """Numbers are used again, in containers very soon."""
    assert is_gone(this_process()._replace(started="1")) is True


def test_a_process_that_ended_is_gone() -> None:
    """The common case after `kill -9`."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert is_gone(this_process()._replace(pid=child.pid)) is True


@needs_proc
def test_a_dead_process_that_nobody_has_buried_is_gone() -> None:
    """A zombie still has its number and its start time."""
    with subprocess.Popen([sys.executable, "-c", "print()"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.read()
        stat = Path(f"/proc/{child.pid}/stat")
        while stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z":
            pass
        started = stat.read_text(encoding="ascii").rpartition(")")[2].split()[19]
        assert is_gone(this_process()._replace(pid=child.pid, started=started)) is True


@pytest.mark.parametrize("changed", [{"host": "another machine"}, {"host": None}, {"pid": None}])
def test_what_cannot_be_known_from_here_is_not_guessed(changed: dict[str, None]) -> None:
    """A process of another machine, or of another container, may well live."""
    assert is_gone(this_process()._replace(**changed)) is None


@needs_proc
def test_a_living_process_without_a_known_start_may_be_another_one() -> None:
    """So only the age of its call may decide."""
    assert is_gone(this_process()._replace(started=None)) is None
