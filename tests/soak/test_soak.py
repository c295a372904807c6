"""Everything at once for a few seconds; `make soak` does it for an hour, LONG=1 for minutes on both kinds of store."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.callbacks import calls
from tests.soak.measures import Measure, faults_of
from tests.soak.moves import SUCCEEDING
from tests.soak.soak import places_for, soak

if TYPE_CHECKING:
    from pathlib import Path

IS_LONG = os.environ.get("LONG") == "1"
ROUNDS, ROUND_SECONDS = (20, 15.0) if IS_LONG else (8, 2.0)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # asyncio's transports of clients whose loop has ended
@pytest.mark.parametrize(
    "kind",
    [
        "sqlite",
        pytest.param("servers", marks=pytest.mark.skipif(not IS_LONG, reason="LONG=1 runs it, and `make soak`")),
    ],
)
def test_nothing_is_left_over_and_no_budget_is_ever_exceeded(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leak of one object a call, or one reservation in a thousand, is found here and not in a month of service."""
    monkeypatch.setattr(calls, "_MAX_PRESUMED", 8)  # a bounded memory that is full at once has nothing to grow to
    with places_for(kind, tmp_path) as places:
        verdict = soak(tmp_path, places=places, rounds=ROUNDS, round_seconds=ROUND_SECONDS, threads=8, tasks=24)
    assert verdict.faults == []
    assert verdict.billed > 0
    assert verdict.samples >= ROUNDS
    assert verdict.compared > 0
    assert set(verdict.outcomes) >= SUCCEEDING, "a kind of call never got its answer"
    assert "an_error" not in verdict.outcomes, "the provider refuses every one of them"


def still(**changes: int) -> Measure:
    """A measure like any other, but for what a test changes."""
    usual = Measure(
        calls=0, rss_mib=100.0, objects=100_000, traced_mib=0.0, threads=3, files=20, connections=2, open_calls=0
    )
    return usual._replace(**changes)


def test_the_rule_of_flatness_finds_every_kind_of_leak() -> None:
    """A rule that finds nothing would let every soak pass."""
    calls_made = [{"calls": 1000 * number} for number in range(8)]
    assert faults_of([still(**made) for made in calls_made]) == []
    leaks = {
        "rss_mib": [100 + 4 * number for number in range(8)],
        "objects": [100_000 + 1000 * number for number in range(8)],
        "traced_mib": list(range(8)),
        "threads": [3 + 2 * number for number in range(8)],
        "files": [20 + 2 * number for number in range(8)],
        "connections": [2 + 2 * number for number in range(8)],
    }
    for leaking, values in leaks.items():
        measures = [still(**made, **{leaking: value}) for made, value in zip(calls_made, values, strict=True)]
        (fault,) = faults_of(measures)
        assert leaking in fault
    assert faults_of([still(open_calls=1) for _ in range(8)]) == ["calls are believed to be open that have ended"]
