"""The vectors of one partition in memory, searched exactly while they are few and through one bit a dimension else.

Threads search without a lock: rows are only ever appended behind what is published, a removed row is blanked in place,
and what is grown or tidied is a new set of arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from langchain_costguard.stores.cache_base import StoredVector

FLAT_UP_TO: Final = 1024
"""A partition of more vectors is searched by bits first; below, comparing all of them takes no longer."""

RESCORED: Final = 128
"""How many of the rows that agree in most bits are compared in full."""

_FIRST_ROWS: Final = 64
_BLOCK: Final = 32_768
"""Rows whose bits are compared at a time, so that what is in between stays in the processor's cache."""
_WORD_BITS: Final = 64
_LENGTH_TOLERANCE: Final = 1e-3
_FLOAT_BYTES: Final = 4
_SPARE_SHARE: Final = 4
"""Arrays are tidied once a fourth of their rows is blank."""


class Near(NamedTuple):
    """A row near a query."""

    entry_id: int
    similarity: float
    """The cosine, in [0, 1]: vectors at more than a right angle count as 0."""


class _Rows(NamedTuple):
    """What is published: the first `length` rows of the arrays."""

    length: int
    vectors: NDArray[np.float32]
    entry_ids: NDArray[np.int64]
    """0 where the row was removed."""
    bits: _Bits | None
    """`None` while the rows are few."""


class _Bits(NamedTuple):
    """One bit for each dimension of each row."""

    words: NDArray[np.uint64]
    """One column a row: whether each dimension is above `centre`, 64 to a word."""
    centre: NDArray[np.float32]
    """The mean of the vectors when bits were first made: embeddings of any text have directions in common."""


class PartitionVectors:
    """The vectors of one partition and one embedder. One thread at a time may change it, any may search it.

    Args:
        dims: how many dimensions they have; vectors of any other number, or not of length 1, are left out.
    """

    def __init__(self, dims: int) -> None:
        """Begin with none."""
        self.dims = dims
        self._rows: _Rows = _Rows(0, *self._room(_FIRST_ROWS), None)
        self._row_of: dict[int, int] = {}
        """By the number of the change that wrote the vector."""
        self._blank: int = 0

    def __len__(self) -> int:
        """How many vectors there are."""
        return len(self._row_of)

    @property
    def memory_bytes(self) -> int:
        """What the arrays take, spare rows included."""
        rows = self._rows
        bits = 0 if rows.bits is None else rows.bits.words.nbytes
        return rows.vectors.nbytes + rows.entry_ids.nbytes + bits + len(self._row_of) * _FIRST_ROWS

    def reserve(self, count: int) -> None:
        """Make room for this many vectors in all, so that the arrays need not grow on the way."""
        if count > len(self._rows.vectors):
            self._resize(count)

    def add(self, stored: Sequence[StoredVector]) -> None:
        """Take vectors; those that are there already, damaged or of another size are left out."""
        width = self.dims * _FLOAT_BYTES
        new = [item for item in stored if item.change not in self._row_of and len(item.vector) == width]
        if not new:
            return
        vectors = np.frombuffer(b"".join(item.vector for item in new), dtype="<f4").reshape(len(new), self.dims)
        whole = np.abs(np.einsum("ij,ij->i", vectors, vectors) - 1) <= _LENGTH_TOLERANCE  # false for a NaN
        if not whole.all():
            new = [item for item, is_whole in zip(new, whole, strict=True) if is_whole]
            vectors = vectors[whole]
        self._append(vectors, new)

    def remove(self, changes: Iterable[int]) -> None:
        """Blank the rows that these changes wrote."""
        rows = self._rows
        for change in changes:
            row = self._row_of.pop(change, None)
            if row is not None:
                rows.entry_ids[row] = 0
                rows.vectors[row] = 0
                self._blank += 1
        if self._blank * _SPARE_SHARE > max(rows.length, _FIRST_ROWS):
            self._resize(rows.length)

    def nearest(self, query: NDArray[np.float32], k: int) -> list[Near]:
        """The rows nearest to a query of length 1, nearest first.

        Args:
            query: `(dims,)`.
            k: how many at most.
        """
        rows = self._rows
        chosen = None if rows.bits is None else _agreeing(rows.bits, rows.length, query, max(RESCORED, k))
        vectors = rows.vectors[: rows.length] if chosen is None else rows.vectors[chosen]
        cosines = np.einsum("ij,j->i", vectors, query)  # never BLAS: its threads wait for one another on a busy machine
        best = _largest(cosines, k)
        numbers = rows.entry_ids[best if chosen is None else chosen[best]]
        similarities = np.clip(cosines[best], 0.0, 1.0)
        return [Near(int(a), float(b)) for a, b in zip(numbers, similarities, strict=True) if a]

    def _append(self, vectors: NDArray[np.float32], stored: Sequence[StoredVector]) -> None:
        length = self._rows.length + len(stored)
        if length > len(self._rows.vectors):
            self._resize(max(length, 2 * self._rows.length))
            length = self._rows.length + len(stored)
        rows = self._rows
        rows.vectors[rows.length : length] = vectors
        rows.entry_ids[rows.length : length] = [item.entry_id for item in stored]
        if rows.bits is not None:
            rows.bits.words[:, rows.length : length] = _bits(vectors, rows.bits.centre)
        self._row_of.update(zip((item.change for item in stored), range(rows.length, length), strict=True))
        self._rows = rows._replace(length=length)
        if rows.bits is None and length > FLAT_UP_TO:
            self._make_bits()

    def _make_bits(self) -> None:
        rows = self._rows
        centre: NDArray[np.float32] = rows.vectors[: rows.length].mean(axis=0)
        bits = np.zeros((_words(self.dims), len(rows.vectors)), dtype=np.uint64)
        for start in range(0, rows.length, _BLOCK):
            stop = min(start + _BLOCK, rows.length)
            bits[:, start:stop] = _bits(rows.vectors[start:stop], centre)
        self._rows = rows._replace(bits=_Bits(bits, centre))

    def _resize(self, capacity: int) -> None:
        """Copy the rows that are not blank into arrays of another size."""
        rows = self._rows
        kept = np.flatnonzero(rows.entry_ids[: rows.length])
        vectors, entry_ids = self._room(max(capacity, len(kept), _FIRST_ROWS))
        vectors[: len(kept)] = rows.vectors[kept]
        entry_ids[: len(kept)] = rows.entry_ids[kept]
        bits = rows.bits
        if bits is not None:
            words = np.zeros((len(bits.words), len(vectors)), dtype=np.uint64)
            words[:, : len(kept)] = bits.words[:, kept]
            bits = bits._replace(words=words)
        if self._blank:
            moved = {int(row): place for place, row in enumerate(kept)}
            self._row_of = {change: moved[row] for change, row in self._row_of.items()}
        self._blank = 0
        self._rows = _Rows(len(kept), vectors, entry_ids, bits)

    def _room(self, capacity: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return np.zeros((capacity, self.dims), dtype=np.float32), np.zeros(capacity, dtype=np.int64)


def _words(dims: int) -> int:
    return -(-dims // _WORD_BITS)


def _bits(vectors: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.uint64]:
    """One column for each vector: `(words, vectors)`."""
    packed = np.packbits(vectors > centre, axis=1)
    padded = np.zeros((len(packed), _words(vectors.shape[1]) * _WORD_BITS // 8), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64).T


def _agreeing(bits: _Bits, length: int, query: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The rows whose bits differ least from a query's, `count` of them and those that differ as little."""
    asked = _bits(query[None, :], bits.centre)[:, 0]
    distances = np.zeros(length, dtype=np.uint16)
    for start in range(0, length, _BLOCK):
        stop = min(start + _BLOCK, length)
        for row, word in zip(bits.words, asked, strict=True):
            distances[start:stop] += np.bitwise_count(row[start:stop] ^ word)
    counts = np.bincount(distances).cumsum()
    return np.flatnonzero(distances <= np.searchsorted(counts, count))


def _largest(values: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Where the `k` largest values are, largest first."""
    if k < len(values):
        chosen = np.argpartition(values, len(values) - k)[len(values) - k :]
        return chosen[np.argsort(-values[chosen], kind="stable")]
    return np.argsort(-values, kind="stable")
