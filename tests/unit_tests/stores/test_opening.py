"""All who name one place share one store."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from langchain_costguard import _optional
from langchain_costguard.exceptions import OptionalDependencyError
from langchain_costguard.stores import InMemoryStore, SQLStore, location, open_store

if TYPE_CHECKING:
    from pathlib import Path


def test_a_place_is_one_store_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers of one store feed one recorder; that is how a call is booked once."""
    monkeypatch.chdir(tmp_path)
    store = open_store("costs.db")
    assert open_store(tmp_path / "costs.db") is store
    assert open_store("sqlite:///costs.db") is store
    assert open_store(store) is store
    assert open_store("other.db") is not store


def test_a_store_nobody_holds_is_let_go(tmp_path: Path) -> None:
    """A program that opens a ledger per tenant must not run out of files."""
    store = open_store(tmp_path / "costs.db")
    connections = store._connections
    del store
    gc.collect()
    assert connections._writer is None
    assert open_store(tmp_path / "costs.db").totals()[0].calls == 0


@pytest.mark.parametrize("spec", [None, "memory"])
def test_memory_is_a_new_ledger_each_time(spec: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two `with track_costs()` blocks must not see each other's calls."""
    monkeypatch.delenv("COSTGUARD_STORE", raising=False)
    assert isinstance(open_store(spec), InMemoryStore)
    assert open_store(spec) is not open_store(spec)


def test_the_environment_decides_where_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets `COSTGUARD_STORE` wants to keep what is tracked."""
    monkeypatch.setenv("COSTGUARD_STORE", str(tmp_path / "costs.db"))
    assert open_store().location == str((tmp_path / "costs.db").resolve())
    assert isinstance(open_store("memory"), InMemoryStore)


def test_the_default_file_is_announced(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that appears in a user's folder has been named in the log."""
    monkeypatch.delenv("COSTGUARD_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(location, "_announced", set())
    with caplog.at_level(logging.INFO, logger="langchain_costguard"):
        store = open_store("default")
        assert open_store("default") is store
    assert isinstance(store, SQLStore)
    assert [store.location in record.getMessage() for record in caplog.records] == [True]


def test_postgresql_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver is an extra, and `No module named psycopg` helps nobody."""

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(_optional, "import_module", missing)
    with pytest.raises(OptionalDependencyError, match=r"pip install 'langchain-costguard\[postgres\]'"):
        open_store("postgresql://bob:hunter2@db.example/costs")


def test_a_ledger_in_memory_needs_no_database_package() -> None:
    """`import langchain_costguard` must stay quick for those who keep nothing."""
    code = (
        "import sys; from langchain_costguard.stores import open_store; open_store('memory'); "
        "heavy = ('sqlalchemy', 'alembic', 'sqlite3', 'psycopg', 'platformdirs'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.strip() == "[]"
