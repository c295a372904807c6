"""Exports of other systems, damaged in every way: refused whole with a remedy, or read with every bad row counted."""

# ruff: noqa: PT017 - mutated data may be refused or taken; what a refusal says is checked where it comes up

from __future__ import annotations

import gzip
import io
import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.exports import read_jsonl, write_jsonl
from langchain_costguard.imports import ForeignFormatError, import_from
from langchain_costguard.stores import InMemoryStore
from langchain_costguard.stores.rows import to_row
from tests.fuzz.strategies import File, fuzz, json_files, mutated_bytes
from tests.unit_tests.imports.excerpts import ANTHROPIC_CSV, EXPORTS, OPENAI_CSV, PRICES

if TYPE_CHECKING:
    from langchain_costguard.imports import ImportSource

SOURCES: Final = st.sampled_from(sorted(EXPORTS))
CSV: Final[dict[str, bytes]] = {
    "openai": OPENAI_CSV.encode(),
    "anthropic": ANTHROPIC_CSV.encode(),
    "litellm": b"request_id,model,startTime,prompt_tokens,completion_tokens,spend,metadata\n"
    b'r1,mini,2026-10-05T13:46:19Z,1000,100,0.5,"{}"\n"r2",mini,2026-10-05,5,6,,\n',
}


@st.composite
def exports(draw: st.DrawFn) -> tuple[ImportSource, bytes]:
    """A source and a file that is nearly one of its exports."""
    source = draw(SOURCES)
    valid = EXPORTS[source]
    kind = draw(st.sampled_from(["lines", "array", "page", "csv"]))
    if kind == "csv":
        data = draw(mutated_bytes(CSV.get(source, CSV["litellm"])))
    elif kind == "lines":
        data = b"\n".join(draw(st.lists(json_files(valid), min_size=1, max_size=3)))
    elif kind == "array":
        data = draw(json_files([valid, valid]))
    else:
        data = draw(json_files({"data": [valid], "has_more": False}, indent=draw(st.sampled_from([None, 1]))))
    if draw(st.integers(0, 9)) == 0:
        data = gzip.compress(data, mtime=0)
        data = data[: draw(st.integers(3, len(data)))]
    return source, File(data)


def check_lines(store: InMemoryStore) -> None:
    """What was taken can be kept by a database, and survives an export."""
    lines = list(store.entries())
    for line in lines:
        assert line.billed_nano is None or (type(line.billed_nano) is int and line.billed_nano >= 0)
        to_row(line)
    file = io.StringIO()
    write_jsonl(lines, file)
    again = list(read_jsonl(io.StringIO(file.getvalue())))
    assert [line.run_id for line in again] == [line.run_id for line in lines]
    assert [line.billed_nano for line in again] == [line.billed_nano for line in lines]


@fuzz(200)
@given(given_file=exports(), strict=st.booleans())
def test_a_foreign_export_is_read_or_refused_whole(given_file: tuple[Any, bytes], strict: bool) -> None:
    """Half a month that looks like a month is worse than none."""
    source, data = given_file
    store = InMemoryStore()
    try:
        done = import_from(source, io.BytesIO(data), store, prices=PRICES, strict=strict)
    except ForeignFormatError as error:
        assert not list(store.entries())
        assert error.source == source
        assert "export" in str(error)
        return
    assert done.new == len(list(store.entries()))
    assert not (strict and done.unreadable)
    check_lines(store)
    again = import_from(source, io.BytesIO(data), store, prices=PRICES)
    assert again.new == 0


@fuzz(10)
@given(source=SOURCES, lines=st.lists(st.text(max_size=40) | st.just(json.dumps(EXPORTS["litellm"])), max_size=4))
def test_any_text_is_read_or_refused(source: Any, lines: list[str]) -> None:
    """A wrong file in the wrong place is the usual mistake."""
    store = InMemoryStore()
    try:
        import_from(source, lines, store, prices=PRICES)
    except ForeignFormatError:
        assert not list(store.entries())
