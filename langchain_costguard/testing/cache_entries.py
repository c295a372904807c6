"""Entries of a cache and their vectors, for the tests of stores."""

from __future__ import annotations

import hashlib
import math
from array import array
from typing import Any, Final

from langchain_costguard.stores.cache_base import CacheEntry

NOW_US: Final = 1_750_000_000_000_000
HOUR_US: Final = 3_600_000_000
EMBEDDER: Final = "toy/3/00"
PARTITION: Final = b"p" * 32
OTHER_PARTITION: Final = b"q" * 32


def unit(*numbers: float) -> bytes:
    """A vector of length 1 in the direction of some numbers, as stores keep it."""
    length = math.sqrt(sum(number * number for number in numbers))
    return array("f", [number / length for number in numbers]).tobytes()


def make_entry(question: str, **changes: Any) -> CacheEntry:  # noqa: ANN401 - fields are of any type
    """An entry found by a question's words, and by a vector where one is given."""
    entry = CacheEntry(
        partition=PARTITION,
        exact=hashlib.sha256(question.encode()).digest(),
        answer=f"the answer to {question}".encode(),
        created_us=NOW_US,
        namespace="shop",
        model="gpt-5-mini",
        text=question,
        fingerprint=EMBEDDER if changes.get("vector") is not None else None,
    )
    return entry._replace(**changes)
