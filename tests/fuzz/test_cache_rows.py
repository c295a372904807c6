"""Rows of a cache that something else has changed: a miss, and never a wrong answer nor an error."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.semantic_cache.vectors import similarity_of
from langchain_costguard.stores.cache_rows import entry_of, is_served
from tests.fuzz.strategies import fuzz, scalars

ROW: Final = (1, b"p" * 16, b"e" * 16, b"[]", 5, None, None, "n", "m", b"text", "fp", 5, 0, 5, 1234)


@fuzz(120)
@given(at=st.integers(0, len(ROW) - 1), value=scalars | st.binary(max_size=20))
def test_a_row_that_was_changed_is_no_entry(at: int, value: Any) -> None:
    """The checksum tells what is served; the rest must at least not raise."""
    row = (*ROW[:at], value, *ROW[at + 1 :])
    is_served(entry_of(row), 10)


@fuzz(60)
@given(stored=st.binary(max_size=40), size=st.integers(1, 10))
def test_damaged_vectors_are_alike_to_nothing_beyond_one(stored: bytes, size: int) -> None:
    """A similarity that is no number would be above every threshold or below none."""
    vector = np.ones(size, dtype=np.float32) / np.sqrt(size, dtype=np.float32)
    assert 0.0 <= similarity_of(stored, vector) <= 1.0
