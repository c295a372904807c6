"""Alerts: what they say, who gets them, and that nobody waits for them."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.budgets import Budget, CallFacts
from langchain_costguard.budgets.claims import Claim, Crossing, CrossingKind, Unit
from langchain_costguard.guard.alerts import AlertDispatcher, LoggingAlert
from langchain_costguard.guard.budget_alert import BudgetAlert, alert_of, crossing_alert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
PATIENCE_SECONDS = 30


def crossing(
    kind: CrossingKind = "threshold",
    *,
    budget: str = "usd/day",
    counter: str | None = None,
    unit: Unit = "usd",
    refuses: bool = True,
    share_ppm: int = 800_000,
    limit: int = 10_000_000_000,
    spent: int = 8_030_000_000,
    reserved: int = 400_000_000,
) -> Crossing:
    """What a store reports: $8.03 of $10.00, unless something else is said."""
    claim = Claim(budget, counter or budget, 0, 0, unit, 1, limit, refuses=refuses, charges_lost=refuses)
    return Crossing(claim, kind, share_ppm, limit, spent, reserved)


def alert(**fields: Any) -> BudgetAlert:
    """The alert of such a crossing, at noon."""
    made = crossing(**fields)
    return crossing_alert(made, name=made.claim.budget, key=made.claim.budget, at=NOON, resets_at=MIDNIGHT)


def delivered(on_alert: Any, alerts: Sequence[BudgetAlert]) -> None:
    """Send alerts and wait until they have arrived."""
    dispatcher = AlertDispatcher(on_alert)
    dispatcher.send(alerts)
    assert dispatcher.flush(PATIENCE_SECONDS)


def test_an_alert_carries_exact_amounts_and_moments() -> None:
    """A program that acts on it must not compute with rounded dollars."""
    told = alert(counter="usd/day|user=alice")
    assert (told.budget, told.counter, told.kind) == ("usd/day", "user=alice", "threshold")
    assert (told.threshold, told.limit) == (Decimal("0.8"), Decimal(10))
    assert (told.spent, told.reserved) == (Decimal("8.03"), Decimal("0.4"))
    assert (told.at, told.resets_at) == (NOON, MIDNIGHT)


@pytest.mark.parametrize(
    ("counter", "whose"),
    [
        ("usd/day", None),
        ("usd/day|user=a%7Cb", "user=a|b"),
        ("usd/day|user=alice|run=7b0d", "user=alice, run=7b0d"),
        ("usd/day|user", "no user"),
        ("usd/day|pool=bob", "pool=bob"),
    ],
)
def test_an_alert_says_whose_counter_it_is_in_the_user_s_own_words(counter: str, whose: str | None) -> None:
    """A support desk looks for the user, not for an escaped key."""
    assert alert(counter=counter).counter == whose


def test_an_alert_on_a_budget_bears_its_name_the_store_s_time_and_the_end_of_the_claim_s_window() -> None:
    """A call of yesterday that ends today is told of yesterday's window."""
    budget = Budget(10, per="day", name="checkout")
    (claim,) = budget.claims(CallFacts(), 1, int(NOON.timestamp()) * 1_000_000)

    class Store:
        def now_us(self) -> int:
            return int(MIDNIGHT.timestamp()) * 1_000_000 + 5

    told = alert_of(budget, crossing()._replace(claim=claim), Store())  # type: ignore[arg-type]  # a stand-in
    assert (told.budget, told.counter) == ("checkout", None)
    assert (told.at, told.resets_at) == (MIDNIGHT.replace(microsecond=5), MIDNIGHT)


def test_an_alert_on_tokens_or_calls_carries_whole_numbers() -> None:
    """Tokens are no dollars: a factor of a billion would be the smaller harm."""
    told = alert(unit="tokens", budget="tokens/day", limit=1000, spent=800, reserved=50)
    assert (told.limit, told.spent, told.reserved) == (1000, 800, 50)
    assert told.message == (
        "Budget tokens/day has reached 80 % of its 1,000 tokens: 800 tokens spent, 50 tokens reserved; "
        "it resets at 2026-11-22 00:00 UTC."
    )


@pytest.mark.parametrize(
    ("fields", "beginning"),
    [
        ({}, "Budget usd/day has reached 80 % of its $10.00:"),
        ({"share_ppm": 1_000_000}, "Budget usd/day has reached 100 % of its $10.00:"),
        ({"share_ppm": 333_333}, "Budget usd/day has reached 33.3333 % of its $10.00:"),
        ({"counter": "usd/day|user=alice"}, "Budget usd/day (user=alice) has reached 80 % of its $10.00:"),
        ({"counter": "usd/day|user=a%7Cb"}, "Budget usd/day (user=a|b) has reached 80 % of its $10.00:"),
        ({"kind": "refused"}, "Budget usd/day has refused a call, the first in this window, against its $10.00:"),
        ({"kind": "overrun"}, "A call used more of budget usd/day than was reserved for it, against its $10.00:"),
    ],
)
def test_the_message_says_what_happened_and_how_much_is_left(fields: dict[str, Any], beginning: str) -> None:
    """It is all that whoever is woken at night reads."""
    ending = " $8.03 spent, $0.40 reserved; it resets at 2026-11-22 00:00 UTC."
    assert alert(**fields).message == beginning + ending


def test_a_budget_that_never_resets_does_not_say_when() -> None:
    """A date that nobody knows must not be made up."""
    told = crossing_alert(crossing(spent=1), name="usd/total", key="usd/total", at=NOON)
    assert told.resets_at is None
    assert told.message.endswith(": $0.000000001 spent, $0.40 reserved.")


def test_a_hostile_name_cannot_steer_a_terminal_or_forge_a_line_of_a_log() -> None:
    """User names come from requests."""
    told = alert(counter="usd/day|user=%1B[2J%0AERROR all is lost")
    assert told.message.isprintable()
    assert "(user=\\x1b[2J\\nERROR all is lost)" in told.message


def test_without_anything_given_alerts_are_warnings_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A budget nobody configured further must still be heard of."""
    told = alert()
    delivered(None, [told])
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == (
        "langchain_costguard",
        logging.WARNING,
        told.message,
    )
    assert record.budget_alert == told  # type: ignore[attr-defined]  # a stand-in


def test_level_and_logger_can_be_chosen(caplog: pytest.LogCaptureFixture) -> None:
    """Teams route billing to a log of its own."""
    delivered(LoggingAlert(level=logging.CRITICAL, logger="billing"), [alert()])
    assert [(record.name, record.levelno) for record in caplog.records] == [("billing", logging.CRITICAL)]


def test_an_empty_list_tells_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Who asks for silence gets it."""
    delivered([], [alert()])
    assert caplog.records == []


def test_everybody_gets_every_alert_in_its_order() -> None:
    """80 % after 100 % would read as if spending had fallen."""
    first: list[BudgetAlert] = []
    second: list[BudgetAlert] = []
    alerts = [alert(spent=spent) for spent in range(50)]
    delivered((first.append, second.append), alerts)
    assert first == second == alerts


def test_a_coroutine_function_is_awaited() -> None:
    """Applications on asyncio have async clients for their chat rooms."""
    seen: list[BudgetAlert] = []

    async def tell(told: BudgetAlert) -> None:
        await asyncio.sleep(0)  # lets others run
        seen.append(told)

    delivered(tell, [alert()])
    assert seen == [alert()]


async def test_a_coroutine_function_is_awaited_while_a_loop_runs() -> None:
    """The chain that crossed the threshold usually runs on one."""
    seen: list[str] = []

    class Room:
        async def __call__(self, told: BudgetAlert) -> None:
            seen.append(threading.current_thread().name)

    dispatcher = AlertDispatcher(Room())
    dispatcher.send([alert()])
    assert await asyncio.to_thread(dispatcher.flush, PATIENCE_SECONDS)
    assert seen == ["costguard-alerts"]


@pytest.mark.parametrize("error", [ValueError("sk-secret"), SystemExit(1), asyncio.CancelledError("sk-secret")])
def test_a_receiver_that_raises_is_logged_by_class_and_the_others_get_theirs(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken pager must not silence the log, and its error may hold its key."""
    seen: list[BudgetAlert] = []

    def broken(told: BudgetAlert) -> None:
        raise error

    delivered([broken, seen.append], [alert(), alert(spent=9)])
    assert seen == [alert(), alert(spent=9)]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert all(record.getMessage().endswith(f"broken: {type(error).__name__}") for record in caplog.records)
    assert "sk-secret" not in caplog.text


def test_a_slow_receiver_keeps_nobody_waiting() -> None:
    """The chain goes on while a pager is asleep."""
    release, seen = threading.Event(), []

    def slow(told: BudgetAlert) -> None:
        assert release.wait(PATIENCE_SECONDS)
        seen.append(told)

    dispatcher = AlertDispatcher(slow)
    dispatcher.send([alert()])
    assert seen == []
    assert not dispatcher.flush(0)
    release.set()
    assert dispatcher.flush(PATIENCE_SECONDS)
    assert seen == [alert()]


def test_too_many_waiting_alerts_are_dropped_and_that_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded, and the chain must not do a pager's work instead."""
    release, threads = threading.Event(), []

    def slow(told: BudgetAlert) -> None:
        assert release.wait(PATIENCE_SECONDS)
        threads.append(threading.current_thread().name)

    monkeypatch.setattr("langchain_costguard._worker.MAX_WAITING", 1)
    dispatcher = AlertDispatcher(slow)
    dispatcher.send([alert()] * 10)
    release.set()
    assert dispatcher.flush(PATIENCE_SECONDS)
    assert set(threads) == {"costguard-alerts"}
    dropped = [record for record in caplog.records if "one was dropped" in record.getMessage()]
    assert len(dropped) + len(threads) == 10
    assert dropped


def test_alerts_that_cannot_even_be_made_do_not_raise_into_the_chain(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong with an alert, the call it is about is answered."""

    def failing() -> Any:
        yield alert()
        raise RuntimeError

    seen: list[BudgetAlert] = []
    dispatcher = AlertDispatcher(seen.append)
    dispatcher.send(failing())
    assert dispatcher.flush(PATIENCE_SECONDS)
    assert seen == [alert()]
    assert [record.getMessage() for record in caplog.records] == ["an alert could not be handed over: RuntimeError"]


@pytest.mark.parametrize("given", [3, "log", [LoggingAlert(), None], LoggingAlert])
def test_what_takes_no_alerts_is_refused_at_once(given: Any) -> None:
    """Otherwise it would be found out when the money is gone."""
    with pytest.raises(TypeError, match=r"takes no alerts: give a function of one BudgetAlert, LoggingAlert\(\)"):
        AlertDispatcher(given)


SCRIPT = """
import time
from tests_of_alerts import alert, AlertDispatcher

def slow(told):
    time.sleep(0.2)  # a slow sink
    print(told.kind, flush=True)

AlertDispatcher(slow).send([alert(), alert(kind="refused")])
"""


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Runs a program that has this file's helpers as `tests_of_alerts`, and gives what it printed."""
    shutil.copy(__file__, tmp_path / "tests_of_alerts.py")

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_alerts_that_wait_when_the_program_ends_are_still_delivered(script: Callable[[str], str]) -> None:
    """A batch job crosses its limit with its last call."""
    assert script(SCRIPT).split() == ["threshold", "refused"]


def test_an_alert_of_a_call_that_is_settled_while_the_program_ends_is_delivered(script: Callable[[str], str]) -> None:
    """The last line is often written by the background thread, after the last line of the program."""
    code = SCRIPT.rpartition("\n\n")[0] + (
        "\nfrom langchain_costguard._worker import WORKER\n"
        "dispatcher = AlertDispatcher(slow)\n"
        "WORKER.submit(lambda: (time.sleep(0.3), dispatcher.send([alert(kind='overrun')])))\n"  # while the process ends
    )
    assert script(code).split() == ["overrun"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_sends_its_own_alerts_and_not_its_parent_s(script: Callable[[str], str]) -> None:
    """Web servers fork after they have loaded the application."""
    code = SCRIPT + (
        "import os\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    dispatcher = AlertDispatcher(slow)\n"
        "    dispatcher.send([alert(kind='overrun')])\n"
        "    dispatcher.flush(30)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    assert sorted(script(code).split()) == ["overrun", "refused", "threshold"]
