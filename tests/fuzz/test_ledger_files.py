"""Files and rows of ledgers: damaged ones are refused whole and name the line, whole ones come back as they were."""

# ruff: noqa: PT017 - mutated data may be refused or taken; what a refusal says is checked where it comes up

from __future__ import annotations

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.exceptions import LedgerFormatError
from langchain_costguard.exports import import_entries, read_jsonl, write_jsonl
from langchain_costguard.exports.lines import write_line
from langchain_costguard.stores import InMemoryStore, SQLStore
from langchain_costguard.stores.rows import from_row, to_row
from langchain_costguard.testing.lines import full_entry, random_lines
from tests.fuzz.strategies import File, entries_of, fuzz, json_files, mutated_bytes, texts

if TYPE_CHECKING:
    from langchain_costguard.ledger import LedgerEntry

LINE: Final[dict[str, Any]] = json.loads(write_line(full_entry(), with_digests=True))
FILE: Final = "".join(write_line(line, with_digests=True) for line in random_lines(3)).encode()

files: Final = mutated_bytes(FILE) | st.lists(json_files(LINE), min_size=1, max_size=2).map(
    lambda lines: File(b"\n".join(lines))
)


@fuzz(200)
@given(data=files)
def test_a_file_of_lines_is_read_or_refused_with_the_line_named(data: bytes) -> None:
    """An archive is all there or is not; half of it would be a smaller bill."""
    store = InMemoryStore()
    try:
        import_entries(store, read_jsonl(io.BytesIO(data)))
    except LedgerFormatError as error:
        assert not list(store.entries())
        assert error.line is not None
        assert f"Line {error.line} " in str(error)
        return
    lines = list(store.entries())
    for line in lines:
        assert line.billed_nano is None or type(line.billed_nano) is int
        to_row(line)
    file = io.StringIO()
    write_jsonl(lines, file, with_digests=True)
    assert list(read_jsonl(io.StringIO(file.getvalue()))) == lines


entries: Final = entries_of(
    texts,
    techniques=st.lists(texts, max_size=2).map(tuple),
    metadata=st.dictionaries(texts, texts | st.integers() | st.floats() | st.booleans(), max_size=3),
    billed_nano=st.none() | st.integers(-(10**30), 10**30),
)


@fuzz(60)
@given(line=entries)
def test_what_one_store_gave_another_gives_back(line: LedgerEntry, tmp_path: Path) -> None:
    """A row that was cut or cleaned once stays as it is, in memory and in a database."""
    kept = from_row(to_row(line))
    assert from_row(to_row(kept)) == kept
    with SQLStore(tmp_path / "a.db") as database:
        for store in (InMemoryStore(), database):
            store.append(kept)
            assert [found for found in store.entries() if found.run_id == kept.run_id] == [kept]


@fuzz(10)
@given(lines=st.lists(entries, min_size=1, max_size=4, unique_by=lambda line: line.run_id))
def test_export_and_import_is_the_identity_on_a_database(lines: list[LedgerEntry]) -> None:
    """What was moved to another ledger is what was in the first, whatever users called things."""
    with TemporaryDirectory() as folder:
        first, second = SQLStore(Path(folder) / "a.db"), SQLStore(Path(folder) / "b.db")
        for line in lines:
            first.append(line)
        kept = list(first.entries())
        assert len(kept) == len(lines)
        file = Path(folder) / "a.jsonl"
        if any(line.billed_nano is not None and line.billed_nano < 0 for line in kept):
            with pytest.raises(LedgerFormatError, match="billed_nano_usd cannot be"):
                _moved(kept, file, second)
            assert not list(second.entries())
        else:
            _moved(kept, file, second)
            assert list(second.entries()) == kept
        first.close()
        second.close()


def _moved(lines: list[LedgerEntry], file: Path, store: SQLStore) -> None:
    write_jsonl(lines, file, with_digests=True)
    import_entries(store, read_jsonl(file))
