"""Budgets on a real Valkey server keep every rule, and a server in trouble is named with its remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest
import redis

from langchain_costguard.budgets.claims import BudgetChange, Charge
from langchain_costguard.exceptions import StoreError
from langchain_costguard.stores.budget_base import BudgetStore
from langchain_costguard.stores.owners import Owner
from langchain_costguard.stores.redis import RedisBudgetStore
from langchain_costguard.stores.redis_clock import ServerClock
from langchain_costguard.testing.budget_stores import SharedBudgetStoreSuite
from langchain_costguard.testing.claims import (
    DAY_US,
    TODAY,
    admit,
    ask,
    held,
    make_claim,
    make_reservation,
    settlement,
    spend,
)
from tests.servers import valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = Path(__file__).parents[2] / "concurrency" / "redis_budget_worker.py"


@pytest.mark.required
class TestRedisBudgetStore(SharedBudgetStoreSuite):
    """What many machines share."""

    @pytest.fixture
    def budget_store(self, valkey_url: str) -> Iterator[RedisBudgetStore]:
        """Budgets on a server that was emptied."""
        store = RedisBudgetStore(valkey_url)
        yield store
        store.close()

    @pytest.fixture
    def another_process_store(self, valkey_url: str) -> tuple[str, str]:
        """How another process opens the same."""
        return "langchain_costguard.stores.redis:RedisBudgetStore", valkey_url


@pytest.fixture
def store(valkey_url: str) -> Iterator[RedisBudgetStore]:
    """Budgets on a server that was emptied."""
    store = RedisBudgetStore(valkey_url)
    yield store
    store.close()


@pytest.fixture
def raw(valkey_url: str) -> Iterator[redis.Redis]:
    """The server without us."""
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        yield client


@pytest.mark.required
def test_four_processes_of_eight_threads_spend_a_dollar_exactly(valkey_url: str) -> None:
    """640 attempts of a cent: exactly 100 run, whoever wins."""
    processes = [
        subprocess.Popen([sys.executable, str(WORKER), valkey_url], stdin=PIPE, stdout=PIPE, text=True)
        for _ in range(4)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        counts = [int(process.communicate(timeout=60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert sum(counts) == 100
    with closing(RedisBudgetStore(valkey_url)) as store:
        assert held(store) == (1_000_000_000, 0)


# -- what is on the server -------------------------------------------------------------------------------------------


def test_all_keys_lie_in_one_slot_of_a_cluster(store: RedisBudgetStore, raw: redis.Redis) -> None:
    """A script may touch several keys only if one server has them all."""
    admit(store, make_claim(10), make_claim(10, "{other}"))
    store.change(BudgetChange("usd/day", "freeze", 0, "ann"))
    assert {key.partition(":")[0] for key in raw.keys()} == {"{costguard}"}  # noqa: SIM118 - a command, no mapping


def test_prefixes_keep_budgets_apart(store: RedisBudgetStore, valkey_url: str) -> None:
    """Two applications may share a server and not a budget."""
    spend(store, make_claim(100))
    with closing(RedisBudgetStore(valkey_url, prefix="other")) as other:
        assert ask(other, make_claim(100)).is_admitted


@pytest.mark.parametrize("prefix", ["", "a{b}"])
def test_a_prefix_that_names_no_slot_is_refused(valkey_url: str, prefix: str) -> None:
    """Braces within braces would scatter the keys over a cluster."""
    with pytest.raises(ValueError, match="give some characters without braces"):
        RedisBudgetStore(valkey_url, prefix=prefix)


def test_no_counter_ever_expires(store: RedisBudgetStore, raw: redis.Redis) -> None:
    """A counter that vanishes is a budget that begins anew; only what is void may go."""
    spend(store, make_claim(10))
    admit(store, make_claim(10))
    store.charge([Charge(make_claim(0), 1)])
    keys = {key: raw.ttl(key) for key in raw.keys()}  # noqa: SIM118 - a command, no mapping
    assert {key.split(":")[1] for key, seconds in keys.items() if seconds != -1} == {"charge"}


def test_what_is_settled_leaves_only_its_counter(store: RedisBudgetStore, raw: redis.Redis) -> None:
    """The server must not fill up with calls that ended long ago."""
    for _ in range(5):
        spend(store, make_claim(1))
    kinds = {key.split(":")[1] for key in raw.keys()}  # noqa: SIM118 - a command, no mapping
    assert kinds == {"slot", "slots", "budget", "budgets"}


def test_limits_and_charges_beyond_what_can_be_added_are_refused(store: RedisBudgetStore) -> None:
    """64 bits hold 9.2 thousand million dollars; a sum must never wrap around."""
    spend(store, make_claim(2**62, limit=2**62))
    assert held(store) == (2**62, 0)
    assert not ask(store, make_claim(1, limit=2**62)).is_admitted
    with pytest.raises(StoreError, match="give a lower limit"):
        ask(store, make_claim(1, "b", limit=2**62 + 1))
    with pytest.raises(StoreError, match="give a lower limit"):
        store.charge([Charge(make_claim(0, "b"), 2**62 + 1)])
    with pytest.raises(StoreError, match="no room for this amount"):
        ask(store, make_claim(2**62, "c", refuses=False), make_claim(2**63 - 1, "c2", refuses=False))
    assert (held(store, "b"), held(store, "c")) == ((0, 0), (0, 0))


@pytest.mark.parametrize("spent", [999_999_999, 10**9, 2**53 - 1, 2**53, 2**53 + 1, 2**60 + 1])
def test_the_last_unit_counts_at_every_size(store: RedisBudgetStore, spent: int) -> None:
    """Lua's numbers are doubles; the limit must hold to the unit where they end."""
    spend(store, make_claim(spent, limit=spent + 1))
    assert not ask(store, make_claim(2, limit=spent + 1)).is_admitted
    assert store.headroom(make_claim(limit=spent + 1)) == 1
    (crossing,) = store.charge([Charge(make_claim(0, limit=spent + 1, alerts_ppm=(1_000_000,)), 1)])
    assert (crossing.spent, crossing.limit) == (spent + 1, spent + 1)
    store.charge([Charge(make_claim(0), -(2 * spent))])
    assert held(store) == (1 - spent, 0)
    assert store.headroom(make_claim(limit=5)) == 4 + spent


def test_headroom_is_what_reading_all_counters_would_say(store: RedisBudgetStore) -> None:
    """The short way must not answer something else than the long one."""
    rolling = make_claim(30, since_us=TODAY - DAY_US)
    admit(store, make_claim(20, slot_us=TODAY - DAY_US))
    spend(store, rolling)
    for claim in (rolling, make_claim(), make_claim(counter="never seen")):
        assert store.headroom(claim) == BudgetStore.headroom(store, claim)
    store.change(BudgetChange("usd/day", "set", 0, "ann", limit=60))
    assert store.headroom(rolling) == BudgetStore.headroom(store, rolling) == 10
    store.change(BudgetChange("usd/day", "freeze", 0, "ann"))
    assert store.headroom(rolling) == BudgetStore.headroom(store, rolling) == 0


def test_a_client_that_decodes_answers_works_too(raw: redis.Redis) -> None:
    """An application has a client of its own, set up as it likes."""
    store = RedisBudgetStore(raw)
    spend(store, make_claim(10, "Zürich"))
    assert held(store, "Zürich") == (10, 0)


def test_scripts_that_the_server_forgot_are_sent_again(store: RedisBudgetStore, raw: redis.Redis) -> None:
    """A restarted server knows no script."""
    spend(store, make_claim(10))
    raw.script_flush()
    spend(store, make_claim(10))
    assert held(store) == (20, 0)


# -- leases ----------------------------------------------------------------------------------------------------------


def test_the_lease_of_another_machine_ends_by_the_servers_time(
    store: RedisBudgetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody here can tell whether a process over there lives."""
    elsewhere = Owner("another machine", 1, "1")
    with monkeypatch.context() as patch:
        patch.setattr("langchain_costguard.stores.redis.this_process", lambda: elsewhere)
        store.reserve(make_reservation(make_claim(60), lease_us=60_000_000))
        assert store.expire() == []
        assert store.renew(0) == 1
    assert ask(store, make_claim(41)).refusals[0].spent == 60
    assert held(store) == (60, 0)


def test_a_reservation_that_was_not_answered_is_released_when_the_server_answers(
    store: RedisBudgetStore, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process lives on, so nobody else would ever release it."""
    reservation = make_reservation(make_claim(100))
    script = store._scripts["admit"]

    def sent_and_not_answered(**arguments: Any) -> None:
        script(**arguments)
        raise redis.TimeoutError

    with monkeypatch.context() as patch:
        patch.setitem(store._scripts, "admit", sent_and_not_answered)
        with pytest.raises(StoreError, match=r"did not answer in time.*timeout_seconds="):
            store.reserve(reservation)
    assert ask(store, make_claim(100)).is_admitted
    with pytest.raises(StoreError, match="reserve again under a new id"):
        store.reserve(reservation)


def test_a_release_that_was_not_answered_is_made_up_for(
    store: RedisBudgetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that was never made must not hold its budget because the server was away for a moment."""

    def not_sent(**_: Any) -> None:
        raise redis.ConnectionError

    reservation = admit(store, make_claim(100))
    with monkeypatch.context() as patch:
        patch.setitem(store._scripts, "settle", not_sent)
        with pytest.raises(StoreError, match="cannot be reached"):
            store.settle(settlement(reservation, 0))
    assert store.renew(60_000_000) == 0
    assert held(store) == (0, 0)
    assert not store.settle(settlement(reservation, 0)).is_applied


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_connection_and_reservations_of_its_own(store: RedisBudgetStore) -> None:
    """Two processes on one connection would read each other's answers."""
    reservation = admit(store, make_claim(10))
    child = os.fork()
    if child == 0:
        os._exit(0 if ask(store, make_claim(20)).is_admitted and store.renew(60_000_000) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    store.expire()
    assert held(store) == (20, 10)
    assert store.settle(settlement(reservation, 5)).is_applied


def test_a_connection_that_the_server_closed_is_opened_again(store: RedisBudgetStore, raw: redis.Redis) -> None:
    """Servers and firewalls close what is idle; the next call must not fail for it."""
    spend(store, make_claim(10))
    raw.client_kill_filter(_type="normal", skipme=True)
    spend(store, make_claim(10))
    assert held(store) == (20, 0)


# -- a server in trouble ---------------------------------------------------------------------------------------------


def test_a_server_that_went_away_is_named_and_found_again() -> None:
    """A hard budget refuses while it cannot be checked, and goes on afterwards."""
    with valkey_server() as url:
        store = RedisBudgetStore(url)
        spend(store, make_claim(10))
    with pytest.raises(StoreError, match=r"redis://127\.0\.0\.1:\d+/0 cannot be reached: start the server"):
        ask(store, make_claim(10))
    with pytest.raises(StoreError, match="cannot be reached"):
        RedisBudgetStore(url)
    store.close()


def test_a_password_is_used_and_never_shown() -> None:
    """Locations and errors are printed, logged and pasted."""
    with valkey_server("--requirepass", "hunter2") as url:
        with closing(RedisBudgetStore(url.replace("//", "//:hunter2@"))) as store:
            spend(store, make_claim(10))
            assert "hunter2" not in f"{store!r} {store.location}"
        for wrong in (url, url.replace("//", "//:hunter3@")):
            with pytest.raises(StoreError, match="give name and password in the URL") as caught:
                RedisBudgetStore(wrong)
            assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://:hun/ter2@host:6379/0", "redis://:hunter2@host:port/0", "http://:hunter2@h"])
def test_a_url_that_is_not_understood_is_refused_without_its_password(url: str) -> None:
    """The fault is often in the password itself."""
    with pytest.raises(StoreError, match="give one such as") as caught:
        RedisBudgetStore(url)
    assert "ter2" not in f"{caught.value} {caught.value.__cause__}"


def test_a_server_that_may_evict_counters_is_refused() -> None:
    """A cache server forgets a budget when its memory is full, and nobody would notice."""
    with valkey_server("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru") as url:
        with pytest.raises(StoreError, match=r"maxmemory-policy allkeys-lru.*allow_eviction=True"):
            RedisBudgetStore(url)
        RedisBudgetStore(url, allow_eviction=True).close()


def test_a_full_server_is_named_and_nothing_is_reserved() -> None:
    """A step is done in whole or not at all."""
    with valkey_server("--maxmemory", "50mb", "--maxmemory-policy", "noeviction") as url:
        store = RedisBudgetStore(url)
        with redis.Redis.from_url(url) as client:
            client.config_set("maxmemory", "1")
            with pytest.raises(StoreError, match="has no memory left: raise `maxmemory`"):
                ask(store, make_claim(10))
            client.config_set("maxmemory", "50mb")
        assert held(store) == (0, 0)
        store.close()


def test_keys_of_another_program_are_not_mistaken_for_budgets(store: RedisBudgetStore, raw: redis.Redis) -> None:
    """Somebody may have used the prefix before."""
    raw.set("{costguard}:budgets", "mine")
    with pytest.raises(StoreError, match="must belong to budgets alone"):
        store.counters()


# -- the server's time -----------------------------------------------------------------------------------------------


def test_the_servers_time_follows_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that took long shows a time that has passed; one that shows a much earlier time shows a set clock."""
    here = 1_000_000_000
    monkeypatch.setattr("langchain_costguard.stores.redis_clock._monotonic_us", lambda: here)
    clock = ServerClock()
    clock.learn(5_000_000_000)
    here += 1_000
    clock.learn(5_000_000_400)
    assert clock.now_us() == 5_000_000_999
    clock.learn(5_000_001_200)
    assert clock.now_us() == 5_000_001_200
    clock.learn(4_000_000_000)
    assert clock.now_us() == 4_000_000_000
