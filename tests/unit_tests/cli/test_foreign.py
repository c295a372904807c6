"""`import --from`: last month of another system, in one command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.unit_tests.imports.excerpts import LITELLM, OPENAI

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = [
    dict(LITELLM, model="gpt-4o-mini"),
    dict(LITELLM, request_id="r2", model="nobody-knows-this"),
    dict(LITELLM, request_id="r3", prompt_tokens=-1),
]


def test_an_export_of_another_system_is_imported_and_told(tmp_path: Path, run: Callable[..., Any]) -> None:
    """What could not be read or priced is said where it can be mended; twice is once."""
    file, store = tmp_path / "spend.jsonl", str(tmp_path / "last-month.db")
    file.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    first = run("import", str(file), "--from", "litellm", "--store", store)
    assert (first.code, first.out) == (0, f"Imported 2 lines into {store}; 0 were there already.\n")
    assert "1 line without a cost (nobody-knows-this): give a price and use `reprice`" in first.err
    assert "row 3: prompt_tokens is negative (-1)" in first.err
    again = run("import", str(file), "--from", "litellm", "--store", store, "--json").json
    assert (again["new_lines"], again["known_lines"], again["unreadable_rows"]) == (0, 2, 1)
    assert run("report", "--store", store, "--json").json["total_cost"] == "0.00018"


def test_a_pipe_is_imported_with_what_it_leaves_open(tmp_path: Path, run: Callable[..., Any]) -> None:
    """An answer of the usage API goes into the ledger as it comes."""
    result = dict(OPENAI["data"][0]["results"][0], model="gpt-4o-mini", batch=None, start_time=1759622400)
    store = str(tmp_path / "costs.db")
    ended = run("import", "-", "--from", "openai", "--store", store, typed=json.dumps(result))
    assert ended.out.splitlines()[0] == f"Imported 1 line into {store}; 0 were there already."
    assert "1 row: it does not say whether it was batch" in ended.out


def test_a_file_that_is_refused_begins_no_ledger(tmp_path: Path, run: Callable[..., Any]) -> None:
    """A mistyped source must not leave an empty ledger behind."""
    file, store = tmp_path / "spend.jsonl", tmp_path / "costs.db"
    file.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    for command in (["--from", "langsmith"], ["--from", "litellm", "--strict"]):
        ended = run("import", str(file), *command, "--store", str(store))
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert run("import", str(tmp_path / "none"), "--from", "litellm", "--store", str(store)).code == 1
    assert not store.exists()
