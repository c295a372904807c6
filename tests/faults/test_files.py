"""Files that were deleted, cut short, overwritten, or are of another release: ledger, cache and batch jobs."""

from __future__ import annotations

import logging
import sqlite3
import sys
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from langchain_costguard import Budget, BudgetStoreError, CostCallbackHandler, SemanticCache
from langchain_costguard.batching import BatchError, list_batches
from langchain_costguard.exceptions import CostGuardError, StoreError, StoreVersionError
from langchain_costguard.stores import SQLStore
from langchain_costguard.stores.migrations import VERSION_TABLE
from tests.faults.asking import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from langchain_costguard.testing import LoopbackProvider

pytestmark = [
    pytest.mark.timeout(40),
    pytest.mark.filterwarnings("ignore::langchain_costguard.exceptions.UntrackedStoreWarning"),
]


def chat(provider: LoopbackProvider, **settings: Any) -> Any:
    """A chat model whose calls are bounded and sent once."""
    return provider.chat_model(max_tokens=60, max_retries=0, **settings)


def _remove(path: Path) -> None:
    for file in path.parent.glob(path.name + "*"):
        file.unlink()


def overwritten(path: Path) -> None:
    """Somebody else's bytes are in the middle of every page."""
    content = bytearray(path.read_bytes())
    for page in range(0, len(content), 4096):
        content[page + 100 : page + 600] = b"\x5a" * len(content[page + 100 : page + 600])
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    """The second half is missing."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 1])


def no_database(path: Path) -> None:
    """It is a text."""
    path.write_text("This was a ledger once. " * 400)


def newer(path: Path) -> None:
    """A release to come has laid it out."""
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 - a constant
        file.commit()


def ask_under_budgets(provider: LoopbackProvider, path: Path) -> None:
    """Open a ledger, and make a call; an error of either is raised."""
    handler = CostCallbackHandler(SQLStore(path), budgets=[Budget("1.00")])
    chat(provider).invoke("hello", {"callbacks": [handler]})


_DAMAGES = (overwritten, cut_short, no_database)


@pytest.mark.parametrize("damage", [*_DAMAGES, newer])
def test_a_ledger_damaged_while_closed_is_refused_with_the_way_out(
    provider: LoopbackProvider, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Nothing is guessed of it, nothing overwritten, and no call is made under budgets that cannot be read."""
    path = tmp_path / "costs.db"
    with SQLStore(path) as store:
        handler = CostCallbackHandler(store, budgets=[Budget("1.00")])
        chat(provider).invoke("hello", {"callbacks": [handler]})
    damage(path)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        ask_under_budgets(provider, path)
    assert isinstance(caught.value, StoreVersionError) is (damage is newer)
    assert any(word in str(caught.value) for word in ("move it away", "pip install", "another path", "store="))
    assert path.read_bytes() == before
    assert len(provider.requests) == 1


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_ledger_damaged_while_in_use_refuses_or_knows_and_loses_no_line(
    provider: LoopbackProvider, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """A call is refused, or answered and known; once the file is moved away, what waited is written to a new one."""
    path = tmp_path / "costs.db"
    store = SQLStore(path, timeout_seconds=0.3)
    handler = CostCallbackHandler(store, budgets=[Budget("1.00")])
    chat(provider).invoke("hello", {"callbacks": [handler]})
    damage(path)
    store._connections._writer.execute("PRAGMA shrink_memory")  # type: ignore[union-attr] # it is open
    asked = ask(chat(provider), "invoke", callbacks=[handler])
    assert asked.error is None or isinstance(asked.error, CostGuardError)
    assert len(provider.requests) == 1 + (asked.error is None)
    assert handler.total_cost == provider.billed
    _remove(path)
    assert ask(chat(provider), "invoke", callbacks=[handler]).error is None
    handler.flush()
    assert handler.total_cost == provider.billed
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not delete files that are open")
def test_a_ledger_deleted_while_in_use_begins_anew_and_says_so(
    provider: LoopbackProvider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was spent is gone with the file: nobody must learn that from the bill."""
    path = tmp_path / "costs.db"
    with SQLStore(path) as store:
        handler = CostCallbackHandler(store, budgets=[Budget("1.00")])
        chat(provider).invoke("hello", {"callbacks": [handler]})
        first = provider.billed
        _remove(path)
        with caplog.at_level(logging.ERROR, logger="langchain_costguard"):
            chat(provider).invoke("hello", {"callbacks": [handler]})
        assert "was deleted or replaced while it was in use" in caplog.text
        assert handler.budgets()[0].spent == provider.billed - first


def test_a_ledger_deleted_while_closed_is_a_new_one(provider: LoopbackProvider, tmp_path: Path) -> None:
    """A file that is not there cannot say that it was: its budgets begin at nothing, as the documentation says."""
    path = tmp_path / "costs.db"
    for _ in range(2):
        with SQLStore(path) as store:
            handler = CostCallbackHandler(store, budgets=[Budget("1.00")])
            chat(provider).invoke("hello", {"callbacks": [handler]})
            assert handler.flush()
            assert handler.budgets()[0].spent == provider.billed / len(provider.requests)
        _remove(path)


@pytest.mark.parametrize("moment", ["closed", "in use", "locked", "deleted"])
def test_a_cache_in_trouble_never_breaks_a_call(provider: LoopbackProvider, tmp_path: Path, moment: str) -> None:
    """A cache saves money; without it calls cost what they cost."""
    path = tmp_path / "cache.db"
    cache = SemanticCache(embedder=False, store=path)
    model = chat(provider, cache=cache)
    assert model.invoke("hello").text == model.invoke("hello").text
    assert len(provider.requests) == 1
    other = sqlite3.connect(path, isolation_level=None)
    if moment == "locked":
        other.execute("BEGIN EXCLUSIVE")
    elif moment == "deleted":
        _remove(path)
    else:
        overwritten(path)
    if moment == "closed":
        cache.store.close()
    for number in range(3):
        assert model.invoke(f"hello {number}").text
    other.close()
    cache.store.close()


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_damaged_file_of_batch_jobs_is_refused_with_the_way_out(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """What was submitted is still at the provider, and the error says so."""
    path = tmp_path / "batches.db"
    assert list_batches(store=path) == []
    for log in tmp_path.glob("batches.db-*"):
        log.unlink()
    damage(path)
    with pytest.raises(BatchError, match=r"another path with store="):
        list_batches(store=path)


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_a_clock_that_is_set_costs_no_call_and_frees_no_money(
    provider: LoopbackProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """Stores go by a clock that is not set: windows neither end early nor count twice."""
    handler = CostCallbackHandler(tmp_path / "costs.db", budgets=[Budget("1.00", per="day")])
    chat(provider).invoke("hello", {"callbacks": [handler]})
    import time

    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + seconds * 10**9)
    chat(provider).invoke("hello", {"callbacks": [handler]})
    assert handler.flush()
    (status,) = handler.budgets()
    assert (status.spent, status.reserved) == (provider.billed, Decimal(0))
    assert {line.status for line in handler.store.entries()} == {"ok"}


def test_a_refusal_is_a_budget_store_error() -> None:
    """The class that callers catch."""
    assert issubclass(BudgetStoreError, StoreError)
