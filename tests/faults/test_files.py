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
from langchain_costguard.exceptions import StoreError, StoreVersionError
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
    """Somebody else's bytes are in every page behind its header, where a page that is not full has its rows."""
    content = bytearray(path.read_bytes())
    for page in range(0, len(content), 4096):
        content[page + 100 : page + 4096] = b"\x5a" * len(content[page + 100 : page + 4096])
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


@pytest.mark.parametrize("moment", ["before", "served"], ids=["before a call", "during a call"])
@pytest.mark.parametrize("is_in_log", [True, False], ids=["rows in the log", "rows in the file"])
@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_ledger_damaged_while_in_use_refuses_or_knows_and_loses_no_line(
    provider: LoopbackProvider, tmp_path: Path, damage: Callable[[Path], None], moment: str, is_in_log: bool
) -> None:
    """A call is refused, or answered and known; once the file is moved away, what waited is written to a new one.

    As long as all rows are in the write-ahead log beside the file, SQLite reads nothing of the file: the damage is not
    felt, the line is written to the log, and goes with it. Otherwise no step goes through any more: before a call it is
    refused and there is no line; during one the line cannot be written and waits.
    """
    path = tmp_path / "costs.db"
    store = SQLStore(path)
    handler = CostCallbackHandler(store, budgets=[Budget("1.00")])
    chat(provider).invoke("hello", {"callbacks": [handler]})
    to_break = [moment]

    def break_it(now: str, *_: str) -> None:
        if now not in to_break:
            return
        to_break.clear()
        writer: Any = store._connections._writer
        if not is_in_log:
            assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        damage(path)
        writer.execute("PRAGMA shrink_memory")  # nothing is kept of what was read before

    provider.on_request(break_it)
    break_it("before")
    asked = ask(chat(provider), "invoke", callbacks=[handler])
    is_refused = moment == "before" and not is_in_log
    assert (type(asked.error) is BudgetStoreError) is is_refused, asked.error
    assert (asked.error is None) is not is_refused
    assert len(provider.requests) == 1 + (not is_refused)
    assert handler.total_cost == provider.billed
    waiting = handler.recorder.unsaved_lines
    assert waiting == (0 if is_in_log or is_refused else 1)
    _remove(path)
    assert ask(chat(provider), "invoke", callbacks=[handler]).error is None
    assert handler.flush()
    assert handler.total_cost == provider.billed
    store.close()
    with SQLStore(path) as anew:
        assert list(anew.entries()) == handler.entries()[-waiting - 1 :]


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
    """A cache saves money; without it calls cost what they cost, and each is answered with its own answer.

    What is damaged is moved aside and begins anew, and so does what was deleted: the cache works again at once, and
    has failed nobody. Only what is locked stays as it is, and is counted as failed.
    """
    path = tmp_path / "cache.db"
    cache = SemanticCache(embedder=False, store=path)
    model = chat(provider, cache=cache)
    provider.next(text="the answer to hello")
    assert model.invoke("hello").text == model.invoke("hello").text == "the answer to hello"
    assert len(provider.requests) == 1
    other = sqlite3.connect(path, isolation_level=None)
    if moment == "closed":
        other.close()
        cache.store.close()
        overwritten(path)
    elif moment == "in use":  # as long as its rows are in its log, nothing is read of the file
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        overwritten(path)
    elif moment == "locked":
        other.execute("BEGIN EXCLUSIVE")
    else:
        _remove(path)
    for number in range(3):
        provider.next(text=f"answer {number}")
        assert model.invoke(f"hello {number}").text == f"answer {number}"
    assert len(provider.requests) == 4
    assert (cache.stats().failures > 0) is (moment == "locked")
    assert bool(list(tmp_path.glob("cache.db.damaged-*"))) is (moment in {"closed", "in use"})
    again = [model.invoke(question).text for question in ("hello", "hello 2")]
    usual = "An answer from the loopback provider."  # what is locked can be read, and has kept nothing new
    assert again == (["the answer to hello", usual] if moment == "locked" else [usual, "answer 2"])
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
