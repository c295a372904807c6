"""What somebody who waits for a batch sees: a bar where a person watches, and nothing where none is wanted."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.batching import submit_batch
from tests.unit_tests.batching.jobs.job_helpers import chain_of, inputs_of

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_costguard.batching import BatchJob
    from langchain_costguard.testing import LoopbackProvider

QUICKLY: dict[str, Any] = {"first_pause_seconds": 0.01, "longest_pause_seconds": 0.01}


class Terminal(io.StringIO):
    """Somewhere a person watches."""

    def isatty(self) -> bool:
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error, as a terminal, from now on: between a fixture and its test pytest puts its own there."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


@pytest.fixture
def job(slow_provider: LoopbackProvider, store: Path) -> BatchJob:
    """A job that takes a few questions."""
    return submit_batch(chain_of(slow_provider), inputs_of(3), store=store, provider="openai", name="nightly")


def test_a_person_who_waits_sees_how_many_requests_have_ended(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of silence look like a hang."""
    terminal = watched(monkeypatch)
    job.wait(20, **QUICKLY)
    shown = " ".join(terminal.getvalue().split())
    assert "nightly" in shown
    assert "ended: 3 of 3 requests ended" in shown


def test_who_waits_in_tasks_sees_it_too(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two must not differ."""
    terminal = watched(monkeypatch)
    asyncio.run(job.await_(20, **QUICKLY))
    assert "ended: 3 of 3 requests ended" in " ".join(terminal.getvalue().split())


def test_who_is_told_draws_their_own(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bars on one screen are noise."""
    terminal = watched(monkeypatch)
    told: list[object] = []
    job.wait(20, on_progress=told.append, **QUICKLY)
    assert len(told) > 1
    assert terminal.getvalue() == ""


def test_a_terminal_can_be_kept_quiet_while_a_batch_is_waited_for(
    job: BatchJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For those who want silence."""
    terminal = watched(monkeypatch)
    job.wait(20, progress=False, **QUICKLY)
    assert terminal.getvalue() == ""


def test_a_log_sees_no_bar_unless_it_wants_to(job: BatchJob, capsys: pytest.CaptureFixture[str]) -> None:
    """Bars in a log are noise."""
    job.wait(20, **QUICKLY)
    assert capsys.readouterr() == ("", "")


def test_a_job_that_is_done_shows_nothing(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to wait for."""
    terminal = watched(monkeypatch)
    job.wait(20, progress=False, **QUICKLY)
    job.collect()
    assert terminal.getvalue() == ""


def test_the_terminal_is_given_back_when_waiting_is_interrupted(job: BatchJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that is not stopped hides the cursor of a shell."""
    terminal = watched(monkeypatch)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("langchain_costguard.batching.jobs.job.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.wait(20, **QUICKLY)
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h")
