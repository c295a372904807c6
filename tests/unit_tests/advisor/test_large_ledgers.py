"""A ledger of 20,000 lines is read once, and every call of it is in the columns."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from benchmarks.advisor import write_large
from langchain_costguard.advisor import advise
from langchain_costguard.stores import SQLStore

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_large_ledger_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second pass over a million lines is half a minute; `benchmarks/advisor.py` takes the time."""
    path = tmp_path / "costs.db"
    write_large(path, 20_000)
    reads = []
    read = SQLStore.entries

    def noted(store: SQLStore, *arguments: Any) -> Any:
        reads.append(arguments)
        return read(store, *arguments)

    monkeypatch.setattr(SQLStore, "entries", noted)
    with SQLStore(path) as store:
        found = advise(store)
        assert len(reads) == 1
        assert found.calls == 20_000
        assert found.billed_cost == store.totals()[0].billed_cost
    assert Decimal(0) < found.combined.expected <= found.billed_cost
