"""Rows of a cache that something else has changed: a miss, and never a wrong answer nor an error."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from langchain_costguard.semantic_cache.vectors import similarity_of
from langchain_costguard.stores.cache_rows import entry_of, is_served, row_of
from langchain_costguard.testing.cache_entries import make_entry
from tests.fuzz.strategies import fuzz, scalars

ROW: Final = row_of(make_entry("What?"), 1)
ROW_AS_READ: Final = (*ROW[:14], ROW[15])
"""Stores read every cell but the size."""
SERVED: Final = frozenset({1, 2, 3, 9})
"""The cells that are served, or that say to whom."""


@fuzz(120)
@given(at=st.integers(0, len(ROW_AS_READ) - 1), value=scalars | st.binary(max_size=20))
def test_a_row_that_was_changed_is_no_entry(at: int, value: Any) -> None:
    """The checksum tells what is served; the rest must at least not raise."""
    assert is_served(entry_of(ROW_AS_READ), 10)
    is_same = type(value) is type(ROW_AS_READ[at]) and value == ROW_AS_READ[at]
    found = is_served(entry_of((*ROW_AS_READ[:at], value, *ROW_AS_READ[at + 1 :])), 10)
    assert not found or at not in SERVED or is_same


@fuzz(60)
@given(stored=st.binary(max_size=40), size=st.integers(1, 10))
def test_damaged_vectors_are_alike_to_nothing_beyond_one(stored: bytes, size: int) -> None:
    """A similarity that is no number would be above every threshold or below none."""
    vector = np.ones(size, dtype=np.float32) / np.sqrt(size, dtype=np.float32)
    assert 0.0 <= similarity_of(stored, vector) <= 1.0
