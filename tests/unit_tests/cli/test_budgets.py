"""`budgets`: what counters hold, and an operator's changes."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard.budgets import Budget, CallFacts
from langchain_costguard.budgets.claims import Charge, CounterState, Reservation, Settlement
from langchain_costguard.cli.budget_rows import as_cells, rows_of
from langchain_costguard.stores import SQLStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NANO = 10**9
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAILY = Budget(10, per="day")
PER_USER = Budget(tokens=1000, per="day", each="user")
NAMED = Budget(calls=100, name="checkout")
HOSTILE = "\x1b[2Jmallory"


def us(moment: datetime) -> int:
    """A moment as the store counts time."""
    return int(moment.timestamp()) * 1_000_000


def claim(budget: Budget, amount: int, *, at: datetime = NOON, **metadata: str) -> Any:
    """What a call asks of a budget."""
    (made,) = budget.claims(CallFacts(metadata=metadata), amount, us(at))
    return made


@pytest.fixture
def spent(tmp_path: Path) -> Path:
    """$6.25 of a day's $10 with half a dollar reserved and a refusal; tokens of two users; three calls."""
    path = tmp_path / "costs.db"
    with SQLStore(path, clock=lambda: us(NOON)) as store:
        for used in (
            claim(DAILY, 9 * NANO, at=NOON - timedelta(days=1)),
            claim(DAILY, 6_250_000_000),
            claim(PER_USER, 1000, user="alice"),
            claim(PER_USER, 7, user=HOSTILE),
            claim(NAMED, 3),
        ):
            store.reserve(Reservation(used.counter + str(used.slot_us), (used,)))
            store.settle(Settlement(used.counter + str(used.slot_us), (Charge(used, used.amount),)))
        store.reserve(Reservation("a", (claim(DAILY, NANO // 2),)))
        store.reserve(Reservation("b", (claim(DAILY, 9 * NANO),)))
    return path


def settings(path: Path) -> list[tuple[str, int | None, str | None]]:
    """What operators have set."""
    with SQLStore(path) as store:
        return [tuple(each) for each in store.settings()]


def columns(text: str) -> dict[str, list[str]]:
    """The words of each line of a table, by its first."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


def test_show_lists_every_counter_in_its_newest_window(spent: Path, run: Callable[..., Any]) -> None:
    """The first thing an operator asks when calls are refused."""
    ended = run("budgets", "show", "--store", str(spent))
    assert ended.code == 0
    lines = columns(ended.out)
    assert lines["Counter"] == ["Since", "(UTC)", "Spent"]
    assert lines["usd/day"] == ["2026-11-21", "00:00", "$6.25", "$0.50", "reserved;", "1", "refused"]
    assert lines["tokens/day/each=user|user=alice"][:4] == ["2026-11-21", "00:00", "1,000", "tokens"]
    assert lines["checkout"][:2] == ["3", "calls"]


def test_show_can_list_older_windows_and_one_budget_alone(spent: Path, run: Callable[..., Any]) -> None:
    """What was spent yesterday is a question of today."""
    found = run("budgets", "show", "usd/day", "--all", "--store", str(spent), "--json").json
    assert [(row["since"], row["spent"]) for row in found["counters"]] == [
        ("2026-11-20T00:00:00+00:00", "9"),
        ("2026-11-21T00:00:00+00:00", "6.25"),
    ]


def test_show_as_json_is_exact(spent: Path, run: Callable[..., Any]) -> None:
    """Dashboards read it."""
    found = run("budgets", "show", "--store", str(spent), "--json").json
    assert found["location"] == str(spent)
    assert found["settings"] == []
    assert "changes" not in found
    by_counter = {row["counter"]: row for row in found["counters"]}
    assert by_counter["usd/day"] == {
        "budget": "usd/day",
        "counter": "usd/day",
        "since": "2026-11-21T00:00:00+00:00",
        "unit": "usd",
        "limit_set": None,
        "spent": "6.25",
        "reserved": "0.5",
        "unsettled": "0",
        "overrun": "0",
        "refused": 1,
        "frozen": None,
    }
    assert (by_counter["checkout"]["spent"], by_counter["checkout"]["since"]) == (3, None)


def test_a_hostile_name_cannot_steer_the_operator_s_terminal(spent: Path, run: Callable[..., Any]) -> None:
    """Names of users come from requests, and other programs may write into the store."""
    assert "\x1b" not in run("budgets", "show", "--store", str(spent)).out
    _, rows = as_cells(rows_of([state(NOON, 1, budget=HOSTILE)._replace(frozen=HOSTILE)], [], us(NOON)))
    assert (rows[0][0], rows[0][-1]) == ("\\x1b[2Jmallory", "frozen: \\x1b[2Jmallory; 1 refused")


def test_show_creates_nothing(tmp_path: Path, run: Callable[..., Any]) -> None:
    """An empty new file would say that nothing was spent."""
    path = tmp_path / "mistyped.db"
    ended = run("budgets", "show", "--store", str(path))
    assert ended.code == 1
    assert "there is no ledger at" in ended.err
    assert not path.exists()


def test_an_empty_ledger_says_so(tmp_path: Path, run: Callable[..., Any]) -> None:
    """A table without rows would look broken."""
    with SQLStore(tmp_path / "costs.db") as store:
        store.counters()
    ended = run("budgets", "show", "--store", str(tmp_path / "costs.db"), "--history")
    assert ended.out == (f"No budget was used yet in {tmp_path / 'costs.db'}.\n\nNo limit was ever changed here.\n")


def test_a_limit_that_was_set_is_in_force_and_kept_with_when_and_by_whom(spent: Path, run: Callable[..., Any]) -> None:
    """Somebody will ask who raised it."""
    ended = run("budgets", "set", "usd/day", "25.50", "--by", "alice", "--store", str(spent))
    assert ended == (0, f"The limit of usd/day is $25.50 from now on, set by alice ({spent}).\n", "")
    assert settings(spent) == [("usd/day", 25_500_000_000, None)]
    shown = run("budgets", "show", "--history", "--store", str(spent)).out
    assert columns(shown)["usd/day"] == ["2026-11-21", "00:00", "$25.50", "$6.25", "$0.50", "reserved;", "1", "refused"]
    assert shown.splitlines()[-1].endswith(" UTC  usd/day: alice set the limit to $25.50")
    found = run("budgets", "show", "--history", "--store", str(spent), "--json").json
    assert found["settings"] == [{"budget": "usd/day", "limit": "25.5", "frozen": None}]
    (change,) = found["changes"]
    assert datetime.fromisoformat(change.pop("at")).tzinfo is not None
    assert change == {"budget": "usd/day", "action": "set", "by": "alice", "limit": "25.5", "note": ""}


@pytest.mark.parametrize(
    ("key", "flag", "unit"), [("tokens/day/each=user", "--tokens", "tokens"), ("checkout", "--calls", "calls")]
)
def test_limits_in_tokens_and_calls_are_whole_numbers(
    key: str, flag: str, unit: str, spent: Path, run: Callable[..., Any]
) -> None:
    """A million tokens must not become a million dollars."""
    found = run("budgets", "set", key, "5000", flag, "--by", "alice", "--store", str(spent), "--json").json
    assert found == {
        "location": str(spent),
        "budget": key,
        "action": "set",
        "by": "alice",
        "limit": 5000,
        "note": "",
    }
    assert settings(spent) == [(key, 5000, None)]
    shown = run("budgets", "show", key, "--store", str(spent)).out
    assert f"5,000 {unit}" in shown


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (["usd/day", "5", "--tokens"], "'usd/day' counts US dollars: leave --tokens and --calls out"),
        (["checkout", "5"], "'checkout' counts calls: add --calls"),
        (["tokens/day/each=user", "5"], "'tokens/day/each=user' counts tokens: add --tokens"),
        (["calls/hour", "5", "--new"], "'calls/hour' counts calls: add --calls"),
        (["usd/day", "5", "--tokens", "--calls"], "give one of them, or none for dollars"),
        (["usd/day", "0"], "give a number above zero"),
        (["usd/day", "-5"], "LIMIT='-5' is no limit: give a number above zero"),
        (["-0.5", "usd/day"], "'-0.5' is no limit: give a number above zero"),
        (["usd/day", "--tokns", "5"], "No such option: --tokns"),
        (["usd/day", "nan"], "give a number above zero"),
        (["usd/day", "$5"], "give LIMIT without signs and words"),
        (["usd/day", "1e30"], "is more than can be counted"),
        (["usd/day", "0.0000000001"], "round it to 9 decimal places"),
        (["checkout", "2.5", "--calls"], "is not a whole number of calls: round it"),
        (["usd/day", "5", "--by", " "], "give a name"),
    ],
)
def test_a_limit_that_cannot_be_meant_changes_nothing(
    arguments: list[str], mend: str, spent: Path, run: Callable[..., Any]
) -> None:
    """Money depends on it, so nothing is guessed."""
    ended = run("budgets", "set", *arguments, "--store", str(spent))
    assert ended.code == 2
    assert mend in " ".join(ended.err.replace("│", "").split())
    assert settings(spent) == []


def test_a_frozen_budget_admits_nothing_until_it_is_unfrozen(spent: Path, run: Callable[..., Any]) -> None:
    """An operator stops a runaway agent at night."""
    ended = run(
        "budgets", "freeze", "checkout", "--reason", "runaway\x1b[2J\nagent", "--by", "bob", "--store", str(spent)
    )
    assert ended.code == 0
    assert ended.out == (f"checkout admits nothing from now on (runaway\\x1b[2J agent), frozen by bob ({spent}).\n")
    with SQLStore(spent) as store:
        (refusal,) = store.reserve(Reservation("r", (claim(NAMED, 1),))).refusals
        assert (refusal.reason, refusal.note) == ("frozen", "runaway\\x1b[2J agent")
    assert "frozen: runaway\\x1b[2J agent" in run("budgets", "show", "checkout", "--store", str(spent)).out
    assert run("budgets", "unfreeze", "checkout", "--by", "eve", "--store", str(spent)).out == (
        f"checkout admits calls again, unfrozen by eve ({spent}).\n"
    )
    with SQLStore(spent) as store:
        assert store.reserve(Reservation("s", (claim(NAMED, 1),))).is_admitted
    lines = run("budgets", "show", "--history", "--store", str(spent)).out.splitlines()
    assert [line.partition("UTC  ")[2] for line in lines[-2:]] == [
        "checkout: bob froze it: runaway\\x1b[2J agent",
        "checkout: eve unfroze it",
    ]


def test_freezing_without_a_reason_says_who_did_it(
    spent: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is refused must find out whom to ask; the user logged in is the default."""
    monkeypatch.setattr("getpass.getuser", lambda: "carol")
    assert run("budgets", "freeze", "usd/day", "--reason", " ", "--store", str(spent)).code == 0
    assert settings(spent) == [("usd/day", None, "ask carol")]


def test_where_no_user_is_known_a_name_is_asked_for(
    spent: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers run as numbers, and an unsigned change is worth nothing."""

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nobody)
    ended = run("budgets", "freeze", "usd/day", "--store", str(spent))
    assert ended.code == 2
    assert "--by" in ended.err
    assert settings(spent) == []


@pytest.mark.parametrize(
    "command", [["set", "usd/dya", "5"], ["freeze", "usd/dya"], ["unfreeze", "usd/dya"], ["show", "usd/dya"]]
)
def test_a_mistyped_key_is_refused_with_what_it_may_have_meant(
    command: list[str], spent: Path, run: Callable[..., Any]
) -> None:
    """A freeze of a budget nobody has stops nothing."""
    ended = run("budgets", *command, "--store", str(spent))
    assert ended.code == 1
    assert "knows no budget 'usd/dya'. Known are 'usd/day'" in ended.err
    assert settings(spent) == []


def test_a_counter_is_no_budget(spent: Path, run: Callable[..., Any]) -> None:
    """Limits are kept per budget; one user's counter cannot have its own."""
    ended = run("budgets", "freeze", "tokens/day/each=user|user=alice", "--store", str(spent))
    assert ended.code == 1
    assert "give 'tokens/day/each=user'" in ended.err


def test_a_budget_not_used_yet_can_be_limited_on_purpose(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Limits are set before the first deployment, in a store that is begun for it."""
    path = tmp_path / "new.db"
    assert run("budgets", "set", "usd/week", "5", "--new", "--by", "alice", "--store", str(path)).code == 0
    assert settings(path) == [("usd/week", 5 * NANO, None)]
    assert run("budgets", "show", "--store", str(path)).out == (
        f"No budget was used yet in {path}.\nusd/week: limit $5.00; not used yet.\n"
    )
    assert run("budgets", "freeze", "usd/week", "--by", "alice", "--store", str(path)).code == 0


@pytest.mark.parametrize("key", [" ", "usd/\x1b[2J", "x" * 1001])
def test_what_cannot_be_a_key_is_refused_though_it_is_new(key: str, tmp_path: Path, run: Callable[..., Any]) -> None:
    """Only typing errors look like this."""
    path = tmp_path / "new.db"
    ended = run("budgets", "freeze", key, "--new", "--store", str(path))
    assert ended.code == 1
    assert "cannot be the key of a budget" in ended.err
    assert "\x1b" not in ended.err


def test_a_ledger_in_memory_is_refused(run: Callable[..., Any]) -> None:
    """It ended with its process."""
    ended = run("budgets", "show", "--store", "memory")
    assert ended.code == 1
    assert "name a file or a database with --store PLACE" in ended.err


@pytest.mark.parametrize("command", ["show", "set", "freeze", "unfreeze"])
def test_every_help_has_an_example_and_says_what_the_exit_codes_mean(command: str, run: Callable[..., Any]) -> None:
    """Scripts branch on exit codes, and everybody copies the example."""
    ended = run("budgets", command, "--help")
    assert ended.code == 0
    assert f"  langchain-costguard budgets {command}" in ended.out.partition("Examples:")[2]
    assert "Exit codes: 0 done" in ended.out


def state(slot: datetime, spent: int, *, reserved: int = 0, budget: str = "usd/24h") -> CounterState:
    """A counter's slot."""
    return CounterState(budget, budget, us(slot), "usd", spent, reserved, 0, 0, 1, None)


def test_a_rolling_window_is_shown_as_the_sum_of_its_slots() -> None:
    """A sixtieth of it would look as if nearly nothing were spent."""
    slots = [state(NOON - timedelta(hours=hours), hours) for hours in (30, 20, 3)]
    (row,) = rows_of(slots, [], us(NOON))
    assert (row.state.spent, row.state.refused) == (23, 2)
    assert row.state.slot_us == us(NOON - timedelta(hours=20))
    assert len(rows_of(slots, [], us(NOON), every_window=True)) == 3
    assert rows_of(slots[:1], [], us(NOON)) == []


def test_an_older_window_in_which_something_is_reserved_is_shown_too() -> None:
    """A call that began before midnight still holds yesterday's money."""
    days = [state(NOON - timedelta(days=2), 5, budget="usd/day")]
    days += [state(NOON - timedelta(days=1), 5, reserved=1, budget="usd/day"), state(NOON, 7, budget="usd/day")]
    assert [row.state.spent for row in rows_of(days, [], us(NOON))] == [5, 7]


def test_budgets_on_a_redis_server_are_no_matter_of_files(run: Callable[..., Any]) -> None:
    """A server that is not there is said in one line, without its password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"redis://user:hidden@127.0.0.1:{taken.getsockname()[1]}/0"
        ended = run("budgets", "show", "--store", url)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: ")
    assert "there is no ledger" not in ended.err
    assert "hidden" not in ended.err
