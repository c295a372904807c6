"""A database's budgets go by one time: a file's by this machine's clock without its jumps, a server's by its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from langchain_costguard.stores import SQLStore
from langchain_costguard.testing.claims import ask, make_claim

if TYPE_CHECKING:
    from pathlib import Path

_HOUR_NS = 3600 * 10**9
_MINUTE_US = 60 * 10**6


def test_a_files_time_does_not_jump_with_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set back by an hour must not open yesterday's budget again."""
    with SQLStore(tmp_path / "costs.db") as store:
        before_us, now_ns = store.now_us(), time.time_ns()
        monkeypatch.setattr(time, "time_ns", lambda: now_ns - _HOUR_NS)
        assert 0 <= store.now_us() - before_us < _MINUTE_US


@pytest.mark.required
def test_a_servers_time_is_what_counts_and_is_read_again(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers on machines whose clocks differ share one window."""
    with SQLStore(postgresql_url) as store:
        backend, now_ns = store._backend, time.time_ns()
        monkeypatch.setattr(time, "time_ns", lambda: now_ns - _HOUR_NS)
        assert abs(store.now_us() - now_ns // 1000) < _MINUTE_US
        behind_ns = backend._server_ahead_ns - _HOUR_NS
        monkeypatch.setattr(backend, "_server_ahead_ns", behind_ns)
        ask(store, make_claim(1))
        assert backend._server_ahead_ns == behind_ns
        monkeypatch.setattr(backend, "_clock_read_ns", time.monotonic_ns() - 2 * 60 * 10**9)
        ask(store, make_claim(1))
        assert abs(store.now_us() - now_ns // 1000) < _MINUTE_US
        ahead_us = store.now_us()
        monkeypatch.setattr(backend, "_server_ahead_ns", backend._server_ahead_ns + _HOUR_NS)
        store.close()
        ask(store, make_claim(1))
        assert store.now_us() - ahead_us >= _HOUR_NS // 1000
