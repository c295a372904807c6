"""Every line fits into a row, and comes out of it again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.stores.rows import COLUMNS, LARGEST_INTEGER, from_row, to_row
from langchain_costguard.testing.stores import make_entry
from langchain_costguard.usage import TokenUsage

if TYPE_CHECKING:
    from uuid import UUID

storable = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"))
anything = st.text(st.characters(blacklist_categories=[]) | st.sampled_from("\x00\ud800\udfff\\u0\"'"))
counts = st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
values = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


@given(
    name=storable,
    tags=st.lists(storable).map(tuple),
    metadata=st.dictionaries(storable, storable | values),
    usage=st.none() | st.builds(TokenUsage, *[counts] * 8, flags=st.lists(storable).map(tuple)),
    billed=st.none() | counts,
    digests=st.lists(st.binary(max_size=300)).map(tuple),
    run_id=st.uuids(),
)
def test_a_line_survives_the_way_into_a_row_and_back(
    name: str,
    tags: tuple[str, ...],
    metadata: dict[str, object],
    usage: TokenUsage | None,
    billed: int | None,
    digests: tuple[bytes, ...],
    run_id: UUID,
) -> None:
    """What is stored is what was recorded, whatever a user calls things."""
    line = make_entry(
        run_id=run_id,
        chain=name,
        user=name,
        tags=tags,
        metadata=metadata,
        usage=usage,
        billed_nano=billed,
        prefix_digests=digests,
    )
    assert from_row(to_row(line)) == line


@given(text=anything, figure=st.integers(), value=st.floats() | st.none() | st.lists(st.integers()))
def test_no_line_makes_a_row_that_a_database_refuses(text: str, figure: int, value: object) -> None:
    """A line that cannot be written would be tried again for ever, and hold up all others behind it."""
    line = make_entry(
        chain=text,
        error=text,
        tags=(text,),
        metadata={text: text, "odd": value, "size": figure},
        usage=TokenUsage(figure, flags=(text,)),
        billed_nano=figure,
        latency_us=figure,
    )
    row = to_row(line)
    assert len(row) == len(COLUMNS)
    for cell in row:
        if isinstance(cell, str):
            assert "\x00" not in cell
            cell.encode("utf-8")
        if isinstance(cell, int):
            assert abs(cell) <= LARGEST_INTEGER
    for name in ("tags", "metadata", "usage_flags"):
        json.loads(row[COLUMNS.index(name)], object_pairs_hook=_refuse_null, parse_constant=_refuse_constant)
    assert from_row(row).run_id == line.run_id


def _refuse_null(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """PostgreSQL's `jsonb` refuses a null character, even escaped."""
    assert not any("\x00" in str(part) for pair in pairs for part in pair if isinstance(part, str))
    return dict(pairs)


def _refuse_constant(name: str) -> None:
    """`NaN` and `Infinity` are not JSON; both databases refuse every question about such a row."""
    raise AssertionError(name)


def test_a_figure_that_was_cut_is_flagged_beside_the_flags_of_the_report() -> None:
    """A cut figure without a flag would be a wrong figure."""
    line = make_entry(usage=TokenUsage(10**20, flags=("input_tokens was a float",)))
    usage = from_row(to_row(line)).usage
    assert usage is not None
    assert usage.uncached_input == 10**16
    assert usage.flags == ("input_tokens was a float", "a figure beyond 10000000000000000 was cut to it")
